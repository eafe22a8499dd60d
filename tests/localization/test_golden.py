"""Post-processing of FAC-Net, RSKP and GauFuse (plain NMS) agrees with the authors' code, and so
does the mAP after it.

RSKP and GauFuse have one merged stream; the reference run gave them the activations and class
scores called "flow".
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.places import GOLDEN_FOLDER
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.suppression import suppress
from wtal_core.timebase import Timebase

GOLDEN = json.loads((GOLDEN_FOLDER / "postprocess.json").read_text())
TIMEBASE = Timebase()
AMBIGUOUS = pd.DataFrame(GOLDEN["ambiguous"], columns=["video", "label", "t_start", "t_end"])
FACNET = ProposalRule(tuple(GOLDEN["facnet"]["thresholds"]), 3, 0.25, 1.0, 0.6)
RSKP = ProposalRule(tuple(GOLDEN["rskp"]["thresholds"]), 2, 0.25, 1.0, 1.0)
GAUFUSE = ProposalRule(tuple(GOLDEN["gaufuse"]["thresholds"]), 2, 0.0785, 0.9, 1.0)


def detect(stream, rule, class_threshold, limit, scale=1.0):
    """Rows [class, video, start, end, score] of one stream after suppression and the ambiguity
    filter.
    """
    video, label = pick_classes(np.array(GOLDEN[f"video_score_{stream}"]), class_threshold)
    lengths = np.array(GOLDEN["lengths"])
    activation, lengths = class_sequences(
        np.concatenate(GOLDEN[f"cas_{stream}"]), lengths, video, label
    )
    found = propose(
        scale * activation,
        lengths,
        replace(rule, thresholds=tuple(scale * t for t in rule.thresholds)),
    )
    kept = suppress(found.sequence, found.start, found.end, found.score, limit)
    rows = np.column_stack(
        (label[found.sequence], video[found.sequence], found.start, found.end, found.score)
    )[kept]
    return rows[
        drop_ambiguous(
            rows[:, 1].astype(int), rows[:, 2], rows[:, 3], AMBIGUOUS, GOLDEN["videos"], TIMEBASE
        )
    ]


def two_stream():
    rows = np.concatenate(
        (detect("flow", FACNET, 0.1, 0.2), detect("rgb", FACNET, 0.1, 0.2, scale=0.1))
    )
    group = (rows[:, 1] * len(GOLDEN["classes"]) + rows[:, 0]).astype(int)
    return rows[suppress(group, *rows.T[2:], 0.9)]


CASES = {
    "facnet flow": (lambda: detect("flow", FACNET, 0.1, 0.2), GOLDEN["facnet"]["flow_segments"]),
    "facnet rgb": (
        lambda: detect("rgb", FACNET, 0.1, 0.2, scale=0.1),
        GOLDEN["facnet"]["rgb_segments"],
    ),
    "facnet fused": (two_stream, GOLDEN["facnet"]["fused_segments"]),
    "rskp": (lambda: detect("flow", RSKP, 0.1, 0.5), GOLDEN["rskp"]["segments"]),
    "gaufuse nms": (
        lambda: detect("flow", GAUFUSE, 0.16, 0.25),
        GOLDEN["gaufuse"]["nms"]["segments"],
    ),
}


def in_order(rows):
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("case", CASES)
def test_detections_agree_with_the_official_code(case):
    run, segments = CASES[case]
    expected = np.array([(label, *row) for label, rows in enumerate(segments) for row in rows])
    found = run()
    assert found.shape == expected.shape
    np.testing.assert_allclose(in_order(found), in_order(expected), rtol=0, atol=1e-9)


MAPS = {
    "facnet flow": GOLDEN["facnet"]["map_flow"],
    "facnet fused": GOLDEN["facnet"]["map_two_stream"],
    "rskp": GOLDEN["rskp"]["map"],
    "gaufuse nms": GOLDEN["gaufuse"]["nms"]["map"],
}


@pytest.mark.parametrize("case", MAPS)
def test_map_agrees_with_the_official_code(case):
    rows = CASES[case][0]()
    label, video = rows[:, :2].T.astype(int)
    table = to_table(video, label, *rows.T[2:], GOLDEN["videos"], GOLDEN["classes"], TIMEBASE)
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
    np.testing.assert_allclose(
        100 * evaluate(truth, table, protocol("wtalc")).map, MAPS[case], rtol=0, atol=1e-9
    )
