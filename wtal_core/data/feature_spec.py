"""How the features of a folder were made: the file `features.json` beside them."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from wtal_core.checks import Checked, PositiveFloat, PositiveInt
from wtal_core.data.problems import MissingData
from wtal_core.errors import WorkbookError
from wtal_core.reading.json_files import read_json
from wtal_core.reading.places import refuse_special, written_place
from wtal_core.timebase import Timebase, checked_timebase

Crop = Literal["centre", "whole", "fit"]
SPEC_FILE = "features.json"
REMEDY = "make the features again, or remove the file and state --fps and --stride"


@dataclass(frozen=True)
class FeatureSpec(Checked):
    """What decides the features of a video, besides the video."""

    backbone: str  # its name
    weights: str  # checksum of its weights, or of what stands in their place
    streams: tuple[str, ...]  # the leading one last
    sizes: tuple[PositiveInt, ...]  # values per snippet of each stream
    fps: PositiveFloat  # frames per second at which a video is sampled
    stride: PositiveInt  # frames from one snippet to the next
    window: PositiveInt  # frames that a snippet looks at; they lie around the snippet's middle
    pixels: PositiveInt  # width and height of a frame, as the backbone sees it
    crop: Crop  # a frame becomes a square: its middle, squeezed whole, or with black beside it
    decoder: str  # library that decodes, with its version

    @property
    def timebase(self) -> Timebase:
        """Of the snippets."""
        return Timebase(self.fps, float(self.stride))


def write_spec(spec: FeatureSpec, folder: Path) -> None:
    """Write the file, whole or not at all."""
    text = json.dumps(asdict(spec), indent=1, ensure_ascii=False)
    target = written_place(folder / SPEC_FILE)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def read_spec(folder: Path) -> FeatureSpec | None:
    """How the features of a folder were made; None where nothing says so.

    Raises WorkbookError for a file that is damaged.
    """
    path = folder / SPEC_FILE
    refuse_special(path)
    if not os.path.lexists(path):
        return None
    content = read_json(path, REMEDY)
    names = [field.name for field in fields(FeatureSpec)]
    if not isinstance(content, Mapping) or not set(names) <= set(content):
        raise WorkbookError(f"{path} does not hold {', '.join(names)}; {REMEDY}")
    values = {name: _as_tuple(content[name]) for name in names}
    try:
        spec = FeatureSpec(**values)
    except WorkbookError as error:
        raise WorkbookError(f"{path}: {error}; {REMEDY}") from error
    checked_timebase(spec.timebase, path)
    return spec


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def stated_timebase(folder: Path, fps: float | None, stride: float | None) -> Timebase:
    """The time base of a folder's features: what is given, else what the folder's file states.

    Raises WorkbookError where neither says it, or both and they differ.
    """
    spec = read_spec(folder)
    if spec is None:
        if fps is None or stride is None:
            raise MissingData(
                f"{folder} has no {SPEC_FILE}, so --fps and --stride of the features are needed"
            )
        return Timebase(fps, stride)
    for name, given, stated in (("--fps", fps, spec.fps), ("--stride", stride, spec.stride)):
        if given is not None and given != stated:
            raise WorkbookError(
                f"{name} {given:g}: {folder / SPEC_FILE} states {stated:g}; leave {name} out, or "
                "remove the file if it is not of these features"
            )
    return spec.timebase
