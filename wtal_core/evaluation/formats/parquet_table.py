"""Parquet with named columns, see `text_tables.NAMES`.

This workbook writes the lists of a test list into the table's attributes. Source of the container:
Apache Parquet; a file begins with the four letters PAR1.
"""

import io
from pathlib import Path

from wtal_core.evaluation.formats.activitynet import LISTS
from wtal_core.evaluation.formats.columns import content_of
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading import parquet

MAGIC = b"PAR1"


def recognises(opened: Opened) -> bool:
    """The first four letters."""
    return opened.data.startswith(MAGIC)


def read(opened: Opened, kind: Kind | None) -> Content:
    """Detections or annotations; raises WorkbookError for a file that is cut short."""
    table = parquet.read_table(Path(opened.name), content=opened.data)
    lists = {name: value for name, value in table.attrs.items() if name in LISTS}
    stated = {key: table.attrs.get(key, {}) for key in ("subsets", "durations")}
    content = content_of(table, kind, opened.name)
    return Content(
        **{
            **vars(content),
            "lists": lists,
            "subsets": stated["subsets"] or content.subsets,
            "durations": stated["durations"] or content.durations,
        }
    )


def write(content: Content) -> bytes:
    """The columns, and the rest in the attributes."""
    columns = [name for name in content.table if not (content.unlabelled and name == "label")]
    table = content.table[columns].copy()
    table.attrs = {}
    if content.kind == "annotations":
        table.attrs = {**content.lists, "videos": list(content.videos)}
        for key, values in (("subsets", content.subsets), ("durations", content.durations)):
            if values:
                table.attrs[key] = dict(values)
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


FORMAT = Format(
    id="parquet",
    title="Parquet with named columns",
    recognises=recognises,
    read=read,
    ending=".parquet",
    write={"detections": write, "annotations": write},
    keeps=frozenset({"videos", "subsets", "durations", "classes", "lists"}),
)
