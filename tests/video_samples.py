"""Tiny videos of real encoders, whose frames tell which one they are."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 8  # of a frame's number; each is a black or white field of the frame
SIDE = 24  # pixels of a field
HEIGHT, WIDTH = 2 * SIDE, BITS // 2 * SIDE  # 48 x 96
MILLISECONDS = Fraction(1, 1000)


def drawn(number: int) -> np.ndarray:
    """Frame of that number: its bits as fields, the lowest one first."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    fields = np.array(bits, dtype=np.uint8).reshape(2, BITS // 2)
    grey = 20 + 215 * np.repeat(np.repeat(fields, SIDE, 0), SIDE, 1)
    return np.repeat(grey[..., None], 3, 2).astype(np.uint8)


def number_of(picture: np.ndarray) -> int:
    """Which frame a decoded picture is, at whatever size."""
    height, width, _ = picture.shape
    rows = (2 * np.arange(2) + 1) * height // 4
    columns = (2 * np.arange(BITS // 2) + 1) * width // BITS
    fields = picture[np.ix_(rows, columns)].mean(-1) > 128
    return int(sum(1 << bit for bit, is_set in enumerate(fields.ravel()) if is_set))


def write_video(
    path: Path,
    times: list[float] | int,
    fps: float = 25.0,
    codec: str = "libx264",
    pictures=None,
    aspect: Fraction | None = None,
    container: str | None = None,
    sound_seconds: float = 0.0,
) -> Path:
    """A video of frames shown at `times` seconds, or of so many at `fps` per second.

    pictures: number -> picture; default `drawn`. sound_seconds: of a silent sound track from 0.
    """
    shown = [k / fps for k in range(times)] if isinstance(times, int) else times
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        first = (pictures or drawn)(0)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECONDS
        if codec in ("mpeg4", "mpeg2video"):  # their clocks tick once per frame
            stream.codec_context.time_base = 1 / Fraction(fps).limit_denominator(1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if sound_seconds:
            sound = file.add_stream("aac", rate=8000, layout="mono")
        for number, time in enumerate(shown):
            frame = av.VideoFrame.from_ndarray((pictures or drawn)(number), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time / frame.time_base)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if sound_seconds:
            _write_silence(file, sound, sound_seconds)
    return path


def _write_silence(file, stream, seconds: float) -> None:
    for begin in range(0, int(seconds * 8000), 1024):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        frame.pts = begin
        frame.time_base = Fraction(1, 8000)
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as file:
        _write_silence(file, file.add_stream("aac", rate=8000, layout="mono"), seconds)
    return path


def turn_clockwise(path: Path, quarters: int) -> None:
    """Write a telephone's way of holding into an MP4: the matrix of its track header.

    The matrix takes (x, y), y downwards, to (a x + c y, b x + d y); source: ISO/IEC 14496-12,
    section 8.3.2.
    """
    a, b, c, d = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarters]
    one = 1 << 16
    matrix = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], dtype=">i4")
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4
    place = header + 40  # version and flags, four times and numbers, and what is reserved
    assert content[place : place + 4] == one.to_bytes(4, "big")  # the matrix that changes nothing
    content[place : place + 36] = matrix.tobytes()
    path.write_bytes(content)


class MeanColours:
    """A backbone that is quick: mean colour and contrast of a window."""

    name = "mean-colours"
    streams = {"features": 4}  # noqa: RUF012  a protocol's attribute
    fps = 25.0
    window = 4
    stride = 4
    pixels = 32
    crop = "whole"
    batch = 3

    def fingerprint(self) -> str:
        return "mean colours, 1"

    def features(self, windows):
        colours = windows.astype(np.float64)
        values = [colours.mean((1, 2, 3)), colours.std((1, 2, 3, 4))[:, None]]
        return {"features": np.concatenate(values, axis=1).astype(np.float32)}
