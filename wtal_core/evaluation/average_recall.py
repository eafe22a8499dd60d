"""AR@AN: recall of proposals without classes at an average number of them per video.

Source: activitynet/ActivityNet, Evaluation/eval_proposal.py. An instance counts as found where any
kept proposal of its video reaches the tIoU, so one proposal may find several. At an average number
AN every video keeps the same share of its proposals, its best floor(n AN V / N): n of N proposals
are its own, V videos hold instances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from tabulate import tabulate

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import Detections, GroundTruth
from wtal_core.evaluation.matching import Intervals, edges
from wtal_core.evaluation.protocols import ACTIVITYNET_TIOUS
from wtal_core.evaluation.thresholds import tiou_name

NUMBERS = (1, 5, 10, 50, 100)
LARGEST = 100  # average number up to which the area is taken, as the challenge does


@dataclass(frozen=True)
class AverageRecall:
    """Recall as fractions.

    numbers: average numbers of proposals per video. recall: one value per number and tIoU.
    area: under the mean recall over average numbers 1 to LARGEST, divided by LARGEST.
    found: instances that all proposals find at each tIoU. proposals, instances: how many there are.
    """

    numbers: tuple[int, ...]
    tious: tuple[float, ...]
    recall: Float[np.ndarray, "A K"]
    area: float
    found: Int[np.ndarray, " K"]
    proposals: int
    instances: int


def average_recall(
    ground_truth: GroundTruth,
    proposals: Detections,
    tious: Sequence[float] = ACTIVITYNET_TIOUS,
    numbers: Sequence[int] = NUMBERS,
) -> AverageRecall:
    """AR@AN of proposals, whatever their labels say; equal scores stay in the order listed.

    Raises WorkbookError where no instance is left or no proposal is of a known video.
    """
    videos = [video for video in ground_truth.videos if video not in set(ground_truth.blocked)]
    place = {video: number for number, video in enumerate(videos)}
    segments = ground_truth.segments[ground_truth.segments["video"].isin(videos)]
    table = proposals.table
    if not len(segments):
        raise WorkbookError("ground truth: no instance is left to find; check the test list")
    if len(table) and not table["video"].isin(videos).any():
        raise WorkbookError(
            f"proposals: not one video is in the ground truth; it names {videos[0]!r}, the "
            f"proposals {table['video'].iloc[0]!r}; spell them alike"
        )
    own = table[table["video"].isin(videos)]
    key = own["video"].map(place).to_numpy(dtype=np.int64)
    order = np.lexsort((-own["score"].to_numpy(dtype=np.float64), key))
    key = key[order]
    rank = ragged.rank_in_group(key)
    size = np.bincount(key, minlength=len(videos))[key]
    instance_key = segments["video"].map(place).to_numpy(dtype=np.int64)
    start, end = (own[name].to_numpy(dtype=np.float64)[order] for name in ("t_start", "t_end"))
    first, last = (segments[name].to_numpy(dtype=np.float64) for name in ("t_start", "t_end"))
    levels = np.asarray(tious, dtype=np.float64)
    pairs = edges(
        Intervals(key, start, end), Intervals(instance_key, first, last), float(levels.min())
    )
    # the share of its video's proposals that has to be kept until this one is among them
    needed = ((rank + 1) / np.maximum(size, 1))[pairs.detection]
    share = np.full((len(levels), len(segments)), np.inf)
    for level, tiou in enumerate(levels):
        near = pairs.tiou >= tiou
        np.minimum.at(share[level], pairs.instance[near], needed[near])
    annotated = len(np.unique(instance_key))
    wanted = np.arange(1, LARGEST + 1)
    kept = wanted * annotated / max(len(table), 1)
    curve = _recall(share, kept)
    chosen = _recall(share, np.asarray(numbers) * annotated / max(len(table), 1))
    return AverageRecall(
        tuple(numbers),
        tuple(levels.tolist()),
        chosen,
        float(np.trapezoid(curve.mean(axis=1), wanted) / LARGEST),
        np.isfinite(share).sum(axis=1),
        len(table),
        len(segments),
    )


def _recall(
    share: Float[np.ndarray, "K G"], kept: Float[np.ndarray, " A"]
) -> Float[np.ndarray, "A K"]:
    """Recall where each video keeps these shares of its proposals; 1e-9 is for rounding."""
    return (share[None] <= kept[:, None, None] + 1e-9).mean(axis=2)


def as_values(result: AverageRecall) -> dict:
    """Ready for JSON, recall in percent."""
    rows = {
        str(number): {
            **{
                tiou_name(t): round(100 * float(v), 10)
                for t, v in zip(result.tious, row, strict=True)
            },
            "AR": round(100 * float(row.mean()), 10),
        }
        for number, row in zip(result.numbers, result.recall, strict=True)
    }
    found = {tiou_name(t): int(n) for t, n in zip(result.tious, result.found, strict=True)}
    return {
        "measure": "AR@AN",
        "recall": rows,
        "area": round(100 * result.area, 10),
        "found": found,
        "proposals": result.proposals,
        "instances": result.instances,
    }


def as_text(result: AverageRecall) -> str:
    """A table to read: recall in percent at each average number of proposals and tIoU."""
    rows = [
        {
            "proposals per video": number,
            **{tiou_name(t): 100 * v for t, v in zip(result.tious, row, strict=True)},
            "AR": 100 * row.mean(),
        }
        for number, row in zip(result.numbers, result.recall, strict=True)
    ]
    return "\n\n".join(
        [
            "Recall in percent of proposals without classes, by their average number per video "
            "(AR@AN, ActivityNet toolkit)",
            tabulate(rows, headers="keys", floatfmt=".2f"),
            f"area under AR@1 to AR@{LARGEST}: {100 * result.area:.2f}\n"
            f"all {result.proposals} proposals find {int(result.found[0])} of {result.instances} "
            f"instances at tIoU {tiou_name(result.tious[0])}",
        ]
    )
