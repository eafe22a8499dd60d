"""Would today's code say the same? Answered by numbers, not by source text.

Micro-runs train small networks of each method, in float64, on a data set of 13 videos that holds
every special case; made activations and detections go through localization, evaluation and
diagnosis. The numbers of today's version of each method are committed in `numbers/`. A change of
code that moves none of them is no change of behaviour; one that moves a number has to be accepted,
which opens the next version. Results that earlier versions computed are then shown as stale.

The defaults of a Config are part of its behaviour: a run's identity leaves out what equals them.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from wtal_core.models import method, method_names
from wtal_core.runs.behaviour.micro_data import micro_dataset
from wtal_core.runs.behaviour.training import Numbers, exact, trained_numbers
from wtal_core.runs.behaviour.untrained import common_numbers, input_numbers, localized_numbers
from wtal_core.runs.behaviour.versions import FOLDER, Version, find, opened, read, write
from wtal_core.runs.ledger import CHANGED

__all__ = [
    "Change",
    "accept",
    "compare",
    "complete",
    "current_version",
    "measure",
    "name_of",
    "stamp",
]

# Another CPU or another number of threads moves numbers by less than 1e-10 of their size.
RELATIVE = 1e-8
ABSOLUTE = 1e-10


@dataclass(frozen=True)
class Change:
    """How today's code differs from a version of a method.

    name: of the first number or default that moved. old, new: its values; None where it is not
    there. moved, of: how many numbers and defaults moved, and how many there are.
    """

    method: str
    version: int
    name: str
    old: object
    new: object
    moved: int
    of: int

    def __str__(self) -> str:
        return (
            f"{self.method} differs from {self.method}-{self.version}: {self.name} was {self.old}, "
            f"is {self.new} ({self.moved} of {self.of} numbers moved)"
        )


def current_version(method_name: str, folder: Path = FOLDER) -> int:
    """The version of a method whose numbers are committed. Raises WorkbookError if there is
    none.
    """
    return read(method_name, folder).version


def name_of(method_name: str, folder: Path = FOLDER) -> str:
    """The behaviour that a method has today, as ledgers write it: "facnet-1"."""
    return f"{method_name}-{current_version(method_name, folder)}"


def measure(method_name: str) -> Numbers:
    """The numbers of today's code, by name. About two seconds of one core."""
    # Imported here, because it imports every method.
    from wtal_core.runs.behaviour.variants import localizations, variants

    numbers: Numbers = {}
    dataset = micro_dataset()
    with exact():
        for name, config in localizations(method_name).items():
            for key, values in localized_numbers(method_name, config, dataset).items():
                numbers[f"made activations, {name}: {key}"] = values
        for place, (name, config) in enumerate(variants(method_name).items()):
            run = trained_numbers(method_name, config, dataset, scored=place == 0)
            for key, values in run.items():
                numbers[f"micro-run {name}: {key}"] = values
        numbers |= {f"common: {key}": values for key, values in common_numbers().items()}
        if "inputs" in method(method_name).settings():
            numbers |= {f"inputs: {key}": values for key, values in input_numbers().items()}
    return numbers


def compare(method_name: str, folder: Path = FOLDER) -> Change | None:
    """What of today's code differs from the committed version; None if nothing does.

    Numbers and fields that the version does not know, of a new switch or variant, are no change.
    """
    return _change(method_name, read(method_name, folder), measure(method_name))


def accept(method_name: str, note: str, folder: Path = FOLDER) -> int:
    """Write today's numbers as the next version, and return it.

    note: what has changed and why, one line. It opens a version even where no number has moved: a
    change that no micro-run sees may still be one.
    """
    before = find(method_name, folder)
    version = opened(before, note, defaults(method_name), measure(method_name))
    write(method_name, version, folder)
    return version.version


def complete(method_name: str, folder: Path = FOLDER) -> Change | None:
    """Add numbers and defaults that the version does not know yet, as a new switch brings them; the
    version stays. Nothing is written where others have moved: that change is returned.
    """
    known = read(method_name, folder)
    numbers = measure(method_name)
    change = _change(method_name, known, numbers)
    if change is None:
        merged = {name: known.numbers.get(name, values) for name, values in numbers.items()}
        write(method_name, replace(known, numbers=merged, defaults=defaults(method_name)), folder)
    return change


@cache
def stamp(method_name: str) -> str:
    """What a run of today's code may say of itself: "facnet-1", or "changed" where the code is not
    that of a version. Measured once per process.
    """
    version = find(method_name, FOLDER)
    if version is None or _change(method_name, version, measure(method_name)) is not None:
        return CHANGED
    return name_of(method_name)


def defaults(method_name: str) -> dict[str, Any]:
    """Every default of a method's Config by its dotted name. Of a method that is put around others
    ("host") also those of the others' Configs.
    """
    values = dict(_defaults_of(method(method_name).Config, ""))
    if "host" in method(method_name).settings():
        for name in method_names():
            if method(name).host is not None:
                values |= dict(_defaults_of(method(name).Config, f"base of {name}."))
    return values


def _defaults_of(config: type, prefix: str) -> Iterator[tuple[str, Any]]:
    """The fields of a Config class as (dotted name, default as JSON has it)."""
    for field in fields(config):
        if field.default_factory is not MISSING:
            yield from _flat(prefix + field.name, field.default_factory())
        elif field.default is not MISSING:
            yield from _flat(prefix + field.name, field.default)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _flat(f"{name}.{field.name}", getattr(value, field.name))
    else:
        yield name, _plain(value)


def _plain(value: Any) -> Any:
    """Tuples as lists, as they come back from JSON."""
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _change(method_name: str, version: Version, numbers: Numbers) -> Change | None:
    moves = [*_moved_defaults(version, defaults(method_name)), *_moved_numbers(version, numbers)]
    if not moves:
        return None
    total = len(version.defaults) + sum(len(values) for values in version.numbers.values())
    return Change(method_name, version.version, *moves[0], moved=len(moves), of=total)


def _moved_defaults(version: Version, now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, old in version.defaults.items():
        if name not in now or now[name] != old:
            yield f"default of {name}", old, now.get(name)


def _moved_numbers(version: Version, now: Numbers) -> Iterator[tuple[str, Any, Any]]:
    for name, values in version.numbers.items():
        if name not in now:
            yield name, values[0] if values else None, None
            continue
        for place, (old, new) in enumerate(zip_longest(values, now[name])):
            if old is None or new is None or not agree(old, new):
                yield f"{name} [{place}]", old, new


def agree(old: float, new: float) -> bool:
    """Whether two numbers are the same up to what another CPU does. NaN agrees with NaN."""
    if old != old or new != new:
        return old != old and new != new
    return abs(old - new) <= ABSOLUTE + RELATIVE * max(abs(old), abs(new))
