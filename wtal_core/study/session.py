"""What a notebook holds: its data set, profile, seeds and store. It asks for rows; the store finds
or computes their runs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

from wtal_core.data.dataset import Dataset, with_origin
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import folds
from wtal_core.data.paths import CHECKOUT, COMMITTED
from wtal_core.errors import WorkbookError
from wtal_core.models import method, method_names
from wtal_core.models.contract import PROFILES
from wtal_core.runs import behaviour
from wtal_core.runs.inputs import supervision
from wtal_core.runs.ledger import Ledger, Record
from wtal_core.runs.objective import judged
from wtal_core.runs.recompute import run_of
from wtal_core.runs.results import Results
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import Stale, dataset_of, ensure, opened, reads_another
from wtal_core.study.facts import Facts
from wtal_core.study.own_parameters import OWN_PARAMETERS, own_parameters
from wtal_core.study.trained import TrainedRun

NO_STARTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Session:
    """Open with `open_session`. seeds: 0 .. n - 1."""

    artifact: str
    dataset: Dataset
    profile: str
    seeds: tuple[int, ...]
    device: str
    store: Ledger
    jobs: int
    stale: Stale = "use"

    def base(self, method_name: str) -> Any:
        """The method's config in this session's profile, for its data set.

        Where none is published for it, stderr says what is taken.
        """
        config, note = method(method_name).config_for(self.profile, self.dataset.name)
        if note:
            print(note, file=sys.stderr, flush=True)
        return config

    def run(
        self, method_name: str, rows: Mapping[str, Any], starts: Mapping[str, Any] = NO_STARTS
    ) -> Results:
        """The results of these rows, every one with every seed. starts: row -> the config of the
        run with whose last weights its own begins, see `Run`.
        """
        runs = [
            Run(method_name, config, self.dataset.name, seed, starts.get(row))
            for row, config in rows.items()
            for seed in self.seeds
        ]
        finished = ensure(runs, self.store, self.device, self.jobs, self.stale)
        records = iter([with_objective(record) for record in finished])
        table = {row: [next(records) for _ in self.seeds] for row in rows}
        origins = iter([run.source() or run for run in runs])
        return Results(
            table,
            self.seeds,
            self.title,
            self.dataset.origin,
            self.profile,
            self.dataset.default_protocol,
            current=behaviours_of_today(),
            retrained=sum(map(partial(reads_another, ledger=self.store), runs, finished)),
            origins={row: [next(origins) for _ in self.seeds] for row in rows},
        )

    def on(self, dataset: str) -> "Session":
        """The same session on another data set, with the same store: for a page that compares
        several.
        """
        return replace(self, dataset=opened(dataset))

    def folds(self) -> dict[int, Dataset]:
        """Seed -> the data set in the fold that its runs are of; the same object per fold."""
        plain = method("topk_mil").profiles["quick"]
        name = self.dataset.name
        return {seed: dataset_of(Run("topk_mil", plain, name, seed)) for seed in self.seeds}

    def references(self, results: Results) -> dict[str, float]:
        """What the results are read against, see `references`."""
        # Imported here, because yardsticks know sessions.
        from wtal_core.study.references import references

        return references(self, results)

    def worth(self, results: Results) -> dict[str, float]:
        """The trivial and oracle rows by the metric of the results, see `references.worth`."""
        from wtal_core.study.references import worth  # for the same reason

        return worth(self, results)

    @property
    def title(self) -> str:
        """The data set's title; of one with folds, without the fold that happens to be open."""
        name = self.dataset.name
        return load_manifest(name).title if folds(name) > 1 else self.dataset.title

    @property
    def heading(self) -> str:
        """Title and origin of the data set, for captions."""
        return with_origin(self.title, self.dataset.origin)

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
        records = ensure(runs, self.store, self.device, self.jobs, self.stale)
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
        """The artifact's file with this suffix, such as ".csv" or "_ladder.png"."""
        return self.folder / (self.artifact.split("/")[1] + suffix)


@cache
def behaviours_of_today() -> dict[str, str]:
    """The behaviour of every method: rows of several methods may be joined into one table."""
    return {name: behaviour.name_of(name) for name in method_names()}


def open_session(
    artifact: str,
    dataset: str = "simulated-2",
    profile: str = "quick",
    seeds: int = 5,
    device: str = "cpu",
    store: str = "",
    jobs: int = 1,
    stale: str = "use",
) -> Session:
    """Check a notebook's parameters and open its data set.

    store: a results folder; "" is the committed one if the parameters are those that committed
    notebooks have, else a folder of the user's, which is said on stderr.
    stale: what becomes of runs that an earlier behaviour computed, see `sweep.ensure`.
    """
    for name, value, low in (("seeds", seeds, 1), ("jobs", jobs, 1)):
        if not isinstance(value, int) or value < low:
            raise WorkbookError(
                f"parameter {name} is {value!r}; expected a whole number of at least {low}"
            )
    if profile not in PROFILES:
        raise WorkbookError(f"unknown profile {profile!r}; expected {', '.join(PROFILES)}")
    if stale not in get_args(Stale):
        raise WorkbookError(f"unknown stale {stale!r}; expected {', '.join(get_args(Stale))}")
    parameters = {"dataset": dataset, "profile": profile, "seeds": seeds, "device": device}
    return Session(
        artifact,
        opened(dataset),
        profile,
        tuple(range(seeds)),
        device,
        ledger_for(parameters, store, own_parameters(artifact)),
        jobs,
        cast(Stale, stale),
    )


def with_objective(record: Record) -> Record:
    """The record, which knows whether its run has met its objective: what its line says, and where
    it is of before that was recorded, what its losses say.
    """
    if record.objective:
        return record
    run = run_of(record)
    dataset, config = dataset_of(run), record.config
    told = supervision(dataset, config, record.seed)
    streams = len(dataset.streams)
    found = judged(run.method, config, told, streams, record.history, None)
    return replace(record, judged=found)


def ledger_for(
    parameters: Mapping[str, Any], store: str = "", own: Mapping[str, Any] = OWN_PARAMETERS
) -> Ledger:
    """The ledger that a notebook writes into.

    Committed results are written by a notebook with its own parameters only, those in its
    parameters cell as it is committed. With other ones it reads them, and writes into
    `user_results()`.
    """
    if store:
        return Ledger(store)
    if dict(parameters) == dict(own) and COMMITTED.is_dir():
        return Ledger(COMMITTED)
    folder = user_results()
    listed = ", ".join(f"{name}={value}" for name, value in own.items())
    print(
        f"results go to {folder}; committed ones are only read, because the notebook's own "
        f"parameters are {listed}",
        file=sys.stderr,
        flush=True,
    )
    return Ledger(folder, also=COMMITTED if COMMITTED.is_dir() else None)


def user_results() -> Path:
    """The user's own results folder: environment WTAL_RESULTS, else `reproduced` in a checkout.

    Without a checkout, it is `reproduced` in the folder from which Python was started.
    """
    default = (CHECKOUT or Path.cwd()) / "reproduced"
    return Path(os.environ.get("WTAL_RESULTS") or default)
