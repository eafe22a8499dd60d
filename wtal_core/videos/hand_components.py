"""The principal components of SHREC'21's hands, so that other hands become the same features.

`hand_components.npz` holds per stream one matrix and one offset, which do in one step what the data
set does in three (standardise, principal axes, standardise), all by its training bags and without
labels. `python -m wtal_core.videos.hand_components FOLDER` writes it anew from the data set's
files.
"""

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from wtal_core.data.components import affine_components
from wtal_core.data.hands import CHANNELS
from wtal_core.data.npz import read_npz
from wtal_core.data.shrec21 import training_bags

FILE = Path(__file__).with_suffix(".npz")


def reduced(statistics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stream -> [T, CHANNELS], of the statistics of `data.hands.hand_statistics`."""
    stored = components()
    return {
        stream: values.astype(np.float64) @ stored[f"{stream}_axes"] + stored[f"{stream}_offset"]
        for stream, values in statistics.items()
    }


@cache
def components() -> dict[str, np.ndarray]:
    """`<stream>_axes` [D, CHANNELS] and `<stream>_offset` [CHANNELS]."""
    return dict(read_npz(FILE, "shrec21"))


def checksum() -> str:
    """Of the file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:16]


def fitted(folder: Path) -> dict[str, Float[np.ndarray, "..."]]:
    """What the file holds, from the files of SHREC'21."""
    values = {}
    for stream, (axes, offset) in affine_components(training_bags(folder), CHANNELS).items():
        values[f"{stream}_axes"] = axes.astype(np.float32)
        values[f"{stream}_offset"] = offset.astype(np.float32)
    return values


if __name__ == "__main__":
    np.savez_compressed(FILE, allow_pickle=False, **fitted(Path(sys.argv[1])))
    print(f"wrote {FILE.name}")
