"""All printed results as one long table.

It says who printed which number for which method, configuration and data set.

One row per cell of a printed table, dashes included. Every number here is reported; none was
computed in this workbook.

`source`: a paper, or another source by its name in `data_manifests/other_sources.yaml`. `method`:
one name a method, whatever the table calls it. `origin`: "own" (of the paper's own method),
"quoted", "reproduced" (an own run of a foreign method, or a repository's result). `configuration`:
what differs from the method as published; empty where nothing does. `metric`: "m50" is mAP at tIoU
0.5, "avg_10_70" the average over tIoU 0.1 to 0.7. `value`: percent, NaN for a dash.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.papers import known_methods, known_papers, other_sources, reported

COLUMNS = [
    "source",
    "table",
    "row",
    "name",
    "method",
    "dataset",
    "supervision",
    "origin",
    "configuration",
    "metric",
    "value",
]
PLACE = COLUMNS[:9]  # what tells two printed rows apart
RESULT = re.compile(r"m\d\d|avg_\d\d_\d\d")
THUMOS14_COLUMNS = ["m10", "m20", "m30", "m40", "m50", "m60", "m70"]
# behind a name: reference, features, venue, "reproduced", what was plugged in, what was left out
BEHIND = re.compile(r"\s*(\[\d+\]|\((I3D|UNT|reproduced|[A-Z]+\d\d)\)|\s[+]\s.*|w/o .*)")


def printed_values() -> pd.DataFrame:
    """The columns `COLUMNS`, in the order of the manifests: papers first, then other sources."""
    found = [cell for paper in known_papers() for cell in _of_paper(paper, reported(paper))]
    found += [cell for name, source in other_sources().items() for cell in _of_tables(name, source)]
    return pd.DataFrame(found, columns=COLUMNS).astype({"value": float})


def canonical(printed: str, source: str, own: str | None = None) -> str:
    """The one name of a method that `source` prints as `printed`; "Ours" is `own`."""
    name = BEHIND.sub("", printed).strip()
    if name == "Ours" and own:
        return own
    names = _names(source)
    if name.casefold() not in names:
        raise WorkbookError(
            f"{source}: no method is known as {printed!r}; add the name to "
            f"data_manifests/methods.yaml"
        )
    return names[name.casefold()]


def metric_name(metric: str) -> str:
    """ "mAP@0.5" of "m50", "average 0.1:0.7" of "avg_10_70"."""
    tious = [f"0.{number}".rstrip("0") for number in re.findall(r"\d\d", metric)]
    return f"mAP@{tious[0]}" if len(tious) == 1 else f"average {':'.join(tious)}"


def averaged(metric: str) -> list[str]:
    """The columns that an average is over.

    tIoU in steps of 0.1, or of 0.05 where it ends at 0.95.
    """
    first, last = (int(number) for number in re.findall(r"\d\d", metric))
    return [f"m{tiou}" for tiou in range(first, last + 1, 5 if last == 95 else 10)]


def place(row: pd.Series) -> str:
    """Where a row is printed, in words."""
    return f"{row['source']}, {row['table']}: {row['name']}"


def wide(values: pd.DataFrame) -> pd.DataFrame:
    """One row per printed row (index `PLACE`), one column per metric.

    NaN for a dash and for a column that the table lacks.
    """
    return values.pivot(index=PLACE, columns="metric", values="value").reindex(
        pd.MultiIndex.from_frame(values[PLACE].drop_duplicates())
    )


def readable(table: pd.DataFrame, *columns: str, decimals: int = 1) -> pd.DataFrame:
    """These columns for reading, the first as index.

    Metrics by name, numbers as text, a dash for what is missing.
    """
    table = table[list(columns)].copy()
    if "metric" in columns:
        table["metric"] = table["metric"].map(metric_name)
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            table[name] = [
                "–" if pd.isna(number) else f"{number:.{decimals}f}" for number in table[name]
            ]
    return table.set_index(columns[0])


def _of_paper(paper: str, manifest: dict[str, Any]) -> Iterator[tuple]:
    """Cells of a paper's tables, then the results of its repository."""
    yield from _of_tables(paper, manifest)
    for name, entry in manifest.get("repository_numbers", {}).items():
        if "v" not in entry:
            continue
        columns = [*entry.get("columns", THUMOS14_COLUMNS), "avg_10_70"][: len(entry["v"])]
        results = dict(zip(columns, entry["v"], strict=True)) | (
            {"avg_10_70": entry["avg"]} if "avg" in entry else {}
        )
        about = (
            paper,
            "repository",
            name,
            name,
            manifest["method"],
            entry.get("dataset", "THUMOS14"),
            _supervision(manifest["method"]),
            "reproduced",
            "",
        )
        yield from ((*about, metric, value) for metric, value in results.items())


def _of_tables(source: str, manifest: dict[str, Any]) -> Iterator[tuple]:
    for table, content in manifest.get("tables", {}).items():
        for number, row in enumerate(content["rows"]):
            yield from _of_row(source, manifest, table, number, row)


def _of_row(
    source: str, manifest: dict[str, Any], table: str, number: int, row: dict[str, Any]
) -> Iterator[tuple]:
    """The cells of a row.

    Columns may be settings, or results of a configuration of their own (`column_facts`).
    """
    content = manifest["tables"][table]
    own = row.get("ours") or content.get("origin") == "own"
    origin = "own" if own else row.get("origin", "quoted")
    cells = dict(zip(content["columns"], row["v"], strict=True))
    facts = content.get("column_facts", {})
    results = {column: facts.get(column, {}).get("metric", column) for column in cells}
    results = {column: metric for column, metric in results.items() if RESULT.fullmatch(metric)}
    if not results:
        return
    method = manifest["method"] if own else canonical(row["method"], source, manifest.get("method"))
    settings = {name: cells[name] for name in content.get("settings", [])}
    for column, metric in results.items():
        here = facts.get(column, {})
        chosen = {
            **content.get("configuration", {}),
            **settings,
            **row.get("configuration", {}),
            **here.get("configuration", {}),
        }
        if "setting" in here:
            chosen[here["setting"]] = row[here["of"]]
        name = (
            row["method"] if column == metric else f"{row['method']}, {here.get('setting', column)}"
        )
        yield (
            source,
            table,
            number,
            name,
            method,
            content["dataset"],
            row.get("sup") or _supervision(method),
            origin,
            _difference(chosen, manifest.get("default_configuration", {}) if own else {}),
            metric,
            cells[column],
        )


def _difference(chosen: dict[str, Any], default: dict[str, Any]) -> str:
    """ "CA=0 MIL=0": the settings that are not the default ones."""
    return " ".join(
        f"{name}={chosen[name]}"
        for name in sorted(chosen)
        if name not in default or chosen[name] != default[name]
    )


def _supervision(method: str) -> str:
    return known_methods()[method].get("supervision", "weak")


@cache
def _names(source: str) -> dict[str, str]:
    """Every name that may stand in a source, in small letters -> the one name."""
    names = {}
    for method, about in known_methods().items():
        for name in (method, *about.get("names", []), *about.get("names_in", {}).get(source, [])):
            names[name.casefold()] = method
    return names
