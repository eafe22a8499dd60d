"""Numeric .npz files of data sets, read without unpickling."""

from pathlib import Path

import numpy as np

from wtal_core.reading import arrays


def read_npz(path: Path, name: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz of data set `name`.

    A damaged file, or one whose members are objects, is named with the command that mends it.
    """
    return arrays.read_npz(path, f"remove it and run `wtal data fetch {name}`", "is damaged")
