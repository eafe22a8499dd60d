"""THUMOS'14's form of submissions: lines `video start end class score`.

Source: the challenge's evaluation kit (THUMOS14_evalkit_20150930, its readme): times in seconds,
the class by its number in detclasslist.txt, cells between spaces.
"""

import io

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.columns import is_number
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import Opened

CELLS = ["video", "t_start", "t_end", "label", "score"]


def recognises(opened: Opened) -> bool:
    """Five cells in the first line, all but the first numbers, the fourth a whole one."""
    line = next((line for line in opened.data[:4096].splitlines() if line.strip()), b"")
    cells = line.removeprefix(b"\xef\xbb\xbf").split()
    return len(cells) == 5 and all(map(is_number, cells[1:])) and cells[3].isdigit()


def read(opened: Opened, kind: Kind | None) -> Content:
    """Detections; a label is the class's number until a class list names it."""
    try:
        table = pd.read_csv(
            io.StringIO(opened.text),
            sep=r"\s+",
            names=CELLS,
            index_col=False,
            dtype={"video": str, "label": int, "t_start": float, "t_end": float, "score": float},
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise WorkbookError(
            f"{opened.name}: a line is not `video start end class score` "
            f"({' '.join(str(error).split())[:80]}); correct or remove it"
        ) from None
    table = table[["video", "label", "t_start", "t_end", "score"]].astype({"label": str})
    return Content("detections", table, tuple(table["video"].unique()))


def write(content: Content) -> bytes:
    """Raises WorkbookError where a label is no number or a video holds a space."""
    table = content.table
    if not table["label"].str.isdecimal().all() or table["video"].str.contains(r"\s").any():
        raise WorkbookError(
            "this form needs classes as numbers and videos without spaces; give the class list "
            "with --class-list, or choose another form"
        )
    return table[CELLS].to_csv(sep=" ", header=False, index=False).encode()


FORMAT = Format(
    id="thumos14",
    title="THUMOS'14's text of submissions",
    recognises=recognises,
    read=read,
    ending=".txt",
    write={"detections": write},
    keeps=frozenset(),
)
