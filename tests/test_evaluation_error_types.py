"""The share of background errors, against the published tool and by hand."""

import math

import pandas as pd
import pytest
from test_evaluation_golden import CASES, detections, ground_truth, read_case

from wtal_core.evaluation.error_types import background_error_share
from wtal_core.evaluation.ground_truth import GroundTruth


def test_agrees_with_detad_on_simulated_detections():
    case = read_case(next(path for path in CASES if path.stem == "thumos_small"))
    share = background_error_share(ground_truth(case, "activitynet"), detections(case))
    assert share == pytest.approx(1175 / (672 + 250 + 761 + 319 + 1175))      # DETAD's counts of this case, G = 10


def by_hand(rows: list[tuple], g: float = 10) -> float:
    truth = pd.DataFrame([("v", "A", 0.0, 10.0), ("v", "B", 50.0, 60.0)], columns=["video", "label", "t_start", "t_end"])
    found = pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end", "score"])
    return background_error_share(GroundTruth(truth, ("v", "w"), ("A", "B")), found, g)


def test_by_hand():
    hit, double, other_class = ("v", "A", 0.0, 10.0, 0.9), ("v", "A", 0.0, 9.0, 0.8), ("v", "A", 50.0, 60.0, 0.7)
    nowhere, other_video = ("v", "A", 20.0, 30.0, 0.6), ("w", "A", 0.0, 10.0, 0.5)
    assert by_hand([hit, double, other_class, nowhere, other_video]) == 0.5
    assert by_hand([hit, double, other_class, nowhere, other_video], g=3) == 0
    assert math.isnan(by_hand([hit]))
