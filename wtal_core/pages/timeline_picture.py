"""The timeline of a video as a still picture, for pages that cannot run it."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wtal_core.errors import WorkbookError
from wtal_core.pages.timeline import KINDS, Timeline, content_of
from wtal_core.pictures.figures import COLOURS, TRUTH

MOST_ROWS = 6  # rows of detections of a class that overlap in time, as in `timeline.js`
MOST_DRAWN = 200  # detections of a class, the best-scored
ACTIVATION_ROWS = 2  # as high as so many rows of detections
DETECTION, MARK = COLOURS[0], COLOURS[3]


def timeline_figure(
    timeline: Timeline, video: str, window: tuple[float, float] | None = None
) -> Figure:
    """What the timeline shows of one video: truth, detections and marks by class, and signals.

    window: seconds, None for the whole video. Raises WorkbookError for a video that is not there.
    """
    if video not in timeline.videos():
        raise WorkbookError(
            f"{video!r} is no video of the timeline; choose one such as {timeline.videos()[0]!r}"
        )
    content = content_of(timeline)
    (shown,) = [one for one in content["videos"] if one["name"] == video]
    rows = [*shown["truth"], *shown["detections"], *shown["clicks"], *shown["segments"]]
    drawn = sorted({row[0] for row in rows})
    figure, panels = plt.subplots(
        max(1, len(drawn)),
        figsize=(11, 0.9 + 1.9 * max(1, len(drawn))),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    kinds: set[int] = set()
    for axes, label in zip(panels[:, 0], drawn, strict=False):
        kinds |= _draw_lane(axes, timeline, shown, label, content["classes"][label])
    panels[-1, 0].set_xlabel("time (s)")
    panels[-1, 0].set_xlim(window or (0.0, shown["duration"]))
    figure.legend(handles=_legend(shown, kinds), loc="outside lower center", ncols=6, fontsize=8)
    figure.suptitle(f"{video}. {timeline.title}", fontsize=9)
    return figure


def _draw_lane(
    axes: Axes, timeline: Timeline, shown: dict[str, Any], label: int, name: str
) -> set[int]:
    """One class: truth above, then detections, the best-scored first, then marks, then the
    activation. Each row has its name. Returns the kinds of the detections that are drawn.
    """
    own = [row for row in shown["detections"] if row[0] == label][:MOST_DRAWN]
    place = rows_of([row[1:4] for row in own])
    bottom = max([*place, 0]) + 1
    kinds = {row[4] for row, height in zip(own, place, strict=True) if height >= 0}
    for (_, start, end, _, kind, *_), height in zip(own, place, strict=True):
        if height >= 0:
            colour = KINDS[kind]["colour"] if kind >= 0 else DETECTION
            axes.broken_barh([(start, end - start)], (-height - 0.9, 0.8), color=colour)
    names = {0.5: "truth", -bottom / 2: "detections"}
    for row in shown["truth"]:
        if row[0] == label:
            axes.broken_barh([(row[1], row[2] - row[1])], (0.15, 0.7), color=TRUTH)
    if _draw_marks(axes, shown, label, bottom):
        names[-bottom - 0.5] = "marks"
        bottom += 1
    values = timeline.activation.get(shown["name"])
    lowest = -bottom - 0.1
    if values is not None and name in timeline.classes:
        curve = values[:, list(timeline.classes).index(name)]
        lowest -= ACTIVATION_ROWS
        names[lowest + ACTIVATION_ROWS / 2] = "activation"
        seconds = timeline.timebase.seconds(np.arange(len(values) + 1))
        _draw_activation(axes, curve, seconds, (lowest, 1.1))
    axes.set_ylim(lowest, 1.1)
    axes.set_yticks(list(names), list(names.values()), fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_title(name, fontsize=9, loc="left")
    return kinds


def _draw_marks(axes: Axes, shown: dict[str, Any], label: int, bottom: int) -> bool:
    """Marked segments and clicks of a class, below its detections. Returns whether it has any."""
    segments = [row for row in shown["segments"] if row[0] == label]
    for row in segments:
        axes.broken_barh([(row[1], row[2] - row[1])], (-bottom - 0.9, 0.8), color=MARK)
    times = [row[1] for row in shown["clicks"] if row[0] == label]
    axes.plot(times, np.full(len(times), -bottom - 0.5), "D", color=MARK, markersize=5)
    return bool(segments or times)


def _draw_activation(
    axes: Axes,
    curve: Float[np.ndarray, " T"],
    seconds: Float[np.ndarray, " T+1"],
    limits: tuple[float, float],
) -> None:
    """A curve in the lowest rows of a lane, which no bar is drawn in. limits: of the lane."""
    low, high = float(curve.min()), float(curve.max())
    per_row = (high - low or 1.0) / (ACTIVATION_ROWS - 0.2)
    behind = axes.twinx()
    behind.stairs(curve, seconds, baseline=None, color="#666666")
    first = low - 0.1 * per_row
    behind.set_ylim(first, first + per_row * (limits[1] - limits[0]))
    behind.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"], fontsize=8)


def rows_of(spans: list[list[float]]) -> list[int]:
    """The row of each span (start, end, ...), none over another; -1 where there is no room left.

    The spans before it come first, as in `timeline.js`.
    """
    table = pd.DataFrame([span[:2] for span in spans], columns=["start", "end"], dtype=float)
    rows = np.full(len(table), -1)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    for number in range(len(table)):
        overlaps = (start[:number] < end[number]) & (end[:number] > start[number])
        free = np.setdiff1d(np.arange(MOST_ROWS), rows[:number][overlaps])
        rows[number] = free[0] if len(free) else -1
    return rows.tolist()


def _legend(shown: dict[str, Any], kinds: set[int]) -> list[Patch]:
    """What is drawn of a video, and nothing else. kinds: of its detections, -1 of one that nobody
    has judged.
    """
    colours = {kind: KINDS[kind]["colour"] for kind in sorted(kinds - {-1})}
    named = [Patch(color=colour, label=KINDS[kind]["name"]) for kind, colour in colours.items()]
    if -1 in kinds:
        named.append(Patch(color=DETECTION, label="detection"))
    if shown["truth"]:
        named.insert(0, Patch(color=TRUTH, label="ground truth"))
    if shown["clicks"] or shown["segments"]:
        named.append(Patch(color=MARK, label="click or marked segment"))
    return named
