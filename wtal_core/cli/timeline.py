"""`wtal timeline`: detections, and what is known beside them, as a page to look at and correct."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from wtal_core.cli.refusals import visible
from wtal_core.errors import WorkbookError

if TYPE_CHECKING:
    import pandas as pd

    from wtal_core.evaluation.case import Reading
    from wtal_core.pages.timeline import Timeline


def timeline(
    detections: Positional[Path],
    truth: Path | None = None,
    videos: Path | None = None,
    signals: Path | None = None,
    clicks: Path | None = None,
    segments: Path | None = None,
    out: Path = Path("timeline.html"),
    title: str = "",
    embed: bool = False,
    tiou: float = 0.5,
    subset: str | None = None,
    durations: Path | None = None,
    class_list: Path | None = None,
    match_names: bool = False,
    reversed_: Annotated[Literal["refuse", "count"], tyro.conf.arg(name="reversed")] = "refuse",
) -> int:
    """Show detections on a timeline, one HTML file, with the videos where they lie beside it.

    A click on a detection plays the video there. Clicks and segments can be marked in the page and
    saved as clicks.csv and segments.csv, which `wtal data add` reads.

    Args:
        detections: detections in any known format; -: standard input.
        truth: annotations in any known format; then every detection is told right or wrong, and
            why.
        videos: folder of the video files, called as the videos; what a browser plays is MP4 with
            H.264, and WebM.
        signals: class activation and attention, as `wtal detect --signals` writes them.
        clicks: clicks.csv to go on with (video,label,t).
        segments: segments.csv to go on with (video,label,t_start,t_end).
        out: page to write.
        title: data set and origin; default: the name of the file.
        embed: put the video files into the page, which can then be moved alone.
        tiou: overlap from which on a detection is right.
        subset: subset of the annotations, where the file holds several.
        durations: annotations with the videos' durations, where the other files have none.
        class_list: names of classes that are written as numbers, lines such as 7 Jump.
        match_names: take names that differ in spelling only as the same, as `wtal evaluate` does.
        reversed_: detections that end before they start: refuse, or count, without length.
    """
    from dataclasses import replace

    from wtal_core.evaluation.case import Reading
    from wtal_core.evaluation.formats.class_list import read_class_list
    from wtal_core.pages.timeline_page import find_videos, write_timeline

    if out.is_dir():
        raise WorkbookError(f"--out {out} is a folder; name a file in it, such as {out}/page.html")
    names = read_class_list(class_list) if class_list else {}
    reading = Reading(names, None, reversed_, match_names)
    if truth is None:
        drawn = _unjudged(detections, title, durations, reading)
    else:
        drawn = _judged(truth, detections, title, durations, subset, reading, tiou)
    for line in drawn.notes:
        print(f"note: {visible(line)}", file=sys.stderr)
    drawn = replace(drawn, **_marks(clicks, segments))
    if signals is not None:
        drawn = _with_signals(drawn, signals)
    every = drawn.videos()
    files = find_videos(videos, every) if videos is not None else {}
    write_timeline(drawn, out, files, embed)
    print(f"wrote {out}: {len(drawn.detections)} detections in {len(every)} videos")
    if videos is not None:
        where = "they are in the page" if embed else "keep them where they are, seen from the page"
        print(f"{len(files)} of {len(every)} videos have a file in {videos}; {where}")
    if videos is not None and every and not files:
        print(
            f"note: no video file in {videos} is called {every[0]!r} or as another video; rename "
            "the files",
            file=sys.stderr,
        )
    return 0


def _unjudged(
    detections: Path, title: str, durations: Path | None, reading: "Reading"
) -> "Timeline":
    """The timeline of detections alone."""
    from wtal_core.evaluation.characteristics import read_durations
    from wtal_core.evaluation.tables import load_detections
    from wtal_core.pages.timeline import Timeline

    sound = load_detections(detections, reading.class_names, reading.reversed_)
    table = sound.table.assign(label="proposal") if sound.unlabelled else sound.table
    return Timeline(
        title or detections.stem,
        table,
        durations=read_durations(durations) if durations is not None else {},
        source=detections.name,
        notes=sound.notes,
    )


def _judged(
    truth: Path,
    detections: Path,
    title: str,
    durations: Path | None,
    subset: str | None,
    reading: "Reading",
    tiou: float,
) -> "Timeline":
    """The timeline of detections beside the truth, each with its kind of error."""
    from wtal_core.evaluation.case import read_cases
    from wtal_core.evaluation.error_types import outcomes
    from wtal_core.pages.timeline import timeline_of

    (case,) = read_cases(truth, [detections], (), title, subset, durations, reading)
    return timeline_of(case, outcomes(case.ground_truth, case.detections, tiou))


def _marks(clicks: Path | None, segments: Path | None) -> dict[str, "pd.DataFrame"]:
    """The tables of marks that are given, as a timeline takes them."""
    import pandas as pd

    from wtal_core.data.dataset import CLICK_COLUMNS, SEGMENT_COLUMNS
    from wtal_core.reading.text_tables import read_rows

    marks = {}
    files = {"clicks": (clicks, CLICK_COLUMNS), "segments": (segments, SEGMENT_COLUMNS)}
    for name, (path, columns) in files.items():
        if path is not None:
            names, times = columns[:2], columns[2:]
            rows = [
                [*map(row.name, names), *map(row.seconds, times)]
                for row in read_rows(path, columns)
            ]
            marks[name] = pd.DataFrame(rows, columns=columns)
    return marks


def _with_signals(drawn: "Timeline", path: Path) -> "Timeline":
    """The timeline with activation and attention of a file."""
    from dataclasses import replace

    from wtal_core.evaluation.signals import read_signals

    signals = read_signals(path)
    return replace(
        drawn,
        activation=signals.activation,
        attention=signals.attention,
        classes=signals.classes,
        timebase=signals.timebase,
    )
