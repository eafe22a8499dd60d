"""The files of `numbers/`: the numbers of each method's present version, and what the earlier ones
were opened for.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.json_files import read_json

FOLDER = Path(__file__).parent / "numbers"
DIGITS = 14  # far more than two CPUs agree in
PARTS = {
    "version": int,
    "date": str,
    "note": str,
    "earlier": list,
    "defaults": dict,
    "numbers": dict,
}


@dataclass(frozen=True)
class Version:
    """A version of a method's behaviour.

    note: what it was opened for. earlier: version, date and note of those before, the oldest first.
    defaults: of the method's Config, by dotted name. numbers: lists by name.
    """

    version: int
    date: str
    note: str
    earlier: list[dict[str, Any]]
    defaults: dict[str, Any]
    numbers: dict[str, list[float]]


def opened(
    before: Version | None, note: str, defaults: dict[str, Any], numbers: dict[str, list[float]]
) -> Version:
    """The version that follows one (None: the first one)."""
    today = datetime.now(UTC).date().isoformat()
    if before is None:
        return Version(1, today, note, [], defaults, numbers)
    last = {"version": before.version, "date": before.date, "note": before.note}
    return Version(before.version + 1, today, note, [*before.earlier, last], defaults, numbers)


def find(method_name: str, folder: Path) -> Version | None:
    """The committed version of a method, None if there is no file. Raises WorkbookError for a file
    that is damaged.
    """
    path = folder / f"{method_name}.json"
    if not path.exists():
        return None
    remedy = "get the file back from git"
    content = read_json(path, remedy)
    for part, kind in PARTS.items():
        if not isinstance(content, dict) or not isinstance(content.get(part), kind):
            raise WorkbookError(f"{path} has no {part} that could be read; {remedy}")
    numbers = {
        name: [
            values.number(v, f"{path}: {name}") for v in values.listed(column, f"{path}: {name}")
        ]
        for name, column in content["numbers"].items()
    }
    for earlier in content["earlier"]:
        values.mapping(earlier, f"{path}: an earlier version")
    values.whole(content["version"], f"{path}: version")
    return Version(**{part: content[part] for part in PARTS} | {"numbers": numbers})


def read(method_name: str, folder: Path) -> Version:
    """The committed version of a method. Raises WorkbookError if there is none."""
    version = find(method_name, folder)
    if version is None:
        raise WorkbookError(
            f"method {method_name} has no version yet; open the first one with "
            f"`wtal results accept {method_name}`"
        )
    return version


def write(method_name: str, version: Version, folder: Path) -> None:
    """Write a version in place of the one before, whole or not at all: one line per number list."""
    path = folder / f"{method_name}.json"
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(_as_text(version), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise WorkbookError(
            f"{path} cannot be written ({error.strerror}); accept a change in a checkout that is "
            "yours"
        ) from error


def _as_text(version: Version) -> str:
    lines = [
        f'"version": {version.version}',
        f'"date": {json.dumps(version.date)}',
        f'"note": {json.dumps(version.note, ensure_ascii=False)}',
        f'"earlier": {json.dumps(version.earlier, ensure_ascii=False)}',
        f'"defaults": {{\n{_entries(version.defaults)}\n}}',
        f'"numbers": {{\n{_entries(_shortened(version.numbers))}\n}}',
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _entries(table: dict[str, Any]) -> str:
    return ",\n".join(
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in table.items()
    )


def _shortened(numbers: dict[str, list[float]]) -> dict[str, list[float]]:
    return {
        name: [float(f"{value:.{DIGITS}g}") for value in values] for name, values in numbers.items()
    }
