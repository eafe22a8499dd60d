"""What a notebook holds: its data set, profile, seeds and store. It asks for rows; the store finds
or computes their runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import folds
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.runs.results import Results
from wtal_core.runs.run import Run
from wtal_core.runs.store import Store
from wtal_core.runs.sweep import dataset_of, ensure, opened
from wtal_core.study.facts import Facts
from wtal_core.study.trained import TrainedRun

REPOSITORY = Path(__file__).parents[2]
COMMITTED = REPOSITORY / "results"


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

    def trained(self, method_name: str, config: Any, seed: int = 0) -> TrainedRun:
        """The trained network of one run, and all that can be asked of it."""
        (trained,) = self._trained(method_name, config, [seed])
        return trained

    def trained_runs(self, method_name: str, config: Any) -> list[TrainedRun]:
        """The trained network of every seed."""
        return self._trained(method_name, config, self.seeds)

    def facts(self, method_name: str, config: Any) -> list[Facts]:
        """What the networks of a config do on the whole test list, one per seed."""
        return [trained.facts for trained in self.trained_runs(method_name, config)]

    def _trained(self, method_name: str, config: Any, seeds: Sequence[int]) -> list[TrainedRun]:
        runs = [Run(method_name, config, self.dataset.name, seed) for seed in seeds]
        records = ensure(runs, self.store, self.device, self.jobs)
        return [
            TrainedRun(run, record, dataset_of(run), self.store, self.device)
            for run, record in zip(runs, records, strict=True)
        ]

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
        opened(dataset),
        profile,
        tuple(range(seeds)),
        device,
        Store(Path(store) if store else COMMITTED),
        jobs,
    )
