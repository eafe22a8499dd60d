"""Published evaluators' values on the reference cases, and on real detections with published
numbers.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.places import GOLDEN_FOLDER, SHARED
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.evaluation.tables import read_detections, read_ground_truth
from wtal_core.timebase import Timebase

STPN = SHARED / "data" / "stpn"  # real detections; not part of the project
SHARED = SHARED / "evaluation" / "cases"
CASES = sorted((GOLDEN_FOLDER / "evaluation").glob("*.json"))
EVALUATORS = {
    "activitynet": "activitynet",
    "basnet": "activitynet",
    "backtal": "activitynet",
    "opentad": "opentad",
    "actionformer": "actionformer",
    "facnet": "wtalc",
    "rskp": "wtalc",
    "gaufuse": "wtalc",
}
# Published code that fails or errs, and whose value is the definition's there.
INSTEAD = {
    ("hand_label_collision", "actionformer"): "opentad",  # its label ids collide
    **{
        (case, name): "opentad"
        for case in ("hand_label_collision", "hand_unknown_label")
        for name in ("activitynet", "basnet", "backtal")
    },
}  # a class without ground truth raises KeyError
WITH_BLOCKED = (
    "activitynet",
    "basnet",
    "backtal",
    "opentad",
)  # actionformer and the W-TALC line have no such option


def read_case(path: Path) -> dict:
    return json.loads(path.read_text())


def ground_truth(case: dict, evaluator: str) -> GroundTruth:
    truth = case["ground_truth"]
    ambiguous = truth["ambiguous"] if case.get("wtalc_filter_ambiguous") else []
    return GroundTruth(
        segments=pd.DataFrame(
            {
                "video": truth["video"],
                "label": truth["label"],
                "t_start": truth["t0"],
                "t_end": truth["t1"],
            }
        ),
        videos=tuple(truth["videos"]),
        classes=tuple(truth["classes"]),
        ambiguous=pd.DataFrame(
            [(video, "Ambiguous", start, end) for video, start, end in ambiguous],
            columns=["video", "label", "t_start", "t_end"],
        ),
        blocked=tuple(case.get("blocked", ())) if evaluator in WITH_BLOCKED else (),
    )


def detections(case: dict) -> pd.DataFrame:
    found = case["predictions"]
    return pd.DataFrame(
        {
            "video": found["video"],
            "label": found["label"],
            "t_start": found["t0"],
            "t_end": found["t1"],
            "score": found["score"],
        }
    )


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_agrees_with_the_published_evaluator(path, evaluator):
    case = read_case(path)
    if path.stem == "hand_nan_score":
        with pytest.raises(WorkbookError, match=r"row 1.*has the score NaN"):
            evaluate(
                ground_truth(case, evaluator), detections(case), protocol(EVALUATORS[evaluator])
            )
        return
    rules = protocol(EVALUATORS[evaluator])
    if path.stem == "thumos_no_class":
        rules = replace(rules, as_published=EVALUATORS[evaluator] == "wtalc")
    score = evaluate(
        ground_truth(case, evaluator), detections(case), rules, tuple(case["thresholds"])
    )
    expected = case["expected"][INSTEAD.get((path.stem, evaluator), evaluator)]
    np.testing.assert_allclose(score.map, expected["mAP"], rtol=0, atol=1e-9)
    if "ap" in expected:
        assert list(score.classes) == expected["classes"]
        np.testing.assert_allclose(score.ap, expected["ap"], rtol=0, atol=1e-9)
    if "n_after_filter" in expected:
        dropped = (
            score.counts["dropped_video_without_ground_truth"] + score.counts["dropped_ambiguous"]
        )
        assert score.counts["detections"] - dropped == expected["n_after_filter"]


def test_no_case_and_no_evaluator_is_left_out():
    """Each case states a value or an error of each evaluator; an error is replaced by the
    definition's value, see INSTEAD.
    """
    assert len(CASES) == 18
    for path in CASES:
        expected = read_case(path)["expected"]
        assert set(expected) == set(EVALUATORS)
        failing = {name for name, found in expected.items() if "error" in found}
        assert all((path.stem, name) in INSTEAD for name in failing)


@pytest.mark.skipif(not SHARED.exists(), reason="the reference cases are not beside the project")
def test_the_cases_are_those_that_were_given():
    given = {
        path.name: path for path in SHARED.glob("*.json") if not path.name.startswith("detad_")
    }
    assert set(given) == {path.name for path in CASES}
    for path in CASES:
        assert read_case(path) == read_case(given[path.name])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_seconds_lead_to_the_exact_snippets(path):
    found = read_case(path)["predictions"]
    exact = [(found["t0"], found["u0"]), (found["t1"], found["u1"])] if "u0" in found else []
    for seconds, snippets in exact:
        np.testing.assert_array_equal(Timebase().truncated(np.array(seconds)), np.trunc(snippets))


def test_a_class_without_detections_has_ap_zero_by_default():
    case = read_case(next(path for path in CASES if path.stem == "thumos_no_class"))
    score = evaluate(ground_truth(case, "facnet"), detections(case), protocol("wtalc"), (0.5,))
    assert score.map[0] > 0.2 and score.ap[0, score.classes.index("Billiards")] == 0
    assert score.counts["classes_without_detections"] == 1


@pytest.mark.skipif(not STPN.exists(), reason="the detections of STPN are not beside the project")
@pytest.mark.parametrize(
    ("tie", "expected", "tolerance"),
    [
        (
            "later",
            [52.1, 44.2, 34.7, 26.1, 17.7, 10.1, 5.0, 1.3, 0.1],
            0.05,
        ),  # its README (4.9 there is truncated)
        ("earlier", [52.17, 44.24, 34.70, 26.06, 17.70, 10.09, 4.99, 1.34, 0.10], 0.006),
    ],
)  # an independent evaluator
def test_real_detections_of_stpn_have_their_published_numbers(tie, expected, tolerance):
    """The two published rows differ in which of two instances of equal tIoU is taken: .07 points of
    mAP at tIoU .1.
    """
    score = evaluate(
        read_ground_truth(STPN / "gt.json", "test"),
        read_detections(STPN / "results.json"),
        replace(protocol("activitynet"), tie=tie),
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    )
    np.testing.assert_allclose(100 * score.map, expected, rtol=0, atol=tolerance)
    assert 100 * score.average == pytest.approx(np.mean(expected), abs=tolerance)
