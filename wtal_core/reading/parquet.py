"""Parquet: a table whose footer promises no more than can be read."""

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from wtal_core.errors import WorkbookError
from wtal_core.reading.places import refuse_special
from wtal_core.reading.refusal import AGAIN, reading

MOST_ROWS = 50_000_000
MOST_COLUMNS = 1000
MOST_BYTES = 8 * 2**30  # unpacked
COMPLAINT = "is not a whole Parquet file"


def read_table(
    path: Path, remedy: str = AGAIN, complaint: str = COMPLAINT, content: bytes | None = None
) -> pd.DataFrame:
    """All columns of a Parquet file, attributes as stored. content: its bytes, where known."""
    if content is None:
        refuse_special(path)
    source = path if content is None else io.BytesIO(content)
    with reading(path, complaint, remedy):
        footer = pq.read_metadata(source)
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        sizes = [footer.num_rows, *(group.num_rows for group in groups)]
        unpacked = [group.total_byte_size for group in groups]
        if min([*sizes, *unpacked]) < 0 or max(sizes) > MOST_ROWS or sum(unpacked) > MOST_BYTES:
            raise WorkbookError(
                f"{path} {complaint} (it promises {footer.num_rows} rows); {remedy}"
            )
        if footer.num_columns > MOST_COLUMNS:
            raise WorkbookError(f"{path} {complaint} ({footer.num_columns} columns); {remedy}")
        return pd.read_parquet(source)
