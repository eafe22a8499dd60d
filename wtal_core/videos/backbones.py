"""What a backbone is, and how one is found by its name.

A backbone turns windows of frames into one row of features per window. The workbook's own are in
the modules that `OWN` names. A package adds one by an entry point of the group `wtal.backbones`,
and `module:object` names any class, function or object that can be imported.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from wtal_core.data.feature_spec import Crop
from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import words

CROPS: tuple[Crop, ...] = get_args(Crop)
GROUP = "wtal.backbones"
# name -> "module:function", which takes of device, weights and python what it needs
OWN = {
    "lite0-flow": "wtal_core.videos.lite0_flow:lite0_flow",
    "i3d": "wtal_core.videos.i3d:i3d",
    "r2plus1d_18": "wtal_core.videos.kinetics:r2plus1d_18",
    "mvit_v2_s": "wtal_core.videos.kinetics:mvit_v2_s",
    "swin3d_t": "wtal_core.videos.kinetics:swin3d_t",
    "mediapipe-hands": "wtal_core.videos.hands:mediapipe_hands",
}
Windows = UInt8[np.ndarray, "n window pixels pixels 3"]
Rows = dict[str, Float[np.ndarray, "n _"]]


@runtime_checkable
class Backbone(Protocol):
    """What the extraction asks of a backbone.

    name: what its features are called after.
    streams: stream -> values per snippet, the leading stream last.
    fps: frames per second that it is given.
    window: frames that it looks at for one snippet.
    stride: frames from one snippet to the next. The window lies around the snippet's middle.
    pixels: width and height of the frames that it is given.
    crop: how a frame becomes a square, see `decoding.Frames`.
    batch: windows that it is given at once, at most.
    """

    name: str
    streams: Mapping[str, int]
    fps: float
    window: int
    stride: int
    pixels: int
    crop: Crop
    batch: int

    def fingerprint(self) -> str:
        """Checksum of the weights; two backbones with the same one give the same features."""
        ...

    def features(self, windows: Windows) -> Rows:
        """Stream -> one row per window. Frames are RGB; a row depends on its own window only."""
        ...


@runtime_checkable
class WholeVideos(Protocol):
    """What a backbone has besides that has to see a video as a whole. Its `features` gives no rows
    yet.
    """

    def end(self) -> Rows:
        """Stream -> the rows of all windows since the video began."""
        ...

    def drop(self) -> None:
        """Forget the video, whether or not it came to its end."""
        ...


@dataclass(frozen=True)
class FunctionBackbone:
    """A plain function as a backbone: windows -> rows [n, D].

    The function may carry fps, window, stride, pixels, crop and batch as attributes.
    """

    name: str
    function: Callable[[Windows], Any]
    streams: Mapping[str, int]
    fps: float
    window: int
    stride: int
    pixels: int
    crop: Crop
    batch: int

    def fingerprint(self) -> str:
        """Checksum of the source file that holds the function."""
        try:
            source = Path(inspect.getfile(self.function)).read_bytes()
        except (OSError, TypeError):  # of a library written in another language, or of a session
            source = repr(self.function).encode()
        return hashlib.sha256(source).hexdigest()

    def features(self, windows: Windows) -> Rows:
        """What the function computes, as the only stream."""
        return {"features": np.asarray(self.function(windows), dtype=np.float32)}


def of_function(name: str, function: Callable[[Windows], Any]) -> FunctionBackbone:
    """A function as a backbone. It is called once on black frames, to learn how many values it
    gives.
    """
    window = getattr(function, "window", 16)
    pixels = getattr(function, "pixels", 224)
    black = np.zeros((1, window, pixels, pixels, 3), dtype=np.uint8)
    rows = np.asarray(function(black))
    if rows.ndim != 2 or len(rows) != 1:
        raise WorkbookError(
            f"backbone {name}: one window of shape {black.shape} gives values of shape "
            f"{rows.shape}, expected [1, D]; return one row per window"
        )
    return FunctionBackbone(
        name=name,
        function=function,
        streams={"features": rows.shape[1]},
        fps=getattr(function, "fps", 25.0),
        window=window,
        stride=getattr(function, "stride", window),
        pixels=pixels,
        crop=getattr(function, "crop", "centre"),
        batch=getattr(function, "batch", 4),
    )


def backbone_names() -> list[str]:
    """The workbook's own backbones and those of installed packages."""
    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})


def find_backbone(
    name: str, device: str = "cpu", weights: Path | None = None, python: Path | None = None
) -> Backbone:
    """The backbone of that name, ready to compute.

    name: of `backbone_names`, or `module:object`. device: "cpu" or "cuda". weights: a file or
    folder, for those that take one. python: another Python, for those that compute there. Raises
    WorkbookError where there is none, or its weights are missing; ModuleNotFoundError where a
    package is missing.
    """
    given = {"device": device, "weights": weights, "python": python}
    if name in OWN:
        return checked(_made(name, _imported(OWN[name]), given))
    try:
        return checked(_made(name, _foreign(name), given))
    except (WorkbookError, ModuleNotFoundError, MemoryError):
        raise
    except Exception as error:  # whatever foreign code raises that is no backbone
        raise WorkbookError(
            f"backbone {name} cannot be used ({words(error)}); see wtal_core/videos/backbones.py "
            "for what it has to be"
        ) from error


def _foreign(name: str) -> Any:
    """What `module:object` means, or what an installed package calls so."""
    if ":" in name:
        return _of_user(name)
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise WorkbookError(
            f"there is no backbone {name!r}; choose of {', '.join(backbone_names())}, or name "
            "one of your own as MODULE:OBJECT"
        )
    return points[name].load()


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _of_user(name: str) -> Any:
    """What `module:object` means; the module may lie in the folder where the command is given."""
    module = name.partition(":")[0]
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return _imported(name)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name not in (
            module,
            module.split(".")[0],
        ):
            raise
        raise WorkbookError(
            f"backbone {name}: {error}; name a module that Python can import, and an object in it"
        ) from error


def _made(name: str, maker: Any, given: Mapping[str, Any]) -> Any:
    """A backbone of whatever a name leads to: the backbone itself, a class or function that makes
    one of what is given (device, weights, python), or a function of windows.
    """
    if isinstance(maker, Backbone) and not isinstance(maker, type):
        _refuse_files(name, given, ())
        return maker
    if not callable(maker):
        raise WorkbookError(f"backbone {name} is neither a backbone nor a function")
    parameters = inspect.signature(maker).parameters
    taken = {key: value for key, value in given.items() if key in parameters}
    _refuse_files(name, given, taken)
    if taken or not parameters:
        return maker(**taken)
    return of_function(name, maker)


def _refuse_files(name: str, given: Mapping[str, Any], taken: Container[str]) -> None:
    """Files that the user names and the backbone has no use for are a mistake."""
    if given["weights"] is not None and "weights" not in taken:
        raise WorkbookError(f"backbone {name} takes no file of weights; leave --weights out")
    if given["python"] is not None and "python" not in taken:
        raise WorkbookError(f"backbone {name} needs no other Python; leave --python out")


def checked(backbone: Any) -> Backbone:
    """A backbone whose attributes can be used."""
    if not isinstance(backbone, Backbone):
        lacking = [name for name in Backbone.__annotations__ if not hasattr(backbone, name)]
        what = ", ".join(lacking) or "fingerprint() or features()"
        raise WorkbookError(f"backbone {backbone!r} lacks {what}; see videos/backbones.py")
    is_usable = (
        backbone.streams
        and backbone.fps > 0
        and min(backbone.window, backbone.stride, backbone.pixels, backbone.batch) >= 1
        and backbone.crop in CROPS
    )
    if not is_usable:
        raise WorkbookError(
            f"backbone {backbone.name}: streams, fps, window, stride, pixels and batch have to be "
            f"at least 1, crop one of {', '.join(CROPS)}"
        )
    return backbone
