"""One tiny case per detail of a protocol, where that detail alone changes mAP.

Each is small enough to be scored by hand.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, GroundTruth
from wtal_core.evaluation.ladder import Setting
from wtal_core.evaluation.protocols import ACTIVITYNET, OPENTAD, Protocol


@dataclass(frozen=True)
class HandExample:
    """Instances and detections that two settings score differently.

    names: what the detail is in each of the two settings.
    instances, ambiguous: rows `video, label, t_start, t_end`; seconds.
    detections: the same with a score.
    first, last: the settings that are compared, equal but for this detail.
    """

    sentence: str
    names: tuple[str, str]
    tiou: float
    instances: list[tuple]
    detections: list[tuple]
    last: Setting
    first: Setting = field(default_factory=lambda: Setting(ACTIVITYNET))
    ambiguous: list[tuple] = field(default_factory=list)

    def ground_truth(self) -> GroundTruth:
        """Its videos are those that any row names."""
        rows = [*self.instances, *self.ambiguous, *self.detections]
        return GroundTruth(
            pd.DataFrame(self.instances, columns=SEGMENT_COLUMNS),
            tuple(sorted({row[0] for row in rows})),
            tuple(sorted({row[1] for row in self.instances})),
            pd.DataFrame(self.ambiguous, columns=SEGMENT_COLUMNS),
        )

    def found(self) -> pd.DataFrame:
        """The detections as a table."""
        return pd.DataFrame(self.detections, columns=DETECTION_COLUMNS)

    def scores(self) -> tuple[float, float]:
        """mAP in percent under the first and the last setting."""
        tious = (self.tiou,)
        before = self.first.scored(self.ground_truth(), self.found(), tious)
        after = self.last.scored(self.ground_truth(), self.found(), tious)
        return float(before[0]), float(after[0])


def _with(**fields: Any) -> Setting:
    changed: Protocol = replace(ACTIVITYNET, **fields)
    return Setting(changed)


EXAMPLES = {
    "test list": HandExample(
        "Two test videos of THUMOS14 are left out by one group of codes: whatever is in them no "
        "longer counts.",
        ("without b", "all videos"),
        0.5,
        [("a", "run", 1, 3), ("b", "run", 1, 3)],
        [("a", "run", 1, 3, 0.9)],
        Setting(ACTIVITYNET),
        Setting(ACTIVITYNET, ("b",)),
    ),
    "dropped instances": HandExample(
        "An instance annotated twice can be found once only; some codes drop the copy and those "
        "without length.",
        ("kept", "dropped"),
        0.5,
        [("a", "run", 1, 3), ("a", "run", 1, 3.0005)],
        [("a", "run", 1, 3, 0.9)],
        _with(shortest=OPENTAD.shortest, duplicates=OPENTAD.duplicates),
    ),
    "time grid": HandExample(
        "In snippets of 0.64 s the instance is rounded to 1.28 to 2.56 s, the detection truncated "
        "to 0.64 to 1.28 s.",
        ("seconds", "snippets"),
        0.5,
        [("a", "run", 1.0, 2.5)],
        [("a", "run", 0.9, 1.9, 0.9)],
        _with(unit="snippets"),
    ),
    "tie rule": HandExample(
        "The long detection overlaps both instances by a quarter; which one it takes decides what "
        "is left for the next.",
        ("later", "earlier"),
        0.2,
        [("a", "run", 1, 2), ("a", "run", 4, 5)],
        [("a", "run", 1, 5, 0.9), ("a", "run", 1, 2.2, 0.8)],
        _with(tie="earlier"),
    ),
    "videos without ground truth": HandExample(
        "A detection in a video where nothing is annotated is a false positive, or it is not "
        "looked at.",
        ("false positives", "dropped"),
        0.5,
        [("a", "run", 1, 3)],
        [("b", "run", 1, 3, 0.9), ("a", "run", 1, 3, 0.8)],
        _with(without_ground_truth="dropped"),
    ),
    "ambiguity filter": HandExample(
        "Where the annotators were not sure, detections may be removed before anything is counted.",
        ("off", "on"),
        0.5,
        [("a", "run", 1, 3)],
        [("a", "run", 5, 7, 0.9), ("a", "run", 1, 3, 0.8)],
        _with(ambiguity_filter=True),
        ambiguous=[("a", "Ambiguous", 5.5, 6.5)],
    ),
    "class without detections": HandExample(
        "Nobody detected jump: its AP is 0, or, in one published code, the mAP of all classes is "
        "0.",
        ("its AP 0", "all 0"),
        0.5,
        [("a", "run", 1, 3), ("a", "jump", 5, 7)],
        [("a", "run", 1, 3, 0.9)],
        _with(as_published=True),
    ),
    "matching": HandExample(
        "The better detection takes the instance that it fits best, or the first listed one that "
        "it reaches.",
        ("best", "first"),
        0.5,
        [("a", "run", 1, 5), ("a", "run", 2, 6)],
        [("a", "run", 2, 5.8, 0.9), ("a", "run", 1, 4.4, 0.8)],
        _with(matching="first"),
    ),
    "AP rule": HandExample(
        "Precision at the two hits is 1/2 and 2/3: the envelope lifts the first to 2/3, the plain "
        "sum does not.",
        ("envelope", "sum"),
        0.5,
        [("a", "run", 1, 2), ("a", "run", 4, 5)],
        [("a", "run", 7, 8, 0.9), ("a", "run", 1, 2, 0.8), ("a", "run", 4, 5, 0.7)],
        _with(ap="sum"),
    ),
}
