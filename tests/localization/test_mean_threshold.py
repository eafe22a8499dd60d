"""Runs above the mean of each sequence."""

import numpy as np
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.localization.mean_threshold import runs_above_mean


def rows(activation, lengths, shortest=2) -> list[tuple]:
    found = runs_above_mean(
        np.array(activation, dtype=np.float64), np.array(lengths, dtype=np.int64), shortest
    )
    return list(
        zip(
            found.sequence.tolist(),
            found.start.tolist(),
            found.end.tolist(),
            found.peak.tolist(),
            strict=True,
        )
    )


def by_loops(activation, lengths, shortest) -> list[tuple]:
    found, first = [], 0
    for p, length in enumerate(lengths):
        row, start = activation[first : first + length], None
        for t in range(length + 1):
            above = t < length and row[t] > np.mean(row)
            if above and start is None:
                start = t
            elif not above and start is not None:
                if t - start >= shortest:
                    found.append((p, start, t, max(row[start:t])))
                start = None
        first += length
    return found


def test_runs_are_cut_at_the_ends_of_their_sequence():
    assert rows([0, 0, 5, 6, 9, 7, 1, 1], [4, 4]) == [(0, 2, 4, 6.0), (1, 0, 2, 9.0)]
    assert rows([0, 0, 5, 6, 9, 7, 1, 1], [8]) == [(0, 2, 6, 9.0)]


def test_a_run_of_one_snippet_is_too_short():
    assert rows([0, 9, 0, 0, 0, 8, 8], [7]) == [(0, 5, 7, 8.0)]
    assert rows([0, 9, 0, 0, 0, 8, 8], [7], shortest=1) == [(0, 1, 2, 9.0), (0, 5, 7, 8.0)]


@pytest.mark.parametrize("value", [0.1, 1 / 3, -0.7, 1e9])
def test_a_flat_sequence_has_no_run(value):
    assert rows([value] * 49 + [value], [50], shortest=1) == []


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [1], [0, 3, 0, 1, 0]])
def test_empty_and_one_snippet_sequences(lengths):
    found = rows(np.arange(sum(lengths)), lengths, shortest=1)
    assert found == ([(1, 2, 3, 2.0)] if 3 in lengths else [])


@pytest.mark.parametrize("seed", range(20))
def test_many_sequences_at_once_are_those_of_plain_loops_bit_for_bit_alone_and_together(seed):
    draw = np.random.default_rng(seed)
    lengths = draw.integers(0, 30, size=12)
    activation = draw.normal(size=lengths.sum())
    together = rows(activation, lengths)
    assert together == by_loops(activation, lengths, 2) and len(together) > 5
    parts = np.split(activation, np.cumsum(lengths)[:-1])
    alone = [(p, *row[1:]) for p, part in enumerate(parts) for row in rows(part, [len(part)])]
    assert alone == together


def test_what_is_not_finite_or_does_not_fit_is_refused():
    for activation, lengths in (([0.0, np.nan], [2]), ([0.0, np.inf], [2]), ([0.0], [2])):
        with pytest.raises(WorkbookError, match="has training diverged"):
            rows(activation, lengths)
