"""The backbone that runs MediaPipe in another Python, with a stand-in that sees a hand when the
picture is bright: MediaPipe itself does not fit into this environment.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.videos.test_hand_landmarks import hand, seen
from wtal_core.errors import WorkbookError
from wtal_core.videos import hands
from wtal_core.videos.backbones import find_backbone

STAND_IN = """
from types import SimpleNamespace as Thing
from pathlib import Path
import numpy as np

__version__ = "0"
ROWS = np.load(Path(__file__).parent / "rows.npy")


class Hands:
    def __init__(self, **settings):
        self.frame = -1

    def process(self, picture):
        self.frame += 1
        if picture.mean() > 250:
            raise RuntimeError("too bright")
        if picture.mean() < 50:
            return Thing(multi_hand_landmarks=None)
        row = ROWS[self.frame]
        world = [Thing(x=x, y=y, z=z) for x, y, z in row[:63].reshape(21, 3)]
        flat = [Thing(x=x, y=y, z=0) for x, y in row[63:105].reshape(21, 2)]
        side = Thing(classification=[Thing(label="Left", score=row[105])])
        return Thing(multi_hand_landmarks=[Thing(landmark=flat)],
                     multi_hand_world_landmarks=[Thing(landmark=world)],
                     multi_handedness=[side])


solutions = Thing(hands=Thing(Hands=Hands))
"""


@pytest.fixture
def landmarks() -> np.ndarray:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(1)
    turns = Rotation.from_rotvec(rng.normal(0, 0.3, (60, 3)))
    return seen(hand(turns, rng.normal(0, 20, (60, 3))))


@pytest.fixture
def backbone(tmp_path, monkeypatch, landmarks):
    """With a package called mediapipe, in this very Python."""
    package = tmp_path / "packages" / "mediapipe"
    for model in ("palm_detection/palm_detection_full", "hand_landmark/hand_landmark_full"):
        path = package / "modules" / f"{model}.tflite"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a model")
    (package / "__init__.py").write_text(STAND_IN)
    np.save(package / "rows.npy", landmarks)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    backbone = find_backbone("mediapipe-hands", python=Path(sys.executable))
    yield backbone
    backbone.drop()


def frames(levels, pixels) -> np.ndarray:
    """Windows of five frames, each of one grey."""
    grey = np.array(levels, dtype=np.uint8).reshape(-1, 5, 1, 1, 1)
    return np.broadcast_to(grey, (*grey.shape[:2], pixels, pixels, 3))


def test_a_video_becomes_the_features_of_its_skeletons(backbone, landmarks):
    levels = [0] * 3 + [100] * 37
    windows = frames(levels, backbone.pixels)
    for part in (windows[:5], windows[5:]):
        assert all(len(rows) == 0 for rows in backbone.features(part).values())
    rows = backbone.end()
    expected = landmarks[:40].copy()
    expected[:3] = np.nan
    size = backbone.pixels
    alone = hands.rows_of(hands.skeletons(expected, size, size))
    for stream, values in alone.items():
        assert values.shape == (8, 64) and np.allclose(rows[stream], values)


def test_every_video_begins_anew(backbone):
    windows = frames([100] * 20, backbone.pixels)
    backbone.features(windows)
    first = backbone.end()
    backbone.features(frames([100] * 10, backbone.pixels))
    backbone.drop()  # a video that broke off
    backbone.features(windows)
    again = backbone.end()
    assert all(np.array_equal(first[stream], again[stream]) for stream in first)


def test_what_the_worker_cannot_do_is_told(backbone):
    with pytest.raises(WorkbookError, match="too bright"):
        for _ in range(9):  # more than a pipe holds
            backbone.features(frames([255] * 5, backbone.pixels))
    backbone.drop()
    backbone.features(frames([0] * 5, backbone.pixels))
    with pytest.raises(WorkbookError, match="no hand"):
        backbone.end()


def test_a_python_without_mediapipe_is_refused_with_the_commands_that_help(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    commands = r"python3\.\d+ -m venv .*pip install mediapipe==0\.10\.21.*export WTAL_HANDS_PYTHON"
    with pytest.raises(WorkbookError, match=commands):
        find_backbone("mediapipe-hands", python=Path(sys.executable))
    with pytest.raises(WorkbookError, match="cannot be started"):
        find_backbone("mediapipe-hands", python=tmp_path / "nothing")
    monkeypatch.delenv(hands.VARIABLE, raising=False)
    with pytest.raises(WorkbookError, match="is not installed here"):
        find_backbone("mediapipe-hands")
    with pytest.raises(WorkbookError, match="leave --python out"):
        find_backbone("lite0-flow", python=Path(sys.executable))


@pytest.mark.parametrize("answer", ["", "hello", "[1]", '{"version": 1}', "3"])
def test_a_program_that_is_no_python_is_refused(tmp_path, answer):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n" if answer else "#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(WorkbookError, match=r"program does not say what mediapipe it has"):
        hands.described(program)
