"""Clicking background frames in a notebook.

A video's features against time, a slider, two buttons, a list of clicks.

The timeline shows the length of the feature vector of each snippet and stream, which often tells
motion from stillness; whoever has the video plays it beside the notebook. Clicks are saved in
BackTAL's format and trained with by `data.clicks.with_clicks`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wtal_core.data.clicks import empty_clicks, write_background_clicks
from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.pictures.figures import COLOURS, png

STEP = 0.5  # s: BackTAL's annotators saw two frames a second
NO_CLICK = "no click yet"


def feature_timeline(
    dataset: Dataset, video: str, clicks: pd.DataFrame, at: float | None = None
) -> Figure:
    """Length of a video's feature vectors against time, its background clicks, and the time `at`.

    at: seconds.
    """
    features = dataset.video(video).features
    figure, axes = plt.subplots(figsize=(10, 2.8), layout="constrained")
    for (stream, values), colour in zip(features.items(), COLOURS, strict=False):
        border = dataset.timebase.seconds(np.arange(len(values) + 1))
        axes.stairs(
            np.linalg.norm(values, axis=1), border, color=colour, label=stream, baseline=None
        )
    times = clicks["t"][clicks["video"] == video]
    for number, time in enumerate(times):
        axes.axvline(
            time, color=COLOURS[3], lw=2.5, label="background click" if number == 0 else None
        )
    if at is not None:
        axes.axvline(at, color="black", ls="--", lw=1, label="slider")
    axes.set(
        xlabel="time (s)",
        ylabel="length of the feature\nvector (no unit)",
        xlim=(0, duration(dataset, video)),
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    figure.suptitle(
        f"{video}: {len(times)} background clicks. {dataset.title} ({dataset.origin} data)",
        fontsize=9,
    )
    return figure


def duration(dataset: Dataset, video: str) -> float:
    """Seconds that the video's snippets cover."""
    return float(dataset.timebase.seconds(float(dataset.video(video).length)))


class Annotator(ipywidgets.VBox):
    """Controls above a picture.

    `clicks` is the table `video, label, t, t_end` (s) of what was clicked, in that order.

    dataset: its training videos are offered. clicks: to go on with; none if not given.
    """

    def __init__(self, dataset: Dataset, clicks: pd.DataFrame | None = None):
        self.dataset, self.clicks = dataset, empty_clicks() if clicks is None else clicks.copy()
        self._busy = False
        self._build([video.id for video in dataset.train if video.length])
        self.videos.observe(self._when_free(self.show), names="value")
        self.time.observe(lambda _: self._redraw(), names="value")
        self.listed.observe(self._when_free(self._jump), names="value")
        self.here.on_click(lambda _: self.click())
        self.undo.on_click(lambda _: self.take_back())
        self.show(self.videos.value)
        super().__init__(
            [
                ipywidgets.HBox([self.videos, self.here, self.undo]),
                self.time,
                self.picture,
                self.listed,
            ]
        )

    def __repr__(self) -> str:
        """What a page without widgets shows."""
        return (
            f"[annotator: {len(self.videos.options)} videos of {self.dataset.name}; run this "
            f"cell to click background frames]"
        )

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
        self.listed = ipywidgets.Select(rows=6, description="clicks", layout=wide)
        self.picture = ipywidgets.Image(format="png")

    def _when_free(self, act: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
        """`act` on a control's new value, but not on changes that this class makes itself."""

        def react(change: dict[str, Any]) -> None:
            if not self._busy:
                act(change["new"])

        return react

    def show(self, video: str, time: float = 0.0) -> None:
        """Open a video at a time (s)."""
        self._busy = True
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
            self.picture.value = png(
                feature_timeline(self.dataset, self.videos.value, self.clicks, self.time.value)
            )


def annotator(dataset: Dataset, clicks: pd.DataFrame | None = None) -> Annotator:
    """The annotator of a data set's training videos; an error where none has a snippet to show."""
    if not any(video.length for video in dataset.train):
        raise WorkbookError(
            f"data set {dataset.name} has no training video with features; nothing can be clicked"
        )
    return Annotator(dataset, clicks)
