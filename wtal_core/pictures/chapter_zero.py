"""The drawings of chapter zero: a film strip, a snippet, features, activation, cut, ruler, and
precision against recall as it grows. All are of a drawn video.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, ConnectionPatch, Patch, Rectangle

from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.drawn_videos import QUANTITIES, DrawnVideo, Pose, frames_of, pose
from wtal_core.localization.proposals import ProposalRule
from wtal_core.pictures.figures import COLOURS, FOUND, QUIET, TRUTH
from wtal_core.pictures.teaching import envelope, proposals_at
from wtal_core.timebase import Timebase

OF_CLASS = {"hopping": TRUTH, "waving": COLOURS[3]}
WIDTH = 8.5  # inches
NAMES = [name for names in QUANTITIES.values() for name in names]


def film(video: DrawnVideo, seconds: Sequence[float], caption: str) -> Figure:
    """Frames of a video, each tied to its time; below them what happens, and what is told."""
    figure, (strip, line) = plt.subplots(
        2, figsize=(WIDTH, 3.6), layout="constrained", height_ratios=[1.5, 1]
    )
    for number, second in enumerate(seconds):
        _frame(strip, pose(video, second), float(number))
        tie = ConnectionPatch(
            (second, 1.0),
            (number + 0.47, 0.0),
            coordsA=line.get_xaxis_transform(),
            coordsB="data",
            axesB=strip,
            color=QUIET,
            lw=0.8,
        )
        figure.add_artist(tie)
    strip.set(xlim=(-0.05, len(seconds)), ylim=(-0.02, 1.02), aspect="equal")
    strip.axis("off")
    for start, end in video.trampolines:
        line.broken_barh([(start, end - start)], (0.08, 0.22), color=QUIET)
    for piece in video.pieces:
        colour = OF_CLASS.get(piece.act, "white")
        span = [(piece.start, piece.end - piece.start)]
        line.broken_barh(span, (0.42, 0.3), facecolor=colour, edgecolor="#555555")
        middle = (piece.start + piece.end) / 2
        ink = "white" if piece.act in OF_CLASS else "black"
        size = 7 if piece.end - piece.start > 2.4 else 5
        line.text(middle, 0.57, piece.act, ha="center", va="center", size=size, color=ink)
    line.set_yticks([0.19, 0.57], ["trampoline\nin view", "what happens"], fontsize=8)
    line.set(xlim=(0, video.seconds), ylim=(0, 0.8), xlabel="time (s)")
    figure.suptitle(caption, fontsize=9)
    return figure


def snippet(video: DrawnVideo, measured: Video, number: int, timebase: Timebase) -> Figure:
    """The frames of one snippet, and the numbers that stand for it."""
    figure, (strip, bars) = plt.subplots(
        1, 2, figsize=(WIDTH, 2.3), layout="constrained", width_ratios=[2, 1.2]
    )
    drawn = frames_of(video, number)
    for place, frame in enumerate(drawn):
        _frame(strip, frame, float(place))
    strip.set(xlim=(-0.05, len(drawn)), ylim=(-0.02, 1.02), aspect="equal")
    strip.axis("off")
    values = np.concatenate([stream[number] for stream in measured.features.values()])
    bars.barh(NAMES, values, color=[COLOURS[0]] * 2 + [COLOURS[4]] * 3)
    bars.invert_yaxis()
    bars.set_xlim(-0.2, 1.6)
    bars.axvline(0, color="#555555", lw=0.8)
    bars.set_xlabel("value (no unit)")
    streams = list(QUANTITIES)
    handles = [Patch(color=COLOURS[n], label=name) for n, name in zip((0, 4), streams, strict=True)]
    bars.legend(handles=handles, fontsize=8, title="stream", title_fontsize=8)
    start, end = timebase.seconds(float(number)), timebase.seconds(float(number + 1))
    figure.suptitle(f"Snippet {number}, {start:g} to {end:g} s: four frames, five numbers", size=9)
    return figure


def features(dataset: Dataset, video: Video, caption: str) -> Figure:
    """All numbers of all snippets as an image, with the truth below."""
    values = np.concatenate(list(video.features.values()), axis=1)
    figure, (image, truth) = plt.subplots(
        2, figsize=(WIDTH, 3), layout="constrained", sharex=True, height_ratios=[5, 1]
    )
    end = float(dataset.timebase.seconds(float(len(values))))
    shown = image.imshow(
        values.T,
        aspect="auto",
        cmap="viridis",
        interpolation="nearest",
        extent=(0, end, len(NAMES), 0),
    )
    image.set_yticks(np.arange(len(NAMES)) + 0.5, NAMES, fontsize=8)
    image.axhline(len(QUANTITIES["look"]), color="white", lw=2)
    figure.colorbar(shown, ax=image, label="value", pad=0.01)
    _truth(truth, dataset.segments[dataset.segments["video"] == video.id])
    truth.set_xlabel("time (s)")
    figure.suptitle(caption, fontsize=9)
    return figure


def activations(
    dataset: Dataset, video: Video, sequences: Float[np.ndarray, "T C"], caption: str
) -> Figure:
    """One curve per class above the truth of that class."""
    figure, panels = plt.subplots(
        len(dataset.classes), figsize=(WIDTH, 3.6), layout="constrained", sharex=True
    )
    borders = dataset.timebase.seconds(np.arange(len(sequences) + 1))
    segments = dataset.segments[dataset.segments["video"] == video.id]
    for axes, name, sequence in zip(panels, dataset.classes, sequences.T, strict=True):
        axes.stairs(sequence, borders, color=COLOURS[0], baseline=None)
        _shade(axes, segments[segments["label"] == name], OF_CLASS[name])
        axes.axhline(0, color=QUIET, lw=0.8)
        axes.set_ylabel(f"activation\nof {name}", fontsize=8)
    panels[-1].set_xlim(0, borders[-1])
    panels[-1].set_xlabel("time (s); shaded: the truth, which training does not see")
    figure.suptitle(caption, fontsize=9)
    return figure


def cuts(
    sequence: Float[np.ndarray, " T"],
    rule: ProposalRule,
    truth: pd.DataFrame,
    timebase: Timebase,
    caption: str,
) -> Figure:
    """A sequence with its thresholds, and below it what each threshold cuts out."""
    figure, (curve, lanes) = plt.subplots(
        2, figsize=(WIDTH, 4.4), layout="constrained", sharex=True, height_ratios=[1.5, 1]
    )
    borders = timebase.seconds(np.arange(len(sequence) + 1))
    curve.stairs(sequence, borders, color=COLOURS[0], baseline=None)
    _shade(curve, truth, TRUTH)
    names = []
    for place, threshold in enumerate(rule.thresholds):
        curve.axhline(threshold, color=FOUND, ls="--", lw=0.9)
        curve.text(borders[-1], threshold, f" θ = {threshold:g}", size=8, va="center")
        cut = proposals_at(sequence, _at(rule, threshold), timebase)
        _bars(lanes, cut, float(-place), FOUND)
        names.append(f"above θ = {threshold:g}")
    _bars(lanes, truth, 1.0, TRUTH)
    lanes.set_yticks([1, *(-n for n in range(len(names)))], ["truth", *names], fontsize=8)
    lanes.set_ylim(-len(names) + 0.4, 1.6)
    lanes.set(xlim=(0, borders[-1]), xlabel="time (s)")
    curve.set_ylabel("activation")
    figure.suptitle(caption, fontsize=9)
    return figure


def ruler(instance: tuple[float, float], proposals: Sequence[tuple[float, float]]) -> Figure:
    """tIoU as two lengths: what a proposal and an instance share, over what either takes."""
    figure, panels = plt.subplots(
        len(proposals),
        figsize=(WIDTH, 0.95 * len(proposals) + 0.5),
        layout="constrained",
        sharex=True,
        squeeze=False,
    )
    lowest = min(start for start, _ in (*proposals, instance)) - 1
    highest = max(end for _, end in (*proposals, instance)) + 1
    for axes, (start, end) in zip(panels[:, 0], proposals, strict=True):
        shared = max(0.0, min(end, instance[1]) - max(start, instance[0]))
        either = (end - start) + (instance[1] - instance[0]) - shared
        axes.broken_barh([(instance[0], instance[1] - instance[0])], (2.1, 0.8), color=TRUTH)
        axes.broken_barh([(start, end - start)], (1.1, 0.8), color=FOUND)
        if shared:
            axes.broken_barh([(max(start, instance[0]), shared)], (0.1, 0.8), color=COLOURS[6])
        words = f"{shared:.3g} s shared ÷ {either:.3g} s taken = tIoU {shared / either:.2f}"
        axes.set_title(words, fontsize=9, loc="left")
        axes.set_yticks([2.5, 1.5, 0.5], ["instance", "proposal", "shared"], fontsize=8)
        axes.set(xlim=(lowest, highest), ylim=(0, 3))
        axes.grid(axis="x", alpha=0.4)
    panels[-1, 0].set_xlabel("time (s)")
    return figure


def growth(ranks: pd.DataFrame, instances: int, steps: Sequence[int], caption: str) -> Figure:
    """Precision against recall after the first, the second, ... detection of `ranked`."""
    columns = min(4, len(steps))
    rows = -(-len(steps) // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH, 2.5 * rows + 0.6),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axes, step in zip(grid.ravel(), steps, strict=False):
        _grown(axes, ranks, step)
        axes.set_title(_told(ranks, step, instances), fontsize=8)
        axes.set(xlim=(0, 1.05), ylim=(0, 1.08))
        axes.grid(alpha=0.3)
    for axes in grid.ravel()[len(steps) :]:
        axes.axis("off")
    for axes in grid[:, 0]:
        axes.set_ylabel("precision")
    for axes in grid[-1]:
        axes.set_xlabel("recall")
    figure.suptitle(caption, fontsize=9)
    return figure


def in_turn(ranks: pd.DataFrame, truth: pd.DataFrame, end: float, caption: str) -> Figure:
    """The detections of `ranked` below each other, the most confident first, each in a lane of its
    own. end: of the video, in seconds.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 0.22 * len(ranks) + 1.4), layout="constrained")
    _shade(axes, truth, TRUTH)
    _bars(axes, truth, 0.0, TRUTH)
    for rank, row in ranks.iterrows():
        span = [(row["t_start"], row["t_end"] - row["t_start"])]
        colour = COLOURS[0] if row["true positive"] else FOUND
        axes.broken_barh(span, (-float(rank) - 0.35, 0.7), color=colour)
    axes.set_yticks(
        range(-len(ranks), 1), [*(f"{rank}." for rank in reversed(ranks.index)), "truth"]
    )
    axes.set(xlim=(0, end), ylim=(-len(ranks) - 0.6, 0.6), xlabel="time (s)")
    axes.tick_params(axis="y", labelsize=8)
    kinds = {"true positive": COLOURS[0], "false positive": FOUND}
    handles = [Patch(color=colour, label=kind) for kind, colour in kinds.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def _grown(axes: Axes, ranks: pd.DataFrame, step: int) -> None:
    """The curve down to a rank, and the area that counts so far."""
    until = ranks.iloc[:step]
    recall, precision = until["recall"].to_numpy(), until["precision"].to_numpy()
    best = envelope(until)
    before = np.concatenate([[0.0], recall[:-1]])
    for left, right, height in zip(before, recall, best, strict=True):
        axes.add_patch(
            Rectangle((left, 0), right - left, height, color=COLOURS[5], alpha=0.4, lw=0)
        )
    axes.plot(recall, precision, "-", color=QUIET, lw=1)
    right = until["true positive"].to_numpy()
    axes.plot(recall[right], precision[right], "o", color=TRUTH, label="true positive")
    axes.plot(recall[~right], precision[~right], "x", color=FOUND, label="false positive")


def _told(ranks: pd.DataFrame, step: int, instances: int) -> str:
    row = ranks.iloc[step - 1]
    kind = "true" if row["true positive"] else "false"
    right = int(ranks["true positive"].iloc[:step].sum())
    return f"{step}: {kind}; precision {right}/{step}, recall {right}/{instances}"


def _frame(axes: Axes, shown: Pose, left: float) -> None:
    """One picture of a film, 0.94 wide."""
    axes.add_patch(Rectangle((left, 0), 0.94, 1, facecolor="#f7f3e8", edgecolor="#222222", lw=1.5))
    ground, middle = 0.14, left + 0.94 * shown.place
    axes.plot([left, left + 0.94], [ground, ground], color="#8a7f66", lw=1)
    feet = ground + 0.22 * shown.height
    if shown.trampoline:
        feet += 0.07
        axes.plot([left + 0.2, left + 0.74], [ground + 0.07] * 2, color="#444444", lw=3)
        for side in (0.24, 0.7):
            axes.plot([left + side] * 2, [ground, ground + 0.07], color="#444444", lw=1.5)
    hip, shoulder = feet + 0.17, feet + 0.36
    for side in (-1, 1):
        axes.plot([middle, middle + 0.07 * side], [hip, feet], color="black", lw=1.6)
        angle = np.pi * (0.84 * shown.arms - 0.42)  # from down to up
        hand = (middle + 0.15 * side * np.cos(angle), shoulder + 0.15 * np.sin(angle))
        axes.plot([middle, hand[0]], [shoulder, hand[1]], color="black", lw=1.6)
    axes.plot([middle, middle], [hip, shoulder], color="black", lw=1.6)
    axes.add_patch(Circle((middle, shoulder + 0.07), 0.055, color="black"))


def _at(rule: ProposalRule, threshold: float) -> ProposalRule:
    return ProposalRule(
        (threshold,), rule.shortest, rule.margin_scale, rule.margin_power, rule.outer_weight
    )


def _truth(axes: Axes, segments: pd.DataFrame) -> None:
    """One lane per class."""
    for place, (name, colour) in enumerate(OF_CLASS.items()):
        _bars(axes, segments[segments["label"] == name], float(-place), colour)
    axes.set_yticks([0, -1], list(OF_CLASS), fontsize=8)
    axes.set_ylim(-1.6, 0.6)


def _bars(axes: Axes, table: pd.DataFrame, place: float, colour: str) -> None:
    spans = np.column_stack([table["t_start"], table["t_end"] - table["t_start"]])
    axes.broken_barh(spans.tolist(), (place - 0.35, 0.7), facecolor=colour, edgecolor="white")


def _shade(axes: Axes, truth: pd.DataFrame, colour: str) -> None:
    for start, end in zip(truth["t_start"], truth["t_end"], strict=True):
        axes.axvspan(start, end, color=colour, alpha=0.18, lw=0)
