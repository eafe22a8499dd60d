"""An ablation: the rows of a table beside the paper's numbers and messages, shown and saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from wtal_core.data.dataset import Dataset
from wtal_core.pictures import figures, forest
from wtal_core.pictures.saved import Picture
from wtal_core.report import messages, side_by_side, tables
from wtal_core.runs.ledger import Record
from wtal_core.runs.results import Results

VERDICTS = messages.EXPLAINED


@runtime_checkable
class Place(Protocol):
    """What rows were trained on, and where files go.

    A `runs.session.Session` is one; a report knows nothing that trains.
    """

    @property
    def dataset(self) -> Dataset: ...

    def path(self, suffix: str) -> Path: ...

    def references(self, results: Results) -> dict[str, float]: ...

    def worth(self, results: Results) -> dict[str, float]: ...


@dataclass(frozen=True)
class Ablation:
    """title: such as "BackTAL Table 7".

    results: by the metric to be shown. reported: the paper's numbers, by row. source: the data set
    that they are of.

    Every table and figure is written to the session's folder and returned, for display. suffix: the
    end of its file's name.
    """

    title: str
    session: Place
    results: Results
    reported: Mapping[str, float | None]
    source: str = "THUMOS14"

    @property
    def about(self) -> str:
        """What stands with every table and figure."""
        return f"{self.title}, on {self.results.provenance()}"

    @property
    def is_papers_data(self) -> bool:
        """Whether the rows are of the data set that the paper's numbers are of."""
        return self.session.dataset.title == self.source

    @cached_property
    def references(self) -> dict[str, float]:
        """What all rows are read against: no training, and the plainest one."""
        return self.session.references(self.results)

    @cached_property
    def caption(self) -> str:
        """What stands above every table of the metric."""
        return (
            f"{self.about}. {self.results.metric} (%). `paper` is the paper's number, on "
            f"{self.source}. To compare with: {_listed(self.references)}. What a number is worth: "
            f"{_listed(self.session.worth(self.results))}."
        )

    def beside(
        self, suffix: str = "", factors: Mapping[str, Mapping[str, bool]] | None = None
    ) -> pd.DataFrame:
        """The paper's number, ours, and how far apart. factors: see `tables.with_factors`."""
        caption = self.caption
        epochs_scored = set()
        for records in self.results.records.values():
            epochs_scored |= {len(self._scored(record)) for record in records}
        epochs_scored.discard(0)  # a record without a history
        if epochs_scored:
            counts = " or ".join(map(str, sorted(epochs_scored)))
            caption += f" `best on test`: the best of {counts} epochs looked at."
        table = tables.beside_reported(self.results, self.reported, self.is_papers_data)
        return self._save(tables.with_factors(table, factors or {}), suffix, caption)

    def tious(self, suffix: str = "_tious") -> pd.DataFrame:
        """mAP per tIoU and their mean."""
        return self._save(
            tables.per_tiou(self.results),
            suffix,
            f"{self.about}. mAP (%) per tIoU, mean ± deviation over seeds.",
        )

    def columns(
        self,
        artifact: str,
        rows: Mapping[str, str],
        of_row: Mapping[str, Sequence[str]] | None = None,
    ) -> pd.DataFrame:
        """Every printed column beside ours, see `side_by_side.of_results`.

        rows: row of ours -> printed row. of_row: row of ours -> the printed columns that are of it.
        """
        table = side_by_side.of_results(artifact, rows, self.results, of_row)
        caption = f"{self.about}. Every printed column, on {self.source}, beside ours: mAP (%)."
        self._save(table, "_columns", caption)
        return side_by_side.compact(table)

    def bars(self, suffix: str = "") -> Picture:
        """One bar per row, one dot per seed, a line for the paper."""
        values = self.results.values()
        figure = figures.bars(
            {row: values.loc[row] for row in values.index},
            self.reported,
            self.about,
            self._axis,
            f"paper, on {self.source}",
            layout="lying",
            references=self.references,
            together=self.is_papers_data,
        )
        return figures.save_figure(figure, self.session.path(f"{suffix}.png"))

    def sweeps(
        self, panels: Mapping[str, Mapping[str, Mapping[int | float, str]]], suffix: str = ""
    ) -> Picture:
        """One panel per parameter, one line per name, a row's name for each value.

        The paper's numbers are those of the first line.
        """
        values = self.results.values()
        drawn = {}
        paper = {}
        for parameter, lines in panels.items():
            drawn[parameter] = {
                name: values.loc[list(rows.values())].set_axis(list(rows))
                for name, rows in lines.items()
            }
            rows_of_first_line = next(iter(lines.values()))
            paper[parameter] = pd.Series(
                {value: self.reported[row] for value, row in rows_of_first_line.items()}
            )
        figure = figures.sweeps(
            drawn,
            paper,
            self.about,
            self._axis,
            f"paper, on {self.source}",
            references=self.references,
            together=self.is_papers_data,
        )
        return figures.save_figure(figure, self.session.path(f"{suffix}.png"))

    def judge(
        self, claims: Mapping[str, Sequence[tuple[str, str]]], name: str = "messages"
    ) -> pd.DataFrame:
        """Each comparison (better, worse) of each claim, see `messages.judge`."""
        judged = messages.judge(self.results, claims, self.reported).set_index("claim")
        note = f"`paper` is the paper's difference, on {self.source}. {VERDICTS}"
        apart = sum(map(messages.is_apart, judged.astype(str).to_dict("records")))
        if apart:
            note += f" {apart} without a number: the rows should read one network, and read two."
        return self._save(
            judged,
            f"_{name}",
            f"{self.about}. Differences of {self.results.metric} (points). {note}",
        )

    def forest(self, judged: pd.DataFrame, suffix: str = "") -> Picture:
        """The paired differences of judged comparisons with their intervals, and the paper's."""
        title = f"{self.about}. Paired differences of {self.results.metric}"
        drawn = forest.of_judged(judged, title, f"paper, on {self.source}")
        return figures.save_figure(drawn, self.session.path(f"{suffix}.png"))

    def diagnoses(
        self,
        names: Sequence[str],
        below_zero: Sequence[str] = (),
        per_snippet: Mapping[str, str] | None = None,
        halfway: bool = False,
    ) -> pd.DataFrame:
        """Values of the loss history at the last epoch, mean ± deviation over seeds.

        A dash where a row has no such value.

        below_zero: of these also how many runs are below 0. per_snippet: sums over the snippets of
        a video -> the name under which they are shown as means per snippet. halfway: also average
        mAP on the test set half-way and at the end.
        """
        lines = {}
        for row in self.results.records:
            line = {name: _spread(self._last(row, name)) for name in names}
            for name in below_zero:
                last = self._last(row, name)
                line[f"runs with {name} < 0"] = f"{int((last < 0).sum())} of {len(last)}"
            for name, name_of_mean in (per_snippet or {}).items():
                line[name_of_mean] = _spread(self._last(row, name) / self._snippets(row))
            if halfway:
                line |= self._halfway(row)
            lines[row] = line
        caption = f"{self.about}. At the last epoch, on training videos."
        if halfway:
            protocol = self.session.dataset.default_protocol
            caption += f" Average mAP (%) is on test videos, by protocol {protocol}."
        return self._save(pd.DataFrame(lines).T, "_diagnoses", caption)

    @property
    def _axis(self) -> str:
        return f"{self.results.metric} (%)"

    def _save(self, table: pd.DataFrame, suffix: str, caption: str) -> pd.DataFrame:
        return tables.save_table(table, self.session.path(f"{suffix}.csv"), caption)

    def _last(self, row: str, name: str) -> pd.Series:
        """A value of the loss history at the last epoch, one per run; NaN where there is none."""
        histories = [record.history for record in self.results.records[row]]
        return pd.Series([history[-1].get(name, np.nan) for history in histories])

    def _snippets(self, row: str) -> float:
        """Snippets of a training video as the network sees it.

        All alike where a number is sampled or interpolated, else the mean of their lengths.
        """
        config = self.results.records[row][0].config
        sampled = getattr(config, "samples", None)
        interpolated = config.inputs.length
        own_lengths = [video.length for video in self.session.dataset.train]
        return float(sampled or interpolated or np.mean(own_lengths))

    def _halfway(self, row: str) -> dict[str, str]:
        """The last score of the first half of the epochs, and the last of all, in percent."""
        middles = []
        ends = []
        for record in self.results.records[row]:
            scored = self._scored(record)
            half = len(record.history) / 2
            of_first_half = [score for epoch, score in scored.items() if epoch <= half]
            middles.append(of_first_half[-1] if of_first_half else np.nan)
            ends.append(list(scored.values())[-1])
        return {
            "average mAP, half-way": _spread(100 * pd.Series(middles), 1),
            "average mAP, at the end": _spread(100 * pd.Series(ends), 1),
        }

    @staticmethod
    def _scored(record: Record) -> dict[int, float]:
        """Epoch, from 1 -> average mAP on the test set, a fraction, where it was taken."""
        return {
            epoch: entry["average_map"]
            for epoch, entry in enumerate(record.history, 1)
            if "average_map" in entry
        }


def _listed(values: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {value:.1f}" for name, value in values.items())


def _spread(values: pd.Series, digits: int = 3) -> str:
    """Mean ± deviation; one value has none; a dash for what is not a number."""
    if values.isna().any():
        return "–"
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {values.std():.{digits}f}"
