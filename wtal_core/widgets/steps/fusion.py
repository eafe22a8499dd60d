"""Fusion temperature and overlap -> instances -> labels (GauFuse, Eq. 1 to 6)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.proposals import ProposalRule, Proposals
from wtal_core.localization.pseudo_labels import LabelRule
from wtal_core.pages.step_figure import Layer, Number, Panel, Slider, StepFigure
from wtal_core.pictures.fusion_figures import FORMS, Steps, lanes, steps
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import boxes, snippet_grid, spans, time_axis

BOTH = (0, 1)
LEAST = 1e-6  # labels above it count


def fusion_steps(
    activation: Float[np.ndarray, " T"],
    cut: ProposalRule,
    fusion: FusionRule,
    rule: LabelRule,
    temperatures: Sequence[Number],
    limits: Sequence[Number],
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """Candidates, fused instances and labels of one class of one video, at each temperature and
    overlap limit together.

    The sliders start at the rule's own temperature and limit. truth: `t_start, t_end`, seconds.
    """
    cases = [
        steps(
            activation,
            cut,
            replace(fusion, temperature=float(temperature), limit=float(limit)),
            rule,
        )
        for temperature in temperatures
        for limit in limits
    ]
    grid = snippet_grid(timebase)
    scores = np.concatenate([case.fused.score for case in cases])
    signal = Layer("steps", [activation], "activation", by=(), colour="quiet", **grid)
    instances = Layer(
        "boxes",
        [_instances(case, timebase) for case in cases],
        "fused instance, height: score q",
        by=BOTH,
        look="light",
    )
    highest = 1.05 * max(float(activation.max(initial=0)), float(scores.max(initial=0)), 1e-3)
    lowest = min(0.0, 1.05 * float(scores.min(initial=0)))
    panels = [
        _candidates(cases, timebase),
        Panel("activation and instances (no unit)", lowest, highest, [signal, instances]),
    ]
    for form, words in FORMS.items():
        labels = [case.labels[form] for case in cases]
        layer = Layer("area", labels, "label p", by=BOTH, colour="pink", **grid)
        top = 1.05 * max(1e-3, *(float(label.max(initial=0)) for label in labels))
        panels.append(Panel(f"labels, rows {words} (no unit)", 0, top, [layer], height=70))
    return StepFigure(
        title=title,
        sliders=[
            Slider("temperature", temperatures, fusion.temperature),
            Slider("overlap h", limits, fusion.limit),
        ],
        axes=[time_axis(timebase, len(activation) + 1)],
        panels=panels,
        readout=[_sentence(case) for case in cases],
        read_by=BOTH,
        alt="Candidates as bars, the instances that are fused of them as boxes as high as their "
        "score, and below them the labels of the snippets that keep all scores.",
        shaded=spans(truth),
        shaded_name="ground truth (for your eyes only)",
    )


def _candidates(cases: Sequence[Steps], timebase: Timebase) -> Panel:
    """Candidates of equal extent are one bar, as dark as their shares of a cluster add up to."""
    candidates = cases[0].candidates
    first, copy = extents(candidates)
    order = np.lexsort((first, -candidates.score[first]))
    start, end = candidates.start[first[order]], candidates.end[first[order]]
    lane = lanes(start, end)
    left, right = timebase.seconds(start), timebase.seconds(end)
    states = []
    for case in cases:
        share = np.bincount(copy, case.share, minlength=len(first))[order].clip(0, 1)
        states.append(boxes(left, right, lane + 0.1, lane + 0.9, share))
    count = int(lane.max(initial=0)) + 1
    outline = Layer(
        "boxes",
        [boxes(left, right, lane + 0.1, lane + 0.9)],
        "candidate",
        by=(),
        colour="quiet",
        look="hollow",
    )
    weight = Layer("boxes", states, "its share of its cluster", by=BOTH, ghost=False)
    name = f"{len(candidates.start)} candidates of {len(first)} extents"
    return Panel(name, count, 0, [weight, outline], height=max(24, 11 * count), ticks={})


def extents(candidates: Proposals) -> tuple[Int[np.ndarray, " U"], Int[np.ndarray, " N"]]:
    """The first candidate of each extent, and the extent of each candidate."""
    both = np.column_stack([candidates.start, candidates.end])
    _, first, copy = np.unique(both, axis=0, return_index=True, return_inverse=True)
    return first, copy.reshape(-1)


def _instances(case: Steps, timebase: Timebase) -> Float[np.ndarray, "K 5"]:
    """A box from 0 to the score of each instance."""
    fused = case.fused
    return boxes(timebase.seconds(fused.start), timebase.seconds(fused.end), 0.0, fused.score)


def _sentence(case: Steps) -> str:
    sums = [
        "no label keeps all scores"
        if case.infeasible[form]
        else f"labels add up to {case.labels[form].sum():.2f} over "
        f"{(case.labels[form] > LEAST).sum()} snippets"
        for form in FORMS
    ]
    count = len(case.fused.start)
    return (
        f"{count} instances, pairs that overlap: {case.overlapping}; rows of means: {sums[0]}; "
        f"rows of ±1: {sums[1]}"
    )
