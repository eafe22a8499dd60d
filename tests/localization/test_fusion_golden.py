"""GauFuse's fused instances agree with the authors' code, and so does the mAP after them but for a
rounding of theirs.
"""

import numpy as np
import pandas as pd
import pytest

from tests.localization.test_golden import AMBIGUOUS, GAUFUSE, GOLDEN, TIMEBASE, in_order
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.proposals import propose
from wtal_core.localization.sequences import class_sequences, pick_classes


def official(temperature):
    """The official code's instances: rows [class, video, start, end, score] in a fixed order."""
    segments = GOLDEN["gaufuse"][f"fusion_T{temperature}"]["segments"]
    return in_order(
        np.array([(label, *row) for label, rows in enumerate(segments) for row in rows])
    )


def ours(temperature):
    video, label = pick_classes(np.array(GOLDEN["video_score_flow"]), 0.16)
    activation, lengths = class_sequences(
        np.concatenate(GOLDEN["cas_flow"]), np.array(GOLDEN["lengths"]), video, label
    )
    found = propose(activation, lengths, GAUFUSE)
    fused = fuse(
        found.sequence,
        found.start,
        found.end,
        found.score,
        found.inner,
        FusionRule(temperature=temperature),
    )
    rows = np.column_stack(
        (label[fused.group], video[fused.group], fused.start, fused.end, fused.score)
    )
    clear = drop_ambiguous(
        rows[:, 1].astype(int), rows[:, 2], rows[:, 3], AMBIGUOUS, GOLDEN["videos"], TIMEBASE
    )
    return in_order(rows[clear])


def mean_average_precision(rows):
    """In percent, at each tIoU."""
    table = to_table(
        rows[:, 1].astype(int),
        rows[:, 0].astype(int),
        *rows.T[2:],
        GOLDEN["videos"],
        GOLDEN["classes"],
        TIMEBASE,
    )
    instances = [
        (video, label, *segment)
        for video, labels, segments in zip(
            GOLDEN["videos"], GOLDEN["labels"], GOLDEN["segments"], strict=True
        )
        for label, segment in zip(labels, segments, strict=True)
    ]
    truth = GroundTruth(
        pd.DataFrame(instances, columns=["video", "label", "t_start", "t_end"]),
        tuple(GOLDEN["videos"]),
        tuple(GOLDEN["classes"]),
        AMBIGUOUS,
    )
    return 100 * evaluate(truth, table, protocol("wtalc")).map


@pytest.mark.parametrize("temperature", [0.2, 0.03])
def test_instances_agree_with_the_official_code(temperature):
    assert len(ours(temperature)) == 51
    np.testing.assert_allclose(ours(temperature), official(temperature), rtol=0, atol=1e-9)


@pytest.mark.parametrize("temperature", [0.2, 0.03])
def test_map_agrees_with_the_official_code_but_for_boundaries_an_ulp_below_a_whole_number(
    temperature,
):
    """int() takes a whole snippet from such boundaries. Truncated that way, the official instances
    give the official mAP; with it undone, ours and theirs give one mAP. Ours have none: where a
    cluster agrees, the mean is exact.
    """
    expected, rows, raw = (
        GOLDEN["gaufuse"][f"fusion_T{temperature}"]["map"],
        ours(temperature),
        official(temperature),
    )
    cut = raw.copy()
    cut[:, 2:4] = np.trunc(raw[:, 2:4])
    np.testing.assert_allclose(mean_average_precision(cut), expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(mean_average_precision(rows), mean_average_precision(raw))
    lost = {0.2: (4, 0.43), 0.03: (3, 0)}[temperature]
    whole = np.round(raw[:, 2:4])
    below = (np.abs(raw[:, 2:4] - whole) < 1e-9) & (raw[:, 2:4] < whole)
    assert below.sum() == lost[0] and np.abs(
        mean_average_precision(rows) - expected
    ).max() == pytest.approx(lost[1], abs=0.005)
    near = np.abs(rows[:, 2:4] - np.round(rows[:, 2:4])) < 1e-9
    np.testing.assert_array_equal(rows[:, 2:4][near], np.round(rows[:, 2:4])[near])
