"""The timeline viewer.

A list of the worst errors, and one video at a time with everything that led to its detections.

Its picture is `error_timeline` of the present `View`; the same function draws the still pictures of
the notebook.
"""

from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.error_types import outcomes
from wtal_core.evaluation.worst import missed_instances, worst_errors
from wtal_core.pictures.error_timeline import View, error_timeline, length_of, summary_of
from wtal_core.pictures.figures import plain_png

AROUND = 60.0  # seconds shown on either side of an error that was jumped to
LISTED = 200  # errors and missed instances in the list, each
NO_ERROR = "choose an error to jump to it"


class TimelineViewer(ipywidgets.VBox):
    """Controls above a picture.

    Choosing an error jumps to its video; each control draws the picture anew.

    case: what to look at. tiou: the threshold that tells true positives. Without a class activation
    (a detections file) the threshold slider is off. `view` is what is shown.
    """

    def __init__(self, case: Case, tiou: float = 0.5):
        self.case, self.found = case, outcomes(case.ground_truth, case.detections, tiou)
        self.worst = worst_errors(self.found, case.ground_truth).head(LISTED)
        self.missed = missed_instances(self.found, case.ground_truth).head(LISTED)
        self._busy = False
        self._build(_lines(self.worst, self.missed))
        self.view = View(self.videos.value, self.labels.value)
        self._enter(self.videos.value)
        for control in (self.labels, self.threshold, self.shown, self.window):
            control.observe(lambda _: self._redraw(), names="value")
        self.videos.observe(self._enter_if_free, names="value")
        self.errors.observe(lambda change: self._jump(change["new"]), names="value")
        super().__init__(
            [
                self.errors,
                ipywidgets.HBox([self.videos, self.labels, self.shown]),
                ipywidgets.HBox([self.threshold, self.window]),
                self.summary,
                self.picture,
            ]
        )

    def __repr__(self) -> str:
        """What a page without widgets shows."""
        return (
            f"[timeline viewer: {len(self.videos.options)} videos of {self.case.name}; run "
            f"this cell to use it]"
        )

    def _build(self, lines: list[str]) -> None:
        half, whole = ipywidgets.Layout(width="470px"), ipywidgets.Layout(width="960px")
        videos = sorted(self.case.ground_truth.videos)
        entries = [(NO_ERROR, -1), *((line, number) for number, line in enumerate(lines))]
        self.errors = ipywidgets.Select(options=entries, rows=8, layout=whole, description="errors")
        self.videos = ipywidgets.Dropdown(options=videos, description="video", layout=half)
        self.labels = ipywidgets.Dropdown(options=self._labels_of(videos[0]), description="class")
        self.shown = ipywidgets.BoundedIntText(value=15, min=0, max=100, description="detections")
        self.threshold = ipywidgets.FloatSlider(
            description="threshold",
            readout_format=".3f",
            continuous_update=False,
            layout=half,
            disabled=not self.case.activation,
        )
        self.window = ipywidgets.FloatRangeSlider(
            description="time (s)", step=0.1, continuous_update=False, layout=half
        )
        self.summary = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png")

    def _labels_of(self, video: str) -> list[str]:
        """Classes of the video's instances, then those of its detections.

        Then the others, where there is an activation.
        """
        tables = (self.case.ground_truth.segments, self.found)
        named = [label for table in tables for label in table.loc[table["video"] == video, "label"]]
        every = self.case.ground_truth.classes if video in self.case.activation or not named else ()
        return list(dict.fromkeys([*named, *every]))

    def _enter(
        self,
        video: str,
        label: str | None = None,
        window: tuple[float, float] | None = None,
        marked: int | None = None,
    ) -> None:
        """Show another video: set all controls, then draw once."""
        self._busy = True
        labels, length = self._labels_of(video), length_of(self.case, video)
        self.videos.value, self.labels.options, self.labels.value = (
            video,
            labels,
            label or labels[0],
        )
        self.window.value, self.window.max = (0.0, 0.0), length
        self.window.value = window or (0.0, length)
        if video in self.case.activation:
            _set_range(
                self.threshold,
                self.case.activation[video][
                    :, self.case.ground_truth.classes.index(self.labels.value)
                ],
            )
        self._busy = False
        self.view = replace(self.view, marked=marked)
        self._redraw()

    def _enter_if_free(self, change: dict[str, Any]) -> None:
        """A video chosen by hand; changes that this class makes itself are left alone."""
        if not self._busy:
            self._enter(change["new"])

    def _jump(self, number: int) -> None:
        """Open the video of an entry of the list, around it.

        The list holds the errors, then the missed instances.
        """
        if number < 0:
            return
        error = number < len(self.worst)
        target = self.worst.iloc[number] if error else self.missed.iloc[number - len(self.worst)]
        length = length_of(self.case, target["video"])
        window = (max(0.0, target["t_start"] - AROUND), min(length, target["t_end"] + AROUND))
        self._enter(target["video"], target["label"], window, int(target["row"]) if error else None)

    def _redraw(self) -> None:
        if self._busy:
            return
        threshold = self.threshold.value if self.videos.value in self.case.activation else None
        self.view = replace(
            self.view,
            video=self.videos.value,
            label=self.labels.value,
            threshold=threshold,
            shown=self.shown.value,
            window=tuple(self.window.value),
        )
        self.picture.value = plain_png(lambda: error_timeline(self.case, self.found, self.view))
        self.summary.value = summary_of(self.case, self.found, self.view)


def timeline_viewer(case: Case, tiou: float = 0.5) -> TimelineViewer:
    """The viewer of a case; an error if there is no video to show."""
    if not case.ground_truth.videos:
        raise WorkbookError("the ground truth lists no video; nothing can be shown")
    return TimelineViewer(case, tiou)


def _set_range(slider: ipywidgets.FloatSlider, curve: np.ndarray) -> None:
    """From the smallest to the largest activation of the video, in 100 steps.

    Set so that no state between is invalid.
    """
    low, high = (float(curve.min()), float(curve.max())) if len(curve) else (0.0, 1.0)
    high = max(high, low + 1e-6)
    slider.min, slider.max = min(low, slider.min), max(high, slider.max)
    slider.value = (low + high) / 2
    slider.min, slider.max, slider.step = low, high, (high - low) / 100


def _lines(errors: pd.DataFrame, missed: pd.DataFrame) -> list[str]:
    """One line per entry of the list."""
    lines = [
        f"{e.outcome}: {e.label} in {e.video}, {e.t_start:.1f} to {e.t_end:.1f} s, score "
        f"{e.score:.3g}, "
        f"tIoU {e.overlap:.2f}"
        for e in errors.itertuples()
    ]
    return lines + [
        f"not found: {m.label} in {m.video}, {m.t_start:.1f} to {m.t_end:.1f} s, best tIoU "
        f"{m.best:.2f}"
        for m in missed.itertuples()
    ]
