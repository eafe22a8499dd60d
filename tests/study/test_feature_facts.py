"""`wtal data facts`: exact numbers of made features whose answers are known, and what is left out
where there is no answer.
"""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

import wtal_core
from tests.places import ROOT
from tests.tiny_dataset import CLASSES, tiny_dataset
from wtal_core.cli import facts_example, main
from wtal_core.data import facts as data_facts
from wtal_core.data.dataset import SEGMENT_COLUMNS, Video, empty_segments
from wtal_core.data.grid import SnippetTruth, inside
from wtal_core.data.stored import Stored
from wtal_core.evaluation.statistics import auc
from wtal_core.study import feature_facts as module
from wtal_core.study.feature_facts import feature_facts
from wtal_core.study.ridge import Classifier, ProductSums

PAGE = ROOT / "docs" / "feature_facts.md"


def made(train, test=(), segments=(), classes=("a", "b"), streams=("rgb",), labels=None):
    """A data set of one snippet a second. train, test: arrays [T, D], of every stream the same.
    segments: (video, class, start, end); videos are called train_0, ...
    """
    table = pd.DataFrame(list(segments), columns=SEGMENT_COLUMNS)
    of_video = (labels or {}) | {v: tuple(rows) for v, rows in table.groupby("video")["label"]}

    def videos(side, arrays):
        names = [f"{side}_{number}" for number in range(len(arrays))]
        return tuple(
            Video(name, {s: np.asarray(array, np.float32) for s in streams}, shown(name))
            for name, array in zip(names, arrays, strict=True)
        )

    def shown(name):
        return tuple(sorted(set(of_video.get(name, (classes[0],)))))

    return replace(
        tiny_dataset(),
        classes=tuple(classes),
        streams=tuple(streams),
        train=videos("train", train),
        test=videos("test", test),
        segments=table if len(table) else empty_segments(),
    )


def leaves(tree, place="") -> dict:
    """Dotted path -> value; lists and "left_out" are values."""
    if not isinstance(tree, dict) or place == "left_out":
        return {place: tree}
    paths = {}
    for key, inner in tree.items():
        paths |= leaves(inner, f"{place}.{key}" if place else key)
    return paths


def of_stream(dataset, stream="rgb") -> dict:
    return feature_facts(dataset)["streams"][stream]


def test_moments_of_channels():
    rows = [[0, 1, 5, 3], [2, 1, 5, -3], [0, 4, 5, 3], [2, 4, 5, -3]]
    channels = of_stream(made([rows[:1], rows[1:3]], [rows[3:]]))["channels"]
    assert channels["mean"] == {"5 %": 0.15, "50 %": 1.75, "95 %": 4.625}  # of 1, 2.5, 5, 0
    assert channels["sd"] == {"5 %": 0.15, "50 %": 1.25, "95 %": 2.775}  # of 1, 1.5, 0, 3
    assert channels["share_of_zeros"] == 2 / 16
    assert (channels["minimum"], channels["dead"]) == (-3, 1)
    expected = np.log(np.sqrt([2, 8.5, 25, 9])).std()
    assert channels["sd_of_log_rms"] == pytest.approx(expected, rel=1e-3)


def test_moments_lose_no_digits_where_the_deviation_is_small():
    rows = 1e6 + np.array([0, 1, 0, 1, 2, 2, 1, 1], float)[:, None]
    moments = data_facts.Moments(1)
    for part in (rows[:3], rows[3:3], rows[3:]):
        moments.add(part)
    assert moments.mean[0] == pytest.approx(rows.mean(), rel=1e-15)
    assert moments.variance[0] == pytest.approx(rows.var(), rel=1e-9)


def test_autocorrelation_of_a_period_is_exact():
    """+ - + - repeats after 2 snippets; a channel that never changes says nothing."""
    wave = np.tile([1.0, -1.0], 32)
    features = np.column_stack([wave, 3 - 2 * wave, np.full(64, 0.1)])
    found = of_stream(made([features]))["autocorrelation"]
    assert found == {"1": -1, "2": 1, "4": 1, "8": 1, "16": 1}


def test_autocorrelation_of_an_autoregressive_process():
    rng = np.random.default_rng(0)
    values = np.zeros((20_000, 8))
    for t in range(1, len(values)):
        values[t] = 0.8 * values[t - 1] + rng.normal(size=8)
    found = of_stream(made([values + 7]))["autocorrelation"]
    for lag in (1, 2, 4, 8, 16):
        assert found[str(lag)] == pytest.approx(0.8**lag, abs=0.02)


def test_autocorrelation_weighs_videos_by_length_and_does_not_join_them():
    wave = np.tile([1.0, -1.0], 8)[:, None]  # 16 snippets: -1 at lag 1
    slow = np.repeat([1.0, -1.0], 2)[:, None]  # 4 snippets: 1/3 of pairs differ
    found = of_stream(made([wave, slow, [[5.0]], np.zeros((0, 1))]))["autocorrelation"]
    assert found["1"] == pytest.approx((16 * -1 + 4 * (1 / 3)) / 20, rel=1e-3)
    assert found["2"] == pytest.approx((16 * 1 + 4 * -1) / 20)
    assert found["4"] == 1  # the longer one alone
    assert found["16"] is None


def test_norms_inside_and_outside_of_actions():
    features = [[3, 4], [6, 8], [0, 1], [0, 3], [9, 9]]
    dataset = made([features, [[0, 5]]], [], [("train_0", "a", 0.0, 2.0)])
    ambiguous = pd.DataFrame([("train_0", "Ambiguous", 4.0, 4.5)], columns=SEGMENT_COLUMNS)
    norm = of_stream(replace(dataset, ambiguous=ambiguous))["norm"]
    assert norm["action"] == {"mean": 7.5, "sd": 2.5}
    assert norm["background"] == {"mean": 2, "sd": 1}
    assert norm["all"]["mean"] == pytest.approx((5 + 10 + 1 + 3 + 162**0.5 + 5) / 6, rel=1e-3)


def test_cosines_of_class_means_are_those_that_were_made():
    """Three classes of equal length around the mean of all snippets, at 0, 90 and 180 degrees."""
    directions = {"a": (1, 0), "b": (0, 1), "c": (-1, 0)}
    features = [*directions.values(), (0, -1)]  # the last one is background: the mean is 0
    segments = [("train_0", label, float(i), i + 1.0) for i, label in enumerate(directions)]
    dataset = made([np.add(features, (10, 0))], [], segments, tuple("abc"))
    means = of_stream(dataset)["class_means"]
    assert means["cosine"]["mean"] == pytest.approx(-1 / 3, rel=1e-3)
    assert means["cosine"]["sd"] == pytest.approx(np.std([0, 0, -1]), rel=1e-3)
    assert [pair["classes"] for pair in means["largest_cosines"]] == [
        ["a", "b"],
        ["b", "c"],
        ["a", "c"],
    ]
    assert [pair["cosine"] for pair in means["largest_cosines"]] == pytest.approx([0, 0, -1])
    # eigenvalues of the three unit vectors: 2 and 1
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert means["effective_rank"] == pytest.approx(np.exp(entropy), rel=1e-3)
    raw = [np.array((11, 0)), np.array((10, 1)), np.array((9, 0))]
    pairs = [
        a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in itertools.combinations(raw, 2)
    ]
    assert means["cosine_from_zero"]["mean"] == pytest.approx(np.mean(pairs), rel=1e-3)


def test_the_effective_rank_of_snippets_counts_equal_directions():
    features = np.concatenate([np.eye(4), -np.eye(4)])
    assert of_stream(made([features]))["effective_rank"] == 4
    assert of_stream(made([features * [1, 1, 0, 0]]))["effective_rank"] == 2


def test_streams_that_say_the_same_are_correlated():
    rng = np.random.default_rng(0)
    dataset = made([rng.normal(size=(50, 3)) * [1, 2, 3]], streams=("rgb", "flow"))
    between = feature_facts(dataset)["between_streams"]
    assert between["same_channel_correlation"] == 1
    assert between["scale_correlation"] == 1
    features = dataset.train[0].features["rgb"]
    expected = np.abs(np.corrcoef(features.T)).mean()
    assert between["mean_absolute_correlation"] == pytest.approx(expected, rel=1e-3)


def test_a_class_that_shows_in_its_actions_only():
    """Actions tell the class, the background does not: it is the same in every video."""
    actions = {"a": (1.0, 0.0), "b": (0.0, 1.0)}
    arrays, segments = {}, []
    for side, number in itertools.product(("train", "test"), range(4)):
        label = "ab"[number % 2]
        arrays.setdefault(side, []).append([(0, 0), (0, 0), actions[label], actions[label]])
        segments.append((f"{side}_{number}", label, 2.0, 4.0))
    facts = of_stream(made(arrays["train"], arrays["test"], segments))
    assert facts["accuracy"] == {
        "whole_video": 1,
        "action_snippets": 1,
        "background_snippets": 0.5,
        "one_action_snippet": 1,
    }
    assert facts["auc"] == {"action": 1, "classes": 1}


def test_the_drawn_snippet_counts_with_its_own_class():
    """Each video has both labels, so that only the drawn snippet's own class can be wrong."""
    rows = [(1.0, 0.0), (0.0, 1.0)]
    segments = []
    for side, number in itertools.product(("train", "test"), range(8)):
        segments += [(f"{side}_{number}", "ab"[i], float(i), i + 1.0) for i in range(2)]
    facts = of_stream(made([rows] * 8, [rows] * 8, segments))
    assert facts["accuracy"]["one_action_snippet"] == 1
    assert facts["accuracy"]["whole_video"] == 1


def test_facts_of_the_tiny_data_set():
    facts = feature_facts(tiny_dataset())
    of_dataset = facts["dataset"]
    assert of_dataset["videos"] == {"train": 9, "test": 6}
    lengths = [12 + 3 * (number % 7) for number in range(9)]
    assert of_dataset["snippets"] == {"train": sum(lengths), "test": sum(lengths[:6])}
    assert of_dataset["snippets_taken"] == sum(lengths) + sum(lengths[:6])
    assert of_dataset["instances"] == of_dataset["videos"]
    assert of_dataset["instance_seconds"]["50 %"] == of_dataset["snippets_per_instance"] == 5
    assert of_dataset["coverage"]["train"] == pytest.approx(45 / sum(lengths), rel=1e-3)
    assert of_dataset["labels_per_video"] == {"train": 1, "test": 1}
    assert of_dataset["most_frequent_label"] == pytest.approx(1 / 3, rel=1e-3)
    assert of_dataset["fingerprint"] == "tiny 1"
    assert facts["workbook"] == wtal_core.__version__
    assert facts["left_out"] == {
        "no video of 32 snippets that vary": [
            "streams.rgb.autocorrelation.16",
            "streams.flow.autocorrelation.16",
        ]
    }
    assert facts["together"]["accuracy"]["whole_video"] == 1


def test_no_name_of_a_video_and_no_path_is_told():
    text = json.dumps(feature_facts(tiny_dataset()))
    assert "train_" not in text and "test_" not in text.replace("classified_test_videos", "")
    assert "/" not in text and len(text) < 6000


def test_without_segments_their_numbers_are_left_out_with_a_reason():
    full = feature_facts(tiny_dataset())
    facts = feature_facts(replace(tiny_dataset(), segments=empty_segments()))
    missing = {path for path, value in leaves(facts).items() if value is None}
    assert missing == {path for paths in facts["left_out"].values() for path in paths}
    assert {"streams.rgb.norm.action.mean", "streams.flow.auc.action", "together.auc.classes"} < (
        missing
    )
    assert set(leaves(facts)) == set(leaves(full))
    for stream in ("rgb", "flow"):
        own, other = facts["streams"][stream], full["streams"][stream]
        assert own["channels"] == other["channels"]
        assert own["accuracy"]["whole_video"] == other["accuracy"]["whole_video"]
        assert own["effective_rank"] == other["effective_rank"]
    assert facts["dataset"]["videos_without_segments"] == 15


def test_snippets_are_of_the_classes_that_fill_half_of_them():
    segments = [("train_0", "a", 0.5, 2.4), ("train_0", "b", 1.0, 1.2), ("train_0", "b", 1.5, 1.8)]
    dataset = made([np.zeros((4, 1))], [], segments)
    (video,) = dataset.train
    truth = SnippetTruth(dataset)
    assert truth.classes(video).astype(int).T.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0]]
    assert truth.background(video).tolist() == [False, False, True, True]
    for number, label in enumerate(dataset.classes):
        assert truth.classes(video)[:, number].tolist() == inside(dataset, video.id, label).tolist()


def test_videos_without_segments_are_no_background():
    dataset = tiny_dataset()
    kept = dataset.segments[dataset.segments["video"].str.startswith("train")]
    facts = feature_facts(replace(dataset, segments=kept))
    assert facts["dataset"]["coverage"]["test"] is None
    assert facts["dataset"]["videos_without_segments"] == 6
    assert facts["streams"]["rgb"]["auc"] == {"action": None, "classes": None}
    assert "streams.rgb.auc.action" in facts["left_out"]["no segments of test videos"]


def test_empty_and_one_snippet_videos():
    dataset = tiny_dataset()
    nothing = {stream: np.zeros((0, 6), np.float32) for stream in dataset.streams}
    short = {stream: np.ones((1, 6), np.float32) for stream in dataset.streams}
    added = (Video("empty", nothing, CLASSES[:1]), Video("short", short, ()))
    facts = feature_facts(replace(dataset, test=(*dataset.test, *added)))
    plain = feature_facts(dataset)
    assert facts["dataset"]["empty_videos"] == 1
    assert facts["dataset"]["classified_test_videos"] == plain["dataset"]["classified_test_videos"]
    for stream in ("rgb", "flow"):
        for group in ("autocorrelation", "accuracy", "auc"):
            assert facts["streams"][stream][group] == plain["streams"][stream][group]


def test_a_data_set_of_nothing_but_empty_and_equal_snippets():
    facts = feature_facts(made([np.zeros((0, 3))], [np.zeros((0, 3))]))
    of_rgb = leaves(facts["streams"]["rgb"])
    assert of_rgb.pop("class_means.largest_cosines") == []
    assert set(of_rgb.values()) == {None}
    segments = [(f"{side}_0", "a", 0.0, 2.0) for side in ("train", "test")]
    facts = of_stream(made([np.ones((4, 3))], [np.ones((4, 3))], segments))
    assert facts["channels"]["dead"] == 3
    assert facts["effective_rank"] is None
    assert facts["auc"] == {"action": 0.5, "classes": 0.5}


def test_the_same_data_give_the_same_numbers():
    first, again = (json.dumps(feature_facts(tiny_dataset())) for _ in range(2))
    assert first == again


def test_stored_features_are_read_one_video_at_a_time():
    dataset = tiny_dataset()
    reads = []

    def stored(video):
        def read(stream):
            reads.append(video.id)
            return video.features[stream]

        return replace(video, features=Stored(dataset.streams, (video.length, 6), read))

    on_disk = replace(
        dataset,
        train=tuple(map(stored, dataset.train)),
        test=tuple(map(stored, dataset.test)),
    )
    assert feature_facts(on_disk) == feature_facts(dataset)
    counts = pd.Series(reads).value_counts()
    assert counts[[v.id for v in dataset.train]].eq(2).all()  # two streams, one pass
    assert counts[[v.id for v in dataset.test]].eq(4).all()  # two passes


def test_of_many_snippets_and_videos_a_part_is_taken(monkeypatch):
    monkeypatch.setattr(module, "SNIPPETS", 100)
    monkeypatch.setattr(module, "VIDEOS", 3)
    facts = feature_facts(tiny_dataset())
    total = sum(facts["dataset"]["snippets"].values())
    step = -(-total // 100)
    assert facts["dataset"]["snippets_taken"] == -(-total // step) <= 100
    assert facts["dataset"]["classified_test_videos"]["whole_video"] == 3


def test_thinning_counts_through_the_videos(monkeypatch):
    monkeypatch.setattr(module, "SNIPPETS", 4)
    thinning = module.Thinning(10)
    videos = np.split(np.arange(10), [2, 2, 5])
    taken = [video[thinning.of_next(len(video))].tolist() for video in videos]
    assert taken == [[0], [], [3], [6, 9]]


def test_rounding_and_reasons():
    tree = {"a": 1.23456, "b": {"c": -0.0, "d": 123456}, "e": [data_facts.LeftOut("why")]}
    printed = data_facts.printable(tree)
    assert printed == {
        "a": 1.235,
        "b": {"c": 0, "d": 123456},
        "e": [None],
        "left_out": {"why": ["e"]},
    }
    assert str(printed["b"]["c"]) == "0.0"


def test_auc_is_the_rank_statistic():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 5, 40).astype(float), rng.random(40) < 0.4
    expected = mannwhitneyu(scores[positive], scores[~positive]).statistic
    assert auc(scores, positive) == pytest.approx(expected / positive.sum() / (~positive).sum())


@pytest.mark.parametrize("block", [1, 4, 1024])
def test_ridge_of_rows_in_parts_is_ridge_of_all_rows(monkeypatch, block):
    monkeypatch.setattr("wtal_core.study.ridge.BLOCK", block)
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(5, 1, (30, 6)), (rng.random((30, 3)) < 0.4).astype(float)
    sums = ProductSums(6, 3)
    for part in (slice(0, 7), slice(7, 7), slice(7, 30)):
        sums.add(rows[part], labels[part])
    for columns in (slice(None), slice(2, 5)):
        whole = Classifier.fitted(rows[:, columns], labels)
        assert np.allclose(sums.classifier(columns).weights, whole.weights, atol=1e-9)
        assert np.allclose(sums.covariance(columns), np.cov(rows[:, columns].T, bias=True))


def expanded(key: str) -> list[str]:
    """ "a.{b,c}" -> "a.b", "a.c"."""
    parts = [part.split(",") for part in re.split(r"[{}]", key)]
    return ["".join(words) for words in itertools.product(*parts)]


def test_the_page_names_every_key_and_no_other():
    facts = feature_facts(tiny_dataset())
    keys = {re.sub(r"^streams\.(rgb|flow)", "streams.STREAM", path) for path in leaves(facts)}
    rows = re.findall(r"^\| `(.+?)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(itertools.chain.from_iterable(map(expanded, rows))) == sorted(keys)


@pytest.mark.slow
def test_the_example_of_the_page_is_what_the_command_prints(tmp_path):
    """`make docs` writes it."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    facts_example.write(page)
    assert page.read_text() == PAGE.read_text()


def test_the_command_prints_json_or_writes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("wtal_core.data.opening.open_dataset", lambda name, root: tiny_dataset())
    path = tmp_path / "facts.json"
    for options in ([], ["--out", str(path)]):
        with pytest.raises(SystemExit) as exit_:
            main(["data", "facts", "simulated", *options])
        assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert printed.endswith(f"wrote {path}\n")
    facts = json.loads(printed[: printed.index("wrote")])
    assert facts == json.loads(path.read_text()) == feature_facts(tiny_dataset())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing"], "'nothing'"), (["simulated", "--out", "missing/facts.json"], "missing")],
)
def test_bad_input_is_told_in_one_line_and_writes_nothing(
    tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["data", "facts", *arguments])
    captured = capsys.readouterr()
    assert (exit_.value.code, captured.out, len(captured.err.splitlines())) == (2, "", 1)
    assert words in captured.err
    assert not list(tmp_path.iterdir())
