"""Which detail of a protocol moves mAP by how much: from one setting to another, one named detail
at a time.

Details interact, so the effect of one depends on those that are already changed. `ladder` changes
them in a fixed order, `contributions` also gives each alone from either end, and the mean over all
orders (Shapley 1953), which adds up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate, thresholds
from wtal_core.evaluation.protocols import PROTOCOLS, THUMOS_TIOUS, Protocol

ALL_TIOUS = (*THUMOS_TIOUS, 0.8, 0.9)
AVERAGES = {"0.1:0.7": THUMOS_TIOUS, "0.1:0.9": ALL_TIOUS}
# name -> the fields of Protocol that it consists of; in the order in which `ladder` changes them
DETAILS = {
    "test list": (),
    "dropped instances": ("shortest", "duplicates"),
    "time grid": ("unit",),
    "tie rule": ("tie",),
    "videos without ground truth": ("without_ground_truth",),
    "ambiguity filter": ("ambiguity_filter",),
    "class without detections": ("as_published",),
    "matching": ("matching",),
    "AP rule": ("ap",),
}
WAYS = ("in the ladder", "alone from the first", "alone from the last", "mean over all orders")


@dataclass(frozen=True)
class Setting:
    """A protocol on a test list. left_out: videos of the ground truth that the list lacks; they
    count as blocked.
    """

    protocol: Protocol
    left_out: tuple[str, ...] = ()

    def value(self, detail: str) -> object:
        """What the detail is here, for comparison and for tables."""
        values = tuple(getattr(self.protocol, name) for name in DETAILS[detail])
        return self.left_out if detail == "test list" else values

    def taking(self, details: Sequence[str], other: "Setting") -> "Setting":
        """This setting with some details as they are in the other one."""
        fields = {
            name: getattr(other.protocol, name) for detail in details for name in DETAILS[detail]
        }
        changed = replace(self.protocol, **fields) if fields else self.protocol
        return Setting(changed, other.left_out if "test list" in details else self.left_out)

    def scored(
        self, ground_truth: GroundTruth, detections: pd.DataFrame, tious: Sequence[float]
    ) -> Float[np.ndarray, " K"]:
        """mAP in percent, a number a tIoU."""
        blocked = tuple(dict.fromkeys((*ground_truth.blocked, *self.left_out)))
        return (
            100
            * evaluate(replace(ground_truth, blocked=blocked), detections, self.protocol, tious).map
        )


def differing(first: Setting, last: Setting) -> tuple[str, ...]:
    """The details in which two settings differ, in the order of DETAILS."""
    return tuple(detail for detail in DETAILS if first.value(detail) != last.value(detail))


def protocol_table(
    ground_truth: GroundTruth,
    detections: pd.DataFrame,
    lists: Mapping[str, tuple[str, ...]],
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """mAP in percent of the same detections: a row a test list and protocol, a column a tIoU, then
    the averages.

    ground_truth: of the longest list, with the ambiguous intervals, which the protocols without
    that filter do not look at.
    lists: name -> the videos that this list leaves out.
    """
    rows = {
        (name, one.id): Setting(one, left_out).scored(ground_truth, detections, tious)
        for name, left_out in lists.items()
        for one in PROTOCOLS.values()
    }
    return _table(rows, ["list", "protocol"], tious)


def ladder(
    ground_truth: GroundTruth,
    detections: pd.DataFrame,
    first: Setting,
    last: Setting,
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """mAP in percent on the way from one setting to another: the row "start", then one a detail
    that differs, after it.

    Details change in the order of DETAILS, and stay changed; so the last row is the last setting's
    mAP.
    """
    details = differing(first, last)
    steps = [first.taking(details[:count], last) for count in range(len(details) + 1)]
    rows = {
        (name,): step.scored(ground_truth, detections, tious)
        for name, step in zip(("start", *details), steps, strict=True)
    }
    return _table(rows, ["detail"], tious)


def contributions(
    ground_truth: GroundTruth,
    detections: pd.DataFrame,
    first: Setting,
    last: Setting,
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """Points of mAP that each differing detail causes on the way from the first setting to the
    last, a row a way and detail.

    "in the ladder": after those before it in DETAILS. "alone from the first": the only one changed.
    "alone from the last": the last one that was still missing. "mean over all orders": of the n!
    orders in which details can change, computed from the mAP of all 2^n combinations. The first and
    last way each add up to the whole difference, the others need not. Raises WorkbookError if the
    settings are equal.
    """
    details = differing(first, last)
    if not details:
        raise WorkbookError(
            "contributions: the two settings are equal; give two that differ in at least one detail"
        )

    @cache
    def value(changed: frozenset[str]) -> np.ndarray:
        return first.taking(sorted(changed), last).scored(ground_truth, detections, tious)

    def gain(detail: str, before: Sequence[str]) -> np.ndarray:
        return value(frozenset(before) | {detail}) - value(frozenset(before))

    rows = {}
    for place, detail in enumerate(details):
        others = [other for other in details if other != detail]
        found = (
            gain(detail, details[:place]),
            gain(detail, ()),
            gain(detail, others),
            sum(
                gain(detail, before) / (len(details) * comb(len(others), size))
                for size in range(len(details))
                for before in combinations(others, size)
            ),
        )
        rows |= {(way, detail): points for way, points in zip(WAYS, found, strict=True)}
    return _table(rows, ["way", "detail"], tious).loc[list(WAYS)]


def grid_halves(
    ground_truth: GroundTruth,
    detections: pd.DataFrame,
    protocol: Protocol,
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """The time grid taken apart: mAP in percent in seconds, with one side on the snippet grid, and
    with both.

    One side alone is put on the grid and brought back to seconds; both are the protocol with the
    unit "snippets". In snippets a tIoU is a ratio of small whole numbers and often just equal to
    the threshold, which counts as a match: the rows "above the threshold" do not let it count.
    """
    base = ground_truth.timebase

    def gridded(table: pd.DataFrame, place: object) -> pd.DataFrame:
        return table.assign(
            **{name: base.seconds(place(table[name].to_numpy())) for name in ("t_start", "t_end")}
        )

    on_grid = replace(ground_truth, segments=gridded(ground_truth.segments, base.rounded))
    above = tuple(np.nextafter(tious, 1.0).tolist())
    seconds, snippets = (
        Setting(replace(protocol, unit=unit), ground_truth.blocked)
        for unit in ("seconds", "snippets")
    )
    rows = {
        ("seconds",): seconds.scored(ground_truth, detections, tious),
        ("detections truncated",): seconds.scored(
            ground_truth, gridded(detections, base.truncated), tious
        ),
        ("instances rounded",): seconds.scored(on_grid, detections, tious),
        ("both: snippets",): snippets.scored(ground_truth, detections, tious),
        ("seconds, above the threshold",): seconds.scored(ground_truth, detections, above),
        ("snippets, above the threshold",): snippets.scored(ground_truth, detections, above),
    }
    return _table(rows, ["time"], tious)


def _table(
    rows: Mapping[tuple[str, ...], Float[np.ndarray, " K"]],
    names: list[str],
    tious: Sequence[float],
) -> pd.DataFrame:
    """A column a tIoU, then those AVERAGES whose thresholds are all there."""
    levels = thresholds(PROTOCOLS["wtalc"], tious).tolist()
    index = pd.MultiIndex.from_tuples(list(rows), names=names)
    index = index if len(names) > 1 else index.get_level_values(0)
    table = pd.DataFrame(
        list(rows.values()), index=index, columns=[f"{level:g}" for level in levels]
    )
    averages = {
        name: table[[f"{level:g}" for level in wanted]].mean(axis=1)
        for name, wanted in AVERAGES.items()
        if set(wanted) <= set(levels)
    }
    return table.assign(**averages)
