"""Detections and ground truth of the invented videos that the authors' codes localized actions in.

`published` is the content of a file `tests/golden/*_postprocess.json`.
"""

from typing import Any

import numpy as np
import pandas as pd

from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol

COLUMNS = ["video", "label", "t_start", "t_end"]


def assert_detections(
    table: pd.DataFrame, published: dict[str, Any], part: str, seconds: float
) -> None:
    """The table holds the published rows, in any order. seconds: length of their unit."""
    rows = [
        (video, published["classes"][label], seconds * start, seconds * end, score)
        for video, of_video in published[part].items()
        for label, start, end, score in of_video
    ]
    expected = pd.DataFrame(sorted(rows), columns=[*COLUMNS, "score"])
    ours = table.sort_values([*COLUMNS, "score"], ignore_index=True)
    assert ours[["video", "label"]].values.tolist() == expected[["video", "label"]].values.tolist()
    numbers = ["t_start", "t_end", "score"]
    np.testing.assert_allclose(ours[numbers], expected[numbers], rtol=0, atol=1e-9)


def assert_map(table: pd.DataFrame, published: dict[str, Any], protocol_id: str) -> None:
    """The protocol gives the table the published mAP at the published tIoUs."""
    rows = []
    for video, segments, labels in zip(
        published["videos"], published["segments"], published["labels"], strict=True
    ):
        for (start, end), label in zip(segments, labels, strict=True):
            rows.append((video, published["classes"][label], start, end))
    truth = GroundTruth(
        pd.DataFrame(rows, columns=COLUMNS),
        tuple(published["videos"]),
        tuple(published["classes"]),
    )
    tious = tuple(published["map_thresholds"])
    score = evaluate(truth, table, protocol(protocol_id), tious)
    np.testing.assert_allclose(100 * np.asarray(score.map), published["map"], rtol=0, atol=1e-9)
