"""The steps of GauFuse as arrays, and their pictures."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtal_core.localization.fusion import FusionRule, clusters, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.pseudo_labels import LabelRule, constraint_rows
from wtal_core.pictures import fusion_figures
from wtal_core.timebase import Timebase

SECONDS = Timebase(fps=2.0, stride=1.0)
CUT = ProposalRule((0.1, 0.3, 0.5), 2, 0.25, 1.0, 1.0)
FUSION = FusionRule("gaussian", temperature=0.1, limit=0.25)
ACTIVATION = np.array(
    [0, 0, 0.2, 0.6, 0.9, 0.4, 0, 0, 0, 0.2, 0.7, 0.6, 0.15, 0.2, 0, 0, 0, 0, 0.4, 0.4, 0, 0]
)
TRUTH = pd.DataFrame({"t_start": [1.0], "t_end": [2.5]})
NOTHING = TRUTH[:0]


@pytest.fixture
def case() -> fusion_figures.Steps:
    return fusion_figures.steps(ACTIVATION, CUT, FUSION, LabelRule())


def test_the_steps_are_those_of_the_localization(case):
    found = propose(ACTIVATION, np.array([len(ACTIVATION)]), CUT)
    expected = fuse(found.sequence, found.start, found.end, found.score, found.inner, FUSION)
    assert np.array_equal(case.fused.start, expected.start) and np.array_equal(
        case.fused.score, expected.score
    )
    assert (
        list(case.rows) == list(case.labels) == ["mean", "pm1"]
        and len(case.candidates.start) > len(expected.start) > 1
    )
    for form, rows in case.rows.items():
        rule = LabelRule(rows=form)
        np.testing.assert_array_equal(
            rows, constraint_rows(expected.start, expected.end, len(ACTIVATION), rule)
        )
        np.testing.assert_allclose(rows @ case.labels[form], expected.score, atol=1e-7)


def test_shares_give_the_fused_numbers(case):
    found = case.candidates
    owner = clusters(found.sequence, found.start, found.end, found.score, FUSION.limit)[1]
    np.testing.assert_allclose(np.bincount(owner, case.share), 1)
    for name in ("start", "end", "score"):
        np.testing.assert_allclose(
            np.bincount(owner, case.share * getattr(found, name)), getattr(case.fused, name)
        )


def test_shares_survive_a_tiny_temperature():
    shares = fusion_figures.shares(np.array([900.0, 899.0, 1.0]), np.array([0, 0, 1]), 1e-9)
    assert shares.tolist() == [1, 0, 1]


def test_pairs_overlap_where_they_have_a_whole_snippet_in_common():
    start, end = np.array([0.0, 3.9, 4.0]), np.array([4.0, 6.0, 4.9])
    assert (
        fusion_figures.overlapping_pairs(start, end) == 1
    )  # 3.9 is snippet 3, and [4, 4.9) is empty
    assert fusion_figures.overlapping_pairs(start[:0], end[:0]) == 0
    found = Instances(np.zeros(3, int), np.array([5, 5, 2]), start, end, np.ones(3))
    assert fusion_figures.overlaps(found) == {2: 0, 5: 1}


def test_naive_labels_forget_or_take_the_highest():
    found = np.array([1.0, 2.9, 6.0]), np.array([4.0, 5.0, 8.0]), np.array([0.3, 0.7, -0.2])
    labels = fusion_figures.naive_labels(*found, 7)
    assert labels["hard"].tolist() == [0, 1, 1, 1, 1, 0, 1]
    assert labels["score"].tolist() == [0, 0.3, 0.7, 0.7, 0.7, 0, 0]
    assert all(
        not p.any() for p in fusion_figures.naive_labels(*(a[:0] for a in found), 7).values()
    )


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), max_size=12))
def test_lanes_keep_intervals_apart(spans):
    start = np.array([s for s, _ in spans], dtype=float)
    end = start + np.array([length for _, length in spans], dtype=float)
    lane = fusion_figures.lanes(start, end)
    for i in range(len(spans)):
        for j in range(i):
            assert lane[i] != lane[j] or start[i] >= end[j] + 1 or start[j] >= end[i] + 1
    assert set(lane) == set(range(lane.max(initial=-1) + 1))  # none is left out


@pytest.mark.parametrize("activation", [np.zeros(5), np.full(5, 0.9), np.zeros(0)])
def test_little_to_draw_is_drawn(activation):
    for truth in (TRUTH, NOTHING):
        case = fusion_figures.steps(activation, CUT, FUSION, LabelRule())
        labels = fusion_figures.Case(activation, truth, case.fused, case.labels)
        fusion_figures.labels_figure({"one": labels}, SECONDS, "a caption").canvas.draw()


def test_figure_4_has_a_column_a_video_and_a_panel_a_label(case):
    one = fusion_figures.Case(
        ACTIVATION, TRUTH, case.fused, case.labels | {"other": np.ones(len(ACTIVATION))}
    )
    figure = fusion_figures.labels_figure(
        {"first": one, "second": replace(one, truth=NOTHING)}, SECONDS, "a caption"
    )
    assert len(figure.axes) == 2 * 5
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "activation",
        "score",
        "mean",
        "pm1",
        "other",
    ]
    count = len(case.fused.start)
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        f"first, {count} instances",
        f"second, {count} instances",
    ]
    words = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert words == {
        "class activation",
        "fused instance, height: score q",
        "label p",
        "ground truth (shown only)",
    }
