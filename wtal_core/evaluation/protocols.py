"""The evaluation protocols of the field, by name.

What differs between two codes is a field here, never an `if` elsewhere.

Equal scores are not a field, because no published code says what becomes of them. Under every
protocol here, of detections of one class with equal scores the one listed first comes first: it
matches first, and stands first on the precision-recall curve.
DIFFERS: the published codes sort by `argsort()[::-1]`, which is not stable. There the order among
equal scores depends on the length of the list and on the processor.
"""

import math
from dataclasses import dataclass
from typing import Literal

from wtal_core.errors import WorkbookError

THUMOS_TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
ACTIVITYNET_TIOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

BENCHMARK_TIOUS = {"thumos14": THUMOS_TIOUS, "activitynet": ACTIVITYNET_TIOUS}


@dataclass(frozen=True)
class Protocol:
    """How detections become a number.

    source: the published code that the protocol agrees with.
    unit: grid of the intervals. "snippets": ground truth rounded (halves to even), detections
        truncated, half-open.
    matching: a detection takes, of the free instances of its video and class that reach the
        threshold, the "best" (largest tIoU) or the "first" in file order.
    tie: which of two instances of equal tIoU, by file order.
    ap: "envelope" = sum over true positives of the best precision at their rank or later, divided
        by the number of instances; "sum" = the same with the precision at their rank (not
        interpolated).
    without_ground_truth: what becomes of detections in videos that hold no instance of any class.
    ambiguity_filter: detections that share a snippet with an ambiguous interval, of any class, are
        removed first.
    shortest: instances shorter than this many seconds are dropped.
    duplicates: dropped are also instances whose borders both lie within this many seconds of an
        earlier one of the same video and class; None keeps all.
    as_published: True lets a class without detections make the whole mAP 0, as the code of FAC-Net,
        RSKP and GauFuse does. DIFFERS: the default is False, such a class has AP 0.
    tious: thresholds when the caller names none: those of the papers' THUMOS14 tables;
        ActivityNet's are ACTIVITYNET_TIOUS.
    """

    id: str
    title: str
    source: str
    unit: Literal["seconds", "snippets"] = "seconds"
    matching: Literal["best", "first"] = "best"
    tie: Literal["later", "earlier"] = "later"
    ap: Literal["envelope", "sum"] = "envelope"
    without_ground_truth: Literal["false positives", "dropped"] = "false positives"
    ambiguity_filter: bool = False
    shortest: float = -math.inf
    duplicates: float | None = None
    as_published: bool = False
    tious: tuple[float, ...] = THUMOS_TIOUS


ACTIVITYNET = Protocol(
    id="activitynet",
    title="ActivityNet toolkit",
    source="activitynet/ActivityNet, Evaluation/eval_detection.py; used by BaS-Net, UM, BackTAL, "
    "ASM-Loc, STPN",
)

OPENTAD = Protocol(
    id="opentad",
    title="OpenTAD",
    source="sming256/OpenTAD, opentad/evaluations/mAP.py",
    shortest=math.ulp(0.0),
    duplicates=1e-3,
)

ACTIONFORMER = Protocol(
    id="actionformer",
    title="ActionFormer",
    source="happyharrycn/actionformer_release, libs/utils/metrics.py",
    shortest=1e-3,
    duplicates=1e-3,
)

WTALC = Protocol(
    id="wtalc",
    title="W-TALC lineage since 2021-08 (FAC-Net, RSKP, GauFuse)",
    source="LeonHLJ/FAC-Net, evaluation/detectionMAP.py",
    unit="snippets",
    tie="earlier",
    without_ground_truth="dropped",
    ambiguity_filter=True,
)

WTALC_2019 = Protocol(
    id="wtalc-2019",
    title="W-TALC 2019 (and FAC-Net before 2021-08-14)",
    source="sujoyp/wtalc-pytorch, detectionMAP.py",
    unit="snippets",
    matching="first",
    tie="earlier",
    ap="sum",
    without_ground_truth="dropped",
    ambiguity_filter=True,
)

PROTOCOLS = {
    protocol.id: protocol for protocol in (ACTIVITYNET, OPENTAD, ACTIONFORMER, WTALC, WTALC_2019)
}


def protocol(id: str) -> Protocol:
    """The protocol of that id."""
    if id not in PROTOCOLS:
        raise WorkbookError(f"unknown protocol {id!r}; known ones: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[id]
