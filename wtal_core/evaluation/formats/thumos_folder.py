"""THUMOS'14's official folder of annotations: one file per class, lines `video start end`.

Source: TH14_Temporal_annotations_test and _validation: `CliffDiving_test.txt`, seconds,
`Ambiguous_test.txt` among them.
"""

import re
from pathlib import Path

import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import Opened, open_file

FILE = re.compile(r"(?P<label>[A-Za-z]+)_(?P<subset>test|val|validation)\.txt")


def _files(folder: Path) -> dict[Path, re.Match]:
    matches = {path: FILE.fullmatch(path.name) for path in sorted(folder.iterdir())}
    return {path: match for path, match in matches.items() if match and path.is_file()}


def recognises(opened: Opened) -> bool:
    """A folder with at least one such file."""
    return opened.is_folder and bool(_files(opened.path))


def read(opened: Opened, kind: Kind | None) -> Content:
    """Annotations; the subset is that of the files' names."""
    rows = []
    subsets: dict[str, str | None] = {}
    for path, match in _files(opened.path).items():
        for number, line in enumerate(open_file(path).text.splitlines(), start=1):
            cells = line.split()
            try:
                if cells:
                    video, start, end = cells
                    rows.append((video, match["label"], float(start), float(end)))
                    subsets[video] = match["subset"]
            except ValueError:
                raise WorkbookError(
                    f"{path}, line {number}: expected `video start end`, found {line[:60]!r}"
                ) from None
    table = pd.DataFrame(rows, columns=SEGMENT_COLUMNS)
    types = {"video": str, "label": str, "t_start": float, "t_end": float}
    return Content("annotations", table.astype(types), tuple(subsets), subsets=subsets)


FORMAT = Format("thumos14-folder", "THUMOS'14's folder of annotations", recognises, read)
