"""The timeline viewer.

A list of the worst errors, what narrows it down, and one video at a time with everything that led
to its detections.

Its picture is `error_timeline` of the present `View`; the same function draws the still pictures of
the notebook.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.error_types import ERROR_TYPES, outcomes
from wtal_core.evaluation.worst import missed_instances, worst_errors
from wtal_core.pictures.error_timeline import View, error_timeline, length_of, summary_of
from wtal_core.pictures.figures import plain_png

AROUND = 60.0  # seconds shown on either side of an error that was jumped to
LISTED = 200  # errors and missed instances in the list, each
SHORTEST = 1.0  # seconds of the window; less would show nothing
NO_ERROR = "choose an error to jump to it"
NO_ENTRY = "no error is of this kind, class and video"
NOT_FOUND = "not found"
ALL_KINDS, ALL_CLASSES = "all kinds", "all classes"


class TimelineViewer(ipywidgets.VBox):
    """Controls above a picture.

    Choosing an error jumps to its video; each control draws the picture anew.

    cases: one per method, on one ground truth. tiou: the threshold that tells true positives.
    Without a class activation (a detections file) there is no threshold slider. `view` is what is
    shown, `case` of which method, `worst` and `missed` are all its errors.
    """

    def __init__(self, cases: Sequence[Case], tiou: float = 0.5):
        self.cases = {case.name: case for case in cases}
        self._found = {
            case.name: outcomes(case.ground_truth, case.detections, tiou) for case in cases
        }
        self._worst = {
            case.name: worst_errors(self._found[case.name], case.ground_truth) for case in cases
        }
        self._missed = {
            case.name: missed_instances(self._found[case.name], case.ground_truth) for case in cases
        }
        self._busy = False
        self._build()
        self.view = View(self.videos.value, self.labels.value)
        with self._at_once():
            self._list()
            self._enter(self.videos.value)
        self._redraw()
        self._observe()
        super().__init__(
            [
                ipywidgets.HBox([self.methods, self.kinds, self.classes, self.search]),
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
            f"[timeline viewer: {len(self.videos.options)} videos of {', '.join(self.cases)}; run "
            f"this cell to use it]"
        )

    @property
    def case(self) -> Case:
        """The method that is shown."""
        return self.cases[self.methods.value]

    @property
    def found(self) -> pd.DataFrame:
        """`outcomes` of the method that is shown."""
        return self._found[self.methods.value]

    @property
    def worst(self) -> pd.DataFrame:
        """All errors of the method that is shown, the most costly first."""
        return self._worst[self.methods.value]

    @property
    def missed(self) -> pd.DataFrame:
        """All instances that the method that is shown did not find, the longest first."""
        return self._missed[self.methods.value]

    # ---------------------------------------------------------------- controls

    def _build(self) -> None:
        names = list(self.cases)
        first = self.cases[names[0]]
        half = ipywidgets.Layout(width="470px")
        whole = ipywidgets.Layout(width="960px")
        short = ipywidgets.Layout(width="240px")
        several = None if len(names) > 1 else "none"
        self.methods = ipywidgets.Dropdown(
            options=names,
            description="method",
            layout=ipywidgets.Layout(width="240px", display=several),
        )
        kinds = [ALL_KINDS, *ERROR_TYPES, NOT_FOUND]
        self.kinds = ipywidgets.Dropdown(options=kinds, description="kind", layout=short)
        classes = [(ALL_CLASSES, None), *((name, name) for name in first.ground_truth.classes)]
        self.classes = ipywidgets.Dropdown(options=classes, description="of class", layout=short)
        self.search = ipywidgets.Text(
            description="in video", placeholder="part of a name", layout=short
        )
        videos = sorted(first.ground_truth.videos)
        self.errors = ipywidgets.Select(rows=6, layout=whole, description="errors")
        self.videos = ipywidgets.Dropdown(options=videos, description="video", layout=half)
        self.labels = ipywidgets.Dropdown(options=self._labels_of(videos[0]), description="class")
        self.shown = ipywidgets.BoundedIntText(value=8, min=0, max=100, description="detections")
        has_signals = any(case.activation for case in self.cases.values())
        self.threshold = ipywidgets.FloatSlider(
            description="threshold",
            readout_format=".3f",
            continuous_update=False,
            layout=ipywidgets.Layout(width="470px", display=None if has_signals else "none"),
        )
        self.window = ipywidgets.FloatRangeSlider(
            description="time (s)", step=0.1, continuous_update=False, layout=half
        )
        self.summary = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%"))

    def _observe(self) -> None:
        """What each control does. Changes that this class makes itself are left alone."""
        for control in (self.threshold, self.shown):
            control.observe(lambda _: self._change(lambda: None), names="value")
        for control in (self.kinds, self.classes, self.search):
            control.observe(lambda _: self._change(self._list), names="value")
        self.window.observe(lambda _: self._change(self._on_window), names="value")
        self.labels.observe(lambda _: self._change(self._on_label), names="value")
        self.methods.observe(lambda _: self._change(self._on_method), names="value")
        self.videos.observe(
            lambda change: self._change(lambda: self._on_video(change["new"])), names="value"
        )
        self.errors.observe(
            lambda change: self._change(lambda: self._jump(change["new"])), names="value"
        )

    def _change(self, does: Any) -> None:
        if self._busy:
            return
        with self._at_once():
            does()
        self._redraw()

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """Controls that are set inside call nothing."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    # ---------------------------------------------------------------- the list

    def _list(self) -> None:
        """Fill the list: false positives by cost, then missed instances by length."""
        self.listed = pd.concat(
            [
                self._passing(self.worst.assign(kind=self.worst["outcome"])),
                self._passing(self.missed.assign(kind=NOT_FOUND, row=-1)),
            ],
            ignore_index=True,
        )
        entries = [(line, number) for number, line in enumerate(_lines(self.listed))]
        self.errors.options = [(NO_ERROR if entries else NO_ENTRY, -1), *entries]
        self.errors.value = -1

    def _passing(self, table: pd.DataFrame) -> pd.DataFrame:
        """The first rows of a list that the filters let through."""
        if self.kinds.value != ALL_KINDS:
            table = table[table["kind"] == self.kinds.value]
        if self.classes.value is not None:
            table = table[table["label"] == self.classes.value]
        asked = self.search.value.strip().lower()
        if asked:
            table = table[table["video"].str.lower().str.contains(asked, regex=False)]
        return table.head(LISTED)

    def _jump(self, number: int) -> None:
        """Open the video of an entry of the list, around it."""
        if number < 0:
            return
        target = self.listed.iloc[number]
        length = length_of(self.case, target["video"])
        window = (max(0.0, target["t_start"] - AROUND), min(length, target["t_end"] + AROUND))
        marked = int(target["row"])
        self._enter(target["video"], target["label"], window, None if marked < 0 else marked)

    # ---------------------------------------------------------------- one video

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
        """Set all controls for a video."""
        labels = self._labels_of(video)
        length = length_of(self.case, video)
        self.videos.value = video
        self.labels.options = labels
        self.labels.value = label or labels[0]
        self.window.value = (0.0, 0.0)
        self.window.max = length
        self.window.value = window or (0.0, length)
        self.view = replace(self.view, marked=marked)
        self._fit_threshold()

    def _fit_threshold(self) -> None:
        """The slider spans the activation of the class in the video that is shown."""
        values = self.case.activation.get(self.videos.value)
        self.threshold.disabled = values is None
        if values is not None:
            column = self.case.ground_truth.classes.index(self.labels.value)
            _set_range(self.threshold, values[:, column])

    def _on_video(self, video: str) -> None:
        self.errors.value = -1
        self._enter(video)

    def _on_label(self) -> None:
        """Another class: other activation, and no error of the class before is chosen."""
        self.errors.value = -1
        self.view = replace(self.view, marked=None)
        self._fit_threshold()

    def _on_method(self) -> None:
        """The same video, class and window, as another method has them."""
        label = self.labels.value
        window = self.window.value
        self._list()
        known = self._labels_of(self.videos.value)
        self._enter(self.videos.value, label if label in known else None, window)

    def _on_window(self) -> None:
        """The entry can be chosen again; the window stays wide enough to show something."""
        self.errors.value = -1
        low, high = self.window.value
        shortest = min(SHORTEST, self.window.max)
        if high - low < shortest:
            low = min(low, self.window.max - shortest)
            self.window.value = (low, low + shortest)

    def _redraw(self) -> None:
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


def timeline_viewer(cases: Case | Sequence[Case], tiou: float = 0.5) -> TimelineViewer:
    """The viewer of one method, or of several on one ground truth; an error if there is no video to
    show.
    """
    several = [cases] if isinstance(cases, Case) else list(cases)
    if not several or not several[0].ground_truth.videos:
        raise WorkbookError("the ground truth lists no video; nothing can be shown")
    if any(case.ground_truth.videos != several[0].ground_truth.videos for case in several):
        raise WorkbookError("the methods were not scored on the same videos; show one at a time")
    return TimelineViewer(several, tiou)


def _set_range(slider: ipywidgets.FloatSlider, curve: np.ndarray) -> None:
    """From the smallest to the largest activation of the video, in 100 steps.

    Set so that no state between is invalid.
    """
    low, high = (float(curve.min()), float(curve.max())) if len(curve) else (0.0, 1.0)
    high = max(high, low + 1e-6)
    slider.min, slider.max = min(low, slider.min), max(high, slider.max)
    slider.value = (low + high) / 2
    slider.min, slider.max, slider.step = low, high, (high - low) / 100


def _lines(entries: pd.DataFrame) -> list[str]:
    """One line per entry of the list; the cost first, in points of mAP."""
    return [
        f"{entry.kind}: {entry.label} in {entry.video}, {entry.t_start:.1f} to {entry.t_end:.1f} s,"
        f" best tIoU {entry.best:.2f}"
        if entry.kind == NOT_FOUND
        else f"−{100 * entry.cost:.3f} {entry.kind}: {entry.label} in {entry.video}, "
        f"{entry.t_start:.1f} to {entry.t_end:.1f} s, score {entry.score:.3g}, tIoU "
        f"{entry.overlap:.2f}"
        for entry in entries.itertuples()
    ]
