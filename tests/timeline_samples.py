"""Small clips, drawn and encoded on the spot, and a timeline of them, for tests of the page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal_core.evaluation.case import Case
from wtal_core.evaluation.error_types import outcomes
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.pages.timeline import Timeline, timeline_of

COLUMNS = ["video", "label", "t_start", "t_end"]
ODD = "a clip, ü #1?"  # a name that an address has to escape
HOSTILE = '<img src=x onerror="document.title=1">'
ENDING = "</script><script>document.title=2</script>"
CLASSES = ("Jump", HOSTILE, ENDING)
INSTANCES = [(ODD, "Jump", 2.0, 4.0), (ODD, HOSTILE, 5.0, 7.0), ("b", "Jump", 1.0, 3.0)]
DETECTIONS = [
    (ODD, "Jump", 2.0, 3.8, 0.9),
    (ODD, "Jump", 6.0, 7.5, 0.2),
    (ODD, HOSTILE, 5.2, 6.9, 0.7),
    (ODD, "not a class of the truth", 1.0, 2.0, 0.4),
    ("b", "Jump", 4.0, 5.0, 0.6),
]
SECONDS = 8


def write_clip(path: Path, seconds: float = SECONDS, rate: int = 10) -> Path:
    """A square that crosses the picture, as VP9 in WebM."""
    av = pytest.importorskip("av", reason="PyAV is not installed; `pip install av`")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(int(seconds * rate)):
            picture = np.full((48, 64, 3), 40, np.uint8)
            left = int(48 * k / (seconds * rate))
            picture[16:32, left : left + 16] = (240, 180, 60)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def case() -> Case:
    """Two videos of 8 s on snippets of 0.64 s; a detection is of a class that is not known."""
    rng = np.random.default_rng(0)
    videos = (ODD, "b")
    truth = GroundTruth(pd.DataFrame(INSTANCES, columns=COLUMNS), videos, CLASSES)
    return Case(
        "Mine",
        "Drawn clips (simulated)",
        truth,
        pd.DataFrame(DETECTIONS, columns=[*COLUMNS, "score"]),
        dict.fromkeys(videos, float(SECONDS)),
        f"made for a test {HOSTILE}",
        {video: rng.normal(size=(13, 3)) for video in videos},
        {video: rng.random(13) for video in videos},
    )


def judged_timeline() -> Timeline:
    """The timeline of `case`, every detection judged at tIoU 0.5."""
    known = case()
    return timeline_of(known, outcomes(known.ground_truth, known.detections))
