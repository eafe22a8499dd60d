"""Clicking background frames in a notebook.

What one clicks on is a video's features: as a strip, and as the length of each snippet's vector,
which often tells motion from stillness; whoever has the video plays it beside the notebook.
Afterwards the truth is shown, with what the clicks hit, the time that they took and what that costs
beside other kinds of annotation. Clicks are saved in BackTAL's format and trained with by
`data.clicks.with_clicks`.
"""

import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wtal_core.data.click_judgement import judged
from wtal_core.data.clicks import empty_clicks, write_background_clicks
from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.pictures.figures import COLOURS, TRUTH, png

STEP = 0.5  # s: BackTAL's annotators saw two frames a second
PAUSE = 60.0  # s: a longer time without a move is not counted as annotation
NO_CLICK = "no click yet"
RIGHT, WRONG = COLOURS[3], COLOURS[6]


def feature_timeline(
    dataset: Dataset,
    video: str,
    clicks: pd.DataFrame,
    at: float | None = None,
    truth: bool = False,
) -> Figure:
    """A video's features as one strip per stream, the length of their vectors against time, the
    background clicks, and the time `at`.

    at: seconds. truth: also the segments, in green, and the clicks inside them dashed.
    """
    features = dataset.video(video).features
    heights = [0.9] * len(features)
    figure, panels = plt.subplots(
        len(features) + 1,
        figsize=(10, 2.4 + sum(heights)),
        sharex=True,
        layout="constrained",
        height_ratios=[*heights, 2.0],
    )
    whole = duration(dataset, video)
    for strip, (stream, values) in zip(panels, features.items(), strict=False):
        strip.imshow(
            values.T,
            aspect="auto",
            interpolation="nearest",
            cmap="cividis",
            extent=(0.0, whole, values.shape[1], 0),
        )
        strip.set_ylabel(stream, fontsize=8)
        strip.set_yticks([])
    axes = panels[-1]
    for (stream, values), colour in zip(features.items(), COLOURS, strict=False):
        border = dataset.timebase.seconds(np.arange(len(values) + 1))
        axes.stairs(
            np.linalg.norm(values, axis=1), border, color=colour, label=stream, baseline=None
        )
    _mark(figure, dataset, video, clicks, truth)
    if at is not None:
        axes.axvline(at, color="black", ls="--", lw=1, label="slider")
    axes.set(xlabel="time (s)", ylabel="length of the feature\nvector (no unit)", xlim=(0, whole))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    count = int((clicks["video"] == video).sum())
    figure.suptitle(f"{video}: {count} background clicks. {dataset.heading}", fontsize=9)
    return figure


def _mark(figure: Figure, dataset: Dataset, video: str, clicks: pd.DataFrame, truth: bool) -> None:
    """Clicks in all panels; the segments, where the truth is shown, in the last one."""
    times = clicks["t"][clicks["video"] == video].to_numpy(dtype=float)
    right = judged(dataset, video, clicks).right if truth else np.ones(len(times), dtype=bool)
    axes = figure.axes[-1]
    if truth:
        segments = dataset.segments[dataset.segments["video"] == video]
        spans = list(zip(segments["t_start"], segments["t_end"] - segments["t_start"], strict=True))
        place = axes.get_xaxis_transform()
        axes.broken_barh(spans, (0, 1), transform=place, color=TRUTH, alpha=0.25, label="action")
    names = {True: "background click", False: "click inside an action"}
    for is_right, name in names.items():
        colour = RIGHT if is_right else WRONG
        stroke = "-" if is_right else ":"
        for number, moment in enumerate(times[right == is_right]):
            label = name if number == 0 else None
            axes.axvline(moment, color=colour, ls=stroke, lw=2.5, label=label)
            for strip in figure.axes[:-1]:
                strip.axvline(moment, color=colour, ls=stroke, lw=1.5)


def cost_table(per_minute: Mapping[str, float], seconds: Mapping[str, float]) -> pd.DataFrame:
    """What each kind of annotation costs, in seconds.

    per_minute: kind -> seconds of work per minute of video. seconds: what is annotated -> how long
    it is.
    """
    columns = {
        what: {kind: round(cost * length / 60) for kind, cost in per_minute.items()}
        for what, length in seconds.items()
    }
    return pd.DataFrame({"per minute of video": dict(per_minute), **columns}).rename_axis("seconds")


def duration(dataset: Dataset, video: str) -> float:
    """Seconds that the video's snippets cover."""
    return float(dataset.timebase.seconds(float(dataset.video(video).length)))


class Annotator(ipywidgets.VBox):
    """Controls above a picture.

    `clicks` is the table `video, label, t, t_end` (s) of what was clicked, in that order.

    dataset: its training videos are offered. clicks: to go on with; none if not given. costs: kind
    of annotation -> seconds per minute of video, to compare with. clock: seconds, for the time
    taken.
    """

    def __init__(
        self,
        dataset: Dataset,
        clicks: pd.DataFrame | None = None,
        costs: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.dataset, self.clicks = dataset, empty_clicks() if clicks is None else clicks.copy()
        self.costs = dict(costs or {})
        self.spent: dict[str, float] = {}  # video -> seconds
        self._clock = clock
        self._moved: float | None = None  # when the last move was
        self._busy = False
        self._build([video.id for video in dataset.train if video.length])
        self.videos.observe(self._when_free(self.show), names="value")
        self.time.observe(self._when_free(self._move), names="value")
        self.listed.observe(self._when_free(self._jump), names="value")
        self.here.on_click(lambda _: self.click())
        self.undo.on_click(lambda _: self.take_back())
        self.truth.observe(lambda _: self._redraw(), names="value")
        self.show(self.videos.value)
        super().__init__(
            [
                ipywidgets.HBox([self.videos, self.here, self.undo, self.truth]),
                self.time,
                self.picture,
                self.told,
                self.listed,
            ]
        )

    def __repr__(self) -> str:
        """What a page without widgets shows."""
        count = len(self.videos.options)
        return f"[annotator: {count} videos of {self.dataset.name}; run this cell to click]"

    def _build(self, videos: list[str]) -> None:
        wide = ipywidgets.Layout(width="960px")
        self.videos = ipywidgets.Dropdown(options=videos, description="video")
        self.time = ipywidgets.FloatSlider(
            step=STEP,
            description="time (s)",
            readout_format=".1f",
            layout=wide,
            continuous_update=False,
        )
        self.here = ipywidgets.Button(description="background here", button_style="warning")
        self.undo = ipywidgets.Button(description="undo")
        is_known = not self.dataset.segments_of("train").empty
        self.truth = ipywidgets.ToggleButton(description="show the truth", disabled=not is_known)
        self.told = ipywidgets.HTML()
        self.listed = ipywidgets.Select(rows=6, description="clicks", layout=wide)
        self.picture = ipywidgets.Image(format="png")

    def _when_free(self, act: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
        """`act` on a control's new value, but not on changes that this class makes itself."""

        def react(change: dict[str, Any]) -> None:
            if not self._busy:
                act(change["new"])

        return react

    def show(self, video: str, time: float = 0.0) -> None:
        """Open a video at a time (s). The truth is hidden again."""
        self._moved = None
        self._busy = True
        self.truth.value = False
        self.videos.value = video
        self.time.value = 0.0  # a value beyond the new end would be refused
        self.time.max = duration(self.dataset, video)
        self.time.value = time
        self._busy = False
        self._refresh()

    def click(self) -> None:
        """What the button does: the moment under the slider is background.

        A second click on it changes nothing.
        """
        self._count()
        video, time = self.videos.value, float(self.time.value)
        if not ((self.clicks["video"] == video) & (self.clicks["t"] == time)).any():
            row = {"video": video, "label": "background", "t": time, "t_end": time}
            self.clicks = pd.DataFrame([*self.clicks.to_dict("records"), row])
        self._refresh()

    def take_back(self) -> None:
        """Forget the last click, of whatever video, and go there; nothing if there is none."""
        if len(self.clicks):
            last, rest = self.clicks.iloc[-1], self.clicks.iloc[:-1]
            self.clicks = rest.reset_index(drop=True) if len(rest) else empty_clicks()
            self.show(last["video"], last["t"])

    def save(self, path: str | Path) -> Path:
        """Write the clicks as BackTAL publishes them.

        `data.clicks.read_background_clicks` reads them again.
        """
        return write_background_clicks(self.clicks, Path(path), tag=len(self.dataset.classes))

    def judgement(self) -> str:
        """What the clicks of the open video hit, how long they took, and what that is beside other
        kinds of annotation.
        """
        video = self.videos.value
        minutes = duration(self.dataset, video) / 60
        spent = self.spent.get(video, 0.0)
        sentences = [judged(self.dataset, video, self.clicks).sentence()]
        sentences.append(
            f"{spent:.0f} s for {minutes:.1f} minutes: {spent / minutes:.0f} s per minute of video."
        )
        if self.costs:
            others = ", ".join(f"{cost:g} for {kind}" for kind, cost in self.costs.items())
            sentences.append(f"The paper counts {others}.")
        return " ".join(sentences)

    def _move(self, _: float) -> None:
        self._count()
        self._redraw()

    def _count(self) -> None:
        """Add the time since the last move to the open video; the first move starts the clock."""
        now = self._clock()
        if self._moved is not None and now - self._moved <= PAUSE:
            video = self.videos.value
            self.spent[video] = self.spent.get(video, 0.0) + now - self._moved
        self._moved = now

    def _jump(self, row: int) -> None:
        if row >= 0:
            self.show(self.clicks["video"].iloc[row], float(self.clicks["t"].iloc[row]))

    def _refresh(self) -> None:
        """The list and the picture say what the table holds."""
        self._busy = True
        lines = [
            (f"{click.video}, {click.t:g} s", row)
            for row, click in enumerate(self.clicks.itertuples())
        ]
        self.listed.options = [
            (NO_CLICK if not lines else f"{len(lines)} clicks; choose one to go there", -1),
            *lines,
        ]
        self.listed.value = -1
        self._busy = False
        self._redraw()

    def _redraw(self) -> None:
        if not self._busy:
            video, at, truth = self.videos.value, self.time.value, self.truth.value
            self.picture.value = png(
                feature_timeline(self.dataset, video, self.clicks, at, truth=truth)
            )
            self.told.value = escape(self.judgement()) if truth else ""


def annotator(
    dataset: Dataset,
    clicks: pd.DataFrame | None = None,
    costs: Mapping[str, float] | None = None,
) -> Annotator:
    """The annotator of a data set's training videos; an error where none has a snippet to show."""
    if not any(video.length for video in dataset.train):
        raise WorkbookError(
            f"data set {dataset.name} has no training video with features; nothing can be clicked"
        )
    return Annotator(dataset, clicks, costs)
