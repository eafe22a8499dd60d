"""What a network saw in each video, beside its detections: activation and attention, in one file.

An .npz file: `classes` [C] as text; `timebase` [3], fps, stride and offset; and per video the
arrays `VIDEO/activation` [T, C] and `VIDEO/attention` [T], either of which may be absent.
`wtal detect --signals` writes it, `wtal timeline --signals` draws it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wtal_core.errors import MissingFile, WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.reading.arrays import read_npz
from wtal_core.timebase import Timebase, checked_timebase

REMEDY = "write it anew by `wtal detect` with --signals"
KINDS = {"activation": 2, "attention": 1}  # name of a signal -> its dimensions


@dataclass(frozen=True)
class Signals:
    """Per video, on the snippets of `timebase`.

    activation: video -> [T, C], columns as `classes`. attention: video -> [T].
    """

    classes: tuple[str, ...]
    timebase: Timebase
    activation: Mapping[str, np.ndarray]
    attention: Mapping[str, np.ndarray]


def write_signals(signals: Signals, path: str | Path) -> None:
    """Write them, rounded to float32. Raises WorkbookError where the file cannot be written."""
    base = signals.timebase
    arrays: dict[str, np.ndarray] = {
        "classes": np.array(signals.classes, dtype=np.str_),
        "timebase": np.array([base.fps, base.stride, base.offset], dtype=np.float64),
    }
    for kind, by_video in (("activation", signals.activation), ("attention", signals.attention)):
        for video, values in by_video.items():
            arrays[f"{video}/{kind}"] = np.asarray(values, dtype=np.float32)

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)

    write_whole(Path(path), write)


def read_signals(path: str | Path) -> Signals:
    """Read them. Raises WorkbookError for a file that is none, or holds other shapes."""
    path = Path(path)
    if not path.is_file():
        raise MissingFile(f"{path} is no file; `wtal detect` with --signals writes one")
    arrays = read_npz(path, REMEDY)
    try:
        classes = tuple(str(name) for name in arrays["classes"].tolist())
        fps, stride, offset = (float(value) for value in arrays["timebase"].tolist())
    except (KeyError, TypeError, ValueError):
        raise WorkbookError(
            f"{path}: holds no `classes` as text and no `timebase` of three numbers; {REMEDY}"
        ) from None
    timebase = checked_timebase(Timebase(fps, stride, offset), path)
    by_kind: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in KINDS}
    for name, values in arrays.items():
        video, _, kind = name.rpartition("/")
        if kind in KINDS:
            _check(f"{path}: {name}", values, KINDS[kind], len(classes))
            by_kind[kind][video] = values.astype(np.float64)
    return Signals(classes, timebase, by_kind["activation"], by_kind["attention"])


def _check(where: str, values: np.ndarray, dimensions: int, classes: int) -> None:
    is_number = values.dtype.kind in "fiub"
    is_shaped = values.ndim == dimensions and (dimensions == 1 or values.shape[1] == classes)
    if not (is_number and is_shaped):
        raise WorkbookError(
            f"{where} has the shape {values.shape} and the type {values.dtype}; expected numbers, "
            f"one row per snippet and {classes} classes; {REMEDY}"
        )
