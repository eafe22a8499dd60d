"""What the published detections of STPN (bellos1203/STPN) say of its localization, where its
description leaves it open."""

import json

import numpy as np
import pytest

from tests.places import ROOT
from wtal_core.models.stpn import OFFICIAL

FOLDER = ROOT.parent / "shared" / "data" / "stpn"
pytestmark = pytest.mark.skipif(
    not (FOLDER / "results.json").exists(), reason="the published detections are not here"
)
SECONDS_PER_SNIPPET = 16 / 10  # 10 frames per second
POINTS = OFFICIAL.samples * OFFICIAL.rule.upsampling


@pytest.fixture(scope="module")
def published() -> dict[str, list[dict]]:
    return json.loads((FOLDER / "results.json").read_text())["results"]


def grids(segments: np.ndarray) -> list[int]:
    """Lengths L of a video, in snippets, for which every start and end lies on one of 400 x 24
    points of L snippets."""
    lengths = np.arange(10, 4000)
    points = segments.ravel() * POINTS / SECONDS_PER_SNIPPET / lengths[:, None]
    is_whole = np.abs(points - np.rint(points)).max(1) < 1e-6
    return lengths[is_whole & (points.max(1) < POINTS + 0.5)].tolist()


def test_every_video_is_brought_to_400_snippets_of_24_points_however_short_it_is(published):
    """So short videos are picked from with repetition, as in training; and an end is a run's last
    point + 1: none has length 0, and some reach the last point."""
    shortest, last, lengths, odd = [], [], [], []
    for video in sorted(published)[:50]:
        detections = published[video]
        segments = np.array([detection["segment"] for detection in detections])
        fitting = grids(segments)
        if len(fitting) != 1:
            odd.append(video)
            continue
        points = np.rint(segments * POINTS / SECONDS_PER_SNIPPET / fitting[0])
        shortest.append((points[:, 1] - points[:, 0]).min())
        last.append(points[:, 1].max())
        lengths.append(fitting[0])
    assert odd == ["video_test_0000062"]  # five detections, on no such grid
    assert min(lengths) < 30 and (np.array(lengths) < OFFICIAL.samples).mean() > 0.9
    assert min(shortest) == 1 and max(last) == POINTS


def test_suppression_is_by_the_true_overlap(published):
    """No two detections of a class overlap by more than 0.5, some by exactly that; with seconds
    made longer by one, many would."""
    true, longer = [], []
    for detections in published.values():
        labels = np.array([detection["label"] for detection in detections])
        start, end = np.array([detection["segment"] for detection in detections]).T
        i, j = np.triu_indices(len(labels), 1)
        same = labels[i] == labels[j]
        i, j = i[same], j[same]
        for more, overlaps in ((0, true), (1, longer)):
            shared = np.minimum(end[i], end[j]) - np.maximum(start[i], start[j]) + more
            shared = np.maximum(shared, 0)
            union = (end[i] - start[i] + more) + (end[j] - start[j] + more) - shared
            overlaps.append(shared / union)
    limit = OFFICIAL.suppression.limit
    overlaps = np.concatenate(true)
    assert overlaps.max() == pytest.approx(limit, abs=1e-9)
    assert (np.abs(overlaps - limit) < 1e-9).sum() > 3  # what overlaps by exactly 0.5 stays
    assert (np.concatenate(longer) > limit).sum() > 200


def test_scores_are_means_of_logits_and_a_lone_first_class_is_lost(published):
    scores = [detection["score"] for rows in published.values() for detection in rows]
    assert min(scores) < -20 and max(scores) > 30  # no probabilities
    database = json.loads((FOLDER / "gt.json").read_text())["database"]
    without = [video for video in database if not published.get(video)]
    labels = {annotation["label"] for v in without for annotation in database[v]["annotations"]}
    assert labels == {"BaseballPitch"}  # class 0
    assert not OFFICIAL.rule.fix_class0
