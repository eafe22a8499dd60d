"""What a notebook holds: its data set, profile, seeds and store. It asks for rows; the store finds
or computes their runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import folds, open_dataset
from wtal_core.data.paths import RESULTS
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.runs.results import Results
from wtal_core.runs.run import Run
from wtal_core.runs.store import Store
from wtal_core.runs.sweep import dataset_of, ensure
from wtal_core.study.signals import embedding_map, signals


@dataclass(frozen=True)
class Session:
    """Open with `open_session`. seeds: 0 .. n - 1."""

    artifact: str
    dataset: Dataset
    profile: str
    seeds: tuple[int, ...]
    device: str
    store: Store
    jobs: int

    def base(self, method_name: str) -> Any:
        """The method's config in this session's profile."""
        return method(method_name).profiles[self.profile]

    def run(self, method_name: str, rows: Mapping[str, Any]) -> Results:
        """The results of these rows, every one with every seed."""
        runs = [
            Run(method_name, config, self.dataset.name, seed)
            for config in rows.values()
            for seed in self.seeds
        ]
        records = iter(ensure(runs, self.store, self.device, self.jobs))
        table = {row: [next(records) for _ in self.seeds] for row in rows}
        return Results(
            table,
            self.seeds,
            self.title,
            self.dataset.origin,
            self.profile,
            self.dataset.default_protocol,
        )

    @property
    def title(self) -> str:
        """The data set's title; of one with folds, without the fold that happens to be open."""
        name = self.dataset.name
        return load_manifest(name).title if folds(name) > 1 else self.dataset.title

    def signals(
        self, method_name: str, config: Any, video: str, seed: int = 0
    ) -> dict[str, np.ndarray]:
        """What the trained network of one run says about one test video, see `runs.signals`."""
        run = Run(method_name, config, self.dataset.name, seed)
        (record,) = ensure([run], self.store, self.device)
        return signals(run, record, dataset_of(run), video)

    def embedding_map(self, method_name: str, config: Any, seed: int = 0) -> dict[str, np.ndarray]:
        """The trained embedding of one run on a plane, see `runs.signals`."""
        run = Run(method_name, config, self.dataset.name, seed)
        (record,) = ensure([run], self.store, self.device)
        return embedding_map(run, record, dataset_of(run))

    @property
    def folder(self) -> Path:
        """Where this artifact's tables and figures go: `<store>/<dataset>/<paper>/`."""
        folder = self.store.root / self.dataset.name / self.artifact.split("/")[0]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, suffix: str) -> Path:
        """The artifact's file with this suffix, such as ".csv" or "_messages.md"."""
        return self.folder / (self.artifact.split("/")[1] + suffix)


def open_session(
    artifact: str,
    dataset: str = "simulated",
    profile: str = "quick",
    seeds: int = 5,
    device: str = "cpu",
    store: str = "",
    jobs: int = 1,
) -> Session:
    """Check a notebook's parameters and open its data set. store: a results folder; "" is the
    committed one.
    """
    for name, value, low in (("seeds", seeds, 1), ("jobs", jobs, 1)):
        if not isinstance(value, int) or value < low:
            raise WorkbookError(
                f"parameter {name} is {value!r}; expected a whole number of at least {low}"
            )
    if profile not in ("quick", "paper"):
        raise WorkbookError(f"unknown profile {profile!r}; expected quick or paper")
    return Session(
        artifact,
        open_dataset(dataset),
        profile,
        tuple(range(seeds)),
        device,
        Store(Path(store) if store else RESULTS),
        jobs,
    )
