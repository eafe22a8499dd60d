"""One video of a case against time.

Activation, attention, proposals at a threshold, ground truth, detections by error type.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wtal_core.evaluation.case import Case
from wtal_core.evaluation.error_types import OUTCOMES
from wtal_core.localization.proposals import ProposalRule
from wtal_core.pictures.diagnosis_figures import OUTCOME_COLOURS
from wtal_core.pictures.figures import COLOURS, TRUTH
from wtal_core.pictures.teaching import proposals_at

OTHER = "#cccccc"


@dataclass(frozen=True)
class View:
    """What to show.

    threshold: in units of the class activation. shown: how many of the best-scored detections that
    lie in the window.

    window: seconds, None for the whole video. marked: row of a detection (in the detections' table)
    to point at.
    """

    video: str
    label: str
    threshold: float | None = None
    shown: int = 15
    window: tuple[float, float] | None = None
    marked: int | None = None


def error_timeline(case: Case, found: pd.DataFrame, view: View) -> Figure:
    """found: `outcomes` of the case.

    Without activation or attention (a detections file) those panels are left out.
    """
    signals = {
        name: values[view.video]
        for name, values in (("activation", case.activation), ("attention", case.attention))
        if view.video in values
    }
    here, proposals = _shown(case, found, view), _proposals(case, view)
    heights = [1.0] * len(signals) + [0.75 + 0.16 * len(here)]
    figure, panels = plt.subplots(
        len(heights),
        figsize=(11, 1.1 * sum(heights) + 1.2),
        sharex=True,
        layout="constrained",
        squeeze=False,
        height_ratios=heights,
    )
    _draw_signals(panels[:-1, 0], case, signals, view)
    _draw_bars(panels[-1, 0], case, found, here, proposals, view)
    panels[-1, 0].set_xlabel("time (s)")
    panels[-1, 0].set_xlim(view.window or (0.0, length_of(case, view.video)))
    figure.legend(handles=_legend(), loc="outside lower center", ncols=9, fontsize=8)
    figure.suptitle(f"{view.video}, {view.label}: {case.name} on {case.title}", fontsize=9)
    return figure


def summary_of(case: Case, found: pd.DataFrame, view: View) -> str:
    """The timeline in a line of words."""
    here, proposals = _shown(case, found, view), _proposals(case, view)
    cut = "" if proposals is None else f"{len(proposals)} proposals above {view.threshold:.3f}; "
    kinds = ", ".join(f"{count} {kind}" for kind, count in here["outcome"].value_counts().items())
    own = (found["video"] == view.video) & (found["label"] == view.label)
    more = int(own.sum()) - len(here)
    rest = f"; {more} more of lower score or outside of the window" if more else ""
    text = f"{view.label} in {view.video}: {cut}{len(here)} detections shown"
    return f"{text}{f': {kinds}' if kinds else ''}{rest}"


def length_of(case: Case, video: str) -> float:
    """Seconds that a timeline of the video spans.

    Its duration, or else the last end of anything in it.
    """
    if video in case.durations:
        return float(case.durations[video])
    ends = [
        table.loc[table["video"] == video, "t_end"].max()
        for table in (case.ground_truth.segments, case.detections)
    ]
    return float(np.nanmax([*ends, 1.0]))


def _shown(case: Case, found: pd.DataFrame, view: View) -> pd.DataFrame:
    """The best-scored detections in the window."""
    low, high = view.window or (0.0, length_of(case, view.video))
    mine = (found["video"] == view.video) & (found["label"] == view.label)
    return found[mine & (found["t_end"] >= low) & (found["t_start"] <= high)].nlargest(
        view.shown, "score", keep="first"
    )


def _proposals(case: Case, view: View) -> pd.DataFrame | None:
    """What the threshold cuts out of the class activation of the whole video.

    None without an activation.
    """
    if view.threshold is None or view.video not in case.activation:
        return None
    rule = ProposalRule(
        (view.threshold,), shortest=1, margin_scale=0.25, margin_power=1.0, outer_weight=1.0
    )
    curve = case.activation[view.video][:, case.ground_truth.classes.index(view.label)]
    return proposals_at(curve, rule, case.ground_truth.timebase)


def _draw_signals(
    panels: np.ndarray, case: Case, signals: dict[str, np.ndarray], view: View
) -> None:
    """One panel per signal."""
    seconds, column = (
        case.ground_truth.timebase.seconds,
        case.ground_truth.classes.index(view.label),
    )
    for axes, (name, values) in zip(panels, signals.items(), strict=True):
        curve = values[:, column] if name == "activation" else values
        colour = COLOURS[0] if name == "activation" else COLOURS[3]  # never that of the truth
        axes.stairs(curve, seconds(np.arange(len(curve) + 1)), color=colour, baseline=None)
        axes.set_ylabel(f"{name}\n(no unit)", fontsize=8)
        if name == "activation" and view.threshold is not None:
            axes.axhline(view.threshold, color=COLOURS[6], ls="--", lw=0.9)
            axes.set_title(f"dashed: threshold {view.threshold:.3f}", fontsize=8, loc="right")


def _draw_bars(
    axes: Axes,
    case: Case,
    found: pd.DataFrame,
    here: pd.DataFrame,
    proposals: pd.DataFrame | None,
    view: View,
) -> None:
    truth = case.ground_truth.segments.reset_index(drop=True)
    truth = truth[truth["video"] == view.video]
    mine = truth["label"] == view.label
    hit = truth.index.isin(found["matched"])
    rows = [
        (truth[mine & hit], {"color": TRUTH}),
        (truth[mine & ~hit], {"facecolor": "white", "edgecolor": TRUTH, "hatch": "////"}),
    ]
    height = 0
    for table, style in rows:
        _spans(axes, table, height, style)
    labels = [(0, "ground truth")]
    if (~mine).any():
        height -= 1
        _spans(axes, truth[~mine], height, {"color": OTHER})
        labels.append((height, "other classes"))
    if proposals is not None:
        height -= 1
        _spans(axes, proposals, height, {"color": COLOURS[6], "alpha": 0.55})
        labels.append((height, f"{len(proposals)} proposals"))
    for place, (_, one) in enumerate(here.iterrows(), start=1):
        is_marked = one["row"] == view.marked
        frame = {"edgecolor": "black", "linewidth": 2} if is_marked else {}
        colour = OUTCOME_COLOURS[one["outcome"]]
        _spans(axes, one.to_frame().T, height - place, {"facecolor": colour, **frame})
        marked = "▶ " if is_marked else ""
        labels.append((height - place, f"{marked}{one['score']:.3g}"))
    axes.set_yticks([y for y, _ in labels], [text for _, text in labels], fontsize=8)
    axes.set_ylim(height - len(here) - 0.7, 0.7)
    axes.set_ylabel("detections: score", fontsize=8)


def _spans(axes: Axes, table: pd.DataFrame, height: int, style: dict) -> None:
    start, end = table["t_start"].to_numpy(np.float64), table["t_end"].to_numpy(np.float64)
    axes.broken_barh(np.column_stack([start, end - start]).tolist(), (height - 0.4, 0.8), **style)


def _legend() -> list[Patch]:
    missed = Patch(facecolor="white", edgecolor=TRUTH, hatch="////", label="instance not found")
    return [missed, *(Patch(color=OUTCOME_COLOURS[outcome], label=outcome) for outcome in OUTCOMES)]
