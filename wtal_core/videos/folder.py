"""The folder of features: what `wtal data add` reads, and what an extraction goes on with.

    features.json       how the features were made
    durations.csv       one line per finished video: seconds, its file, what was read of it
    rgb/NAME.npy        one row per snippet; with a single stream NAME.npy
    flow/NAME.npy

Videos of folders `train` and `test` have their features in folders so called. A video is finished
when it has its line in durations.csv, which is written last.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import Float
from numpy.lib import format as npy

from wtal_core.data.feature_spec import SPEC_FILE, FeatureSpec, read_spec, write_spec
from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import reading
from wtal_core.videos.decoding import Report
from wtal_core.videos.listing import VideoFile

TABLE = "durations.csv"
COLUMNS = (
    "video",
    "duration",
    "file",
    "mark",
    "snippets",
    "frames_read",
    "frames_sampled",
    "rotation",
    "note",
)
EDGE = 1 << 20  # bytes at either end of a file by which it is known again


@dataclass
class FeatureFolder:
    """A folder that features are written into. done: video -> mark of the file that it is of."""

    path: Path
    spec: FeatureSpec
    done: dict[str, str] = field(default_factory=dict)

    def is_done(self, video: VideoFile) -> bool:
        """Whether the features of this very file are there."""
        if self.done.get(video.name) != mark(video.path):
            return False
        return all(path.is_file() for path in self.paths(video).values())

    def paths(self, video: VideoFile) -> dict[str, Path]:
        """Stream -> file of its features."""
        place = self.path / video.side
        streams = self.spec.streams
        if len(streams) == 1:
            return {streams[0]: place / f"{video.name}.npy"}
        return {stream: place / stream / f"{video.name}.npy" for stream in streams}

    @contextmanager
    def writing(self, video: VideoFile) -> "Iterator[GrowingFeatures]":
        """Files that take rows, and get their names when `finish` is called; else they go."""
        growing = GrowingFeatures(self, video)
        try:
            yield growing
        finally:
            growing.close()

    def note(self, video: VideoFile, report: Report, snippets: int) -> None:
        """Add a video's line to the table; it is finished then."""
        line = dict(zip(COLUMNS, self._cells(video, report, snippets), strict=True))
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, lineterminator="\n").writerow(line)
        table = self.path / TABLE
        if video.name in self.done:
            self._drop(video.name)
        with table.open("a", encoding="utf-8", newline="") as file:
            if not file.tell():
                file.write(",".join(COLUMNS) + "\n")
            file.write(text.getvalue())
        self.done[video.name] = str(line["mark"])

    def _cells(self, video: VideoFile, report: Report, snippets: int) -> tuple[object, ...]:
        notes = "; ".join(report.notes())
        return (
            video.name,
            f"{report.seconds:.3f}",
            video.path.name,
            mark(video.path),
            snippets,
            report.decoded,
            report.sampled,
            report.rotation,
            notes,
        )

    def _drop(self, name: str) -> None:
        """Take the line of a video whose file has changed out of the table."""
        table = self.path / TABLE
        rows = list(csv.reader(io.StringIO(table.read_text("utf-8"), newline="")))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(row for row in rows if row[:1] != [name])
        _replace(table, text.getvalue())


class GrowingFeatures:
    """The files of one video while they are written, row by row. snippets: rows so far."""

    def __init__(self, folder: FeatureFolder, video: VideoFile):
        self.targets = folder.paths(video)
        self.sizes = dict(zip(folder.spec.streams, folder.spec.sizes, strict=True))
        self.snippets = 0
        self.files: dict[str, BinaryIO] = {}
        for stream, target in self.targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.files[stream] = _partial(target).open("wb")
            self._write_header(stream)

    def add(self, rows: Mapping[str, Float[np.ndarray, "n _"]]) -> None:
        """Write the rows of a batch of windows."""
        lengths = {stream: np.shape(rows[stream]) for stream in self.files if stream in rows}
        number = max((shape[0] for shape in lengths.values()), default=0)
        expected = {stream: (number, size) for stream, size in self.sizes.items()}
        if lengths != expected:
            raise WorkbookError(
                f"the backbone gives {lengths or 'nothing'}, its streams say {expected}; correct "
                "its features() or streams"
            )
        for stream, file in self.files.items():
            values = np.ascontiguousarray(rows[stream], dtype="<f4")
            if not np.isfinite(values).all():
                raise WorkbookError(
                    f"the backbone gives values that are not finite for {self.targets[stream].stem}"
                    f" in stream {stream}; look at its weights"
                )
            file.write(values.tobytes())
        self.snippets += number

    def finish(self) -> None:
        """Give the files their names."""
        for stream, file in self.files.items():
            file.seek(0)
            self._write_header(stream)
            file.close()
        for target in self.targets.values():
            os.replace(_partial(target), target)

    def close(self) -> None:
        """Remove what was not finished, also where a full disk does not take what is left."""
        for file in self.files.values():
            with suppress(OSError):
                file.close()
        for target in self.targets.values():
            _partial(target).unlink(missing_ok=True)

    def _write_header(self, stream: str) -> None:
        """numpy leaves room in the header for a first axis that grows."""
        shape = (self.snippets, self.sizes[stream])
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self.files[stream], header)


@contextmanager
def feature_folder(path: Path, spec: FeatureSpec) -> Iterator[FeatureFolder]:
    """A folder to write features into, made where it is not there; one process at a time.

    Raises WorkbookError where the folder holds features that were made in another way.
    """
    _check_place(path, spec)
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise WorkbookError(
            f"another process writes features into {path}; wait for it or name another --out"
        ) from None
    folder = None
    try:
        _check_place(path, spec)  # another process may have been here meanwhile
        folder = FeatureFolder(path, spec, _done(path))
        if read_spec(path) is None:
            write_spec(spec, path)
        yield folder
    finally:
        if folder is not None and not folder.done:
            _tidy(path)
        (path / ".lock").unlink(missing_ok=True)
        lock.release()
        if is_new:
            with suppress(OSError):  # which says that it is not empty
                path.rmdir()


def _tidy(path: Path) -> None:
    """Take away what stands for features where there are none."""
    (path / SPEC_FILE).unlink(missing_ok=True)
    for place in sorted(path.rglob("*"), reverse=True):  # inner folders first
        if place.is_dir():
            with suppress(OSError):
                place.rmdir()


def _check_place(path: Path, spec: FeatureSpec) -> None:
    if path.exists() and not path.is_dir():
        raise WorkbookError(f"--out {path} is a file; name a folder")
    present = read_spec(path) if path.is_dir() else None
    if present is None:
        strangers = sorted(path.glob("**/*.npy"))[:1] if path.is_dir() else []
        if strangers:
            raise WorkbookError(
                f"{path} holds features without {SPEC_FILE}, such as {strangers[0].name}; name "
                "another --out"
            )
        return
    pairs = ((name, getattr(present, name), getattr(spec, name)) for name in vars(spec))
    differing = [f"{name} {old!r} there, {new!r} now" for name, old, new in pairs if old != new]
    if differing:
        raise WorkbookError(
            f"{path} holds features that were made in another way ({differing[0]}); name another "
            "--out"
        )


def _done(path: Path) -> dict[str, str]:
    """Video -> mark, of the table; a last line that was cut off is taken out."""
    table = path / TABLE
    if not table.exists():
        return {}
    with reading(table, "is not the table that was written here", "name another --out"):
        text = table.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            _replace(table, whole)
        rows = csv.DictReader(io.StringIO(whole, newline=""), restval="", strict=True)
        return {row["video"]: row["mark"] for row in rows}


def mark(path: Path) -> str:
    """By which a video file is known again: its length, its first and its last MiB."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(EDGE))
        file.seek(max(0, size - EDGE))
        digest.update(file.read(EDGE))
    return f"{size}-{digest.hexdigest()[:16]}"


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _replace(path: Path, text: str) -> None:
    partial = _partial(path)
    partial.write_text(text, encoding="utf-8", newline="")
    os.replace(partial, path)
