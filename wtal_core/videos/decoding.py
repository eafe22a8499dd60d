"""Frames of a video file at a wanted rate, by the times at which they are shown.

PyAV decodes; nothing but the frame at hand is kept. Only files are opened, and only containers of
videos: a playlist in disguise, which would lead to other files or addresses, is refused.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from wtal_core.data.feature_spec import Crop
from wtal_core.errors import MissingFile, WorkbookError
from wtal_core.timebase import Timebase

DECODER = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"
# FFmpeg's names of the containers that are opened; playlists and lists of pictures are not among
# them
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,asf,ogg,gif,"
    "dv,rm,nut,ivf,obu"
)
OPEN = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
# Containers round times, to milliseconds at worst; a frame counts as shown that much earlier
TOLERANCE = 1e-3  # seconds
# A time so far behind the end that the file states is a damaged one
BEHIND_SHARE, BEHIND_SECONDS = 0.1, 10.0
LONGEST_SHOWN = 3600.0  # seconds of one frame; beyond them its time is taken for damaged
SLOWEST = 1e-2  # frames per second
LACKING_SHARE, LACKING_SECONDS = 0.02, 0.5  # from which on a video is said to break off
AGAIN = "copy or encode it again, such as with: ffmpeg -i IN -map 0:v:0 OUT.mp4"
UNREADABLE = "is no video that can be opened, or the index at its end is cut off"
LONGEST = 16  # a picture is squeezed to at most so many times its shorter side

Picture = UInt8[np.ndarray, "_ _ 3"]  # height, width, RGB
Shown = tuple[float, float, VideoFrame]  # a frame, and two of: when it begins, lasts and ends


class NoVideo(WorkbookError):
    """A file without a single frame that can be decoded."""


@dataclass
class Report:
    """What was read of a video; complete when its frames are at an end.

    stated: seconds that the container states, 0 where it does not. seconds: at which the last frame
    that was read stops to be shown. decoded: frames read of the file. sampled: frames given out.
    rotation: degrees by which frames are turned counterclockwise to be upright. damaged: packets
    and frames that could not be used.
    """

    stated: float = 0.0
    seconds: float = 0.0
    decoded: int = 0
    sampled: int = 0
    rotation: int = 0
    damaged: int = 0

    def notes(self) -> list[str]:
        """What one should know of the video, in words."""
        notes = []
        lacking = self.stated - self.seconds
        if lacking > max(LACKING_SECONDS, LACKING_SHARE * self.stated):
            notes.append(f"breaks off after {self.seconds:.2f} s of {self.stated:.2f} s")
        if self.damaged:
            notes.append(f"{self.damaged} damaged packets or frames left out")
        return notes


class Frames:
    """The frames of a video at `fps` frames per second, one after the other; iterate once.

    Frame k is the one that is shown at k / fps seconds of the player's clock. pixels: width and
    height of the squares that are given out, RGB; None gives pictures as large as they are shown.
    crop: "centre" is the middle of the picture; "whole" squeezes it; "fit" puts black beside it.
    """

    def __init__(self, path: Path, fps: float, pixels: int | None = None, crop: Crop = "centre"):
        self.path = path
        self.grid = Timebase(fps, 1.0)
        self.pixels = pixels
        self.crop: Crop = crop
        self.aspect = 1.0
        self.report = Report()

    def __iter__(self) -> Iterator[Picture]:
        with _opened(self.path) as (container, stream):
            self.report.stated = _stated_seconds(container, stream)
            self.aspect = float(stream.sample_aspect_ratio or 1)
            yield from self._sampled(_with_ends(_timed(container, stream, self.report), stream))
        if not self.report.decoded:
            raise NoVideo(f"{self.path} has no frame that can be decoded; {AGAIN}")

    def _sampled(self, shown: Iterator[Shown]) -> Iterator[Picture]:
        """Per time of the grid the last frame that is shown by then; the first one before that."""
        end = 0.0
        for begin, end, frame in shown:
            picture = None
            # the first frame is there from the beginning, and for one time at least
            while self._next() < end - TOLERANCE or not self.report.sampled:
                if picture is None:
                    picture = self._picture(frame, begin)
                self.report.sampled += 1
                yield picture
        self.report.seconds = end

    def _next(self) -> float:
        return self.grid.seconds(float(self.report.sampled))

    def _picture(self, frame: VideoFrame, time: float) -> Picture:
        """An upright RGB picture of the wanted size."""
        turns = round(frame.rotation / 90) % 4
        self.report.rotation = 90 * turns
        try:
            shape = (frame.width * self.aspect, float(frame.height))
            size = _size(shape, self.pixels, self.crop)
            scaled = frame.reformat(*size, format="rgb24").to_ndarray()
        except (av.error.FFmpegError, ValueError) as error:
            raise NoVideo(
                f"{self.path}: the frame at {time:.2f} s is no picture ({error}); {AGAIN}"
            ) from error
        upright = np.rot90(scaled, turns) if turns else scaled
        return np.ascontiguousarray(_square(upright, self.pixels) if self.pixels else upright)


def frames_of(path: Path, fps: float, pixels: int | None = None, crop: Crop = "centre") -> Frames:
    """The frames of a video at a rate; see `Frames`. `.report` tells afterwards what was read.

    Raises NoVideo while iterating, where the file is no video or has no frame.
    """
    return Frames(Path(path), fps, pixels, crop)


def probe(path: Path) -> float:
    """Seconds that a video states, 0 where it does not; its first frame is decoded.

    Raises WorkbookError where there is no frame.
    """
    report = Report()
    with _opened(path) as (container, stream):
        stated = _stated_seconds(container, stream)
        for _ in _timed(container, stream, report):
            return stated
    raise NoVideo(f"{path} has no frame that can be decoded; {AGAIN}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container of a file and its video stream."""
    if path.is_dir():
        raise NoVideo(f"{path} is a folder, not a video; name a video file")
    if not path.exists():
        raise MissingFile(f"{path} is missing; name a video file")
    if not path.stat().st_size:
        raise NoVideo(f"{path} is empty (0 bytes); copy it again")
    if not os.access(path, os.R_OK):
        raise NoVideo(f"{path} may not be read; change its permissions")
    try:
        container = av.open(f"file:{path.absolute()}", options=OPEN, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise NoVideo(f"{path} {UNREADABLE}; {AGAIN}") from error
    with container:
        if not len(container.streams):
            raise NoVideo(f"{path} {UNREADABLE}; {AGAIN}")
        streams = [s for s in container.streams.video if not is_cover(s)]
        if not streams:
            raise NoVideo(f"{path} holds no pictures, only sound; give the file with the pictures")
        stream = streams[0]
        stream.thread_type = "AUTO"
        yield container, stream


def is_cover(stream: VideoStream) -> bool:
    """Whether a stream is the still picture that goes with a piece of music."""
    return bool(stream.disposition & Disposition.attached_pic)


def _stated_seconds(container: InputContainer, stream: VideoStream) -> float:
    """How long the video lasts by its container, from its origin; 0 where that is not known."""
    if stream.duration and stream.time_base:
        begin = stream.start_time or 0
        return max(0.0, float((begin + stream.duration) * stream.time_base) - _origin(container))
    return max(0.0, (container.duration or 0) / av.time_base)


def _origin(container: InputContainer) -> float:
    """The time of the container that a player calls 0."""
    return max(0.0, (container.start_time or 0) / av.time_base)


def _timed(container: InputContainer, stream: VideoStream, report: Report) -> Iterator[Shown]:
    """(time, duration, frame) in the order of times, in seconds from the origin.

    The duration is 0 where the file does not state it. A damaged packet is left out; where no
    packet can be read any more, or times jump, the video ends.
    """
    origin = _origin(container)
    usual = _usual(stream)
    stated = _stated_seconds(container, stream)
    latest = stated + max(BEHIND_SECONDS, BEHIND_SHARE * stated) if stated else float("inf")
    before = float("-inf")
    for frame in _decoded(container, stream, report):
        if frame.pts is None or frame.time_base is None:
            time = before + usual if report.decoded else 0.0
        else:
            time = float(frame.pts * frame.time_base) - origin
        if time <= before:
            report.damaged += 1
            continue
        if time > latest or time - max(before, 0.0) > LONGEST_SHOWN:
            report.damaged += 1
            return
        before = time
        report.decoded += 1
        tick = float(frame.time_base or 0)
        yield time, (frame.duration or 0) * tick, frame


def _decoded(
    container: InputContainer, stream: VideoStream, report: Report
) -> Iterator[VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:  # the rest of the file cannot be read
            report.damaged += 1
            packet = None
        try:
            yield from stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            report.damaged += 1
        if packet is None:
            return


def _usual(stream: VideoStream) -> float:
    """Seconds from one frame to the next, on average; a slower rate than SLOWEST is damaged."""
    return 1 / max(SLOWEST, float(stream.average_rate or stream.guessed_rate or 25))


def _with_ends(timed: Iterator[Shown], stream: VideoStream) -> Iterator[Shown]:
    """(begin, end, frame): a frame is shown until the next one; the last as long as it states, else
    as long as the one before it.
    """
    waiting: Shown | None = None
    gap = _usual(stream)
    for time, duration, frame in timed:
        if waiting is not None:
            gap = time - waiting[0]
            yield waiting[0], time, waiting[2]
        waiting = (time, duration, frame)
    if waiting is not None:
        begin, duration, frame = waiting
        yield begin, begin + (duration if 0 < duration <= LONGEST_SHOWN else gap), frame


def _size(shape: tuple[float, float], pixels: int | None, crop: Crop) -> tuple[int, int]:
    """Width and height to which a picture of width and height is scaled, before it is cut."""
    if pixels is None:
        return max(1, round(shape[0])), max(1, round(shape[1]))
    if crop == "whole":
        return pixels, pixels
    side = min(shape) if crop == "centre" else max(shape)
    limit = LONGEST * pixels if crop == "centre" else pixels
    width, height = (min(limit, max(1, round(length * pixels / side))) for length in shape)
    return width, height


def _square(picture: Picture, pixels: int) -> Picture:
    """The middle of a picture; black where the picture is smaller."""
    height, width, _ = picture.shape
    top, left = max(0, height - pixels) // 2, max(0, width - pixels) // 2
    cut = picture[top : top + pixels, left : left + pixels]
    if cut.shape[:2] == (pixels, pixels):
        return cut
    square = np.zeros((pixels, pixels, 3), dtype=np.uint8)
    down, right = (pixels - cut.shape[0]) // 2, (pixels - cut.shape[1]) // 2
    square[down : down + cut.shape[0], right : right + cut.shape[1]] = cut
    return square
