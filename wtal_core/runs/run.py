"""A run: what is trained on what, with which seed; and its identity, which holds no source code."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from typing import Any

from wtal_core.data.opening import folds
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.models.contract import MethodConfig


@dataclass(frozen=True)
class Run:
    """One training: method and its config (schedule included), data set by name, seed.

    A data set with n folds is cut by fold seed modulo n, so that as many seeds as folds make one
    cross-validation and two rows stay paired by seed.
    start: the config with which the same method was trained before, on the same data with the same
    seed, and whose last weights this training begins with; None: with random ones.
    """

    method: str
    config: Any
    dataset: str
    seed: int
    start: Any = None

    def __post_init__(self) -> None:
        expected = method(self.method).Config
        configs = [self.config] if self.start is None else [self.config, self.start]
        for config in configs:
            if not isinstance(config, expected):
                raise WorkbookError(
                    f"method {self.method} needs a {expected.__module__}.Config, got {config!r}"
                )

    @property
    def fold(self) -> int | None:
        """The fold of the data set, None where it has only one."""
        number = folds(self.dataset)
        return self.seed % number if number > 1 else None

    def source(self) -> "Run | None":
        """The run whose weights this one only reads in another way; None if it is trained itself.

        A method with settings that count at test time only has a `training_config`.
        """
        training_config = method(self.method).training_config
        config = self.config if training_config is None else training_config(self.config)
        return None if config == self.config else replace(self, config=config)

    def before(self) -> "Run | None":
        """The run whose weights this one begins with; None where they are random."""
        return None if self.start is None else replace(self, config=self.start, start=None)

    def asked(self, fingerprint: str, scale: float = 1.0) -> dict[str, Any]:
        """What was asked for, as JSON values: everything that the identity is made of.

        scale: the factor of class thresholds on the data set, see `class_scale`; 1 is not told.

        Of the config only what differs from the method's `Config()`, so that a new switch with a
        neutral default changes no identity.
        """
        values = {
            "dataset": self.dataset,
            "data": fingerprint,
            "method": self.method,
            "config": differences(self.config),
            "seed": self.seed,
        }
        if self.start is not None:
            values["start"] = differences(self.start)
        if scale != 1:
            values["class_scale"] = round(scale, 6)
        return values

    def identity(self, fingerprint: str, scale: float = 1.0) -> str:
        """16 hexadecimal digits, equal for equal requests."""
        text = json.dumps(self.asked(fingerprint, scale), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(config: Any) -> dict[str, Any]:
    """The fields of a config that differ from their defaults, as JSON values, by dotted names.

    A field that holds the config of another method, such as a host, is written as that method's
    name, and what differs from that method's `Config()`.
    """
    return _differences(config, None)


def _differences(config: Any, start: Any) -> dict[str, Any]:
    """start: what fields are compared with; None for their defaults."""
    values: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        default = _default(field) if start is None else getattr(start, field.name)
        if isinstance(value, MethodConfig):
            # Another method's config: told from that method's defaults, whatever is usual here.
            values[field.name] = _method_of(value)
            inner = _differences(value, None)
        elif is_dataclass(value) and not isinstance(value, type):
            inner = _differences(value, default)
        else:
            inner = {}
            if value != default:
                values[field.name] = _plain(value)
        values |= {f"{field.name}.{name}": item for name, item in inner.items()}
    return values


def configured(kind: type, values: Mapping[str, Any]) -> Any:
    """The config of class `kind` that `differences` wrote as `values`."""
    known = {field.name: field for field in fields(kind)}
    unknown = [name for name in values if name.split(".")[0] not in known]
    if unknown:
        raise WorkbookError(f"{kind.__module__}.{kind.__name__} has no field {unknown[0]!r}")
    changes = {}
    for name, field in known.items():
        inner = {
            key.removeprefix(f"{name}."): value
            for key, value in values.items()
            if key.startswith(f"{name}.")
        }
        if inner or name in values:
            changes[name] = _changed(_default(field), values.get(name), inner)
    return kind(**changes)


def _changed(default: Any, value: Any, inner: Mapping[str, Any]) -> Any:
    """A field's value: its default with inner differences, another method's config, or plain."""
    if isinstance(default, MethodConfig):
        return configured(method(value).Config, inner)
    if is_dataclass(default) and not isinstance(default, type):
        return _replaced(default, inner)
    return _tuples(value)


def _replaced(start: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass with these dotted fields changed."""
    heads = {name.split(".")[0] for name in values}
    changes = {}
    for head in heads:
        inner = {
            name.removeprefix(f"{head}."): value
            for name, value in values.items()
            if name.startswith(f"{head}.")
        }
        plain = values.get(head)
        changes[head] = _replaced(getattr(start, head), inner) if inner else _tuples(plain)
    return replace(start, **changes)


def _default(field: Field) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def _method_of(config: Any) -> str:
    """ "facnet" of a `wtal_core.models.facnet.Config`."""
    return type(config).__module__.rsplit(".", 1)[-1]


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON would give them back."""
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _tuples(value: Any) -> Any:
    """Lists as tuples, as configs hold them."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
