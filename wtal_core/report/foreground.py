"""On which side the foreground of each run is: the AUC of its foreground score, from its line in
the ledger, beside its average mAP and its training loss.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.runs.ledger import Record
from wtal_core.runs.results import Results

CHANGED_SIDES = 0.5  # AUC below which the foreground score is higher on the background
FAR_ON_THE_OTHER_SIDE = 0.2
UNKNOWN = "–"


def per_run(results: Results, streams: Sequence[str]) -> pd.DataFrame:
    """One line per row, seed and stream of which the ledger knows the AUC.

    Columns: row, seed, stream, auc (0 to 1), map (average mAP, percent), loss (total training loss
    at the end, no unit).

    Raises WorkbookError if a line holds another number of streams.
    """
    values = results.values()
    lines = []
    for row, records in results.records.items():
        for seed, record in zip(results.seeds, records, strict=True):
            loss = record.objective.get("total", np.nan)
            for stream, auc in zip(streams, _aucs(record, streams), strict=True):
                lines.append((row, seed, stream, auc, values.loc[row, seed], loss))
    table = pd.DataFrame(lines, columns=["row", "seed", "stream", "auc", "map", "loss"])
    return table.dropna(subset=["auc"]).reset_index(drop=True)


def per_stream(results: Results, streams: Sequence[str]) -> pd.DataFrame:
    """The AUC of the foreground score, median (least to greatest) over seeds: one line per row, one
    column per stream. A dash where the ledger does not know it.
    """
    runs = per_run(results, streams)
    lines = {}
    for row in results.records:
        of_row = runs[runs["row"] == row]
        lines[row] = {
            s: median_and_range(of_row.loc[of_row["stream"] == s, "auc"]) for s in streams
        }
    table = pd.DataFrame(lines, index=list(streams)).T
    table.index.name = "row"
    return table


def per_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """The lines of `per_run` as texts, one line per row and seed, one AUC column per stream."""
    lines = []
    for (row, seed), of_run in runs.groupby(["row", "seed"], sort=False):
        aucs = {
            f"AUC, {s}": f"{a:.2f}" for s, a in zip(of_run["stream"], of_run["auc"], strict=True)
        }
        first = of_run.iloc[0]
        texts = {"average mAP (%)": f"{first['map']:.1f}", "training loss": f"{first['loss']:.3f}"}
        lines.append({"row": row, "seed": seed, **aucs, **texts})
    return pd.DataFrame(lines).set_index(["row", "seed"])


def sides(runs: pd.DataFrame) -> pd.DataFrame:
    """One line per row: the AUCs of all its seeds and streams, how many have changed sides, and
    what the training loss says of that.

    loss: mean total loss of the seeds of which a stream has changed sides, minus that of the
    others; a dash where there are none of either.
    """
    lines = {}
    for row, of_row in runs.groupby("row", sort=False):
        auc = of_row["auc"]
        lines[row] = {
            "median": f"{auc.median():.2f}",
            "least": f"{auc.min():.2f}",
            "greatest": f"{auc.max():.2f}",
            "below .5": f"{(auc < CHANGED_SIDES).sum()} of {len(auc)}",
            "below .2": f"{(auc < FAR_ON_THE_OTHER_SIDE).sum()} of {len(auc)}",
            "average mAP (%)": f"{of_row.groupby('seed')['map'].first().mean():.1f}",
            "training loss": f"{of_row.groupby('seed')['loss'].first().mean():.3f}",
            "loss, changed − others": signed(loss_of_changing_sides(of_row)),
        }
    table = pd.DataFrame(lines).T
    table.index.name = "row"
    return table


def loss_of_changing_sides(of_row: pd.DataFrame) -> float:
    """Mean total loss of the seeds of which a stream's AUC is below .5, minus that of the
    others; NaN where there are none of either. of_row: the lines of one row, see `per_run`.
    """
    seeds = of_row.groupby("seed").agg({"auc": "min", "loss": "first"})
    changed = seeds["auc"] < CHANGED_SIDES
    return float(seeds.loc[changed, "loss"].mean() - seeds.loc[~changed, "loss"].mean())


def median_and_range(values: pd.Series) -> str:
    """ "0.46 (0.42 to 0.85)"; a dash where there are no values."""
    if values.empty:
        return UNKNOWN
    return f"{values.median():.2f} ({values.min():.2f} to {values.max():.2f})"


def signed(value: float) -> str:
    """ "+0.012"; a dash for NaN."""
    return UNKNOWN if np.isnan(value) else f"{value:+.3f}"


def _aucs(record: Record, streams: Sequence[str]) -> list[float]:
    aucs = record.line.get("foreground_auc")
    if aucs is None:
        return [np.nan] * len(streams)
    if len(aucs) != len(streams):
        raise WorkbookError(
            f"run {record.key} holds the AUC of {len(aucs)} streams, the data set has "
            f"{len(streams)} ({', '.join(streams)}); open the data set that the run is of"
        )
    return list(aucs)
