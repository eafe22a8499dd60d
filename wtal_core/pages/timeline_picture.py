"""The timeline of a video as a still picture, for pages that cannot run it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wtal_core.errors import WorkbookError
from wtal_core.pages.timeline import KINDS, Timeline, content_of
from wtal_core.pictures.figures import COLOURS, TRUTH

MOST_ROWS = 6  # rows of detections of a class that overlap in time, as in `timeline.js`
MOST_DRAWN = 200  # detections of a class, the best-scored
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
        figsize=(11, 0.9 + 1.5 * max(1, len(drawn))),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, label in zip(panels[:, 0], drawn, strict=False):
        _draw_lane(axes, timeline, shown, label, content["classes"][label])
    panels[-1, 0].set_xlabel("time (s)")
    panels[-1, 0].set_xlim(window or (0.0, shown["duration"]))
    figure.legend(handles=_legend(content), loc="outside lower center", ncols=6, fontsize=8)
    figure.suptitle(f"{video}. {timeline.title}", fontsize=9)
    return figure


def _draw_lane(axes: Axes, timeline: Timeline, shown: dict, label: int, name: str) -> None:
    """One class: truth above, then detections, the best-scored first, then marks."""
    own = [row for row in shown["detections"] if row[0] == label][:MOST_DRAWN]
    kinds = [row[4] for row in own]
    spans = [row[1:4] for row in own]
    place = rows_of(spans)
    bottom = max([*place, 0]) + 1
    for (start, end, _), kind, row in zip(spans, kinds, place, strict=True):
        if row >= 0:
            colour = KINDS[kind]["colour"] if kind >= 0 else DETECTION
            axes.broken_barh([(start, end - start)], (-row - 0.9, 0.8), color=colour)
    for row in shown["truth"]:
        if row[0] == label:
            axes.broken_barh([(row[1], row[2] - row[1])], (0.15, 0.7), color=TRUTH)
    for row in shown["segments"]:
        if row[0] == label:
            axes.broken_barh([(row[1], row[2] - row[1])], (-bottom - 0.9, 0.8), color=MARK)
    times = [row[1] for row in shown["clicks"] if row[0] == label]
    axes.plot(times, np.full(len(times), -bottom - 0.5), "D", color=MARK, markersize=5)
    axes.set_ylim(-bottom - 1.1, 1.1)
    axes.set_yticks([])
    axes.set_title(name, fontsize=9, loc="left")
    values = timeline.activation.get(shown["name"])
    if values is not None and name in timeline.classes:
        seconds = timeline.timebase.seconds(np.arange(len(values) + 1))
        behind = axes.twinx()
        behind.stairs(values[:, list(timeline.classes).index(name)], seconds, color="#999999")
        behind.set_ylabel("activation", fontsize=8)


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


def _legend(content: dict) -> list[Patch]:
    kinds = [Patch(color=kind["colour"], label=kind["name"]) for kind in content["kinds"]]
    detections = kinds or [Patch(color=DETECTION, label="detection")]
    truth = Patch(color=TRUTH, label="ground truth")
    return [truth, *detections, Patch(color=MARK, label="click or marked segment")]
