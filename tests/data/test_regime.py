"""In what regime a data set is: worked out by hand, and for the data sets that there are."""

import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL, needs_real_data
from wtal_core.data.opening import open_dataset
from wtal_core.data.regime import (
    co_occurrence,
    coverage,
    regime,
    regime_by_name,
    regime_of,
)
from wtal_core.papers.manifests import regimes


def segments_of(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"])


def test_overlapping_instances_count_once():
    segments = segments_of(
        ("a", "V", 4.0, 6.0),
        ("a", "OK", 1.0, 5.0),
        ("a", "TAP", 2.0, 3.0),  # inside another one
        ("a", "TAP", 9.0, 14.0),  # past the end
        ("b", "V", 0.0, 0.0),  # of no length
    )
    assert coverage(segments, {"a": 10.0, "b": 10.0}) == pytest.approx((5 + 1) / 20)


def test_coverage_of_videos_without_duration_or_instances():
    segments = segments_of(("a", "V", 0.0, 1.0), ("b", "V", 0.0, 9.0))
    assert coverage(segments, {"a": 4.0, "b": float("nan")}) == 0.25
    assert coverage(segments[:0], {"a": 4.0}) == 0.0
    assert coverage(segments[:0], {}) == 0.0


def test_the_largest_share_of_another_label():
    shown = [{"V", "OK"}, {"OK"}, {"OK", "TAP"}, {"TAP", "V", "OK"}, {"LEFT"}]
    # V and TAP are shown by two videos each, always with OK; OK by four
    assert co_occurrence(shown) == (1.0, ("TAP", "OK"))
    assert co_occurrence([*shown, {"TAP"}]) == (1.0, ("V", "OK"))
    assert co_occurrence([*shown, {"TAP"}, {"V"}]) == (pytest.approx(2 / 3), ("TAP", "OK"))


@pytest.mark.parametrize("shown", [[], [set()], [{"V"}], [{"V"}, {"OK"}]])
def test_no_video_shows_two_labels(shown):
    assert co_occurrence(shown) == (0.0, ("", ""))


def test_of_equal_shares_the_one_of_most_videos():
    shown = [{"A", "B"}, {"C", "D"}, {"C", "D"}]
    assert co_occurrence(shown) == (1.0, ("C", "D"))


def test_in_words():
    segments = segments_of(("a", "V", 0.0, 1.0), ("b", "OK", 1.0, 2.0))
    labels = {"a": ("V",), "b": ("OK", "V"), "c": ()}
    found = regime_of(segments, labels, dict.fromkeys(labels, 4.0))
    assert (found.videos, found.labels) == (3, 1.0)
    assert found.words() == "coverage .17, 1 labels per video, P(V | OK) = 1.00"
    alone = regime_of(segments, {"a": ("V",)}, {"a": 2.0})
    assert alone.words() == "coverage .50, 1 labels per video"


def test_the_simulated_data_set_on_both_sides():
    dataset = open_dataset("simulated")
    for subset, videos in (("train", dataset.train), ("test", dataset.test)):
        found = regime(dataset, subset)
        assert found.videos == len(videos)
        assert found.labels == np.mean([len(video.labels) for video in videos])
        # instances of one class do not overlap here, those of two may
        total = sum(dataset.timebase.seconds(float(video.length)) for video in videos)
        segments = dataset.segments_of(subset)
        summed = (segments["t_end"] - segments["t_start"]).sum() / total
        assert 0.8 * summed < found.coverage < 1.01 * summed


def check_written(name):
    """What is kept for pages is what the data say; THUMOS14 by its annotations alone."""
    kept, found = regimes()[name], regime_by_name(name, REAL)
    assert kept == pytest.approx(
        {
            "coverage": found.coverage,
            "labels": found.labels,
            "together": found.co_occurrence,
        },
        abs=0.0055,
    )


@pytest.mark.parametrize("name", ["simulated", "simulated-2"])
def test_the_kept_regime_of_embedded_data(name):
    check_written(name)


@needs_real_data
@pytest.mark.parametrize("name", sorted(set(regimes()) - {"simulated", "simulated-2"}))
def test_the_kept_regime_of_real_data(name):
    check_written(name)
