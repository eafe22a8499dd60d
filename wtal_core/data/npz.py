"""Numeric .npz files, read without unpickling."""

from pathlib import Path

import numpy as np

from wtal_core.errors import WorkbookError


def read_npz(path: Path, name: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz of data set `name`.

    A damaged file, or one whose members are objects, is named with the command that mends it.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # zip, zlib and numpy each raise their own
        raise WorkbookError(
            f"{path} is damaged ({type(error).__name__}); remove it and run `wtal data fetch "
            f"{name}`"
        ) from error
