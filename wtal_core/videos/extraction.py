"""Features of video files: decoding and computing at the same time, video by video.

A thread decodes and gathers windows while the backbone computes; it is at most `AHEAD` batches
ahead, so memory does not grow with the length of a video.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from wtal_core.data.feature_spec import Crop, FeatureSpec
from wtal_core.errors import WorkbookError
from wtal_core.videos.backbones import Backbone, Rows, WholeVideos
from wtal_core.videos.decoding import DECODER, Report, frames_of, probe
from wtal_core.videos.folder import FeatureFolder, feature_folder
from wtal_core.videos.listing import VideoFile, find_videos
from wtal_core.videos.windows import batches_of, windows_of

AHEAD = 2  # batches
PATIENCE = 1.0  # seconds that a frame may still take to decode, when all is to stop
SHOWN = 3  # files in a message

Item = TypeVar("Item")


@dataclass(frozen=True)
class Extracted:
    """What an extraction has done.

    videos: that were read now, with what was read of them. kept: names of those that were there
    already. anew: those of which another file of the same name was there. unusable: path -> why, of
    files that were left out. took: seconds of the clock.
    """

    folder: Path
    spec: FeatureSpec
    videos: dict[str, Report]
    kept: tuple[str, ...]
    anew: tuple[str, ...]
    unusable: dict[Path, str]
    left_alone: tuple[Path, ...]
    took: float

    @property
    def seconds(self) -> float:
        """Seconds of video that were read."""
        return sum((report.seconds for report in self.videos.values()), 0.0)


def spec_of(backbone: Backbone, crop: Crop | None = None) -> FeatureSpec:
    """What decides the features of a backbone. crop: in place of the backbone's own."""
    return FeatureSpec(
        backbone=backbone.name,
        weights=backbone.fingerprint(),
        streams=tuple(backbone.streams),
        sizes=tuple(backbone.streams.values()),
        fps=float(backbone.fps),
        stride=backbone.stride,
        window=backbone.window,
        pixels=backbone.pixels,
        crop=crop or backbone.crop,
        decoder=DECODER,
    )


def extract(
    videos: Path,
    backbone: Backbone,
    out: Path,
    crop: Crop | None = None,
    incomplete: bool = False,
    progress: bool | None = None,
) -> Extracted:
    """Write the features of a video, or of all videos of a folder; what is there already is kept.

    incomplete: files that cannot be used are left out, in place of an error before anything is
    computed. progress: whether a bar is shown; None shows one where a person looks on. Raises
    WorkbookError for what cannot be read; videos that are finished stay so.
    """
    found = find_videos(Path(videos))
    spec = spec_of(backbone, crop)
    begun = time.monotonic()
    with feature_folder(Path(out), spec) as folder:
        waiting = [video for video in found.files if not folder.is_done(video)]
        kept = tuple(video.name for video in found.files if video not in waiting)
        before = set(folder.done)
        stated, unusable = _probed(waiting, progress)
        if unusable and not incomplete:
            raise WorkbookError(_refusal(unusable, len(found.files)))
        usable = [video for video in waiting if video.path in stated]
        with _bar(sum(stated.values(), 0.0), progress) as bar:
            reports, failed = _extracted(usable, backbone, folder, bar)
    unusable |= failed
    if failed and not incomplete:
        raise WorkbookError(_refusal(failed, len(found.files)))
    if unusable and not reports and not kept:
        first = next(iter(unusable.values()))
        raise WorkbookError(f"none of {len(unusable)} videos can be used, such as {first}")
    took = time.monotonic() - begun
    anew = tuple(name for name in reports if name in before)
    return Extracted(Path(out), spec, reports, kept, anew, unusable, found.left_alone, took)


def _probed(
    videos: Iterable[VideoFile], progress: bool | None
) -> tuple[dict[Path, float], dict[Path, str]]:
    """Seconds that each video states, and why the others cannot be used."""
    is_silent = None if progress is None else not progress
    stated: dict[Path, float] = {}
    unusable: dict[Path, str] = {}
    for video in tqdm(videos, "first frames", leave=False, disable=is_silent):
        try:
            stated[video.path] = probe(video.path)
        except WorkbookError as error:
            unusable[video.path] = str(error)
    return stated, unusable


def _refusal(unusable: dict[Path, str], number: int) -> str:
    first, *others = unusable.values()
    if number == 1:
        return first
    more = f"; so are {', '.join(path.name for path in list(unusable)[1:SHOWN])}" if others else ""
    more += f" and {len(unusable) - SHOWN} more" if len(unusable) > SHOWN else ""
    return f"{first}{more}; or leave such files out with --incomplete"


def _extracted(
    videos: list[VideoFile], backbone: Backbone, folder: FeatureFolder, bar: "tqdm"
) -> tuple[dict[str, Report], dict[Path, str]]:
    """What was read of each video, and of which ones nothing could be."""
    reports: dict[str, Report] = {}
    failed: dict[Path, str] = {}
    spec = folder.spec
    with _ahead(lambda: _decoded(videos, spec, backbone.batch)) as steps:
        for video in videos:
            bar.set_description(video.name[:30], refresh=False)
            try:
                reports[video.name] = _one(video, steps, backbone, folder, bar)
            except _Unreadable as error:
                failed[video.path] = str(error)
    return reports, failed


class _Unreadable(Exception):
    """A video that could not be decoded."""


# a batch of windows; at the end of a video its report, or why there is none
Step = np.ndarray | Report | _Unreadable


def _decoded(videos: Iterable[VideoFile], spec: FeatureSpec, batch: int) -> Iterator[Step]:
    """The steps of all videos, one video after the other."""
    for video in videos:
        frames = frames_of(video.path, spec.fps, spec.pixels, spec.crop)
        try:
            yield from batches_of(windows_of(frames, spec.window, spec.stride), batch)
        except WorkbookError as error:
            yield _Unreadable(str(error))
        else:
            yield replace(frames.report)


@contextmanager
def _whole(backbone: Backbone) -> Iterator[None]:
    """A backbone of whole videos forgets one that broke off."""
    try:
        yield
    finally:
        if isinstance(backbone, WholeVideos):
            backbone.drop()


def _end(backbone: WholeVideos, video: VideoFile) -> Rows:
    try:
        return backbone.end()
    except WorkbookError as error:
        raise _Unreadable(f"{video.path}: {error}") from error


def _one(
    video: VideoFile,
    steps: Iterator[Step],
    backbone: Backbone,
    folder: FeatureFolder,
    bar: "tqdm",
) -> Report:
    """Compute and write the features of one video. Raises _Unreadable."""
    with folder.writing(video) as growing, _whole(backbone):
        while not isinstance(step := next(steps), Report):
            if isinstance(step, _Unreadable):
                raise step
            growing.add(backbone.features(step))
            _advance(bar, folder.spec.timebase.seconds(float(len(step))))
        if isinstance(backbone, WholeVideos):
            growing.add(_end(backbone, video))
        growing.finish()
        folder.note(video, step, growing.snippets)
    return step


@contextmanager
def _ahead(make: Callable[[], Iterator[Item]], size: int = AHEAD) -> Iterator[Iterator[Item]]:
    """The items of an iterator that runs in a thread of its own, at most `size` items ahead.

    What it raises is raised here. The thread ends with the block.
    """
    items: queue.Queue = queue.Queue(size)
    is_over = threading.Event()

    def put(kind: str, value: object) -> bool:
        while not is_over.is_set():
            try:
                items.put((kind, value), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in make():
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # raised again where the items are taken
            put("error", error)

    def taken() -> Iterator[Item]:
        while True:
            kind, value = items.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value

    thread = threading.Thread(target=work, name="decoding", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        is_over.set()
        thread.join(PATIENCE)


def _advance(bar: "tqdm", seconds: float) -> None:
    """A video's stated length is not always its real one; a bar ends at its end."""
    bar.update(seconds if bar.total is None else min(seconds, max(0.0, bar.total - bar.n)))


def _bar(seconds: float, progress: bool | None) -> "tqdm":
    """Seconds of video, and how many of them per second."""
    return tqdm(
        total=round(seconds, 1) or None,
        unit="s of video",
        unit_scale=True,
        disable=None if progress is None else not progress,
        dynamic_ncols=True,
    )
