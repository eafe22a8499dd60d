"""Class activation sequences -> scored proposals, as in FAC-Net, RSKP and GauFuse.

Thresholds, runs, outer-inner contrast.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from wtal_core import ragged
from wtal_core.errors import WorkbookError


@dataclass(frozen=True)
class ProposalRule:
    """How runs above a threshold become scored proposals.

    thresholds: in units of the activation; a run is where the activation is strictly above one of
        them.
    shortest: least run length L in snippets, before a proposal is lengthened by one.
    margin_scale, margin_power: kappa and rho of the outer margin m = kappa * L ** rho, in snippets.
    outer_weight: beta of score = inner mean - beta * outer mean.
    """

    thresholds: tuple[float, ...]
    shortest: int
    margin_scale: float
    margin_power: float
    outer_weight: float


@dataclass(frozen=True)
class Proposals:
    """N proposals, by sequence, then by threshold in the order of the rule, then by start.

    This order decides between equal scores, see `suppression.suppress`.

    sequence: index of the class activation sequence.
    start, end: snippets, [start, end); end may be T + 1.
    score: inner mean - beta * outer mean.
    inner: the inner mean alone, which GauFuse weighs proposals by.
    """

    sequence: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]
    score: Float[np.ndarray, " N"]
    inner: Float[np.ndarray, " N"]


def propose(
    activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], rule: ProposalRule
) -> Proposals:
    """Proposals of P sequences of `lengths` snippets (0 allowed), one after another.

    A run [s, e) above a threshold, of L = e - s >= `shortest` snippets, gives the proposal [s, e +
    1). Its inner area reaches one snippet past the run, so the end is that of the code, not of the
    papers. The same run may come once per threshold. A sequence gives the same bits alone and in a
    batch.
    Source: FAC-Net, `evaluation/detectionMAP.py:83-110`; RSKP and GauFuse use the same code with
    other constants. Raises WorkbookError if the lengths do not add up to M or an activation is not
    finite.
    """
    activation = activation.astype(np.float64)
    _check(activation, lengths)
    sequence, start, end = _runs(activation, lengths, rule)
    inner, outer = _contrast(PrefixSums(activation, lengths), sequence, start, end, rule)
    return Proposals(
        sequence=sequence,
        start=start.astype(np.float64),
        end=(end + 1).astype(np.float64),
        score=inner - rule.outer_weight * outer,
        inner=inner,
    )


def _check(activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]) -> None:
    if lengths.sum() != len(activation) or (lengths < 0).any():
        raise WorkbookError(
            f"activation has {len(activation)} snippets, but its sequence lengths add up to "
            f"{lengths.sum()}; give one length >= 0 per sequence"
        )
    if not np.isfinite(activation).all():
        position = int(np.flatnonzero(~np.isfinite(activation))[0])
        sequence = int(np.searchsorted(np.cumsum(lengths), position, "right"))
        raise WorkbookError(
            f"the activation of sequence {sequence} is not finite; has training diverged?"
        )


def _runs(
    activation: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    rule: ProposalRule,
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """(sequence, start, end) of the half-open runs above each threshold.

    They come in the order of `Proposals`.
    Each sequence gets a wall of -inf before it, so no run crosses it. All thresholds' masks lie one
    after another, so that the places where they change are, in turn, starts and ends.
    """
    sequence = ragged.owners(lengths + 1)  # (M + P,) walls counted to their sequence
    walled = np.full(len(sequence), -np.inf)
    walled[1:][sequence[1:] == sequence[:-1]] = activation
    above = np.zeros(len(rule.thresholds) * len(walled) + 1, dtype=bool)  # ends with a wall, too
    thresholds = np.array(rule.thresholds, dtype=np.float64)[:, None]
    np.greater(walled, thresholds, out=above[:-1].reshape(len(thresholds), len(walled)))
    changes = np.flatnonzero(above[1:] != above[:-1]) + 1
    run_length = changes[1::2] - changes[::2]
    long_enough = run_length >= rule.shortest
    place = changes[::2][long_enough] % len(walled)
    order = np.argsort(sequence[place], kind="stable")
    owner = sequence[place[order]]
    after_wall = ragged.starts(lengths + 1) + 1
    start = place[order] - after_wall[owner]
    return owner, start, start + run_length[long_enough][order]


class PrefixSums:
    """Sums over ranges of packed sequences, from one cumulative sum.

    They are exact but for rounding the values to a grid.
    Values become integers on a sequence's own grid, at most 2**-49 of its peak apart (coarser from
    4096 snippets on, and never finer than 2**-1000). Integer sums do not round, and may wrap, as
    differences of wrapped sums are right. So results neither lose digits in a long batch nor depend
    on it, and equal areas have equal sums.
    """

    def __init__(self, values: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]):
        self.lengths = lengths
        self._first = ragged.starts(lengths)
        peak = ragged.maxima(np.abs(values), lengths)
        bits = 62 - np.maximum(np.frexp(lengths.astype(np.float64))[1], 12) - np.frexp(peak)[1]
        scale = np.ldexp(1.0, np.minimum(bits, 1000))  # a power of two, so products are exact
        self._unit = 1 / scale
        integers = np.rint(values * np.repeat(scale, lengths)).astype(np.int64)
        self._sums = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(integers)))

    def total(
        self,
        sequence: Int[np.ndarray, " N"],
        start: Int[np.ndarray, " N"],
        stop: Int[np.ndarray, " N"],
    ) -> Int[np.ndarray, " N"]:
        """Sums over [start, stop) of sequences, 0 <= start <= stop <= T, on their grids.

        They may be added and subtracted.
        """
        first = self._first[sequence]
        return self._sums[first + stop] - self._sums[first + start]

    def value(
        self, sequence: Int[np.ndarray, " N"], total: Int[np.ndarray, " N"]
    ) -> Float[np.ndarray, " N"]:
        """A total taken in a sequence, in the unit of the values."""
        return total * self._unit[sequence]


def _contrast(
    sums: PrefixSums,
    sequence: Int[np.ndarray, " N"],
    start: Int[np.ndarray, " N"],
    end: Int[np.ndarray, " N"],
    rule: ProposalRule,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Inner and outer mean of runs [start, end).

    Inner: [s, min(e + 1, T)). Outer: [max(0, floor(s - m)), s) and [e + 1, min(T - 1, floor(e + m +
    1))), which never holds the last snippet; 0 where both are empty.
    """
    length = sums.lengths[sequence]
    margin = rule.margin_scale * (end - start).astype(np.float64) ** rule.margin_power
    left = np.maximum(np.floor(start - margin).astype(np.int64), 0)
    inner_stop = np.minimum(end + 1, length)
    outer_stop = np.minimum(np.floor(end + margin + 1).astype(np.int64), length - 1)
    right = np.maximum(outer_stop, inner_stop)
    inner = sums.total(sequence, start, inner_stop)
    outer = sums.total(sequence, left, right) - inner
    inner_size = inner_stop - start
    outer_size = np.maximum(right - left - inner_size, 1)
    inner_mean = sums.value(sequence, inner) / inner_size
    outer_mean = sums.value(sequence, outer) / outer_size
    return inner_mean, outer_mean
