"""The ledger as one table, for who wants to reckon with it."""

import json
from pathlib import Path

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.runs.ledger import Ledger, Record, files


def table(results: Path) -> pd.DataFrame:
    """One row per run, selection rule and protocol.

    Columns: identity, data set, method, seed, fold, the config's differences as JSON, who computed
    it (`by.…`), `rule`, `protocol`, the average mAP and one column per tIoU, in percent.
    Raises WorkbookError where there are no runs.
    """
    records = [
        record
        for path in files(results)
        for record in Ledger(results).records(path.parts[-3], path.stem)
    ]
    rows = [row for record in records for row in _rows(record)]
    if not rows:
        raise WorkbookError(f"{results} holds no runs; `wtal reproduce` computes some")
    return pd.DataFrame(rows)


def export(results: Path, target: Path) -> int:
    """Write the table as Parquet, whole or not at all. Returns the number of its rows."""
    if target.suffix != ".parquet":
        raise WorkbookError(f"{target}: the table is written as Parquet; name it something.parquet")
    content = table(results)
    try:
        write_whole(target, lambda partial: content.to_parquet(partial, index=False))
    except OSError as error:
        raise WorkbookError(f"{target} cannot be written: {error.strerror}") from error
    return len(content)


def _rows(record: Record) -> list[dict[str, object]]:
    line = record.line
    common = {name: line[name] for name in ("id", "dataset", "method", "seed", "fold", "seconds")}
    common["config"] = json.dumps(record.differences, sort_keys=True)
    by = {name: value for name, value in line["by"].items() if not isinstance(value, dict)}
    by |= line["by"]["environment"]
    common |= {f"by.{name}": str(value) for name, value in by.items()}
    rows = []
    for rule, protocols in line["metrics"].items():
        for protocol in protocols:
            values = {f"mAP@{t:g}": value for t, value in record.map(protocol, rule).items()}
            average = record.average_map(protocol, rule)
            rows.append({**common, "rule": rule, "protocol": protocol, "mAP": average, **values})
    return rows
