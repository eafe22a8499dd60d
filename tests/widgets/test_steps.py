"""Figures that step: at each position they hold what the method's own function computes there."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from wtal_core.localization.frame_proposals import Margin, find_runs
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.pseudo_labels import LabelRule, constraint_rows, pseudo_labels
from wtal_core.models import facnet, rskp, ten
from wtal_core.packed import Packed
from wtal_core.pages.step_figure import Layer, StepFigure, as_html, content_of
from wtal_core.study.background_gradients import attention_gradients, branch_of, closed_form
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.affinity import affinity_steps
from wtal_core.widgets.steps.attention import attention_steps
from wtal_core.widgets.steps.fusion import fusion_steps
from wtal_core.widgets.steps.gradients import gradient_steps
from wtal_core.widgets.steps.solvers import solver_steps
from wtal_core.widgets.steps.threshold import proposal_steps, run_steps
from wtal_core.widgets.steps.walk import FOREVER, ROUNDS, walk_steps, walked

SECONDS = Timebase(fps=2.0, stride=1.0)  # half a second per snippet
TRUTH = pd.DataFrame({"t_start": [1.0], "t_end": [2.5]})
NOTHING = TRUTH[:0]
ACTIVATION = np.array([0, 0, 0.2, 0.6, 0.9, 0.4, 0, 0, 0, 0.2, 0.7, 0.6, 0.15, 0.2, 0, 0, 0.4, 0.4])
RULE = ProposalRule((0.1, 0.3, 0.5), 2, 0.25, 1.0, 1.0)
LEVELS = (0.1, 0.3, 0.65)


def layer(figure: StepFigure, panel: int, number: int) -> Layer:
    return figure.panels[panel].layers[number]


def drawn(figure: StepFigure, panel: int, number: int, place: int) -> np.ndarray:
    """A state as the browser gets it, in the units of its panel."""
    content = content_of(figure)["panels"][panel]
    state = content["layers"][number]["states"][place]
    return np.array([np.nan if v is None else v * content["unit"] for v in state])


def test_attention_is_what_the_network_attends_to():
    scores = np.random.default_rng(0).normal(size=12).astype(np.float32)
    taus = (0.5, 2.0, 5.0)
    figure = attention_steps({"foreground": scores}, taus, 2.0, TRUTH, SECONDS, "title")
    values = torch.from_numpy(scores.astype(np.float64))[None, :, None]
    video = Packed(values, (12,), torch.zeros(1, 1, dtype=torch.float64))
    for place, tau in enumerate(taus):
        own = facnet.hybrid_attention(values, (tau,), video)[0, :, 0, 0].numpy()
        expected = np.log10(np.maximum(12 * own, 0.01))
        np.testing.assert_allclose(drawn(figure, 0, 1, place), expected, atol=0.01)
        spread = np.exp(-(own * np.log(own)).sum())
        assert figure.readout[place] == f"foreground over {spread:.0f} of 12 snippets"


def test_proposals_are_those_of_the_localization():
    figure = proposal_steps(ACTIVATION, RULE, LEVELS, 0.3, TRUTH, SECONDS, "title")
    for place, level in enumerate(LEVELS):
        rule = ProposalRule((level,), 2, 0.25, 1.0, 1.0)
        expected = propose(ACTIVATION, np.array([len(ACTIVATION)]), rule)
        rows = layer(figure, 1, 0).states[place]
        rows = rows[np.argsort(rows[:, 0])]
        np.testing.assert_allclose(rows[:, 0], expected.start / 2)
        np.testing.assert_allclose(rows[:, 1], expected.end / 2)
        assert rows[:, 4].tolist() == pytest.approx(ranked(expected.score))
        assert figure.readout[place].startswith(f"{len(expected.start)} proposal")
    # of [1, 2.5] the threshold 0.1 proposes [1, 3.5], and 0.3 proposes [1.5, 3.5]
    assert ["1 of 1 instances met" in words for words in figure.readout] == [True, False, False]
    np.testing.assert_allclose(drawn(figure, 0, 0, 0), ACTIVATION, atol=0.001)


def ranked(scores: np.ndarray) -> list[float]:
    """Opacity by score, from 0.25 to 1."""
    if not len(scores) or np.ptp(scores) == 0:
        return [1.0] * len(scores)
    return (0.25 + 0.75 * (scores - scores.min()) / np.ptp(scores)).tolist()


def test_runs_are_those_of_the_frames():
    figure = run_steps(
        {"a": ACTIVATION, "b": ACTIVATION[::-1].copy()},
        Margin(0.25, "exclusive"),
        LEVELS,
        0.3,
        NOTHING,
        SECONDS,
        "title",
    )
    for place, level in enumerate(LEVELS):
        runs = find_runs(ACTIVATION[::-1].copy(), np.array([18]), (level,), False)
        rows = layer(figure, 3, 0).states[place]
        np.testing.assert_allclose(rows[:, :2], np.stack([runs.start, runs.end], 1) / 2)


def test_affinity_is_the_cosine_with_each_neighbour():
    embedding = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    kind = np.arange(9) >= 4
    figure = affinity_steps(embedding, kind, (0, 4, 8), 4, 2, SECONDS, "title")
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    for place, snippet in enumerate((0, 4, 8)):
        assert layer(figure, 0, 1).states[place] == [(snippet + 0.5) / 2]
        for number, is_action in ((1, True), (2, False)):
            bars = drawn(figure, 1, number, place)
            for offset, value in zip(range(-2, 3), bars, strict=True):
                other = snippet + offset
                if 0 <= other < 9 and kind[other] == is_action:
                    assert value == pytest.approx(unit[snippet] @ unit[other], abs=0.003)
                else:
                    assert np.isnan(value)
    assert figure.readout[1].startswith("at 2.2 s, in an instance; mean cosine ")


@pytest.fixture
def snippets() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x, prototypes = (torch.randn(n, 5, generator=draw).double().abs() for n in (11, 3))
    return x, prototypes


def test_the_walk_is_that_of_the_network_where_it_ends(snippets):
    x, prototypes = snippets
    inside = torch.ones(1, 11, dtype=torch.bool)
    end = rskp.walk(x[None], inside, prototypes[None], 0.5, 5.0)[0]
    torch.testing.assert_close(walked(x, prototypes, 5.0, 0.5, FOREVER), end)
    torch.testing.assert_close(walked(x, prototypes, 5.0, 0.5, 60), end)
    assert not torch.allclose(walked(x, prototypes, 5.0, 0.5, 1), end, atol=1e-3)
    assert walked(x, prototypes, 5.0, 0.5, 0) is x


def test_each_round_and_weight_of_the_walk_has_its_state(snippets):
    x, prototypes = snippets
    figure = walk_steps(
        x, prototypes, 5.0, 0.5, lambda rows: rows[:, 0].sigmoid(), TRUTH, SECONDS, "title"
    )
    rounds, weights = (slider.values for slider in figure.sliders)
    assert rounds == ROUNDS and figure.sliders[1].start == 0.5
    for place, (number, w) in enumerate(itertools.product(rounds, weights)):
        expected = walked(x, prototypes, 5.0, w, number)[:, 0].sigmoid().numpy()
        np.testing.assert_allclose(drawn(figure, 1, 0, place), expected, atol=0.001)


def test_fusion_and_labels_are_those_of_training():
    temperatures, limits = (0.02, 0.2), (0.25, 0.6)
    fusion = FusionRule(temperature=0.02, limit=0.25)
    figure = fusion_steps(
        ACTIVATION, RULE, fusion, LabelRule(), temperatures, limits, TRUTH, SECONDS, "title"
    )
    length = np.array([len(ACTIVATION)])
    found = propose(ACTIVATION, length, RULE)
    for place, (temperature, limit) in enumerate(itertools.product(temperatures, limits)):
        rule = FusionRule(temperature=temperature, limit=limit)
        fused = fuse(found.sequence, found.start, found.end, found.score, found.inner, rule)
        instances = layer(figure, 1, 1).states[place]
        np.testing.assert_allclose(instances[:, 0], fused.start / 2)
        np.testing.assert_allclose(instances[:, 3], fused.score)
        for panel, form in ((2, "mean"), (3, "pm1")):
            same = np.zeros(len(fused.start), int)
            code = LabelRule(rows=form)
            answer = pseudo_labels(same, fused.start, fused.end, fused.score, length, code)
            np.testing.assert_allclose(layer(figure, panel, 0).states[place], answer.values)
        shares = layer(figure, 0, 0).states[place][:, 4]
        assert shares.sum() == pytest.approx(len(fused.start))


@pytest.mark.parametrize("reading", ["A", "B"])
def test_gradients_are_those_of_the_formula(reading):
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(10, 4, generator=draw).double()
    attention = torch.rand(10, generator=draw).double()
    video = Packed(torch.zeros(1, 10, 1).double(), (10,), torch.zeros(1, 3).double())
    config = ten.Config(reading=reading)
    gradients = {
        epoch: attention_gradients(branch_of(logits * (1 + epoch), attention), video, config)
        for epoch in (0, 3)
    }
    kept = dict.fromkeys((0, 3), attention.numpy())
    figure = gradient_steps(gradients, kept, TRUTH, SECONDS, "title")
    for place, epoch in enumerate((0, 3)):
        for panel, manner in ((0, "plain"), (2, "bges")):
            formula = closed_form(logits * (1 + epoch), attention, reading, manner).numpy()
            root = drawn(figure, panel, 0, place)
            np.testing.assert_allclose(root * np.abs(root), 10 * formula, atol=0.03)
        np.testing.assert_allclose(drawn(figure, 3, 0, place), attention.numpy(), atol=0.002)
    assert figure.sliders[0].start == 3


def test_solvers_have_their_labels_at_each_place():
    code, scores, begins = LabelRule(), np.array([0.5, 0.3]), (4, 8)
    starts = [np.array([2.0, begin]) for begin in begins]
    rows = [constraint_rows(start, start + 4, 20, code) for start in starts]
    labels = [{"one": row[0].clip(0) * 0.1, "two": row[1].clip(0) * 0.1} for row in rows]
    figure = solver_steps(begins, 8, rows, scores, labels, SECONDS, "title", 1, 18)
    for place, row in enumerate(rows):
        np.testing.assert_allclose(layer(figure, 2, 0).states[place], labels[place]["two"][1:18])
        inner = layer(figure, 0, 0).states[place]
        assert (inner[:, 1] - inner[:, 0]).sum() * 2 == (row > 0).sum()
    assert figure.readout[0].startswith("sum of the labels: one 0.40 over 4 snippets")


@pytest.mark.parametrize("activation", [np.zeros(5), np.full(5, 0.9), np.zeros(1)])
@pytest.mark.parametrize("truth", [TRUTH, NOTHING])
def test_little_to_draw_is_drawn(activation, truth):
    fusion = FusionRule(temperature=0.02, limit=0.25)
    figures = [
        proposal_steps(activation, RULE, (0.5,), 0.5, truth, SECONDS, "t"),
        fusion_steps(
            activation, RULE, fusion, LabelRule(), (0.02,), (0.25,), truth, SECONDS, "title"
        ),
        attention_steps({"s": activation}, (1.0,), 1.0, truth, SECONDS, "t"),
    ]
    assert all("NaN" not in as_html(figure).split("<script>")[0] for figure in figures)
