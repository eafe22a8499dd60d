"""Threshold -> proposals: the runs of a signal that lie above it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.localization.frame_proposals import Margin
from wtal_core.localization.proposals import ProposalRule
from wtal_core.pages.step_figure import Layer, Number, Panel, Slider, StepFigure
from wtal_core.pictures.proposal_figures import runs_above
from wtal_core.pictures.signals import hits
from wtal_core.pictures.teaching import proposals_at
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import boxes, snippet_grid, spans, time_axis

LEVEL = 0.5  # tIoU from which an instance counts as met
LANE = 24  # pixels
FAINTEST = 0.25  # opacity of the proposal with the lowest score


def proposal_steps(
    sequence: Float[np.ndarray, " T"],
    rule: ProposalRule,
    thresholds: Sequence[Number],
    start: Number,
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """One class activation sequence, and what each threshold alone proposes (`propose`).

    start: one of `thresholds`. truth: `t_start, t_end`, seconds.
    """
    tables = [
        proposals_at(sequence, replace(rule, thresholds=(float(threshold),)), timebase)
        for threshold in thresholds
    ]
    return _figure(
        {"activation": sequence}, {"activation": tables}, thresholds, start, truth, timebase, title
    )


def run_steps(
    sequences: Mapping[str, Float[np.ndarray, " F"]],
    margin: Margin,
    thresholds: Sequence[Number],
    start: Number,
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """Normalised sequences, and the runs that each threshold cuts out of each (`find_runs`).

    Otherwise as `proposal_steps`.
    """
    tables = {
        name: [runs_above(sequence, float(level), margin, timebase) for level in thresholds]
        for name, sequence in sequences.items()
    }
    return _figure(sequences, tables, thresholds, start, truth, timebase, title)


def _figure(
    sequences: Mapping[str, Float[np.ndarray, " T"]],
    tables: Mapping[str, Sequence[pd.DataFrame]],
    thresholds: Sequence[Number],
    start: Number,
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """tables: `t_start, t_end, score` of each sequence, one for each threshold."""
    levels = [[float(threshold)] for threshold in thresholds]
    panels = []
    for name, sequence in sequences.items():
        signal = Layer("steps", [sequence], "signal", by=(), **snippet_grid(timebase))
        level = Layer("levels", levels, "threshold θ", colour="orange", look="dashed")
        highest = 1.05 * max(float(sequence.max(initial=0)), max(thresholds))
        lowest = min(0.0, float(sequence.min(initial=0)))
        proposals = Layer(
            "boxes",
            [_by_score(table) for table in tables[name]],
            "proposal, fuller colour: higher score",
        )
        panels.append(Panel(f"{name} (no unit)", lowest, highest, [signal, level]))
        panels.append(Panel(f"proposals from the {name}", 0, 1, [proposals], LANE, ticks={}))
    readout = []
    for place in range(len(thresholds)):
        parts = [_sentence(name, tables[name][place], truth) for name in sequences]
        readout.append("; ".join(parts))
    return StepFigure(
        title=title,
        sliders=[Slider("θ", thresholds, start)],
        axes=[time_axis(timebase, max(len(sequence) for sequence in sequences.values()))],
        panels=panels,
        readout=readout,
        alt=f"{' and '.join(sequences)} against time, cut at {len(thresholds)} thresholds; below "
        "each, the runs above the threshold as bars.",
        shaded=spans(truth),
    )


def _sentence(name: str, proposals: pd.DataFrame, truth: pd.DataFrame) -> str:
    met = hits(truth, proposals, LEVEL)
    plural = "" if len(proposals) == 1 else "s"
    return (
        f"{len(proposals)} proposal{plural} from the {name}, {met} of {len(truth)} instances met at"
        f" tIoU ≥ {LEVEL:g}"
    )


def _by_score(proposals: pd.DataFrame) -> Float[np.ndarray, "N 5"]:
    """A bar per proposal, the darker the higher its score among these."""
    score = proposals["score"].to_numpy(np.float64)
    width = float(np.ptp(score)) if len(score) else 0.0
    share = (score - score.min(initial=np.inf)) / width if width > 0 else np.ones(len(score))
    opacity = FAINTEST + (1 - FAINTEST) * share
    return boxes(proposals["t_start"].to_numpy(), proposals["t_end"].to_numpy(), 0.1, 0.9, opacity)
