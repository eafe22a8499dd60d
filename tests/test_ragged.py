"""Sequences one after another, against loops over them."""

import numpy as np
import pytest

from wtal_core import ragged

LENGTHS = {
    "no sequence": [],
    "one without elements": [0],
    "one element": [1],
    "empty at both ends and inside": [0, 3, 0, 0, 1, 5, 0],
    "alike": [4, 4, 4],
}


@pytest.fixture(params=LENGTHS.values(), ids=LENGTHS)
def lengths(request):
    return np.array(request.param, dtype=np.int64)


def pieces(values, lengths):
    """One array per sequence."""
    begin = 0
    parts = []
    for length in lengths.tolist():
        parts.append(values[begin : begin + length])
        begin += length
    assert begin == len(values)
    return parts


def test_where_elements_lie(lengths):
    first = ragged.starts(lengths)
    assert first.tolist() == [sum(lengths[:k]) for k in range(len(lengths))]
    owner, position = ragged.owners(lengths), ragged.positions(lengths)
    expected = [(k, i) for k, length in enumerate(lengths.tolist()) for i in range(length)]
    assert list(zip(owner.tolist(), position.tolist(), strict=True)) == expected
    np.testing.assert_array_equal(first[owner] + position, np.arange(lengths.sum()))


def test_ranges(lengths):
    first = 100 - 7 * np.arange(len(lengths))
    expected = []
    for begin, length in zip(first.tolist(), lengths.tolist(), strict=True):
        expected += range(begin, begin + length)
    assert ragged.ranges(first, lengths).tolist() == expected


def test_extremes_and_sums(lengths):
    values = np.random.default_rng(0).normal(size=lengths.sum())
    parts = pieces(values, lengths)
    assert ragged.maxima(values, lengths).tolist() == [max(part, default=0) for part in parts]
    assert ragged.minima(values, lengths, empty=np.inf).tolist() == [
        min(part, default=np.inf) for part in parts
    ]
    # accumulate adds one element after the other; np.sum adds pairwise, so other bits
    in_turn = [float(np.add.accumulate(part)[-1]) if len(part) else 0.0 for part in parts]
    assert ragged.sums(values, lengths).tolist() == in_turn
    expected = [total / max(len(part), 1) for total, part in zip(in_turn, parts, strict=True)]
    assert ragged.means(values, lengths).tolist() == expected


def test_a_sequence_has_the_same_bits_alone_and_beside_others():
    values = np.random.default_rng(1).normal(size=50) * 10.0 ** np.arange(-25, 25)
    lengths = np.array([20, 0, 30])
    alone = ragged.sums(values[20:], np.array([30]))
    assert ragged.sums(values, lengths)[2] == alone[0]


@pytest.mark.parametrize(
    ("group", "rank"), [([], []), ([7], [0]), ([0, 0, 2, 2, 2, 5], [0, 1, 0, 1, 2, 0])]
)
def test_rank_in_group(group, rank):
    assert ragged.rank_in_group(np.array(group, dtype=np.int64)).tolist() == rank
