"""The records of the rows of a table, by row and seed, as plain tables of numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.dataset import with_origin
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.statistics import collapsed
from wtal_core.runs.ledger import UNKNOWN, Record
from wtal_core.runs.run import Run


@dataclass(frozen=True)
class Results:
    """records: row -> one record per seed, in the order of `seeds`. `protocol` is the data set's
    default one.

    tious: whose mean mAP the metric is, one or several; empty: all of the protocol.
    current: method -> its behaviour today, such as "facnet-2"; a record of another one is stale.
    retrained: how many runs have read a network that is not their source's, see
    `sweep.reads_another`.
    origins: row -> for each seed the run whose network it reads; its own, where it trains one.
    """

    records: dict[str, list[Record]]
    seeds: tuple[int, ...]
    title: str
    origin: str
    profile: str
    protocol: str
    tious: tuple[float, ...] = ()
    current: Mapping[str, str] = field(default_factory=dict)
    retrained: int = 0
    origins: Mapping[str, Sequence[Run]] = field(default_factory=dict)

    def measured(self, *tious: float, protocol: str | None = None) -> "Results":
        """The same records by another metric: `measured(0.5, protocol="activitynet")` is mAP@0.5 by
        that protocol.
        """
        return replace(self, tious=tious, protocol=protocol or self.protocol)

    @staticmethod
    def joined(parts: "Sequence[Results]") -> "Results":
        """The rows of several results of one session together; its metric is that of the first."""
        records = {row: runs for part in parts for row, runs in part.records.items()}
        origins = {row: runs for part in parts for row, runs in part.origins.items()}
        retrained = sum(part.retrained for part in parts)
        return replace(parts[0], records=records, retrained=retrained, origins=origins)

    @property
    def metric(self) -> str:
        """The metric's name, such as "average mAP", "mAP@0.5" or "average mAP@0.3:0.7"."""
        if not self.tious:
            return "average mAP"
        one = len(self.tious) == 1
        return (
            f"mAP@{self.tious[0]:g}"
            if one
            else f"average mAP@{min(self.tious):g}:{max(self.tious):g}"
        )

    def values(self, protocol: str | None = None, rule: str = "last") -> pd.DataFrame:
        """The metric in percent: one row per table row, one column per seed."""
        chosen = protocol or self.protocol
        return pd.DataFrame(
            {
                row: [self._value(r, chosen, rule) for r in records]
                for row, records in self.records.items()
            },
            index=list(self.seeds),
        ).T

    def _value(self, record: Record, protocol: str, rule: str) -> float:
        if not self.tious:
            return record.average_map(protocol, rule)
        by_tiou = record.map(protocol, rule)
        if missing := [tiou for tiou in self.tious if tiou not in by_tiou]:
            raise WorkbookError(
                f"the records hold no mAP@{missing[0]:g} by protocol {protocol}; choose of "
                f"{', '.join(f'{tiou:g}' for tiou in by_tiou)}"
            )
        return float(np.mean([by_tiou[tiou] for tiou in self.tious]))

    def per_tiou(self, row: str, protocol: str | None = None, rule: str = "last") -> pd.DataFrame:
        """mAP in percent of one row: one row per seed, one column per tIoU."""
        return pd.DataFrame(
            [r.map(protocol or self.protocol, rule) for r in self.records[row]],
            index=list(self.seeds),
        )

    def history(self, row: str, name: str) -> pd.DataFrame:
        """A value of the loss history of one row: one row per epoch (from 1), one column per
        seed; NaN where it was not taken.
        """
        columns = {
            seed: [entry.get(name, np.nan) for entry in record.history]
            for seed, record in zip(self.seeds, self.records[row], strict=True)
        }
        return pd.DataFrame(
            columns, index=pd.RangeIndex(1, 1 + len(next(iter(columns.values()))), name="epoch")
        )

    def bounds(self, row: str) -> dict[str, float]:
        """Terms of one row's loss, joined by " + ", and what they have to fall below for its first
        run to have met its objective; nothing where none was recorded.
        """
        bounds = self.records[row][0].objective.get("bounds", [])
        return {" + ".join(bound["terms"]): bound["limit"] for bound in bounds}

    def trained(self) -> pd.DataFrame:
        """Whether each run has met its own objective and has not collapsed: one row per table row,
        one column per seed.

        A seed has collapsed where its training loss ends far above its row's median, see
        `statistics.collapsed`. A run of before this was recorded counts as not trained.
        """
        return pd.DataFrame(
            {row: self._met(row) & ~self._collapsed(row) for row in self.records},
            index=list(self.seeds),
        ).T.astype(bool)

    def collapse(self) -> pd.Series:
        """How many seeds of each row have collapsed, by training loss."""
        return pd.Series({row: int(self._collapsed(row).sum()) for row in self.records})

    def _met(self, row: str) -> Bool[np.ndarray, " N"]:
        return np.array([record.objective.get("met", False) for record in self.records[row]])

    def _collapsed(self, row: str) -> Bool[np.ndarray, " N"]:
        return collapsed(self.totals(row))

    def read_two_networks(self, first: str, second: str) -> bool:
        """Whether two rows that should read one network have read two, in any seed: it was trained
        again and came out otherwise. Their difference is then of two trainings.
        """
        seeds = zip(
            self.origins.get(first, ()),
            self.origins.get(second, ()),
            self.records[first],
            self.records[second],
            strict=False,
        )
        return any(
            origin == other and one.columns.get("total") != two.columns.get("total")
            for origin, other, one, two in seeds
        )

    def totals(self, row: str) -> Float[np.ndarray, " N"]:
        """The training loss that each run of a row ended with; NaN where it does not tell."""
        totals = [record.objective.get("total", np.nan) for record in self.records[row]]
        return np.array(totals, dtype=float)

    def provenance(self, rule: str = "last") -> str:
        """The line that stands with every table and figure."""
        rule_text = {"last": "last epoch", "best": "best epoch on the test set"}[rule]
        folds = {record.fold for records in self.records.values() for record in records} - {None}
        cut = f", {len(folds)} folds" if folds else ""
        form = " (the paper's form also in rows called code)" if self.profile == "printed" else ""
        return (
            f"{with_origin(self.title, self.origin)}, protocol {self.protocol}, {len(self.seeds)} "
            f"seeds{cut}, {rule_text}, profile {self.profile}{form}{self.validity()}"
        )

    def validity(self) -> str:
        """What is to be said of runs that today's code did not compute, or that read another
        network than they should; "" where there are none.
        """
        records = [record for records in self.records.values() for record in records]
        others = Counter(
            record.behaviour
            for record in records
            if record.behaviour != self.current.get(record.method, record.behaviour)
        )
        notes = []
        if others[UNKNOWN]:
            notes.append(f"{others.pop(UNKNOWN)} of {len(records)} runs from before the ledger")
        for name, number in sorted(others.items()):
            notes.append(f"STALE: {number} of {len(records)} runs of behaviour {name}")
        if self.retrained:
            read = f"{self.retrained} of {len(records)} runs read a network"
            notes.append(f"{read} that was trained again and came out otherwise")
        return "".join(f"; {note}" for note in notes)
