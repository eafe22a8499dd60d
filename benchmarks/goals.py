"""What was aimed at, and what came out: the first table of docs/performance.md.

Measured numbers are read from the tables that the benchmarks have left, so that they cannot differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measured import as_table, rows_of

Row = Mapping[str, str]
RATE = "of the product's rate %"
SCORING = "scoring % of a run"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Goal:
    """what: is measured; aim: in words; table: the part that holds it, in the first table of it or
    of a section of it; read: measured, and met.
    """

    what: str
    aim: str
    table: str
    read: Callable[[Sequence[Row]], tuple[str, bool]]
    section: str = ""

    def rows(self, parts: Mapping[str, str]) -> Sequence[Row]:
        """Of the table; KeyError, ValueError: it is not there."""
        part = parts[self.table]
        return rows_of(part[part.index(self.section) :])


def _cell(key: str, name: str, column: str, limit: float, unit: str) -> Any:
    """Reads the cell in which row and column meet; met where it is at most `limit`."""

    def read(rows: Sequence[Row]) -> tuple[str, bool]:
        (row,) = [row for row in rows if row[key] == name]
        return f"{row[column]} {unit}", float(row[column].replace(",", "")) <= limit

    return read


def _worst(column: str, meets: Callable[[float], bool], unit: str) -> Any:
    """Counts the rows that meet the goal, and names those that do not."""

    def read(rows: Sequence[Row]) -> tuple[str, bool]:
        short = [f"{row['method']} {row[column]}" for row in rows if not meets(float(row[column]))]
        told = f"{len(rows) - len(short)} of {len(rows)} methods"
        return f"{told}; not {', '.join(short)} {unit}" if short else told, not short

    return read


def _most(column: str, limit: float) -> Any:
    def read(rows: Sequence[Row]) -> tuple[str, bool]:
        most = max(float(row[column]) for row in rows)
        return f"{most:.2f}", most <= limit

    return read


def _least(column: str, limit: float) -> Any:
    def read(rows: Sequence[Row]) -> tuple[str, bool]:
        least = min(float(row[column]) for row in rows)
        return f"{least:.2f}", least >= limit

    return read


GOALS = (
    Goal(
        "`wtal --help`", "0.3 CPU s", "start_up", _cell("start", "`wtal --help`", "CPU s", 0.3, "s")
    ),
    Goal(
        "`wtal evaluate` on 9,000 detections",
        "1 CPU s",
        "start_up",
        _cell("start", "`wtal evaluate`", "CPU s", 1, "s"),
    ),
    Goal(
        "the first table of a notebook",
        "2 CPU s",
        "start_up",
        _cell("start", "and the first table", "CPU s", 2, "s"),
    ),
    Goal(
        "memory of an evaluation, by the file's size",
        "1.5",
        "evaluation_size",
        _most("grown by the file's size", 1.5),
    ),
    Goal(
        "reading detections of 40 MB, against `json.loads`",
        "1.5",
        "reading_files",
        _most("ratio", 1.5),
    ),
    Goal(
        "features of videos, of the backbone's own rate",
        "0.8",
        "video_features",
        _least("of the backbone's rate", 0.8),
    ),
    Goal(
        "a step at THUMOS14's size, of the matrix product's rate",
        "85 %, or what bounds it",
        "training_steps_thumos14",
        _worst(RATE, lambda share: share >= 85, "%"),
    ),
    Goal(
        "scoring, of a run's time at THUMOS14's size",
        "10 %",
        "training_steps_thumos14",
        _worst(SCORING, lambda share: share < 10, "%"),
    ),
    Goal(
        "scoring, of a run's time at quick size",
        "10 %",
        "training_steps_quick",
        _worst(SCORING, lambda share: share < 10, "%"),
    ),
    Goal(
        "10,000 runs that compute nothing, through the graph",
        "120 s",
        "scale",
        _cell("runs", "10,000", "s", 120, "s"),
    ),
    *(
        Goal(
            f"one GPU: {title} at THUMOS14's size",
            f"{seconds} s",
            "gpu",
            _cell("method", name, "training s", seconds, "s"),
            "### Trainings of THUMOS14's size",
        )
        for name, title, seconds in (
            ("facnet", "FAC-Net", 30),
            ("backtal", "BackTAL", 180),
            ("gaufuse", "GauFuse", 240),
        )
    ),
)
# goals that no table above holds: what, aim, measured, and whether it is met
OTHERS = (
    ("FAC-Net's quick step, as fast as before", "3 times", "1.35 times, see below", "no"),
    ("20 quick runs with one job, as fast as before", "1.5 times", "1.02 times, see below", "no"),
    ("the same with two jobs, as long as before", "1", "1.05, see below", "no"),
    ("one GPU: the runs of all artifacts", "one hour", "–", NOT_MEASURED),
)


def goals(parts: Mapping[str, str]) -> str:
    """The table, as Markdown. parts: the name of a benchmark -> what it has left."""
    rows = []
    for goal in GOALS:
        try:
            measured, met = goal.read(goal.rows(parts))
        except (KeyError, ValueError):  # the table, or the row, is not there
            measured, said = "–", NOT_MEASURED
        else:
            said = "yes" if met else "no"
        rows.append({"what": goal.what, "goal": goal.aim, "measured": measured, "met": said})
    rows += [dict(zip(("what", "goal", "measured", "met"), line, strict=True)) for line in OTHERS]
    return as_table(rows)
