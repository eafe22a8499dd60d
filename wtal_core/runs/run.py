"""A run: what is trained on what, with which seed. Its key names it in the store."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from wtal_core.data.opening import OPENERS, folds
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.source import source_hash


@dataclass(frozen=True)
class Run:
    """One training: method and its config (schedule included), data set by name, seed.

    A data set with n folds is cut by fold seed modulo n, so that as many seeds as folds make one
    cross-validation and two rows stay paired by seed.
    """

    method: str
    config: Any
    dataset: str
    seed: int

    def __post_init__(self):
        expected = method(self.method).Config
        if not isinstance(self.config, expected):
            raise WorkbookError(
                f"method {self.method} needs a {expected.__module__}.Config, got {self.config!r}"
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

    def values(self, fingerprint: str) -> dict[str, Any]:
        """Everything that decides the result, as JSON values."""
        code = source_hash(
            *code_modules(self.method, self.dataset, getattr(self.config, "host", None))
        )
        return {
            "method": self.method,
            "config": asdict(self.config),
            "dataset": self.dataset,
            "seed": self.seed,
            "data": fingerprint,
            "code": code,
        }

    def key(self, fingerprint: str) -> str:
        """16 hexadecimal digits, equal for equal values and code."""
        return hashlib.sha256(
            json.dumps(self.values(fingerprint), sort_keys=True).encode()
        ).hexdigest()[:16]


def code_modules(method_name: str, dataset: str, host: str | None = None) -> tuple[str, ...]:
    """The modules from which all code that computes a run is imported: training, the method, the
    data set's reader.

    host: the method that a wrapper is around, which it looks up by name.
    """
    others = {"simulated": "wtal_core.data.simulator", "salads50": "wtal_core.data.salads50"}
    reader = OPENERS[dataset].__module__ if dataset in OPENERS else others[dataset]
    methods = [f"wtal_core.models.{name}" for name in (method_name, host) if name]
    return "wtal_core.runs.train", *methods, reader
