"""torchvision's video networks, trained on Kinetics-400: their values before the classifier.

Each looks at as many frames, of such a rate and size, as its weights were made for; torchvision
states these with the weights. Weights are taken from a file that is given, or from torch's cache,
where they are downloaded to if they are not there.

Sources: R(2+1)D, Tran et al., CVPR 2018; MViTv2, Li et al., CVPR 2022; Video Swin, Liu et al.,
CVPR 2022.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from torch import nn

from wtal_core.data.feature_spec import Crop
from wtal_core.errors import WorkbookError
from wtal_core.reading.tensors import checksum, read_torch
from wtal_core.videos.backbones import Rows, Windows


@dataclass(frozen=True)
class _Recipe:
    """What torchvision calls a network, and how it is used."""

    builder: str
    weights: str
    head: str  # the classifier, which is left out
    window: int
    fps: float  # of the frames that the weights were trained on


RECIPES = {
    "r2plus1d_18": _Recipe("r2plus1d_18", "R2Plus1D_18_Weights", "fc", 16, 15.0),
    "mvit_v2_s": _Recipe("mvit_v2_s", "MViT_V2_S_Weights", "head", 16, 7.5),
    "swin3d_t": _Recipe("swin3d_t", "Swin3D_T_Weights", "head", 32, 15.0),
}


@dataclass
class Kinetics:
    """See `Backbone`. mean, std: of the network's input, per colour, of values in [0, 1]."""

    name: str
    network: nn.Module
    weights: str
    streams: dict[str, int]
    fps: float
    window: int
    stride: int
    pixels: int
    mean: torch.Tensor
    std: torch.Tensor
    device: str
    crop: Crop = "centre"
    batch: int = 2

    def fingerprint(self) -> str:
        """Checksum of the weights."""
        return self.weights

    def features(self, windows: Windows) -> Rows:
        """The values before the classifier, as the only stream."""
        frames = torch.from_numpy(windows).to(self.device).float() / 255
        clips = ((frames - self.mean) / self.std).permute(0, 4, 1, 2, 3)
        with torch.inference_mode():
            rows: np.ndarray = self.network(clips).cpu().numpy()
        return {"features": rows}


def _maker(name: str) -> Callable[[str, Path | None], Kinetics]:
    def make(device: str = "cpu", weights: Path | None = None) -> Kinetics:
        return kinetics(name, device, weights)

    return make


r2plus1d_18 = _maker("r2plus1d_18")
mvit_v2_s = _maker("mvit_v2_s")
swin3d_t = _maker("swin3d_t")


def kinetics(name: str, device: str = "cpu", weights: Path | None = None) -> Kinetics:
    """A network of `RECIPES` with its Kinetics-400 weights.

    Raises ModuleNotFoundError without torchvision, WorkbookError without the weights.
    """
    recipe = RECIPES[name]
    library = _torchvision_video()
    of_kinetics = getattr(library, recipe.weights).KINETICS400_V1
    preset = of_kinetics.transforms()
    network = getattr(library, recipe.builder)(weights=None)
    path = weights or _cached(name, of_kinetics.url)
    content = _state(name, path, of_kinetics.url)
    try:
        network.load_state_dict(content)
    except (RuntimeError, TypeError) as error:
        raise WorkbookError(
            f"{path} holds weights of another network than {name}; get {of_kinetics.url}"
        ) from error
    size = _without_head(network, recipe.head)
    return Kinetics(
        name=name,
        network=network.eval().to(device),
        weights=checksum(path),
        streams={"features": size},
        fps=recipe.fps,
        window=recipe.window,
        stride=recipe.window // 2,
        pixels=preset.crop_size[0],
        mean=torch.tensor(preset.mean, device=device),
        std=torch.tensor(preset.std, device=device),
        device=device,
    )


def _torchvision_video() -> Any:
    """torchvision's module; one of another build than torch counts as missing."""
    try:
        from torchvision.models import video
    except (RuntimeError, OSError) as error:
        raise ModuleNotFoundError("torchvision does not fit torch", name="torchvision") from error
    return video


def _without_head(network: nn.Module, head: str) -> int:
    """Take the classifier off; how many values go into it."""
    layers = [m for m in getattr(network, head).modules() if isinstance(m, nn.Linear)]
    setattr(network, head, nn.Identity())
    return layers[-1].in_features


def _cached(name: str, url: str) -> Path:
    """The weights in torch's cache, downloaded if they are not there."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(urlparse(url).path).name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        digits = path.stem.rsplit("-", 1)[-1]  # of its checksum
        try:
            torch.hub.download_url_to_file(url, str(path), digits)
        except (OSError, RuntimeError) as error:
            raise WorkbookError(
                f"the weights of {name} are not here, and cannot be downloaded "
                f"({' '.join(str(error).split())}); get {url} elsewhere and give it with --weights "
                "FILE, or take --backbone lite0-flow, which needs none"
            ) from error
    return path


def _state(name: str, path: Path, url: str) -> dict[str, torch.Tensor]:
    """The tensors of a file of weights. Nothing else is unpickled."""
    if not path.is_file():
        raise WorkbookError(f"--weights {path} is missing; get {url}")
    try:
        content: dict[str, torch.Tensor] = read_torch(path)
    except WorkbookError as error:
        raise WorkbookError(f"{path} holds no weights of {name}; get {url}") from error
    return content
