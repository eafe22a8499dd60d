"""Statistics of clicks: by hand on small tables, and the counts of the published files on the real
ones.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_samples import REAL, needs_real_data
from wtal_core.data.annotations import read_activitynet_json, read_wtalc
from wtal_core.data.click_statistics import (
    action_runs,
    action_statistics,
    background_segments,
    background_statistics,
    class_positions,
    decile_shares,
    errors_by_video,
    grid_statistics,
    relative_positions,
    uniformity,
)
from wtal_core.data.clicks import read_action_clicks, read_background_clicks

THUMOS = REAL / "thumos14"


def frame(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"]).astype(
        {"t_start": float, "t_end": float}
    )


def clicked(*rows, label="background"):
    return pd.DataFrame(
        [(video, label, t) for video, t in rows], columns=["video", "label", "t"]
    ).astype({"t": float})


SEGMENTS = frame(
    ("b", "dive", 5, 6),
    ("b", "put", 1, 2),
    ("b", "put", 1.5, 3),
    ("b", "put", 6, 7),
    ("a", "dive", 0, 4),
    ("b", "put", 4, 4),
)
DURATIONS = pd.Series({"a": 4.0, "b": 9.0, "c": 2.0})


def spans(table):
    return [tuple(row) for row in table.values.tolist()]


def test_runs_and_background():
    assert spans(action_runs(SEGMENTS)) == [("b", 1, 3), ("b", 5, 7), ("a", 0, 4)]
    assert spans(background_segments(SEGMENTS, DURATIONS)) == [
        ("b", 0, 1),
        ("b", 3, 5),
        ("b", 7, 9),
        ("c", 0, 2),
    ]
    assert len(action_runs(frame())) == 0 and len(background_segments(frame(), DURATIONS)) == 3


def test_an_instance_beyond_the_end():
    assert spans(
        background_segments(frame(("c", "put", 1, 5), ("c", "put", 7, 9)), DURATIONS.loc[["c"]])
    ) == [("c", 0, 1)]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(0, 8)), max_size=10)
)
def test_background_is_the_complement(rows):
    segments = frame(*((video, "put", start, start + length) for video, start, length in rows))
    found = background_segments(segments, pd.Series({"a": 12.0, "b": 16.0}))
    for video, duration in (("a", 12), ("b", 16)):
        inside, free = np.zeros(40, bool), np.zeros(40, bool)
        for row in segments[segments["video"] == video].itertuples():
            inside[int(row.t_start) : int(row.t_end)] = True
        for row in found[found["video"] == video].itertuples():
            assert (
                not free[int(row.t_start) : int(row.t_end)].any()
                and 0 <= row.t_start < row.t_end <= duration
            )
            free[int(row.t_start) : int(row.t_end)] = True
        np.testing.assert_array_equal(free[:duration], ~inside[:duration])
        assert len(found[found["video"] == video]) == int((np.diff(np.r_[0, free]) > 0).sum())


def test_positions():
    found = relative_positions(
        clicked(("b", 3.5), ("b", 2.0), ("c", 1.0), ("b", 5.0), ("x", 1.0), ("b", 3.0)),
        background_segments(SEGMENTS, DURATIONS),
    )
    assert spans(found) == [("b", 3.5, 2, 0.25), ("c", 1, 2, 0.5), ("b", 3, 2, 0)]


def test_of_two_instances_the_first_counts():
    found = class_positions(clicked(("b", 1.75), ("b", 5.5), label="put"), SEGMENTS)
    assert spans(found) == [("b", 1.75, 1, 0.75)]  # at 5.5 there is only a dive


def test_deciles_and_uniformity():
    even = (np.arange(100) + 0.5) / 100
    np.testing.assert_allclose(decile_shares(even), 10)
    np.testing.assert_array_equal(
        decile_shares(np.arange(11) / 10), [100 / 11] * 9 + [200 / 11]
    )  # borders go up
    assert uniformity(even) > 0.99 and uniformity(even**3) < 1e-6
    assert np.isnan(decile_shares(even[:0])).all() and np.isnan(uniformity(even[:0]))


def test_background_counts_by_hand():
    clicks = clicked(("b", 0.5), ("b", 0.75), ("b", 1.25), ("b", 6.0), ("a", 3.9), ("c", 1.0))
    found = background_statistics(clicks, SEGMENTS, DURATIONS)
    assert found == {
        "clicks": 6,
        "videos": 3,
        "mean of a video": 2,
        "median of a video": 1,
        "most in a video": 4,
        "in background": 3,
        "in action": 3,
        "near a boundary": 2,
        "segments": 4,
        "segments clicked": 2,
        "of those ≥ 2 s (%)": pytest.approx(100 / 3),
        "clicked more than once": 1,
        "most in a segment": 2,
    }
    assert errors_by_video(clicks, SEGMENTS).to_dict() == {"b": 2, "a": 1}


def test_grid_by_hand():
    """c in four snippets of half a second; b in nine of one, of which [7, 8) is background and [2,
    3) is not.
    """
    found = grid_statistics(clicked(("c", 0.1), ("c", 0.2), ("c", 1.9)), SEGMENTS, DURATIONS, 4)
    assert found == {
        "collisions": 1,
        "centre in background (%)": 100,
        "whole snippet in background (%)": 100,
    }
    segments = frame(("b", "put", 1, 2.25), ("b", "put", 5, 7.25))
    found = grid_statistics(
        clicked(("b", 2.3), ("b", 7.4), ("b", 0.5), ("b", 5.5)), segments, DURATIONS, 9
    )
    assert found == {
        "collisions": 0,
        "centre in background (%)": 75,
        "whole snippet in background (%)": 25,
    }


def test_action_counts_by_hand():
    clicks = pd.concat(
        [
            clicked(("b", 1.75), ("b", 5.5), ("typo", 1.0), ("b", 8.0), ("a", 1.0), label="put"),
            clicked(("b", 5.5), label="dive"),
        ]
    )
    found = action_statistics(clicks, SEGMENTS, pd.Series(["a", "b", "c"]))
    assert {
        key: found[key]
        for key in ("rows", "on known videos", "videos", "in their class", "in background")
    } == {"rows": 6, "on known videos": 5, "videos": 2, "in their class": 2, "in background": 1}
    assert (found["instances clicked"], found["instances"], found["class not in video"]) == (
        3,
        6,
        1,
    )
    assert found["mean position"] == pytest.approx((0.75 + 0.5) / 2)


@pytest.fixture(scope="module")
def truth():
    """The ground truth of BackTAL's repository: training instances and durations. It lacks four
    instances that others hold.
    """
    annotations = read_activitynet_json(THUMOS / "backtal_gt_thumos14.json")
    videos = annotations.of_subset("val")
    return (
        annotations.segments[annotations.segments["video"].isin(videos["video"])].reset_index(
            drop=True
        ),
        videos.set_index("video")["duration"],
    )


def background_clicks(number):
    return read_background_clicks(
        THUMOS / f"background_clicks/THUMOS14_Background-Click-Annotation_A{number}.txt"
    )


@needs_real_data
@pytest.mark.parametrize(
    "number, counts, long",
    [
        (1, [2264, 200, 11.32, 7, 129, 2131, 133, 95, 2880, 1844, 172, 26], 83.7),
        (2, [2323, 199, 11.67, 7, 121, 2279, 44, 31, 2880, 2265, 13, 3], 93.5),
        (3, [2344, 199, 11.78, 7, 121, 2203, 141, 92, 2880, 2069, 89, 13], 91.3),
    ],
)
def test_real_background_clicks(truth, number, counts, long):
    found = background_statistics(background_clicks(number), *truth)
    assert found.pop("of those ≥ 2 s (%)") == pytest.approx(long, abs=0.05)
    assert [round(float(value), 2) for value in found.values()] == counts


@needs_real_data
def test_real_background_segments(truth):
    segments, durations = truth
    background = background_segments(segments, durations)
    length = background["t_end"] - background["t_start"]
    assert (len(background), int((length < 0.5).sum()), round(length.sum())) == (2880, 334, 30120)
    assert 100 * length.sum() / durations.sum() == pytest.approx(72.1, abs=0.05)


@needs_real_data
def test_the_four_instances_that_one_file_lacks(truth):
    """Others hold 3007 training instances; the four more end beyond two videos' ends and change no
    background segment.
    """
    annotations = read_activitynet_json(THUMOS / "basnet_gt.json")
    segments = annotations.segments[annotations.segments["video"].isin(truth[1].index)]
    assert (len(truth[0]), len(segments), len(background_segments(segments, truth[1]))) == (
        3003,
        3007,
        2880,
    )
    assert background_statistics(background_clicks(1), segments, truth[1])["in action"] == 133


@needs_real_data
def test_real_errors_concentrate(truth):
    wrong = [errors_by_video(background_clicks(number), truth[0]) for number in (1, 2, 3)]
    assert [found["video_validation_0000205"] for found in wrong] == [34, 7, 32]
    assert [found["video_validation_0000314"] for found in wrong] == [19, 1, 25]


DECILES = {
    1: "9.15 10.79 9.71 9.85 10.04 11.26 10.18 9.29 10.93 8.78",
    2: "10.66 10.00 9.74 9.83 9.57 10.09 9.74 10.53 9.96 9.87",
    3: "9.80 10.62 10.85 9.62 9.35 10.26 10.58 8.99 10.99 8.94",
}
POOLED = "9.89 10.46 10.10 9.77 9.65 10.52 10.16 9.62 10.62 9.21"


def plain_shares(position):
    counts = np.histogram(position, 10, (0, 1))[0]
    return 100 * counts / counts.sum()


def assert_shares(position, printed, tolerance):
    """The specification's shares are counted without regard to positions on a border, which numpy's
    bins scatter.
    """
    np.testing.assert_allclose(
        plain_shares(position), [float(text) for text in printed.split()], atol=tolerance
    )


@needs_real_data
def test_real_positions(truth):
    background = background_segments(*truth)
    found = {
        number: relative_positions(background_clicks(number), background) for number in DECILES
    }
    pooled = pd.concat(found.values())["position"].to_numpy()
    for number, printed in DECILES.items():
        assert_shares(found[number]["position"].to_numpy(), printed, 0.0051)
    assert_shares(pooled, POOLED, 0.0051)
    border = np.abs(pooled * 10 - (pooled * 10).round()) < 1e-6
    assert (
        0.07 < border.mean() < 0.08
        and 0.1 < np.abs(decile_shares(pooled) - plain_shares(pooled)).max() < 0.4
    )
    p = [uniformity(one["position"].to_numpy()) for one in found.values()]
    assert [round(value, 2) for value in p] == [0.17, 0.32, 0.13] and round(
        uniformity(pooled), 3
    ) == 0.051


@needs_real_data
def test_the_second_annotator_is_u_shaped_in_long_segments(truth):
    found = relative_positions(background_clicks(2), background_segments(*truth))
    long = found["position"][found["length"] >= 4].to_numpy()
    shares = plain_shares(long).round(1)
    assert (shares[0], shares[5], shares[9]) == (15.9, 5.9, 15.1) and 5e-10 < uniformity(
        long
    ) < 5e-9


@needs_real_data
def test_shares_do_not_depend_on_which_copy_of_the_annotations(truth):
    annotations = read_wtalc(THUMOS / "Thumos14reduced-Annotations")
    videos = annotations.of_subset("validation").set_index("video")["duration"]
    segments = annotations.segments[annotations.segments["video"].isin(videos.index)].reset_index(
        drop=True
    )
    for number in (1, 2, 3):
        found = [
            relative_positions(background_clicks(number), background_segments(*one))
            for one in (truth, (segments, videos))
        ]
        shares = [decile_shares(one["position"][one["length"] >= 4].to_numpy()) for one in found]
        np.testing.assert_array_equal(*shares)


@needs_real_data
def test_real_clicks_on_the_grid(truth):
    found = [grid_statistics(background_clicks(number), *truth, 750) for number in (1, 2, 3)]
    assert [one["collisions"] for one in found] == [0, 0, 0]
    assert [round(one["centre in background (%)"], 1) for one in found] == [92.9, 96.3, 92.2]
    assert [round(one["whole snippet in background (%)"]) for one in found] == [86, 87, 84]


ACTION = {
    1: (2980, 2980, 200, 2859, 116, 2848, 0.305, 0.265),
    2: (2920, 2919, 200, 2850, 65, 2843, 0.573, 0.587),
    3: (3014, 3014, 199, 2896, 113, 2880, 0.600, 0.622),
    4: (2986, 2986, 200, 2938, 43, 2932, 0.340, 0.306),
}
ACTION_DECILES = {
    1: "14.3 23.1 18.3 15.4 12.6 6.8 4.6 2.3 2.1 0.6",
    2: "0.9 2.5 6.9 12.0 14.8 15.2 17.4 16.2 9.8 4.3",
    3: "0.9 2.4 4.4 9.2 12.5 16.8 19.8 19.1 11.0 4.1",
    4: "11.2 19.1 18.3 17.0 13.8 8.0 6.0 3.1 2.2 1.4",
}


@needs_real_data
@pytest.mark.parametrize("number", ACTION)
def test_real_action_clicks(number):
    """Instances clicked: those that hold a click of their class. The specification counts 2847,
    2841, 2879, 2932.
    """
    annotations = read_activitynet_json(THUMOS / "basnet_gt.json")
    videos = annotations.of_subset("train")["video"]
    segments = annotations.segments[annotations.segments["video"].isin(videos)].reset_index(
        drop=True
    )
    clicks = read_action_clicks(THUMOS / f"action_clicks/THUMOS{number}.txt")
    found = action_statistics(clicks, segments, videos)
    names = (
        "rows",
        "on known videos",
        "videos",
        "in their class",
        "in background",
        "instances clicked",
        "mean position",
        "median position",
    )
    assert tuple(round(float(found[name]), 3) for name in names) == ACTION[number]
    one_click = 100 / found["in their class"]
    assert_shares(
        class_positions(clicks, segments)["position"].to_numpy(),
        ACTION_DECILES[number],
        0.05 + one_click,
    )
    assert found["class not in video"] == {1: 0, 2: 5, 3: 0, 4: 2}[number]


@needs_real_data
@pytest.mark.parametrize(
    "name, rows, shares, means",
    [
        ("beoid", (589, 602, 604, 599), (95.7, 98.0), (0.443, 0.505, 0.490, 0.464)),
        ("gtea", (369, 367, 377, 367), (97.4, 99.7), (0.390, 0.332, 0.551, 0.484)),
    ],
)
def test_real_clicks_of_the_other_sets(name, rows, shares, means):
    folder = REAL / name / f"{name.upper()}-Annotations"
    annotations = read_wtalc(folder)
    videos = annotations.of_subset("training")["video"]
    segments = annotations.segments[annotations.segments["video"].isin(videos)].reset_index(
        drop=True
    )
    found = [
        action_statistics(
            read_action_clicks(folder / "single_frames" / f"{name.upper()}{i}.txt"),
            segments,
            videos,
        )
        for i in (1, 2, 3, 4)
    ]
    assert tuple(one["rows"] for one in found) == rows and {one["videos"] for one in found} == {
        len(videos)
    }
    share = [100 * one["in their class"] / one["rows"] for one in found]
    assert (min(share), max(share)) == pytest.approx(shares, abs=0.06)
    assert [one["mean position"] for one in found] == pytest.approx(means, abs=0.0025)
