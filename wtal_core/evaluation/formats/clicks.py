"""Single-frame labels: SF-Net's lines `video,seconds,class`, LACP's CSV of frames, and the table
`video,label,t` that `wtal data add` reads.

Sources: Flowerfan/SF-Net, data/*/single_frames; Pilhyeon/Learning-Action-Completeness-from-Points,
`point_gaussian.csv` with the header class, start_frame, stop_frame, video_id, point: frame numbers,
THUMOS14 at 25 per second.
"""

import csv
import io

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.columns import is_number, numbers
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.csv_table import read_table
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading.text_tables import header

POINTS = {"class", "video_id", "point"}
COLUMNS = ["video", "label", "t"]


def recognises_points(opened: Opened) -> bool:
    """A header with a class, a video and a point."""
    return not opened.begins_as_json and set(header(opened.head)[1]) >= POINTS


def read_points(opened: Opened, kind: Kind | None) -> Content:
    """Clicks, their times in frames."""
    table = read_table(opened)
    names = {name: table[name].astype(str) for name in ("video_id", "class")}
    times = numbers(table["point"], "point", opened.name)
    clicks = pd.DataFrame({"video": names["video_id"], "label": names["class"], "t": times})
    return Content("clicks", clicks, tuple(clicks["video"].unique()), frames=True)


def recognises_table(opened: Opened) -> bool:
    """A header of exactly these columns."""
    return not opened.begins_as_json and sorted(header(opened.head)[1]) == sorted(COLUMNS)


def read_table_of_clicks(opened: Opened, kind: Kind | None) -> Content:
    """Clicks in seconds."""
    table = read_table(opened)[COLUMNS].astype({"video": str, "label": str})
    times = numbers(table["t"], "t", opened.name)
    return Content("clicks", table.assign(t=times), tuple(table["video"].unique()))


def recognises_lines(opened: Opened) -> bool:
    """A first line of three cells, the second one a number."""
    cells = header(opened.head)[1]
    return len(cells) == 3 and is_number(cells[1]) and not is_number(cells[2])


def read_lines(opened: Opened, kind: Kind | None) -> Content:
    """Clicks in seconds; blank lines and spaces between are skipped."""
    rows = []
    for row in csv.reader(io.StringIO(opened.text)):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 3 or not is_number(cells[1]):
            raise WorkbookError(
                f"{opened.name}: line {','.join(row)[:60]!r} is not a click; expected "
                "`video,seconds,class`"
            )
        rows.append((cells[0], cells[2], float(cells[1])))
    table = pd.DataFrame(rows, columns=["video", "label", "t"]).astype({"video": str, "label": str})
    return Content("clicks", table, tuple(table["video"].unique()))


def write_table(content: Content) -> bytes:
    """The table with a header."""
    return content.table[COLUMNS].to_csv(index=False).encode()


def write(content: Content) -> bytes:
    """SF-Net's lines; raises WorkbookError where a name holds a comma."""
    table = content.table
    if any(table[name].str.contains(",").any() for name in ("video", "label")):
        raise WorkbookError("SF-Net's lines cannot hold a name with a comma; rename it")
    return table[["video", "t", "label"]].to_csv(header=False, index=False).encode()


POINT_TABLE = Format("lacp", "LACP's CSV of points", recognises_points, read_points)
TABLE = Format(
    id="clicks",
    title="table of clicks (CSV)",
    recognises=recognises_table,
    read=read_table_of_clicks,
    ending=".csv",
    write={"clicks": write_table},
)
LINES = Format(
    id="sfnet",
    title="SF-Net's lines of clicks",
    recognises=recognises_lines,
    read=read_lines,
    ending=".txt",
    write={"clicks": write},
)
