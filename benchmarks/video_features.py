"""Features of videos against the backbone alone: `python -m benchmarks.video_features`.

Moving shapes, encoded as H.264 in a temporary folder that is removed at the end. The plain form is
the embedded backbone on windows that were decoded before and lie in memory. `extract` decodes,
gathers windows, computes and writes. Both are of one process and take turns; the shortest of
several times counts. The rate of `extract` should be at least 0.8 of the backbone's own.
"""

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks import measured
from benchmarks.measured import Measured, as_table
from benchmarks.timing import seconds
from wtal_core.videos.backbones import Backbone, find_backbone
from wtal_core.videos.decoding import frames_of
from wtal_core.videos.extraction import extract
from wtal_core.videos.windows import batches_of, windows_of

VIDEOS = 2
SECONDS = 4
HEIGHT, WIDTH, FPS = 240, 320, 25
TIMES = 2


def write(path: Path, length: float = SECONDS) -> None:
    """A disc before a texture, on its way across the picture."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 200, (30, 40, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(FPS))
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(round(length * FPS)):
            disc = np.hypot(rows - 120, columns - (4 * number) % WIDTH) < 40
            picture = np.where(disc[..., None], np.uint8(250), ground)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def in_memory(folder: Path, backbone: Backbone) -> list[np.ndarray]:
    """All batches of windows of all videos."""
    batches = []
    for path in sorted(folder.iterdir()):
        frames = frames_of(path, backbone.fps, backbone.pixels, backbone.crop)
        windows = windows_of(frames, backbone.window, backbone.stride)
        batches += list(batches_of(windows, backbone.batch))
    return batches


def measure(
    folder: Path, out: Path, backbone: Backbone, times: int = TIMES
) -> tuple[float, float, float]:
    """Seconds of the backbone alone, of `extract`, and of decoding alone."""
    of_decoding, batches = seconds(lambda: in_memory(folder, backbone))
    backbone.features(batches[0])  # whatever a first call sets up
    of_backbone = of_extract = float("inf")
    for turn in range(times):
        alone, _ = seconds(lambda: [backbone.features(batch) for batch in batches])
        whole, extracted = seconds(
            lambda: extract(folder, backbone, out / f"{turn}", progress=False)  # noqa: B023
        )
        assert len(extracted.videos) == len(list(folder.iterdir()))
        of_backbone = min(of_backbone, alone)
        of_extract = min(of_extract, whole)
    return of_backbone, of_extract, of_decoding


def main() -> None:
    """Print the times and the ratio of the rates."""
    backbone = find_backbone("lite0-flow")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "videos"
        folder.mkdir()
        for number in range(VIDEOS):
            write(folder / f"{number}.mp4")
        of_backbone, of_extract, of_decoding = measure(folder, Path(name), backbone)
    row = {
        "s of video": str(VIDEOS * SECONDS),
        "decoding alone, s": f"{of_decoding:.2f}",
        "backbone alone, s": f"{of_backbone:.2f}",
        "from files to features, s": f"{of_extract:.2f}",
        "of the backbone's rate": f"{of_backbone / of_extract:.2f}",
    }
    print(row)
    about = (__doc__ or "").partition("\n\n")[2]
    part = Measured("video_features", "Features of videos", about, as_table([row]))
    measured.write(part)


if __name__ == "__main__":
    main()
