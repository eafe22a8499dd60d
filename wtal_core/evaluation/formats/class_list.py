"""Lists of classes: names of numbers (`7 Jump`), or a part of the classes, one name per line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.opening import Opened, open_file

NUMBERED = re.compile(r"c?(\d+)[\s,;:]+(.*\S)")  # "7 Jump"; Charades writes "c007 Jump"
LARGEST = 10_000_000


def class_number(value: Any) -> str:
    """A class's number as text, "7" for 7, 7.0 and "c007"; other texts as they are."""
    if isinstance(value, bool):
        raise TypeError("no class")
    if isinstance(value, str):
        plain = re.fullmatch(r"c?0*(\d+)", value)
        return plain[1] if plain else value
    if int(value) != value or not 0 <= value < LARGEST:
        raise ValueError("no class number")
    return str(int(value))


def is_numbers(labels: pd.Series) -> bool:
    """Whether all labels of a table are numbers; false for an empty one."""
    names = labels.unique()
    return len(names) > 0 and all(str(name).isdecimal() for name in names)


def read_class_list(path: str | Path) -> dict[str, str]:
    """Number (as text) -> name.

    Lines `7 Jump`, or names alone, numbered from 0; JSON: {"7": "Jump"}, {"Jump": 7}, a list of
    names, or annotations whose entries have `label` and `label_id`. Raises WorkbookError for
    anything else and for a number that is there twice.
    """
    opened = open_file(path)
    if opened.is_folder:
        raise WorkbookError(f"{opened.name}: is a folder; name the file in it")
    pairs = _json_pairs(opened) if opened.begins_as_json else _text_pairs(opened)
    names = dict(pairs)
    if not names or len(names) < len(set(pairs)):
        raise WorkbookError(
            f"{opened.name}: is no list of classes that names each number once; expected lines "
            "`7 Jump`"
        )
    return names


def _text_pairs(opened: Opened) -> list[tuple[str, str]]:
    lines = [line.strip() for line in opened.text.splitlines() if line.strip()]
    matches = [NUMBERED.fullmatch(line) for line in lines]
    if all(matches):
        return [(class_number(match[1]), match[2]) for match in matches if match]
    if any(matches):
        odd = lines[matches.index(None)]
        raise WorkbookError(f"{opened.name}: the line {odd[:60]!r} has no number; write `7 Jump`")
    return [(str(place), line) for place, line in enumerate(lines)]


def _json_pairs(opened: Opened) -> list[tuple[str, str]]:
    content: Any = opened.json
    try:
        if isinstance(content, list):
            return [(str(place), _name(name)) for place, name in enumerate(content)]
        if isinstance(content.get("database"), dict):
            return _label_ids(content["database"])
        if all(isinstance(value, str) for value in content.values()):
            return [(class_number(key), name) for key, name in content.items()]
        return [(class_number(value), name) for name, value in content.items()]
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError):
        raise WorkbookError(
            f'{opened.name}: is no list of classes; expected {{"7": "Jump"}} or a list of names'
        ) from None


def _label_ids(database: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What ActionFormer's annotations say of each instance."""
    pairs: dict[tuple[str, str], None] = {}
    for entry in database.values():
        for instance in entry["annotations"]:
            pairs[class_number(instance["label_id"]), _name(instance["label"])] = None
    return list(pairs)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a name is a text")
    return value


def has_label_ids(opened: Opened) -> bool:
    """Whether annotations name the numbers of their classes."""
    try:
        content: Any = opened.json if opened.begins_as_json else None
        return bool(_label_ids(content["database"]))
    except (TypeError, ValueError, KeyError, AttributeError, WorkbookError):
        return False


def named(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The table with the names of its numbers; labels without a number in the list stay."""
    return table.assign(label=table["label"].map(lambda label: names.get(label, label)).astype(str))
