"""Action instances -> a label for every snippet that keeps the instances' scores.

GauFuse, Eqs. 5 and 6 ("LinPro").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.localization.linear_programme import Programmes, solve
from wtal_core.localization.linear_programme_scipy import corners, evened, with_nearest_targets

NUMBERS_AT_ONCE = 2**16  # coefficients of the programmes solved at once; they stay in the cache
CHOICES = {
    "rows": ("pm1", "mean"),
    "infeasible": ("zero", "least_squares"),
    "solver": ("central_path", "highs", "highs_groupavg"),
}


@dataclass(frozen=True)
class LabelRule:
    """How instances become equations, and how these are solved.

    rows: "mean": mean inside minus mean outside is the score, as section 3.2 says.
        DIFFERS: "pm1", the sum inside minus the sum outside, is the official code
        (`utils/utils.py:188-205`); its labels are about 1 / length of the others.
    margin_scale, margin_power: the outer area is margin_scale * L ** margin_power snippets to
        either side of L snippets.
    infeasible: labels where no label keeps all scores: "zero", as SciPy's solver gave; or
        "least_squares", those that keep the nearest scores that can be kept (Euclidean).
    solver: "central_path", the uniform labels of the published runs;
        "highs", a corner of the optimal face, a few snippets of a segment, which is what the
        official code gives since SciPy 1.9;
        "highs_groupavg", that corner with equal snippets averaged, as section 3.2 says.
        The last two take one programme at a time, and are slow.
    snap: added to starts and ends, in snippets, before they are cut to integers; 0 as the official
        code. Fused boundaries of members that agree may fall short of their integer by a rounding
        error; 1e-6 takes such for the integer.

    Raises WorkbookError for a choice that is not known, or a number that is negative or none.
    """

    rows: Literal["pm1", "mean"] = "pm1"
    margin_scale: float = 0.0785
    margin_power: float = 0.9
    infeasible: Literal["zero", "least_squares"] = "zero"
    solver: Literal["central_path", "highs", "highs_groupavg"] = "central_path"
    snap: float = 0.0

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise WorkbookError(
                    f"unknown {name} {getattr(self, name)!r} of a label rule; choose one of "
                    f"{', '.join(known)}"
                )
        for name in ("margin_scale", "margin_power", "snap"):
            if not 0 <= getattr(self, name) < np.inf:
                raise WorkbookError(
                    f"the {name} of a label rule is {getattr(self, name)}; choose a number >= 0"
                )


@dataclass(frozen=True)
class Labels:
    """Labels of P programmes.

    values: labels in [0, 1] of the programmes' snippets, one programme after another.
    infeasible: no label keeps all scores, or none was found that does.
    """

    values: Float[np.ndarray, " M"]
    infeasible: Bool[np.ndarray, " P"]


@dataclass(frozen=True)
class _Areas:
    """Where the areas of N segments begin and end, in snippets, all in [0, T].

    left: of the left outer area, which ends at `inner`.
    inner: of the segment, which ends at `right`.
    right: of the right outer area, which ends at `stop`.
    """

    left: Int[np.ndarray, "*N"]
    inner: Int[np.ndarray, "*N"]
    right: Int[np.ndarray, "*N"]
    stop: Int[np.ndarray, "*N"]

    @property
    def edges(self) -> Int[np.ndarray, "*N 4"]:
        return np.stack((self.left, self.inner, self.right, self.stop), axis=-1)

    def take(self, which: Int[np.ndarray, "*K"], real: Bool[np.ndarray, "*K"]) -> "_Areas":
        """Areas of `which`; empty ones at 0 where not `real`."""
        return _Areas(
            np.where(real, self.left[which], 0),
            np.where(real, self.inner[which], 0),
            np.where(real, self.right[which], 0),
            np.where(real, self.stop[which], 0),
        )


def pseudo_labels(
    sequence: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Num[np.ndarray, " N"],
    lengths: Int[np.ndarray, " P"],
    rule: LabelRule,
) -> Labels:
    """The least sum of labels in [0, 1] that gives each of N segments its score.

    sequence: which of P programmes, a (video, class) pair, a segment belongs to; in any order.
    start, end: snippets, [start, end), cut to integers; end may be T + 1, as proposals have it.
    score: of any sign.
    lengths: snippets T of each programme.

    Snippets in no area, and programmes without segments, get 0. Snippets in the same areas get the
    same label, unless the solver is "highs". The central path gives a programme the same bits alone
    and in a batch.
    Source: GauFuse, Eqs. 5 and 6; `utils/utils.py:188-244`.
    Raises WorkbookError if arrays do not fit, a number is not finite, or a segment is not inside
    its video.
    """
    _check(sequence, start, end, score, lengths)
    areas = _areas(start, end, lengths[sequence], rule)
    labels = np.zeros(int(lengths.sum()))
    infeasible = np.zeros(len(lengths), dtype=bool)
    first = ragged.starts(lengths)
    for batch in _batches(sequence, len(lengths), rule):
        chosen = areas.take(batch.segment, batch.real)
        if rule.solver == "central_path":
            edges = _edges(chosen)
        else:
            edges = np.arange(lengths[batch.programme[0]] + 1)[None]
        target = np.where(batch.real, score[batch.segment], 0.0)
        programmes = _programmes(chosen, edges, target, rule)
        values, infeasible[batch.programme] = _solve(programmes, rule)
        begin = first[batch.programme, None] + edges[:, :-1]
        _paint(labels, begin, programmes.size, values)
    return Labels(labels, infeasible)


def constraint_rows(
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    length: int,
    rule: LabelRule,
) -> Float[np.ndarray, "N length"]:
    """W of Eq. 6 for one programme of `length` snippets: labels p keep the scores q if W p = q."""
    areas = _areas(start, end, np.full(len(start), length), rule)
    one_programme = _Areas(areas.left[None], areas.inner[None], areas.right[None], areas.stop[None])
    return _rows(one_programme, np.arange(length)[None], rule)[0]


def _check(
    sequence: np.ndarray, start: np.ndarray, end: np.ndarray, score: np.ndarray, lengths: np.ndarray
) -> None:
    if (lengths < 0).any():
        raise WorkbookError(
            f"programme {np.flatnonzero(lengths < 0)[0]} has a negative length; give its number "
            f"of snippets"
        )
    if len(sequence) and not 0 <= sequence.min() <= sequence.max() < len(lengths):
        raise WorkbookError(
            f"segments name programmes {sequence.min()} to {sequence.max()}, but lengths are "
            f"given for {len(lengths)}; give one length for every (video, class) pair"
        )
    for name, values in (("start", start), ("end", end), ("score", score)):
        if len(values) != len(sequence):
            raise WorkbookError(
                f"{name} has {len(values)} entries, but there are {len(sequence)} segments; give "
                f"one per segment"
            )
        if not np.isfinite(values).all():
            position = np.flatnonzero(~np.isfinite(values))[0]
            raise WorkbookError(
                f"the {name} of segment {position} is {values[position]}; has training diverged?"
            )
    outside = np.flatnonzero((end < start) | (start <= -1) | (end >= lengths[sequence] + 2))
    if len(outside):
        k = outside[0]
        raise WorkbookError(
            f"segment {k} is [{start[k]}, {end[k]}) in a video of {lengths[sequence[k]]} "
            "snippets; are start and end swapped, or in seconds?"
        )


def _areas(
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    length: Int[np.ndarray, " N"],
    rule: LabelRule,
) -> _Areas:
    """The areas of segments: boundaries are cut first, the margin is that of the cut segment."""
    inner = np.trunc(start + rule.snap).astype(np.int64)
    right = np.trunc(end + rule.snap).astype(np.int64)
    margin = rule.margin_scale * (right - inner).astype(np.float64) ** rule.margin_power
    left = np.maximum(np.trunc(inner - margin).astype(np.int64), 0)
    # the last snippet is never in a right outer area, as in the official code
    stop = np.minimum(np.trunc(right + margin + 1).astype(np.int64), length - 1)
    stop = np.maximum(stop, right)
    return _Areas(
        np.minimum(left, length),
        np.minimum(inner, length),
        np.minimum(right, length),
        np.minimum(stop, length),
    )


@dataclass(frozen=True)
class _Batch:
    """B programmes with at most m segments each.

    programme: their numbers.
    segment: numbers of their segments, 0 where a programme has no more.
    real: whether a place of `segment` holds one.
    """

    programme: Int[np.ndarray, " B"]
    segment: Int[np.ndarray, "B m"]
    real: Bool[np.ndarray, "B m"]


def _batches(sequence: Int[np.ndarray, " N"], count: int, rule: LabelRule) -> Iterator[_Batch]:
    """Programmes that are solved at once; those without segments are left out.

    The number of places m depends on a programme's own segments only, and so do its sums, to the
    last bit.
    """
    order = np.argsort(sequence, kind="stable")
    segments = np.bincount(sequence, minlength=count)
    first = ragged.starts(segments)
    places = _places(segments)
    for m in np.unique(places[segments > 0]):
        alike = np.flatnonzero(places == m)
        at_once = max(1, NUMBERS_AT_ONCE // (4 * m * m)) if rule.solver == "central_path" else 1
        for programme in np.split(alike, np.arange(at_once, len(alike), at_once)):
            place = np.arange(m)
            real = place < segments[programme, None]
            listed = np.where(real, first[programme, None] + place, 0)
            yield _Batch(programme, order[listed], real)


def _places(segments: Int[np.ndarray, " P"]) -> Int[np.ndarray, " P"]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24, ...: the next of these numbers."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(segments, 1))).astype(np.int64) - 1, 0)
    return -(-segments // step) * step


def _edges(areas: _Areas) -> Int[np.ndarray, "B E"]:
    """All places where an area begins or ends; between two neighbours, snippets are alike."""
    return np.sort(areas.edges.reshape(len(areas.left), -1), axis=1)


def _rows(
    areas: _Areas, snippet: Int[np.ndarray, "B G"], rule: LabelRule
) -> Float[np.ndarray, "B m G"]:
    """Coefficient of each snippet in each segment's equation (Eq. 5)."""
    t = snippet[:, None]
    inner = (areas.inner[:, :, None] <= t) & (t < areas.right[:, :, None])
    outer = (areas.left[:, :, None] <= t) & (t < areas.stop[:, :, None]) & ~inner
    if rule.rows == "pm1":
        return inner.astype(np.float64) - outer
    inside = areas.right - areas.inner
    outside = areas.stop - areas.left - inside
    return inner / np.maximum(inside, 1)[:, :, None] - outer / np.maximum(outside, 1)[:, :, None]


def _programmes(
    areas: _Areas, edges: Int[np.ndarray, "B E"], target: Float[np.ndarray, "B m"], rule: LabelRule
) -> Programmes:
    """One unknown for the snippets between two edges."""
    return Programmes(
        _rows(areas, edges[:, :-1], rule), np.diff(edges, axis=1).astype(np.float64), target
    )


def _solve(
    programmes: Programmes, rule: LabelRule
) -> tuple[Float[np.ndarray, "B G"], Bool[np.ndarray, " B"]]:
    """Values, and which programmes are infeasible."""
    solver = solve if rule.solver == "central_path" else corners
    solutions = solver(programmes)
    values = solutions.values
    infeasible = ~solutions.feasible
    if rule.infeasible == "least_squares" and infeasible.any():
        nearest, nearest_values = with_nearest_targets(programmes, infeasible)
        again = solver(nearest)
        values = np.where(again.feasible[:, None], again.values, nearest_values)
    if rule.solver == "highs_groupavg":
        values = evened(programmes, values)
    return values, infeasible


def _paint(
    labels: Float[np.ndarray, " M"],
    begin: Int[np.ndarray, "B G"],
    size: Float[np.ndarray, "B G"],
    values: Float[np.ndarray, "B G"],
) -> None:
    """Writes each value to the `size` snippets from `begin` on."""
    count = size.ravel().astype(np.int64)
    labels[ragged.ranges(begin.ravel(), count)] = np.repeat(values.ravel(), count)
