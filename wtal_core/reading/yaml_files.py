"""YAML: plain values only, of bounded size, each key once."""

from pathlib import Path
from typing import Any

import yaml

from wtal_core.errors import WorkbookError
from wtal_core.reading.json_files import refuse_unwritable
from wtal_core.reading.refusal import AGAIN, reading, shown
from wtal_core.reading.texts import read_text

LARGEST = 2**20  # bytes
DEEPEST = 32
MOST_VALUES = 100_000  # aliases counted as often as they stand for something


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which makes no objects, with bounds on what aliases grow to."""

    level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node. Refuses nodes that lie too deep, before those below are looked at."""
        self.level += 1
        if self.level > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def get_single_node(self) -> Any:
        """The whole document, before values are made of it."""
        node = super().get_single_node()
        if node is not None:
            _expanded(node, {})
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A dictionary. Refuses a key that is there twice, where PyYAML keeps the last."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        seen: set[Any] = set()
        for key in keys:
            if key in seen and key != "<<":
                raise ValueError(f"the key {shown(key)} is there twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _expanded(node: Any, sizes: dict[int, int]) -> int:
    """Values that a node stands for. sizes: of nodes that were counted; 0 while one is."""
    if id(node) in sizes:
        if sizes[id(node)] == 0:
            raise ValueError("an alias lies in what it stands for")
        return sizes[id(node)]
    sizes[id(node)] = 0
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_expanded(item, sizes) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        total += sum(_expanded(part, sizes) for pair in node.value for part in pair)
    if total > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")
    sizes[id(node)] = total
    return total


def read_yaml(path: Path, complaint: str = "is not valid YAML", remedy: str = AGAIN) -> Any:
    """What a YAML file holds: texts, numbers, dates, lists and dictionaries.

    complaint: what the error says of a file that is none.
    """
    text = read_text(path, remedy, LARGEST)
    with reading(path, complaint, remedy):
        value = yaml.load(text, Loader=PlainLoader)  # a safe loader, see above
        refuse_unwritable(value, path, remedy)
        return value


def read_mapping(path: Path, complaint: str = "is not valid YAML", remedy: str = AGAIN) -> dict:
    """A YAML file that holds a dictionary with names as keys."""
    value = read_yaml(path, complaint, remedy)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise WorkbookError(f"{path} {complaint} (it holds no names with values); {remedy}")
    return value
