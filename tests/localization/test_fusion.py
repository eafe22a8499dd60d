"""Instance fusion: against plain loops, each distribution's location, ties, extremes, bad input."""

import math
from dataclasses import asdict
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from benchmarks.plain.fusion import clusters_plain, fuse_plain, weights_plain
from benchmarks.plain.localization import OVERLAPS_PLAIN
from wtal_core.errors import WorkbookError
from wtal_core.localization import fusion, suppression
from wtal_core.localization.fusion import FusionRule, clusters, fuse
from wtal_core.localization.suppression import suppress

PROPOSALS = st.lists(
    st.tuples(
        st.sampled_from([-3, 0, 7]),
        st.integers(0, 20),
        st.integers(0, 9),
        st.integers(0, 6),
        st.integers(1, 5),
    ),
    max_size=40,
)
OVERLAP = st.sampled_from(list(OVERLAPS_PLAIN))
LIMIT = st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.9, 1.0])
TEMPERATURE = st.sampled_from([0.0016, 0.03, 0.2, 5.0])
DISTRIBUTIONS = ("gaussian", "uniform", "laplace", "t", "nms")
DISTRIBUTION = st.sampled_from(DISTRIBUTIONS)
LOGIT = st.sampled_from(["inner", "score"])


def arrays(proposals):
    """Group, start, end, score, inner, as `fuse` takes them."""
    group, start, length, score, inner = np.array(proposals, dtype=np.int64).reshape(-1, 5).T
    return group, start.astype(float), (start + length).astype(float), score / 8, inner / 8


def drawn(seed, size, groups=1):
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 100, size)
    return (
        rng.integers(0, groups, size),
        start,
        start + rng.uniform(0, 30, size),
        rng.random(size),
        rng.random(size),
    )


def plain_clusters(found, limit, overlap):
    """All groups' clusters as lists of indices of the whole."""
    listed = []
    for g in sorted(set(found[0].tolist())):
        members = np.flatnonzero(found[0] == g).tolist()
        inside = clusters_plain(
            [tuple(a[k] for a in found[1:4]) for k in members], limit, OVERLAPS_PLAIN[overlap]
        )
        listed += [[members[k] for k in cluster] for cluster in inside]
    return listed


def plain_median(x, logits, temperature):
    """From its definition, in exact numbers."""
    mass = [round(math.exp((logit - max(logits)) / temperature) * 2**40) for logit in logits]
    points = sorted(zip(x.tolist(), mass, strict=True))
    half, passed, lower = Fraction(sum(mass), 2), 0, None
    for value, weight in points:
        passed += weight
        if lower is None and passed >= half:
            lower = value
        if passed > half:
            return (lower + value) / 2


def plain_student(x, weights, degrees):
    """Root by bisection, which knows nothing of reweighting."""
    x, weights = np.array(x), np.array(weights)
    mean = weights @ x
    width = degrees * (weights @ (x - mean) ** 2 + 1e-3)

    def slope(location):
        return weights @ ((x - location) / (width + (x - location) ** 2))

    return mean if np.ptp(x) == 0 else brentq(slope, x.min(), x.max(), xtol=1e-13)


def plain_location(x, logits, rule):
    weights = weights_plain(logits.tolist(), rule.temperature)
    return {
        "gaussian": lambda: weights @ x,
        "uniform": lambda: (min(x) + max(x)) / 2,
        "nms": lambda: x[0],
        "laplace": lambda: plain_median(x, logits.tolist(), rule.temperature),
        "t": lambda: plain_student(x, weights, rule.degrees),
    }[rule.distribution]()


def plain_fused(found, rule):
    """Rows (start, end, score)."""
    listed = plain_clusters(found, rule.limit, rule.overlap)
    logits = found[4] if rule.logit == "inner" else found[3]
    return np.array(
        [
            [plain_location(x[members], logits[members], rule) for x in found[1:4]]
            for members in listed
        ]
    )


def rows_of(fused):
    return np.column_stack((fused.start, fused.end, fused.score))


@given(PROPOSALS, LIMIT, OVERLAP)
def test_clusters_are_those_of_the_greedy_loop_ties_included(proposals, limit, overlap):
    found = arrays(proposals)
    heads, owner = clusters(*found[:4], limit, overlap)
    listed = plain_clusters(found, limit, overlap)
    assert (
        heads.tolist()
        == [members[0] for members in listed]
        == suppress(*found[:4], limit, overlap).tolist()
    )
    assert [np.flatnonzero(owner == k).tolist() for k in range(len(heads))] == [
        sorted(members) for members in listed
    ]


@given(PROPOSALS, LIMIT, OVERLAP, st.sampled_from([1, 3, 20]))
def test_how_many_are_compared_at_once_does_not_matter(proposals, limit, overlap, pairs):
    found = arrays(proposals)
    whole = clusters(*found[:4], limit, overlap)[1].tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "PAIRS_AT_ONCE", pairs)
        patch.setattr(fusion, "FEWEST", 1)
        assert clusters(*found[:4], limit, overlap)[1].tolist() == whole


@given(PROPOSALS, LIMIT, OVERLAP)
def test_a_head_owns_itself(proposals, limit, overlap):
    heads, owner = clusters(*arrays(proposals)[:4], limit, overlap)
    np.testing.assert_array_equal(owner[heads], np.arange(len(heads)))


@pytest.mark.parametrize("overlap", OVERLAPS_PLAIN)
@pytest.mark.parametrize("groups", [1, 40])
def test_many_random_proposals(groups, overlap):
    found = drawn(0, 1500, groups)
    heads, owner = clusters(*found[:4], 0.3, overlap)
    listed = plain_clusters(found, 0.3, overlap)
    expected = np.zeros(1500, dtype=int)
    for k, members in enumerate(listed):
        expected[members] = k
    np.testing.assert_array_equal(owner, expected)
    assert len(heads) == len(listed)


@given(
    PROPOSALS, LIMIT, OVERLAP, TEMPERATURE, DISTRIBUTION, LOGIT, st.sampled_from([2.0, 3.0, 30.0])
)
def test_locations_are_those_of_their_definitions(
    proposals, limit, overlap, temperature, distribution, logit, degrees
):
    found = arrays(proposals)
    rule = FusionRule(distribution, temperature, logit, limit, overlap, degrees)
    fused = fuse(*found, rule)
    np.testing.assert_allclose(
        rows_of(fused), plain_fused(found, rule).reshape(-1, 3), rtol=0, atol=2e-10
    )
    np.testing.assert_array_equal(fused.head, suppress(*found[:4], limit, overlap))
    np.testing.assert_array_equal(fused.group, found[0][fused.head])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("temperature", [0.03, 0.2])
def test_locations_of_many_random_proposals(temperature, distribution):
    found, rule = drawn(1, 800, 5), FusionRule(distribution, temperature)
    np.testing.assert_allclose(
        rows_of(fuse(*found, rule)), plain_fused(found, rule), rtol=0, atol=2e-10
    )


def test_the_plain_form_of_the_benchmark_is_the_gaussian():
    found = drawn(2, 300)
    expected = fuse_plain(
        list(zip(*(a.tolist() for a in found[1:]), strict=True)), 0.25, 0.03, OVERLAPS_PLAIN["own"]
    )
    np.testing.assert_allclose(
        rows_of(fuse(*found, FusionRule(temperature=0.03))), expected, rtol=0, atol=1e-12
    )


def test_one_cluster_reckoned_by_hand():
    """Weights 4 : 2 : 1 : 1 at temperature 1, all under the first, which scores best."""
    found = (
        np.zeros(4, dtype=np.int64),
        np.array([10.0, 12.0, 14.0, 18.0]),
        np.full(4, 20.0),
        np.array([0.8, 0.4, 0.4, 0.0]),
        np.log([4.0, 2.0, 1.0, 1.0]),
    )
    starts = {
        "gaussian": (40 + 24 + 14 + 18) / 8,
        "uniform": 14.0,
        "laplace": 11.0,
        "nms": 10.0,
    }  # 4 of 8: a midpoint
    for distribution, start in starts.items():
        fused = fuse(*found, FusionRule(distribution, 1.0))
        assert (fused.head.tolist(), fused.start, fused.end) == (
            [0],
            pytest.approx([start]),
            pytest.approx([20]),
        )
    assert fuse(*found, FusionRule(temperature=1.0)).score == pytest.approx([0.55])
    heavier = (*found[:4], found[4] + np.array([1e-6, 0, 0, 0]))
    assert fuse(*heavier, FusionRule("laplace", 1.0)).start.tolist() == [10]
    assert 10 < fuse(*found, FusionRule("t", 1.0)).start[0] < 12  # less of the far one


@given(PROPOSALS, LIMIT, OVERLAP, TEMPERATURE, DISTRIBUTION)
def test_fused_values_lie_within_their_cluster_s(
    proposals, limit, overlap, temperature, distribution
):
    found = arrays(proposals)
    owner = clusters(*found[:4], limit, overlap)[1]
    fused = fuse(*found, FusionRule(distribution, temperature, limit=limit, overlap=overlap))
    for k, row in enumerate(rows_of(fused)):
        for value, x in zip(row, found[1:4], strict=True):
            mine = x[owner == k]
            assert mine.min() - 1e-12 <= value <= mine.max() + 1e-12
            assert value == mine[0] or np.ptp(mine) > 0  # where all agree, not one bit is lost


@given(PROPOSALS, LIMIT, OVERLAP)
def test_an_infinite_temperature_gives_the_plain_mean_and_a_tiny_one_the_best_inner(
    proposals, limit, overlap
):
    found = arrays(proposals)
    owner = clusters(*found[:4], limit, overlap)[1]
    hot, cold = (
        fuse(*found, FusionRule("gaussian", t, limit=limit, overlap=overlap))
        for t in (np.inf, 1e-310)
    )
    for k in range(len(hot.head)):
        mine = np.flatnonzero(owner == k)
        best = mine[found[4][mine] == found[4][mine].max()]
        np.testing.assert_allclose(
            rows_of(hot)[k], [x[mine].mean() for x in found[1:4]], rtol=0, atol=1e-12
        )
        np.testing.assert_allclose(
            rows_of(cold)[k], [x[best].mean() for x in found[1:4]], rtol=0, atol=1e-12
        )


@given(PROPOSALS, LIMIT, TEMPERATURE, DISTRIBUTION)
def test_a_group_has_the_same_bits_alone_and_in_a_batch(
    proposals, limit, temperature, distribution
):
    found, rule = arrays(proposals), FusionRule(distribution, temperature, limit=limit)
    whole = fuse(*found, rule)
    for g in set(found[0].tolist()):
        alone = fuse(*(a[found[0] == g] for a in found), rule)
        np.testing.assert_array_equal(rows_of(alone), rows_of(whole)[whole.group == g])


@given(PROPOSALS, LIMIT, DISTRIBUTION, st.integers(-50, 50))
def test_a_shift_in_time_shifts_the_instances(proposals, limit, distribution, shift):
    group, start, end, score, inner = arrays(proposals)
    rule = FusionRule(distribution, limit=limit)
    moved, still = (
        fuse(group, start + shift, end + shift, score, inner, rule),
        fuse(group, start, end, score, inner, rule),
    )
    np.testing.assert_allclose(
        rows_of(moved) - [shift, shift, 0], rows_of(still), rtol=0, atol=2e-10
    )


def test_nothing_to_fuse():
    none = np.zeros(0)
    for distribution in DISTRIBUTIONS:
        fused = fuse(none.astype(np.int64), none, none, none, none, FusionRule(distribution))
        assert len(fused.head) == len(fused.start) == len(fused.group) == 0


def test_whole_numbers_and_single_precision_are_welcome():
    group, start, end, score, inner = arrays([(0, 0, 9, 5, 3), (0, 1, 7, 4, 2), (0, 30, 4, 1, 1)])
    single = fuse(
        group,
        start.astype(int),
        end.astype(int),
        score.astype(np.float32),
        inner.astype(np.float32),
        FusionRule(),
    )
    np.testing.assert_array_equal(
        rows_of(single), rows_of(fuse(group, start, end, score, inner, FusionRule()))
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap": "giou"}, "giou.*own, iou"),
        ({"temperature": 0.0}, "temperature.*0.0.*nms"),
        ({"temperature": math.nan}, "temperature.*nan"),
        ({"limit": -0.1}, "limit.*-0.1"),
        ({"limit": math.nan}, "limit.*nan"),
        ({"degrees": 0.5}, "degrees.*0.5"),
        ({"degrees": math.inf}, "degrees.*inf"),
    ],
)
def test_bad_rules_are_refused(changes, message):
    with pytest.raises(WorkbookError, match=message):
        FusionRule(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distribution": "cauchy"}, "cauchy.*gaussian, uniform, laplace, t, nms"),
        ({"logit": "q"}, "'q'.*inner, score"),
    ],
)
def test_unknown_names_are_refused(changes, message):
    stand_in = SimpleNamespace(
        **{**asdict(FusionRule()), **changes}
    )  # under the tests, types are checked before
    with pytest.raises(WorkbookError, match=message):
        FusionRule.__post_init__(stand_in)


@pytest.mark.parametrize(("which", "name"), [(1, "start"), (2, "end"), (3, "score"), (4, "inner")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(which, name, value):
    found = drawn(0, 5)
    found[which][3] = value
    with pytest.raises(WorkbookError, match=f"the {name} of proposal 3 is {value}"):
        fuse(*found, FusionRule())


def test_segments_turned_round_and_arrays_of_unequal_length_are_refused():
    group, start, end, score, inner = drawn(0, 5)
    with pytest.raises(WorkbookError, match="proposal 0 ends before"):
        fuse(group, end, start, score, inner, FusionRule())
    with pytest.raises(WorkbookError, match=r"inner has shape \(4,\), but group \(5,\)"):
        fusion._check(
            group, score=score, inner=inner[:4]
        )  # under the tests, shapes are checked before


def test_the_paper_s_reading_weighs_by_confidence():
    found = drawn(3, 50)
    swapped = (*found[:4], found[3])
    one, other = fuse(*found, FusionRule(logit="score")), fuse(*swapped, FusionRule())
    np.testing.assert_array_equal(rows_of(one), rows_of(other))
    assert not np.allclose(rows_of(one), rows_of(fuse(*found, FusionRule())))


def test_memory_is_linear():
    """Never more pairs at once than PAIRS_AT_ONCE, or FEWEST a proposal."""
    found, seen, plain = drawn(4, 4000, 3), [], fusion.OVERLAPS["own"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "PAIRS_AT_ONCE", 5000)
        patch.setattr(suppression, "PAIRS_AT_ONCE", 5000)
        patch.setitem(fusion.OVERLAPS, "own", lambda *a: seen.append(len(a[0])) or plain(*a))
        clusters(*found[:4], 0.25)
    assert max(seen) <= fusion.FEWEST * 4000
