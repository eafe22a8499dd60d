"""The registered predictions, judged: which numbers each statistic takes, from runs and data.

A function per statistic, found by the words that `data_manifests/predictions.yaml` names it with.
Predictions about `simulated-2` are of the ladder's runs in profile `quick`, seeds 0 to 4, weights
of the last epoch; those about `simulated-thumos14` of the committed calibration.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.paths import MANIFESTS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.report.predictions import (
    Outcome,
    Prediction,
    Registered,
    advantage,
    after_a_tenth,
    largest_deviation,
    order_correlation,
    read_registered,
    smallest_step,
    step_error,
)
from wtal_core.runs.results import Results
from wtal_core.study import calibration, order_interval
from wtal_core.study.background_probe import probe
from wtal_core.study.session import Session
from wtal_core.study.trained import TrainedRun
from wtal_core.study.yardsticks import Yardsticks
from wtal_core.workbook import ladder

REGISTERED = MANIFESTS / "predictions.yaml"
ARTIFACT = "predictions/predictions"
DATASET = "simulated-2"
PROFILE = "quick"
SEEDS = (0, 1, 2, 3, 4)
PROTOCOL = "wtalc"
# a row without a method, by its registered words -> its rung of the ladder
RUNGS = {
    "random segments, true labels": "random segments",
    "mean pooling": "mean pooling",
    "ridge regression on 5 neighbouring snippets, trained on the class of each snippet; "
    "top-k MIL's localization": "frame labels, linear",
}
MIDDLE = f"mAP@{calibration.MATCHED}"


@dataclass(frozen=True)
class Evidence:
    """All that statistics are computed from, each on first use. rows: see `Registered`. measured:
    the calibration's table.
    """

    session: Session
    rows: Mapping[str, Mapping[str, Any]]
    measured: pd.DataFrame

    @cached_property
    def methods(self) -> dict[str, str]:
        """The rows that are trained in the session -> their method."""
        return {
            name: row["method"]
            for name, row in self.rows.items()
            if "method" in row and "config" not in row
        }

    @cached_property
    def results(self) -> Results:
        """The runs of those rows."""
        for name, row in self.rows.items():
            self._check_clicks(name, row)
        rungs = [ladder.Rung(name, method) for name, method in self.methods.items()]
        return ladder.networks(self.session, rungs)

    @cached_property
    def untrained(self) -> dict[str, np.ndarray]:
        """Average mAP in percent of rows without a network: one value per seed, or one."""
        tables = ladder.without_networks(self.session)
        return {
            name: tables[rung_of(row)].mean(axis=1).to_numpy()
            for name, row in self.rows.items()
            if "method" not in row
        }

    @cached_property
    def averages(self) -> dict[str, np.ndarray]:
        """Average mAP in percent of every row: one value per seed, or one."""
        values = self.results.values(PROTOCOL)
        return {name: values.loc[name].to_numpy() for name in self.methods} | self.untrained

    def means(self, rows: Iterable[str]) -> dict[str, float]:
        """Mean over seeds of each row's average mAP."""
        return {name: float(self.averages[name].mean()) for name in rows}

    def calibrated(self, run: str) -> pd.DataFrame:
        """The calibration's numbers of a run, see `calibration.of_run`."""
        return calibration.of_run(self.measured, run)

    def networks(self, row: str) -> list[TrainedRun]:
        """The trained networks of a row, one per seed."""
        method = self.methods[row]
        return self.session.trained_runs(method, self.session.base(method))

    def detections(self, row: str) -> Iterable[pd.DataFrame]:
        """On the test videos, of each seed of a row; of a row without chance, once."""
        if row in self.methods:
            return (network.detections for network in self.networks(row))
        rows = Yardsticks(self.session.dataset)
        drawn = (rows.random(seed) for seed in self.session.seeds)
        of_rung: dict[str, Callable[[], Iterable[pd.DataFrame]]] = {
            "random segments": lambda: drawn,
            "mean pooling": lambda: [rows.mean_pooling()],
            "frame labels, linear": lambda: [rows.frame_labels()],
        }
        return of_rung[rung_of(self.rows[row])]()

    def _check_clicks(self, name: str, row: Mapping[str, Any]) -> None:
        clicks = row.get("clicks")
        if clicks is None:
            return
        here = self.session.base(row["method"]).inputs.clicks
        if here != clicks:
            raise WorkbookError(
                f"row {name} was registered with clicks {clicks!r}, and profile {PROFILE} of "
                f"{row['method']} has {here!r}; give that profile the registered clicks"
            )


class Measured(NamedTuple):
    """values: name -> value. how: from which numbers."""

    values: dict[str, float]
    how: str


class Statistic(NamedTuple):
    """unit: of its values. measure: what computes them."""

    unit: str
    measure: Callable[[Prediction, Evidence], Measured]


STATISTICS: dict[str, Statistic] = {}


def statistic(
    words: str, unit: str
) -> Callable[[Callable[..., Measured]], Callable[..., Measured]]:
    """Register a function under the words of the file of predictions."""

    def register(measure: Callable[..., Measured]) -> Callable[..., Measured]:
        STATISTICS[words] = Statistic(unit, measure)
        return measure

    return register


def rung_of(row: Mapping[str, Any]) -> str:
    """The rung of the ladder that a row without a method is."""
    return RUNGS[row.get("yardstick") or row["supervised"]]


def evaluated(
    session: Session, path: Path = REGISTERED, calibrated: Path = calibration.MEASURED
) -> list[Outcome]:
    """Every registered prediction with what came out of it. Runs that are missing are computed.

    Raises WorkbookError for a session that is not the registered one: another data set or content,
    another profile or other seeds.
    """
    registered = read_registered(path)
    check(session, registered)
    evidence = Evidence(session, registered.rows, calibration.read_measured(calibrated))
    return [outcome(prediction, evidence) for prediction in registered.predictions]


def check(session: Session, registered: Registered) -> None:
    """Refuse a session whose numbers are not those that predictions were registered for."""
    dataset = session.dataset
    if dataset.name not in registered.datasets:
        raise WorkbookError(
            f"no prediction was registered for data set {dataset.name}; those of {registered.date} "
            f"are for {', '.join(registered.datasets)}: `wtal predictions`"
        )
    if dataset.fingerprint != registered.datasets[dataset.name]:
        raise WorkbookError(
            f"data set {dataset.name} has the fingerprint {dataset.fingerprint}, predictions were "
            f"registered for {registered.datasets[dataset.name]}; `git checkout data_manifests` "
            "restores its manifest, and changed data need a name of their own"
        )
    if (session.profile, session.seeds) != (PROFILE, SEEDS):
        raise WorkbookError(
            f"predictions were registered for profile {PROFILE} and seeds 0 to {SEEDS[-1]}, not "
            f"{session.profile} and {len(session.seeds)} seeds: `wtal predictions`"
        )


def outcome(prediction: Prediction, evidence: Evidence) -> Outcome:
    """What came out of one prediction."""
    known = STATISTICS.get(prediction.statistic)
    if known is None:
        raise WorkbookError(
            f"prediction {prediction.id}: no function computes {prediction.statistic!r}; add one "
            "to wtal_core/workbook/predictions.py"
        )
    measured = known.measure(prediction, evidence)
    return Outcome(prediction, measured.values, known.unit, measured.how)


@statistic("seed deviation, largest of the rows", "points of mAP")
def seed_deviation(prediction: Prediction, evidence: Evidence) -> Measured:
    values = {row: evidence.averages[row] for row in prediction.rows}
    deviations = {row: float(np.std(of_row, ddof=1)) for row, of_row in values.items()}
    return Measured({"": largest_deviation(values)}, f"deviations: {listed(deviations)}")


@statistic("rank correlation with expected_ranks", "rank correlation")
def order(prediction: Prediction, evidence: Evidence) -> Measured:
    means = evidence.means(prediction.rows)
    value = order_correlation(list(means.values()), prediction.expected_ranks)
    return Measured({"": value}, f"means: {listed(means)}")


@statistic(
    "rank correlation with expected_ranks, lower end of the 95 % bootstrap interval over seeds and "
    "test videos",
    "rank correlation",
)
def order_is_no_chance(prediction: Prediction, evidence: Evidence) -> Measured:
    records = evidence.results.records
    untrained = evidence.untrained
    of = {
        "data": evidence.session.dataset.fingerprint,
        "resamples": order_interval.RESAMPLES,
        "ranks": dict(zip(prediction.rows, prediction.expected_ranks, strict=True)),
        "runs": {row: [r.key for r in records[row]] for row in prediction.rows if row in records},
        "untrained": {
            row: untrained[row].round(4).tolist() for row in prediction.rows if row in untrained
        },
    }

    def compute() -> tuple[float, float, int]:
        averages = list(_resampled(prediction.rows, evidence))
        low, high = order_interval.bounds(
            order_interval.correlations(averages, prediction.expected_ranks)
        )
        others = [
            network.record.is_another_network_here
            for row in prediction.rows
            if row in records
            for network in evidence.networks(row)
        ]
        return low, high, sum(others)

    session = evidence.session
    interval = order_interval.kept(session.store.roots, session.dataset.name, of, compute)
    how = (
        f"interval {interval.low:.2f} to {interval.high:.2f}, {order_interval.RESAMPLES} resamples "
        "of test videos (the same for all rows) and of each row's seeds"
    )
    if interval.other_networks:
        how += f"; {interval.other_networks} networks trained again are not those of the records"
    return Measured({"": interval.low}, how)


def _resampled(rows: Sequence[str], evidence: Evidence) -> Iterable[Float[np.ndarray, "_ R"]]:
    """Average mAP of each row on the same resamples of test videos."""
    truth = ground_truth_of(evidence.session.dataset, PROTOCOL)
    weights = order_interval.video_draws(truth)
    for row in rows:
        detections = evidence.detections(row)
        yield order_interval.resampled_averages(truth, detections, PROTOCOL, weights)


@statistic(
    "largest relative error of the steps, |step - printed step| / printed step", "relative error"
)
def printed_steps(prediction: Prediction, evidence: Evidence) -> Measured:
    means = evidence.means(prediction.rows)
    names = prediction.rows[1:]
    steps = dict(zip(names, np.diff(list(means.values())).tolist(), strict=True))
    printed = dict(zip(names, np.diff(prediction.printed).tolist(), strict=True))
    value = step_error(list(means.values()), prediction.printed)
    return Measured({"": value}, f"steps to {listed(steps)}; printed: {listed(printed)}")


@statistic("mean minus the best mean of `over`", "points of mAP")
def advantage_over(prediction: Prediction, evidence: Evidence) -> Measured:
    (row,) = prediction.rows
    own = evidence.means([row])[row]
    others = evidence.means(prediction.over)
    best = max(others, key=lambda name: others[name])
    how = f"{row} {own:.1f}, the best of the others {best} {others[best]:.1f}"
    return Measured({"": advantage(own, others.values())}, how)


@statistic(
    "rank correlation of AP per class at tIoU .5, protocol activitynet, with real STPN's",
    "rank correlation",
)
def hard_classes(prediction: Prediction, evidence: Evidence) -> Measured:
    table = evidence.calibrated(calibration.LONG)
    table = table.loc[[f"AP of {label}" for label in calibration.REAL_AP]]
    by_seed = {
        name: order_correlation(table[name].to_numpy(), table["real"].to_numpy())
        for name in table
        if name != "real"
    }
    mean = by_seed.pop("simulated")
    return Measured({"": mean}, f"AP is the mean over seeds; alone: {listed(by_seed, 2)}")


def _calibrated(quantity: str, evidence: Evidence) -> Measured:
    """A quantity of the calibration, mean over its seeds."""
    values = evidence.calibrated(calibration.LONG).loc[quantity]
    seeds = {str(name): float(value) for name, value in values.filter(like="seed").items()}
    how = f"mean of {listed(seeds, 2)}; real STPN {values['real']:g}"
    return Measured({"": float(values["simulated"])}, how)


@statistic("mAP at tIoU .5, protocol activitynet", "mAP (%)")
def level(prediction: Prediction, evidence: Evidence) -> Measured:
    return _calibrated(MIDDLE, evidence)


@statistic(
    "share of confusion and wrong label among the errors of the first 10 G, in percent",
    "% of errors",
)
def class_errors(prediction: Prediction, evidence: Evidence) -> Measured:
    return _calibrated("confusion and wrong label", evidence)


@statistic("share of background among the errors of the first 10 G, in percent", "% of errors")
def background_errors(prediction: Prediction, evidence: Evidence) -> Measured:
    return _calibrated("background errors", evidence)


@statistic("classes among the detections of a test video, mean", "classes per video")
def detected_classes(prediction: Prediction, evidence: Evidence) -> Measured:
    return _calibrated("labels per video", evidence)


@statistic(
    "smaller of the two steps rgb to flow and flow to both, mAP at tIoU .5, protocol activitynet",
    "points of mAP",
)
def stream_steps(prediction: Prediction, evidence: Evidence) -> Measured:
    runs = {
        "rgb": f"{calibration.LONG}, rgb alone",
        "flow": f"{calibration.LONG}, flow alone",
        "both": calibration.LONG,
    }
    tables = {name: evidence.calibrated(run) for name, run in runs.items()}
    maps = {name: float(table.loc[MIDDLE, "simulated"]) for name, table in tables.items()}
    return Measured({"": smallest_step(list(maps.values()))}, f"mean over seeds: {listed(maps)}")


@statistic(
    "share of test videos whose highest video score is of one of their labels, in percent, of "
    "every row",
    "% of test videos",
)
def classified(prediction: Prediction, evidence: Evidence) -> Measured:
    shares = {}
    for row in prediction.rows:
        lines = [record.line.get("classified") for record in evidence.results.records[row]]
        of_seeds = [np.nan if line is None else 100 * line["last"] for line in lines]
        shares[row] = float(np.mean(of_seeds))
    return Measured(shares, f"means over seeds: {listed(shares)}")


@statistic(
    "accuracy of the linear probe on the whole video minus that on background alone, all streams, "
    "in points",
    "points of accuracy",
)
def background_probe(prediction: Prediction, evidence: Evidence) -> Measured:
    accuracy = 100 * probe(evidence.session.dataset)["all streams"]
    parts = accuracy[["whole video", "background"]].to_dict()
    how = f"{listed(parts)}; ridge regression on mean snippets, study/background_probe.py"
    return Measured({"": parts["whole video"] - parts["background"]}, how)


@statistic("average mAP when a tenth of the epochs is over", "mAP (%)")
def early(prediction: Prediction, evidence: Evidence) -> Measured:
    (row,) = prediction.rows
    history = 100 * evidence.results.history(row, "average_map")
    epoch, value = after_a_tenth(history)
    how = f"after epoch {epoch} of {len(history)}"
    if np.isnan(value):
        return Measured({"": value}, f"no test score {how}")
    seeds = {f"seed {seed}": of_seed for seed, of_seed in history.loc[epoch].items()}
    return Measured({"": value}, f"{how}: {listed(seeds, 2)}")


@statistic("seeds that are trained, least of the rows", "seeds of 5")
def trained(prediction: Prediction, evidence: Evidence) -> Measured:
    counts = evidence.results.trained().sum(axis=1)
    seeds = {row: float(counts[row]) for row in prediction.rows}
    return Measured({"": min(seeds.values())}, f"seeds: {listed(seeds, 0)}")


def listed(values: Mapping[str, float], digits: int = 1) -> str:
    """ "top-k MIL 34.7, STPN 30.3"."""
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in values.items())
