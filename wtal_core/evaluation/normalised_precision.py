"""Normalised average precision, by which classes of few and of many instances compare.

Source: Hoiem et al. 2012, as DETAD uses it.

Precision depends on how common a class is. With N = instances / classes for every class in place of
its own number n, P_N = R N / (R N + FP), where R = TP / n. All is reckoned at true positives:
recall grows at them only, and between two of them precision only falls.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.evaluation.matching import Matches
from wtal_core.evaluation.preparation import Prepared


@dataclass(frozen=True)
class Hits:
    """True positives, sorted by group, then by rank.

    group: threshold * classes + class.
    cell: threshold * detections + detection.
    start: the first cell of the group.
    instance: the one that was taken.
    false_before: false positives of the group that rank higher.
    n_instances: n of each group.
    reference: N.
    """

    group: Int[np.ndarray, " M"]
    cell: Int[np.ndarray, " M"]
    start: Int[np.ndarray, " M"]
    instance: Int[np.ndarray, " M"]
    false_before: Int[np.ndarray, " M"]
    n_instances: Int[np.ndarray, " S"]
    reference: float

    def part(self, rows: Bool[np.ndarray, " M"]) -> "Hits":
        """These true positives, of each group the best ones: what ranks higher stays the same."""
        return replace(
            self,
            group=self.group[rows],
            cell=self.cell[rows],
            start=self.start[rows],
            instance=self.instance[rows],
            false_before=self.false_before[rows],
        )

    def precision(self) -> Float[np.ndarray, " M"]:
        """P_N at each."""
        return _precision(self.group, self.false_before, self.n_instances, self.reference)

    def map_by_tiou(
        self, n_levels: int, removed: Int[np.ndarray, " M"] | int = 0
    ) -> Float[np.ndarray, " K"]:
        """Mean of the normalised AP over classes.

        removed: how many of the false positives before each true one are taken away.
        """
        false_before = self.false_before - removed
        ap = average_precision(self.group, false_before, self.n_instances, self.reference)
        return ap.reshape(n_levels, -1).mean(axis=1)


def hits_of(matches: Matches, prepared: Prepared, n_levels: int) -> Hits:
    """The true positives of a matching, N = instances / classes."""
    n_classes = len(prepared.classes)
    label = prepared.label[matches.detection]
    first = np.searchsorted(prepared.label, label)
    group = matches.level * n_classes + label
    row = matches.level * len(prepared.label)
    n_instances = np.bincount(prepared.instance_label, minlength=n_classes)
    return Hits(
        group=group,
        cell=row + matches.detection,
        start=row + first,
        instance=matches.instance,
        false_before=matches.detection - first - ragged.rank_in_group(group),
        n_instances=np.tile(n_instances, n_levels),
        reference=len(prepared.instance_row) / n_classes,
    )


def average_precision(
    group: Int[np.ndarray, " M"],
    false_before: Int[np.ndarray, " M"],
    n_instances: Int[np.ndarray, " S"],
    reference: float,
) -> Float[np.ndarray, " S"]:
    """Interpolated area under the curve of P_N of each group, a fraction; NaN without instances.

    Sum over true positives, sorted by group, then by rank, of the best P_N at their rank or later,
    divided by n.
    """
    precision = _best_from_here(group, _precision(group, false_before, n_instances, reference))
    area = np.bincount(group, weights=precision, minlength=len(n_instances))
    return np.divide(
        area, n_instances, out=np.full(len(n_instances), np.nan), where=n_instances > 0
    )


def _precision(
    group: Int[np.ndarray, " M"],
    false_before: Int[np.ndarray, " M"],
    n_instances: Int[np.ndarray, " S"],
    reference: float,
) -> Float[np.ndarray, " M"]:
    recall = (ragged.rank_in_group(group) + 1) / n_instances[group]
    return recall * reference / (recall * reference + false_before)


def _best_from_here(
    group: Int[np.ndarray, " M"], value: Float[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """The largest value of the same group at this place or later.

    One running maximum from the end, over ranks in place of values. Earlier groups, which it meets
    later, have the higher ranks, so that no maximum is carried from one group into another.
    """
    order = np.lexsort((value, -group))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return value[order][np.maximum.accumulate(rank[::-1])[::-1]]
