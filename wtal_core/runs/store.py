"""The store of finished runs: one folder a run, found by key. A folder appears whole or
not at all.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from wtal_core.errors import WorkbookError
from wtal_core.runs.run import Run

RULES = ("last", "best")


@dataclass(frozen=True)
class Record:
    """What a run left. `folder` holds record.json and, where they were kept, weights, detections
    and figure arrays.
    """

    folder: Path
    content: dict[str, Any]

    def average_map(self, protocol: str, rule: str = "last") -> float:
        """Average mAP over the protocol's tIoUs, percent."""
        return 100 * self.content["metrics"][rule][protocol]["average"]

    def map(self, protocol: str, rule: str = "last") -> dict[float, float]:
        """mAP a tIoU, percent."""
        metric = self.content["metrics"][rule][protocol]
        return {
            tiou: 100 * value for tiou, value in zip(metric["tious"], metric["map"], strict=True)
        }

    def arrays(self, name: str) -> dict[str, np.ndarray] | None:
        """The figure arrays kept under this name; None where there are none."""
        path = self.folder / f"{name}.safetensors"
        return load_file(path) if path.exists() else None

    def keep_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep small arrays that a figure draws, beside the record."""
        path = self.folder / f"{name}.safetensors"
        partial = path.with_suffix(f".{os.getpid()}.partial")
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, partial)
        os.replace(partial, path)

    def detections(self, rule: str = "last") -> pd.DataFrame | None:
        """The detections of a selection rule; None where they were not kept (they are not
        committed).
        """
        path = self.folder / f"detections_{rule}.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def weights(self, rule: str = "last") -> Path | None:
        """The weights file of a selection rule; None where it was not kept (weights are not
        committed).
        """
        path = self.folder / f"weights_{rule}.safetensors"
        return path if path.exists() else None


class Store:
    """Runs below `<root>/<dataset>/runs/<method>/<key>/`."""

    def __init__(self, root: Path | str):
        self.root = Path(root)

    def folder(self, run: Run, key: str) -> Path:
        """Where a run lies or will lie."""
        return self.root / run.dataset / "runs" / run.method / key

    def find(self, run: Run, key: str) -> Record | None:
        """The finished run of that key. A folder without a whole record cannot come from us and is
        an error.
        """
        path = self.folder(run, key) / "record.json"
        if not path.parent.exists():
            return None
        try:
            return Record(path.parent, json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise WorkbookError(
                f"record {path} is damaged ({error}); delete its folder and run again"
            ) from error

    def checkpoint(self, run: Run, key: str) -> Path:
        """Where an unfinished run keeps its state."""
        return self.folder(run, f"{key}.partial") / "checkpoint.pt"

    def write(
        self, run: Run, key: str, content: dict[str, Any], write_files: Callable[[Path], None]
    ) -> Record:
        """Write a finished run: everything into a folder aside, then one rename."""
        folder = self.folder(run, key)
        aside = folder.with_name(f"{key}.{os.getpid()}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        write_files(aside)
        (aside / "record.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        try:
            os.rename(aside, folder)
        except OSError:
            if not (folder / "record.json").exists():
                raise
            shutil.rmtree(
                aside
            )  # another process finished the same run first: its result is the same
        shutil.rmtree(self.checkpoint(run, key).parent, ignore_errors=True)
        return Record(folder, content)
