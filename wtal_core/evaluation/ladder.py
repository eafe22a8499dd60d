"""Which detail of a protocol moves mAP by how much, one named detail at a time.

Details interact, so the effect of one depends on those that are already changed. `ladder` changes
them in a fixed order, `contributions` also gives each alone from either end, and the mean over all
orders (Shapley 1953), which adds up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import Detections, GroundTruth, checked
from wtal_core.evaluation.mean_average_precision import evaluate, thresholds
from wtal_core.evaluation.protocols import PROTOCOLS, THUMOS_TIOUS, Protocol

ALL_TIOUS = (*THUMOS_TIOUS, 0.8, 0.9)
AVERAGES = {"0.1:0.7": THUMOS_TIOUS, "0.1:0.9": ALL_TIOUS}
# name -> the fields of Protocol that it consists of; in the order in which `ladder` changes them
DETAILS: dict[str, tuple[str, ...]] = {
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
Points = Float[np.ndarray, " K"]  # mAP, or a difference of it, in percent at each tIoU
WAYS = ("in the ladder", "alone from the first", "alone from the last", "mean over all orders")


@dataclass(frozen=True)
class Setting:
    """A protocol on a test list.

    left_out: videos of the ground truth that the list lacks; they count as blocked.
    """

    protocol: Protocol
    left_out: tuple[str, ...] = ()

    def value(self, detail: str) -> object:
        """What the detail is here, for comparison and for tables."""
        if detail == "test list":
            return self.left_out
        return tuple(getattr(self.protocol, name) for name in DETAILS[detail])

    def taking(self, details: Sequence[str], other: "Setting") -> "Setting":
        """This setting with some details as they are in the other one."""
        changes: dict[str, Any] = {}
        for detail in details:
            for name in DETAILS[detail]:
                changes[name] = getattr(other.protocol, name)
        left_out = other.left_out if "test list" in details else self.left_out
        return Setting(replace(self.protocol, **changes), left_out)

    def scored(
        self,
        ground_truth: GroundTruth,
        detections: pd.DataFrame | Detections,
        tious: Sequence[float],
    ) -> Float[np.ndarray, " K"]:
        """mAP in percent, one number per tIoU."""
        blocked = tuple(dict.fromkeys((*ground_truth.blocked, *self.left_out)))
        truth = replace(ground_truth, blocked=blocked)
        return 100 * evaluate(truth, detections, self.protocol, tious).map


def differing(first: Setting, last: Setting) -> tuple[str, ...]:
    """The details in which two settings differ, in the order of DETAILS."""
    return tuple(detail for detail in DETAILS if first.value(detail) != last.value(detail))


def protocol_table(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    lists: Mapping[str, tuple[str, ...]],
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """mAP in percent of the same detections, one row per test list and protocol.

    One column per tIoU, then the averages.
    ground_truth: of the longest list, with the ambiguous intervals, which the protocols without
        that filter do not look at.
    lists: name -> the videos that this list leaves out.
    """
    sound = checked(detections)
    rows: dict[tuple[str, ...], Points] = {}
    for name, left_out in lists.items():
        for protocol in PROTOCOLS.values():
            setting = Setting(protocol, left_out)
            rows[name, protocol.id] = setting.scored(ground_truth, sound, tious)
    return _table(rows, ["list", "protocol"], tious)


def ladder(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    first: Setting,
    last: Setting,
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """mAP in percent on the way from one setting to another.

    The row "start", then one per detail that differs, after this detail has changed.
    Details change in the order of DETAILS, and stay changed; so the last row is the last setting's
    mAP.
    """
    sound = checked(detections)
    details = differing(first, last)
    rows: dict[tuple[str, ...], Points] = {}
    for count, name in enumerate(("start", *details)):
        step = first.taking(details[:count], last)
        rows[(name,)] = step.scored(ground_truth, sound, tious)
    return _table(rows, ["detail"], tious)


def contributions(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    first: Setting,
    last: Setting,
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """Points of mAP that each differing detail causes, one row per way and detail.

    From the first setting to the last.
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

    sound = checked(detections)

    @cache
    def value(changed: frozenset[str]) -> np.ndarray:
        return first.taking(sorted(changed), last).scored(ground_truth, sound, tious)

    def gain(detail: str, before: Sequence[str]) -> np.ndarray:
        return value(frozenset(before) | {detail}) - value(frozenset(before))

    def mean_gain(detail: str, others: Sequence[str]) -> np.ndarray:
        """Shapley's value: of all orders, each place of the detail counts the same."""
        total = np.zeros(len(tious))
        for size in range(len(details)):
            for before in combinations(others, size):
                total = total + gain(detail, before) / (len(details) * comb(len(others), size))
        return total

    rows: dict[tuple[str, ...], Points] = {}
    for place, detail in enumerate(details):
        others = [other for other in details if other != detail]
        rows["in the ladder", detail] = gain(detail, details[:place])
        rows["alone from the first", detail] = gain(detail, ())
        rows["alone from the last", detail] = gain(detail, others)
        rows["mean over all orders", detail] = mean_gain(detail, others)
    return _table(rows, ["way", "detail"], tious).loc[list(WAYS)]


def grid_halves(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    protocol: Protocol,
    tious: Sequence[float] = ALL_TIOUS,
) -> pd.DataFrame:
    """The time grid taken apart: mAP in percent with no, one or both sides on the snippet grid.

    One side alone is put on the grid and brought back to seconds; both are the protocol with the
    unit "snippets". In snippets a tIoU is a ratio of small whole numbers and often just equal to
    the threshold, which counts as a match: the rows "above the threshold" do not let it count.
    """
    base = ground_truth.timebase
    sound = checked(detections)

    def gridded(table: pd.DataFrame, place: Callable[[np.ndarray], np.ndarray]) -> pd.DataFrame:
        return table.assign(
            t_start=base.seconds(place(table["t_start"].to_numpy())),
            t_end=base.seconds(place(table["t_end"].to_numpy())),
        )

    truncated = checked(gridded(sound.table, base.truncated))
    rounded = replace(ground_truth, segments=gridded(ground_truth.segments, base.rounded))
    above = tuple(np.nextafter(tious, 1.0).tolist())
    seconds = Setting(replace(protocol, unit="seconds"), ground_truth.blocked)
    snippets = Setting(replace(protocol, unit="snippets"), ground_truth.blocked)
    rows: dict[tuple[str, ...], Points] = {
        ("seconds",): seconds.scored(ground_truth, sound, tious),
        ("detections truncated",): seconds.scored(ground_truth, truncated, tious),
        ("instances rounded",): seconds.scored(rounded, sound, tious),
        ("both: snippets",): snippets.scored(ground_truth, sound, tious),
        ("seconds, above the threshold",): seconds.scored(ground_truth, sound, above),
        ("snippets, above the threshold",): snippets.scored(ground_truth, sound, above),
    }
    return _table(rows, ["time"], tious)


def _table(
    rows: Mapping[tuple[str, ...], Points],
    names: list[str],
    tious: Sequence[float],
) -> pd.DataFrame:
    """One column per tIoU, then those AVERAGES whose thresholds are all there."""
    levels = thresholds(PROTOCOLS["wtalc"], tious).tolist()
    index: pd.Index = pd.MultiIndex.from_tuples(list(rows), names=names)
    if len(names) == 1:
        index = index.get_level_values(0)
    table = pd.DataFrame(
        list(rows.values()), index=index, columns=[f"{level:g}" for level in levels]
    )
    averages = {
        name: table[[f"{level:g}" for level in wanted]].mean(axis=1)
        for name, wanted in AVERAGES.items()
        if set(wanted) <= set(levels)
    }
    return table.assign(**averages)
