"""A small case with one detection of every outcome, for the tests of lists, figures and pages."""

import numpy as np
import pandas as pd

from wtal_core.evaluation.case import Case
from wtal_core.evaluation.ground_truth import GroundTruth

COLUMNS = ["video", "label", "t_start", "t_end"]
INSTANCES = [
    ("v1", "A", 0.0, 10.0),
    ("v1", "B", 40.0, 60.0),
    ("v2", "A", 5.0, 15.0),
    ("v2", "B", 20.0, 80.0),
]
DETECTIONS = [
    ("v1", "A", 0.0, 9.0, 0.95),
    ("v1", "A", 0.0, 8.0, 0.9),
    ("v1", "B", 0.0, 9.5, 0.85),
    ("v1", "A", 0.0, 3.0, 0.8),
    ("v1", "B", 0.0, 2.0, 0.75),
    ("v1", "A", 70.0, 80.0, 0.7),
    ("v2", "B", 30.0, 33.0, 0.6),
]
KINDS = [
    "true positive",
    "double detection",
    "wrong label",
    "localization",
    "confusion",
    "background",
    "background",
]


def truth(instances=INSTANCES, videos=("v1", "v2", "v3")) -> GroundTruth:
    return GroundTruth(pd.DataFrame(instances, columns=COLUMNS), tuple(videos), ("A", "B"))


def case(name: str = "Mine", signals: bool = True) -> Case:
    """Videos of 156 snippets (100 s); v3 has no instance and no detection."""
    rng = np.random.default_rng(0)
    activation = {video: rng.random((156, 2)) for video in ("v1", "v2", "v3")} if signals else {}
    attention = {video: rng.random(156) for video in activation}
    return Case(
        name,
        "Small (simulated data)",
        truth(),
        pd.DataFrame(DETECTIONS, columns=[*COLUMNS, "score"]),
        dict.fromkeys(("v1", "v2", "v3"), 100.0),
        "made for a test",
        activation,
        attention,
    )
