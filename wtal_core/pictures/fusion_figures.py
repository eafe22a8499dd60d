"""GauFuse: from candidates to the labels of snippets, as arrays and in pictures.

Candidates, what is fused of them, the equations that instances become, the labels that solve them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from wtal_core.localization.fusion import Fused, FusionRule, clusters, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.proposals import ProposalRule, Proposals, propose
from wtal_core.localization.pseudo_labels import LabelRule, constraint_rows, pseudo_labels
from wtal_core.pictures.figures import COLOURS, TRUTH
from wtal_core.timebase import Timebase

INNER, LABEL = COLOURS[0], COLOURS[3]
Form = Literal["mean", "pm1"]  # of the rows of the equations
FORMS: dict[Form, str] = {"mean": "of means (paper)", "pm1": "of ±1 (code)"}


@dataclass(frozen=True)
class Steps:
    """One class of one video on its way from activation to label.

    share: weight P of each candidate in its cluster. overlapping: pairs of instances that have a
    snippet in common. rows,
    labels: by form of the rows ("mean", "pm1") the equations W of the instances, and what solves
    them. infeasible: where that is nothing, so that labels are 0.
    """

    activation: Float[np.ndarray, " T"]
    candidates: Proposals
    share: Float[np.ndarray, " N"]
    fused: Fused
    overlapping: int
    rows: dict[Form, Float[np.ndarray, "K T"]]
    labels: dict[Form, Float[np.ndarray, " T"]]
    infeasible: dict[Form, bool]


def steps(
    activation: Float[np.ndarray, " T"], cut: ProposalRule, fusion: FusionRule, rule: LabelRule
) -> Steps:
    """All steps of one sequence by the functions that training uses.

    The form of the rows in `rule` does not matter.
    """
    length = np.array([len(activation)])
    candidates = propose(activation, length, cut)
    intervals = (candidates.sequence, candidates.start, candidates.end, candidates.score)
    fused = fuse(*intervals, candidates.inner, fusion)
    owner = clusters(*intervals, fusion.limit, fusion.overlap)[1]
    logit = candidates.inner if fusion.logit == "inner" else candidates.score
    rows = {}
    labels = {}
    infeasible = {}
    only_sequence = np.zeros(len(fused.start), dtype=np.int64)
    for name in FORMS:
        form = replace(rule, rows=name)
        solved = pseudo_labels(only_sequence, fused.start, fused.end, fused.score, length, form)
        rows[name] = constraint_rows(fused.start, fused.end, len(activation), form)
        labels[name] = solved.values
        infeasible[name] = bool(solved.infeasible.any())
    return Steps(
        activation=activation,
        candidates=candidates,
        share=shares(logit, owner, fusion.temperature),
        fused=fused,
        overlapping=overlapping_pairs(fused.start, fused.end),
        rows=rows,
        labels=labels,
        infeasible=infeasible,
    )


def shares(
    logit: Float[np.ndarray, " N"], owner: Int[np.ndarray, " N"], temperature: float
) -> Float[np.ndarray, " N"]:
    """P of Eq. 3: softmax of logit / temperature among the candidates with the same owner."""
    highest = np.full(owner.max(initial=-1) + 1, -np.inf)
    np.maximum.at(highest, owner, logit)
    weight = np.exp((logit - highest[owner]) / temperature)
    return weight / np.bincount(owner, weight)[owner]


def overlapping_pairs(start: Num[np.ndarray, " N"], end: Num[np.ndarray, " N"]) -> int:
    """How many pairs of [start, end), cut to whole snippets, have one in common."""
    start, end = np.trunc(start), np.trunc(end)
    meet = np.minimum(end[:, None], end) > np.maximum(start[:, None], start)
    return int(np.triu(meet, 1).sum())


def overlaps(instances: Instances) -> dict[int, int]:
    """`overlapping_pairs` of each class of one video's instances."""
    pairs = {}
    for label in np.unique(instances.label):
        of_class = instances.label == label
        pairs[int(label)] = overlapping_pairs(instances.start[of_class], instances.end[of_class])
    return pairs


def naive_labels(
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Float[np.ndarray, " N"],
    length: int,
) -> dict[str, Float[np.ndarray, " T"]]:
    """What one could do without a programme.

    "hard": 1 in every instance. "score": the highest score of those that hold a snippet, and
    nothing below 0.
    """
    snippet = np.arange(length)
    holds = (np.trunc(start)[:, None] <= snippet) & (snippet < np.trunc(end)[:, None])
    return {
        "hard": holds.any(0).astype(np.float64),
        "score": np.where(holds, score[:, None], 0).max(0, initial=0),
    }


def lanes(start: Num[np.ndarray, " N"], end: Num[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """The lowest lane in which each interval, in the order given, meets none of those before.

    A lane is free again after a gap of 1.
    """
    lane = np.zeros(len(start), dtype=np.int64)
    for k in range(len(start)):
        taken = lane[:k][(start[:k] < end[k] + 1) & (start[k] < end[:k] + 1)]
        lane[k] = np.setdiff1d(np.arange(len(taken) + 1), taken)[0]
    return lane


@dataclass(frozen=True)
class Case:
    """What Figure 4 draws of one video and class.

    truth: `t_start, t_end` in seconds. labels: by name, `[T]`.
    """

    activation: Float[np.ndarray, " T"]
    truth: pd.DataFrame
    fused: Fused
    labels: Mapping[str, Float[np.ndarray, " T"]]


def labels_figure(cases: Mapping[str, Case], timebase: Timebase, caption: str) -> Figure:
    """Activation, instances with their scores as heights, and the labels by name.

    One column per video; the names are the same for all.
    """
    names = list(next(iter(cases.values())).labels)
    figure, panels = plt.subplots(
        len(names) + 2,
        len(cases),
        figsize=(6 * len(cases) + 1, 1.4 * (len(names) + 2) + 1),
        sharex="col",
        layout="constrained",
        squeeze=False,
    )
    for column, (title, case) in zip(panels.T, cases.items(), strict=True):
        _stairs(column[0], case.activation, timebase, COLOURS[6], "activation", "class activation")
        _instances(column[1], case.fused.start, case.fused.end, case.fused.score, timebase)
        for axes, name in zip(column[2:], names, strict=True):
            _stairs(axes, case.labels[name], timebase, LABEL, name, "label p", fill=True)
        _shade(column, case.truth)
        column[0].set_title(f"{title}, {len(case.fused.start)} instances", fontsize=9)
        column[1].set_ylabel("score", fontsize=8)
        column[-1].set(
            xlabel="time (s)", xlim=timebase.seconds(np.array([0, len(case.activation) + 1]))
        )
    for axes in panels[:, 1:].flat:
        axes.set_ylabel("")
    shown = {
        label: handle
        for axes in panels.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(shown.values(), shown.keys(), fontsize=8, loc="outside lower center", ncols=4)
    figure.suptitle(
        f"{caption}\nscores, activations and labels have no unit; each panel has a scale of its "
        f"own",
        fontsize=9,
    )
    return figure


def _stairs(
    axes: Axes,
    values: Float[np.ndarray, " T"],
    timebase: Timebase,
    colour: str,
    ylabel: str,
    label: str,
    fill: bool = False,
) -> None:
    axes.stairs(
        values,
        timebase.seconds(np.arange(len(values) + 1)),
        color=colour,
        label=label,
        fill=fill,
        baseline=0 if fill else None,
    )
    axes.set_ylabel(ylabel, fontsize=8)
    axes.set_ylim(0, 1.1 * max(values.max(initial=0), 1e-9))


def _instances(
    axes: Axes,
    start: Float[np.ndarray, " K"],
    end: Float[np.ndarray, " K"],
    score: Float[np.ndarray, " K"],
    timebase: Timebase,
) -> None:
    """Boxes from 0 to the score; where two overlap, both show."""
    left, right = timebase.seconds(start), timebase.seconds(end)
    axes.bar(
        left,
        score,
        right - left,
        align="edge",
        facecolor=(*to_rgb(INNER), 0.3),
        edgecolor=INNER,
        label="fused instance, height: score q",
    )
    axes.axhline(0, color=COLOURS[6], lw=0.5)
    axes.set_ylabel(f"score of\n{len(start)} instances", fontsize=8)


def _shade(panels: np.ndarray, truth: pd.DataFrame) -> None:
    for number, axes in enumerate(panels):
        for place, (start, end) in enumerate(zip(truth["t_start"], truth["t_end"], strict=True)):
            axes.axvspan(
                start,
                end,
                color=TRUTH,
                alpha=0.12,
                lw=0,
                zorder=0,
                label="ground truth (shown only)" if number == place == 0 else None,
            )
