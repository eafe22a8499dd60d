"""The hand in a video as features: MediaPipe's landmarks, then the statistics of SHREC'21.

A network that was trained on SHREC'21 reads these features. MediaPipe's models come inside its
package, so nothing is downloaded. It needs an older numpy than the workbook has, and therefore
mostly lives in a Python of its own, which the variable `WTAL_HANDS_PYTHON` or `--python` names;
`hand_worker.py` runs there.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from wtal_core.data.feature_spec import Crop
from wtal_core.data.hands import CHANNELS, filled, hand_statistics, holds_a_hand
from wtal_core.data.shrec21 import WINDOWS
from wtal_core.errors import WorkbookError
from wtal_core.videos import hand_components, hand_worker
from wtal_core.videos.backbones import Windows
from wtal_core.videos.hand_landmarks import skeletons

Arrays = dict[str, np.ndarray]

NAME = "mediapipe-hands"
VARIABLE = "WTAL_HANDS_PYTHON"
VERSION = "0.10.21"  # later ones hold no models
WORKER = Path(hand_worker.__file__)
STREAMS: Mapping[str, int] = MappingProxyType({"motion": CHANNELS, "pose": CHANNELS})
NO_ROWS = {stream: np.zeros((0, size), np.float32) for stream, size in STREAMS.items()}
BESIDE = (WINDOWS.size - WINDOWS.hop) // 2  # samples of a window on either side of its snippet
REMEDY = (
    "make a Python for it (3.9 to 3.12): `python3.11 -m venv hands-env`, `hands-env/bin/pip "
    f"install mediapipe=={VERSION}`, `export {VARIABLE}=hands-env/bin/python`"
)
LAST_WORDS = 3  # lines of the worker's errors in a message


@dataclass
class Hands:
    """A backbone, see `backbones.Backbone`. Features need a video as a whole, so `features` gives
    none yet and `end` gives all of them.

    python: that has mediapipe. model: its version and the checksum of its models.
    """

    python: Path
    model: Mapping[str, str]
    name: str = NAME
    streams: Mapping[str, int] = field(default_factory=lambda: STREAMS)
    fps: float = WINDOWS.rate
    window: int = WINDOWS.hop
    stride: int = WINDOWS.hop
    pixels: int = 384
    crop: Crop = "fit"
    batch: int = 8
    worker: "Worker | None" = field(default=None, repr=False)

    def fingerprint(self) -> str:
        """Of MediaPipe's models and of the components."""
        return f"{self.model['sha256']}-{hand_components.checksum()}"

    def features(self, windows: Windows) -> Arrays:
        """Pass the frames on; no rows yet."""
        if self.worker is None:
            self.worker = Worker(self.python, self.pixels)
        self.worker.look(windows)
        return dict(NO_ROWS)

    def end(self) -> Arrays:
        """All rows of the video whose frames were given. Raises WorkbookError where no frame shows
        a hand.
        """
        worker, self.worker = self.worker, None
        if worker is None:
            return dict(NO_ROWS)
        return rows_of(skeletons(worker.landmarks(), self.pixels, self.pixels))

    def drop(self) -> None:
        """Forget the video."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.stop()


def mediapipe_hands(device: str = "cpu", python: Path | None = None) -> Hands:
    """The backbone. python: that has mediapipe; default: what `WTAL_HANDS_PYTHON` names, else the
    workbook's own. Raises WorkbookError where it has none, with the commands that help.
    """
    chosen = python or Path(os.environ.get(VARIABLE, ""))
    if chosen == Path() and find_spec("mediapipe") is None:
        raise WorkbookError(
            f"backbone {NAME} needs mediapipe, which is not installed here; {REMEDY}"
        )
    executable = Path(sys.executable) if chosen == Path() else chosen
    return Hands(executable, described(executable))


def described(python: Path) -> dict[str, str]:
    """What MediaPipe a Python has."""
    try:
        answer = subprocess.run(
            [str(python), str(WORKER), "describe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise WorkbookError(f"{python} cannot be started ({error.strerror}); {REMEDY}") from error
    if answer.returncode:
        raise WorkbookError(
            f"{python} has no mediapipe with models of hands ({_last(answer.stderr)}); {REMEDY}"
        )
    try:
        description: dict[str, str] = json.loads(answer.stdout.splitlines()[-1])
        return {name: str(description[name]) for name in ("version", "sha256")}
    except (ValueError, LookupError, TypeError):  # another program, which has ended well
        raise WorkbookError(
            f"{python} does not say what mediapipe it has, so it is no Python; {REMEDY}"
        ) from None


class Worker:
    """MediaPipe in a process of its own, looking at one video."""

    def __init__(self, python: Path, pixels: int):
        self.folder = tempfile.TemporaryDirectory(prefix="wtal-hands-")
        self.out = Path(self.folder.name) / "landmarks.npy"
        self.said = (Path(self.folder.name) / "said").open("w+", encoding="utf-8", errors="replace")
        command = [str(python), str(WORKER), "find", str(pixels), str(pixels), str(self.out)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self.said
        )

    def look(self, windows: Windows) -> None:
        """Give it frames."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(np.ascontiguousarray(windows).data)
        except BrokenPipeError:
            self._refuse()

    def landmarks(self) -> Float[np.ndarray, "S 106"]:
        """What it has seen in all frames; it ends."""
        try:
            assert self.process.stdin is not None
            with suppress(BrokenPipeError):
                self.process.stdin.close()
            if self.process.wait() or not self.out.exists():
                self._refuse()
            return np.load(self.out, allow_pickle=False)
        finally:
            self.stop()

    def stop(self) -> None:
        """End it, whatever it does, and remove its files."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):  # frames that nobody has read
                self.process.stdin.close()
        self.said.close()
        self.folder.cleanup()

    def _refuse(self) -> None:
        self.process.wait()
        self.said.seek(0)
        words = _last(self.said.read())
        self.stop()
        raise WorkbookError(f"mediapipe has ended early ({words}); {REMEDY}")


def rows_of(samples: Float[np.ndarray, "S 64"]) -> Arrays:
    """Features of a video's skeletons, one row per snippet of `WINDOWS.hop` samples.

    The window of a snippet lies around it; at the ends the first and last hand are repeated.
    """
    if not holds_a_hand(samples).any():
        raise WorkbookError(
            "no hand is seen in any frame; expected is one hand, before a camera that looks at the "
            "person"
        )
    whole = np.pad(filled(samples), ((BESIDE, BESIDE), (0, 0)), mode="edge")
    return hand_components.reduced(hand_statistics(whole, WINDOWS))


def _last(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-LAST_WORDS:])
