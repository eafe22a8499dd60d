"""`wtal data add` of 5,000 feature files: `python -m benchmarks.own_data`.

Invented features in a temporary folder that is removed at the end: one .npy file per video, and
labels. Beside it stands the plain form: list the folder, ask for each file's size, read each
header. Both are of one process; the shortest of several times counts. What `wtal data add` does
besides is to read the labels, draw the split, check lengths, and write the manifest.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import measured
from benchmarks.measured import Measured, as_table
from benchmarks.timing import seconds
from wtal_core.data.own_data import add
from wtal_core.data.verify import verify
from wtal_core.timebase import Timebase

VIDEOS = 5000
CLASSES = 20
TIMES = 5


def write(folder: Path, videos: int = VIDEOS) -> None:
    """Files of 20 to 60 snippets of 64 values, and labels."""
    rng = np.random.default_rng(0)
    lines = ["video,label"]
    for i in range(videos):
        features = rng.random((rng.integers(20, 60), 64), dtype=np.float32)
        np.save(folder / f"video_{i:05d}.npy", features)
        lines.append(f"video_{i:05d},class {i % CLASSES}")
    (folder / "labels.csv").write_text("\n".join(lines))


def plain(folder: Path) -> dict[str, tuple[int, tuple[int, ...]]]:
    """File -> its size and the shape in its header."""
    shapes = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".npy"):
            continue
        path = folder / name
        size = path.stat().st_size
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
        shapes[name] = (size, shape)
    return shapes


def measure(folder: Path, root: Path, times: int = TIMES) -> tuple[float, float]:
    """Seconds of the plain form and of `add`."""
    grid = Timebase(25.0, 16.0)
    of_plain, shapes = seconds(lambda: plain(folder), times)
    of_add, added = seconds(lambda: add("own", folder, grid, replace=True, root=root), times)
    assert len(added.survey.features) == len(shapes)
    return of_plain, of_add


def main() -> None:
    """Print both times and their ratio, and how long reading everything takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "features"
        folder.mkdir()
        write(folder)
        of_plain, of_add = measure(folder, Path(name) / "data")
        of_verify, findings = seconds(lambda: verify("own", Path(name) / "data"))
        assert all(finding.status == "ok" for finding in findings)
        rows = [
            {"of 5,000 files": "list them and read their headers", "s": f"{of_plain:.2f}"},
            {"of 5,000 files": "`wtal data add`", "s": f"{of_add:.2f}"},
            {"of 5,000 files": "`wtal data verify`, all values", "s": f"{of_verify:.2f}"},
        ]
        print(*rows, sep="\n")
        about = (__doc__ or "").partition("\n\n")[2]
        measured.write(Measured("own_data", "Adding a folder of features", about, as_table(rows)))


if __name__ == "__main__":
    main()
