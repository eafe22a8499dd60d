"""Pseudo labels: the official code's (golden), the plain form's, closed forms, rows at the ends of
the video, bad input.
"""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from benchmarks.plain.linpro import labels_plain, rows_plain
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.localization import pseudo_labels as module
from wtal_core.localization.pseudo_labels import LabelRule, constraint_rows, pseudo_labels

GOLDEN = json.loads((GOLDEN_FOLDER / "linpro.json").read_text())["cases"]
CODE = LabelRule()
RULES = st.builds(LabelRule, rows=st.sampled_from(["pm1", "mean"]))


@st.composite
def videos(draw, most=6):
    """(length, [(start, end, score), ...]) with segments of one snippet and more, nested, equal, at
    both ends, past the end.
    """
    length = draw(st.integers(1, 30))
    segments = draw(
        st.lists(
            st.tuples(st.integers(0, length - 1), st.integers(1, 15), st.integers(-1, 4)),
            max_size=most,
        )
    )
    repeated = (
        segments + draw(st.lists(st.sampled_from(segments), max_size=2)) if segments else segments
    )
    return length, [
        (float(start), float(min(start + size, length + 1)), score / 8)
        for start, size, score in repeated
    ]


def packed(several):
    """What `pseudo_labels` takes of [(length, segments), ...]."""
    sequence = np.repeat(np.arange(len(several)), [len(segments) for _, segments in several])
    flat = np.array([row for _, segments in several for row in segments], dtype=float).reshape(
        -1, 3
    )
    return sequence, *flat.T, np.array([length for length, _ in several], dtype=np.int64)


def label(several, rule=CODE):
    """Labels of each of several, and which are infeasible."""
    found = pseudo_labels(*packed(several), rule)
    return np.split(
        found.values, np.cumsum([length for length, _ in several])[:-1]
    ), found.infeasible


def golden():
    return [(case["T"], [tuple(row) for row in case["segments"]]) for case in GOLDEN]


def test_labels_agree_with_the_official_code():
    labels, infeasible = label(golden())
    expected = [np.array(case["label"]) for case in GOLDEN]
    apart = [np.abs(a - b).sum() / b.sum() for a, b in zip(labels, expected, strict=True)]
    assert np.median(apart) < 1e-3  # required; in fact all digits given agree
    np.testing.assert_allclose(np.concatenate(labels), np.concatenate(expected), rtol=0, atol=1e-8)
    assert not infeasible.any()
    for (length, segments), values in zip(golden(), labels, strict=True):
        kept = np.array(rows_plain(segments, length)) @ values
        np.testing.assert_allclose(
            kept, [q for *_, q in segments], rtol=0, atol=1e-12
        )  # the golden labels: 2e-8


def test_labels_of_the_newer_solver_are_corners_and_averaging_brings_them_back_only_nearly():
    corners, averaged = (
        label(golden(), LabelRule(solver=name))[0] for name in ("highs", "highs_groupavg")
    )
    for case, corner, even in zip(GOLDEN, corners, averaged, strict=True):
        expected = np.array(case["label"])
        assert corner.sum() == pytest.approx(expected.sum(), rel=1e-6)
        assert np.count_nonzero(corner) <= len(case["segments"]) < np.count_nonzero(expected > 1e-6)
        assert np.abs(corner - expected).sum() > 1.5 * expected.sum()
        assert np.abs(even - expected).sum() < 0.2 * expected.sum()


@given(videos(), RULES)
def test_rows_agree_with_the_plain_form(video, rule):
    length, segments = video
    _, start, end, *_ = packed([video])
    found = constraint_rows(start, end, length, rule)
    assert found.shape == (len(segments), length)
    np.testing.assert_allclose(
        found,
        np.array(rows_plain(segments, length, rule.rows == "mean")).reshape(found.shape),
        rtol=0,
        atol=1e-15,
    )


def test_rows_by_hand():
    """Boundaries are cut to integers before the margin is taken; a right outer area never holds the
    last snippet.
    """
    rows = constraint_rows(
        np.array([2.9, 0.0, 17.0, 18.2]), np.array([5.99, 17.0, 19.0, 21.0]), 20, LabelRule()
    )
    np.testing.assert_array_equal(rows[0], [0, -1, 1, 1, 1, -1] + 14 * [0])
    np.testing.assert_array_equal(rows[1], 17 * [1] + [-1, -1, 0])  # m = 1.005: two to the right
    np.testing.assert_array_equal(
        rows[2], 16 * [0] + [-1, 1, 1, 0]
    )  # to the left; the right one would be the last
    np.testing.assert_array_equal(rows[3], 17 * [0] + [-1, 1, 1])  # past the end
    means = constraint_rows(np.array([2.9]), np.array([5.99]), 20, LabelRule(rows="mean"))
    np.testing.assert_allclose(
        means[0, :7], [0, -1 / 2, 1 / 3, 1 / 3, 1 / 3, -1 / 2, 0], rtol=0, atol=1e-15
    )


def test_snap_saves_boundaries_a_rounding_error_below_their_integer():
    start, end = np.array([np.nextafter(4, 0)]), np.array([np.nextafter(9, 0)])
    whole = constraint_rows(np.array([4.0]), np.array([9.0]), 20, LabelRule())
    assert (constraint_rows(start, end, 20, LabelRule()) != whole).any()
    np.testing.assert_array_equal(constraint_rows(start, end, 20, LabelRule(snap=1e-6)), whole)


@given(st.lists(videos(), min_size=1, max_size=3), RULES)
def test_labels_keep_the_scores_at_least_sum_and_alike_in_alike_snippets(several, rule):
    labels, infeasible = label(several, rule)
    for (length, segments), values, bad in zip(several, labels, infeasible, strict=True):
        assert ((values >= 0) & (values <= 1)).all()
        if not segments:
            assert not bad and not values.any()
            continue
        rows, score = rows_plain(segments, length, rule.rows == "mean"), [q for *_, q in segments]
        best = linprog(np.ones(length), A_eq=rows, b_eq=score, bounds=(0, 1), method="highs-ds")
        assert bad == (best.status != 0)
        if bad:
            assert not values.any()
            continue
        np.testing.assert_allclose(np.array(rows) @ values, score, rtol=0, atol=1e-8)
        assert values.sum() == pytest.approx(best.fun, rel=1e-6, abs=1e-7)
        group = np.unique(rows, axis=1, return_inverse=True)[1].reshape(-1)
        middle = np.bincount(group, values) / np.bincount(group)
        np.testing.assert_allclose(values, middle[group], rtol=0, atol=1e-9)


@given(
    st.lists(videos(), min_size=2, max_size=5),
    RULES,
    st.sampled_from([1, 100, 2**16]),
    st.randoms(),
)
def test_alone_and_in_a_batch_the_same_bits_in_any_order(several, rule, numbers, random):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NUMBERS_AT_ONCE", numbers)
        labels, infeasible = label(several, rule)
    for video, values, bad in zip(several, labels, infeasible, strict=True):
        (alone,), (bad_alone,) = label([video], rule)
        np.testing.assert_array_equal(values, alone)
        assert bad == bad_alone
    *columns, lengths = packed(several)
    mixed = np.arange(len(columns[0]))
    random.shuffle(mixed)
    mixed = mixed[np.argsort(columns[0][mixed] % 2, kind="stable")]  # sequences come in pieces
    again = pseudo_labels(*(a[mixed] for a in columns), lengths, rule)
    np.testing.assert_array_equal(again.infeasible, infeasible)
    np.testing.assert_allclose(again.values, np.concatenate(labels), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", ["pm1", "mean"])
def test_disjoint_segments_have_a_closed_form(rows):
    """Inside q, or q / length of summed rows, and 0 elsewhere; of a negative score its size on the
    outer area.
    """
    (values,), _ = label(
        [(100, [(10, 20, 0.6), (40, 44, 0.2), (70, 80, -0.3)])], LabelRule(rows=rows)
    )
    expected = np.zeros(100)
    expected[10:20], expected[40:44] = (0.6, 0.2) if rows == "mean" else (0.06, 0.05)
    expected[[69, 80]] = 0.3 if rows == "mean" else 0.15
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-8)


def test_equal_segments_agree_or_are_infeasible():
    equal, apart = [(4, 9, 0.5), (4, 9, 0.5)], [(4, 9, 0.5), (4, 9, 0.7)]
    labels, infeasible = label(
        [(20, equal[:1]), (20, equal), (20, apart), (20, [(4, 9, 5.5)]), (0, []), (20, equal)]
    )
    assert infeasible.tolist() == [False, False, True, True, False, False]
    np.testing.assert_allclose(labels[0][4:9], 0.1, rtol=0, atol=1e-9)
    np.testing.assert_allclose(labels[1], labels[0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(labels[1], labels[5])
    assert not labels[2].any() and not labels[3].any()


@pytest.mark.parametrize("solver", module.CHOICES["solver"])
def test_least_squares_keep_the_nearest_scores_and_are_still_counted(solver):
    rule = LabelRule(infeasible="least_squares", solver=solver)
    labels, infeasible = label(
        [(20, [(4, 9, 0.5), (4, 9, 0.7)]), (20, [(4, 9, 5.5)]), (20, [(4, 9, 0.5)])], rule
    )
    assert infeasible.tolist() == [True, True, False]
    assert [values[4:9].sum() for values in labels] == pytest.approx([0.6, 5.0, 0.5], abs=1e-7)
    assert all(np.delete(values, range(4, 9)).max() < 1e-8 for values in labels)
    if solver != "highs":
        assert np.ptp(labels[0][4:9]) < 1e-8


@given(videos(), RULES)
def test_least_squares_are_never_nan_and_do_not_touch_feasible_programmes(video, rule):
    (zero,), (bad,) = label([video], rule)
    (least,), _ = label([video], replace(rule, infeasible="least_squares"))
    assert ((least >= 0) & (least <= 1)).all()
    if not bad:
        np.testing.assert_array_equal(least, zero)


def test_a_large_batch_agrees_with_the_plain_form():
    rng = np.random.default_rng(0)
    several = []
    for length in rng.integers(30, 300, 40):
        start = rng.integers(0, length - 2, int(rng.integers(0, 25)))
        end = np.minimum(start + rng.integers(2, 30, len(start)), length + 1)
        several.append(
            (
                int(length),
                list(
                    zip(
                        start.tolist(),
                        end.tolist(),
                        rng.uniform(0.01, 0.3, len(start)),
                        strict=True,
                    )
                ),
            )
        )
    labels, infeasible = label(several)
    expected = [labels_plain(segments, length) for length, segments in several]
    assert infeasible.tolist() == [bad for _, bad in expected] and 0 < infeasible.sum() < len(
        infeasible
    )
    np.testing.assert_allclose(
        np.concatenate(labels),
        np.concatenate([values for values, _ in expected]),
        rtol=0,
        atol=1e-6,
    )


def test_nothing_at_all():
    none = np.zeros(0)
    found = pseudo_labels(none.astype(int), none, none, none, np.zeros(0, dtype=int), LabelRule())
    assert found.values.shape == (0,) and found.infeasible.shape == (0,)
    assert pseudo_labels(
        none.astype(int), none, none, none, np.array([0, 3]), LabelRule()
    ).values.tolist() == [0, 0, 0]


BAD = {
    "the score of segment 1 is nan": {"score": np.nan},
    "the end of segment 1 is inf": {"end": np.inf},
    "start and end swapped": {"end": 2.0},
    "video of 20 snippets": {"end": 22.0},
    r"is \[-1.0": {"start": -1.0},
    "0 to 2, but lengths are given for 2": {"sequence": 2},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    given_ = {
        "sequence": np.array([0, 1]),
        "start": np.array([3.0, 4.0]),
        "end": np.array([8.0, 9.0]),
        "score": np.array([0.1, 0.2]),
    }
    for name, value in BAD[message].items():
        given_[name][1] = value
    with pytest.raises(WorkbookError, match=message):
        pseudo_labels(**given_, lengths=np.array([20, 20]), rule=LabelRule())


def test_bad_lengths_and_arrays_that_do_not_fit_are_named():
    none, one = np.zeros(0), np.ones(1)
    with pytest.raises(WorkbookError, match="programme 1 has a negative length"):
        pseudo_labels(none.astype(int), none, none, none, np.array([3, -1]), LabelRule())
    with pytest.raises(WorkbookError, match="score has 1 entries, but there are 0 segments"):
        module._check(none.astype(int), none, none, one, np.array([3]))


@pytest.mark.parametrize("name", module.CHOICES)
def test_unknown_choices_are_refused(name):
    stand_in = SimpleNamespace(
        **{**asdict(LabelRule()), name: "other"}
    )  # under the tests, types are checked before
    with pytest.raises(WorkbookError, match=f"unknown {name} 'other' .*{module.CHOICES[name][0]}"):
        LabelRule.__post_init__(stand_in)


@pytest.mark.parametrize("name", ["margin_scale", "margin_power", "snap"])
@pytest.mark.parametrize("value", [-0.1, np.nan])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(WorkbookError, match=f"{name} of a label rule is {value}"):
        LabelRule(**{name: float(value)})
