"""The registered predictions on an invented ledger, whose numbers are known; what is refused."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml

from tests.tiny_dataset import tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.protocols import THUMOS_TIOUS
from wtal_core.pictures.prediction_figures import COLOUR_OF, against_bounds
from wtal_core.report import predictions as report
from wtal_core.runs import ledger as ledger_module
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run
from wtal_core.runs.train import scale_of
from wtal_core.study import order_interval
from wtal_core.study import session as session_module
from wtal_core.study.session import Session
from wtal_core.workbook import predictions

# row -> method, average mAP in percent of seed 0, step from seed to seed, length of detections (s)
INVENTED = {
    "top-k MIL": ("topk_mil", 30.0, 0.1, 1),
    "STPN": ("stpn", 27.0, 0.1, 1),
    "W-TALC": ("wtalc", 31.0, 0.1, 1),
    "BaS-Net": ("basnet", 35.0, 0.1, 2),
    "UM": ("um", 38.0, 2.0, 3),
    "FAC-Net": ("facnet", 41.0, 3.0, 3),
    "RSKP": ("rskp", 45.0, 0.1, 4),
    "SF-Net": ("sfnet", 51.0, 0.1, 5),
}
SEEDS = range(5)
EPOCHS = 20
UNTRAINED_SEED = ("STPN", 2)


@pytest.fixture
def registered(tmp_path):
    """The committed predictions, for the tiny data set."""
    content = yaml.safe_load(predictions.REGISTERED.read_text())
    content["datasets"] = {"simulated-2": "tiny 1"}
    path = tmp_path / "predictions.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return path


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Its ledger holds an invented line, and invented detections, of every run."""
    dataset = replace(tiny_dataset(), name="simulated-2")
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-1")
    monkeypatch.setattr(session_module, "behaviours_of_today", dict)
    monkeypatch.setattr(sweep, "_compute", refuse)
    ledger = Ledger(tmp_path / "results")
    opened = Session("ladder/predictions", dataset, "quick", tuple(SEEDS), "cpu", ledger, 1)
    for row, (method, first, step, length) in INVENTED.items():
        config = opened.base(method)
        for seed in SEEDS:
            run = Run(method, config, dataset.name, seed)
            line = invented(run, dataset, first + step * seed, (row, seed) != UNTRAINED_SEED)
            scores = [0.005 + 0.001 * seed if epoch % 2 else None for epoch in range(EPOCHS)]
            record = ledger.append(line, {"total": [1.0] * EPOCHS, "average_map": scores})
            record.working_folder.mkdir(parents=True)
            detections = dataset.segments_of("test").assign(score=1.0)
            detections["t_end"] = detections["t_start"] + length
            path = record.working_folder / "detections_last.parquet"
            detections.to_parquet(path, index=False)
    return opened


def refuse(*_):
    raise AssertionError("all runs are there")


def invented(run, dataset, average, is_trained):
    """A line of the ledger with that average mAP in percent."""
    scale = scale_of(dataset)
    metric = {"tious": THUMOS_TIOUS, "map": [average / 100] * 7, "average": average / 100}
    return {
        "id": run.identity(dataset.fingerprint, scale),
        **run.asked(dataset.fingerprint, scale),
        "fold": None,
        "metrics": {rule: {"wtalc": metric} for rule in ("last", "best")},
        "objective": {"met": is_trained, "total": 1.0, "bounds": [], "recalled": 1.0},
        "classified": {"last": 0.80 + 0.02 * run.seed, "best": 0.0},
        "best_epoch": 1,
        "seconds": 1.0,
        "by": {"behaviour": f"{run.method}-1"},
    }


def values(outcomes):
    return {outcome.prediction.id: outcome.values for outcome in outcomes}


def verdicts(outcomes):
    return {outcome.prediction.id: outcome.verdict for outcome in outcomes}


def test_all_predictions_on_an_invented_ledger(session, registered):
    outcomes = predictions.evaluated(session, registered)
    by_id = values(outcomes)
    said = verdicts(outcomes)
    assert list(by_id) == [p.id for p in report.read_registered(registered).predictions]
    # UM has 38, 40, 42, 44, 46
    assert by_id["A1"][""] == pytest.approx(np.sqrt(10)) and said["A1"] == "FAIL"
    # means 27.2, 35.2, 47, 45.2: steps 8.0, 11.8, -1.8, printed 8.3, 6.9, 2.9
    assert by_id["A2c"][""] == pytest.approx(1.8 / 2.9 + 1) and said["A2c"] == "FAIL"
    # SF-Net 51.2, the best of the others FAC-Net 47
    assert by_id["A3a"][""] == pytest.approx(4.2) and said["A3a"] == "FAIL"
    assert by_id["A7"] == pytest.approx(dict.fromkeys(list(INVENTED)[:-1], 84.0))
    assert said["A7"] == "pass"
    # a tenth of 20 epochs is over after the second, whose scores are .5 to .9
    assert by_id["A9"][""] == pytest.approx(0.7) and said["A9"] == "pass"
    assert by_id["A10"] == {"": 4.0} and said["A10"] == "pass"
    assert set(said.values()) <= {"pass", "FAIL"}


def test_the_order_is_that_of_the_means(session, registered):
    outcomes = predictions.evaluated(session, registered)
    (order,) = [outcome for outcome in outcomes if outcome.prediction.id == "A2a"]
    evidence = predictions.Evidence(
        session, report.read_registered(registered).rows, predictions.calibration.read_measured()
    )
    means = [evidence.averages[row].mean() for row in order.prediction.rows]
    expected = report.order_correlation(means, order.prediction.expected_ranks)
    assert order.values == {"": pytest.approx(expected)}
    interval = values(outcomes)["A2b"][""]
    assert -1 <= interval <= 1


def test_calibrated_values_are_those_of_the_committed_measurement(session, registered):
    by_id = values(predictions.evaluated(session, registered))
    assert by_id["A4b"][""] == pytest.approx((16.089 + 15.822) / 2)
    assert by_id["A5a"][""] == pytest.approx((23.018 + 22.979) / 2)
    assert by_id["A5b"][""] == pytest.approx((59.447 + 59.154) / 2)
    assert by_id["A5c"][""] == pytest.approx((2.505 + 2.368) / 2)
    # rgb 7.518, flow 12.0935, both 15.9555
    assert by_id["A6"][""] == pytest.approx(15.9555 - 12.0935)
    assert 0.7 < by_id["A4a"][""] < 0.95


def test_the_interval_is_kept_without_detections(session, registered):
    before = values(predictions.evaluated(session, registered))
    assert (session.store.root / "simulated-2" / order_interval.FILE).exists()
    for path in (session.store.root / ".work").rglob("detections_*"):
        path.unlink()
    assert values(predictions.evaluated(session, registered)) == before


def test_what_was_not_scored_is_not_measured(session, registered):
    path = ledger_module.runs_file(session.store.root, "simulated-2", "basnet", "history")
    path.unlink()
    columns = {"total": [1.0] * EPOCHS, "average_map": [None] * (EPOCHS - 1) + [0.3]}
    for record in session.store.records("simulated-2", "basnet"):
        line = {"run": record.key, "history": columns}
        ledger_module.append(path, [ledger_module.sealed(line)])
    outcomes = predictions.evaluated(session, registered)
    (early,) = [outcome for outcome in outcomes if outcome.prediction.id == "A9"]
    assert early.verdict == "not measured"
    assert early.how == "no test score after epoch 2 of 20"


def test_runs_of_before_classification_was_recorded_are_not_measured(session, registered):
    known = report.read_registered(registered)
    (prediction,) = [p for p in known.predictions if p.id == "A7"]
    evidence = predictions.Evidence(session, known.rows, predictions.calibration.read_measured())
    first, *others = evidence.results.records["RSKP"]
    line = {name: value for name, value in first.line.items() if name != "classified"}
    evidence.results.records["RSKP"] = [replace(first, line=line), *others]
    assert predictions.outcome(prediction, evidence).verdict == "not measured"


def test_one_strip_per_prediction(session, registered):
    outcomes = predictions.evaluated(session, registered)
    figure = against_bounds(outcomes, "caption")
    assert len(figure.axes) == len(outcomes) == 16
    for axes, outcome in zip(figure.axes, outcomes, strict=True):
        drawn = [float(dot.get_xdata()[0]) for dot in axes.lines]
        assert drawn == pytest.approx(list(outcome.values.values()))
        within = [outcome.prediction.bound.holds(value) for value in drawn]
        colours = [dot.get_color() == COLOUR_OF["pass"] for dot in axes.lines]
        assert colours == within
        assert outcome.unit in axes.get_ylabel() and outcome.prediction.id in axes.get_ylabel()
    assert {outcome.verdict for outcome in outcomes} == {"pass", "FAIL"}
    plt.close(figure)


def test_every_registered_statistic_has_a_function():
    registered = report.read_registered(predictions.REGISTERED)
    assert {p.statistic for p in registered.predictions} == set(predictions.STATISTICS)
    for row in registered.rows.values():
        assert "method" in row or predictions.rung_of(row)


def test_an_unknown_statistic_is_named(session, registered):
    known = report.read_registered(registered)
    other = replace(known.predictions[0], statistic="the mood of the reader")
    evidence = predictions.Evidence(session, known.rows, predictions.calibration.read_measured())
    with pytest.raises(WorkbookError, match="A1: no function computes 'the mood of the reader'"):
        predictions.outcome(other, evidence)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": (0, 1)}, "seeds 0 to 4, not quick and 2 seeds"),
        ({"profile": "official"}, "profile quick and seeds 0 to 4, not official"),
    ],
)
def test_other_runs_than_the_registered_ones_are_refused(session, registered, change, words):
    with pytest.raises(WorkbookError, match=words):
        predictions.evaluated(replace(session, **change), registered)


def test_other_data_are_refused(session, registered):
    changed = replace(session.dataset, fingerprint="tiny 2")
    with pytest.raises(WorkbookError, match="has the fingerprint tiny 2, predictions were regist"):
        predictions.evaluated(replace(session, dataset=changed), registered)
    other = replace(session.dataset, name="simulated")
    with pytest.raises(WorkbookError, match="no prediction was registered for data set simulated;"):
        predictions.evaluated(replace(session, dataset=other), registered)


def test_a_row_with_other_clicks_is_refused(session, registered):
    content = yaml.safe_load(registered.read_text())
    content["rows"]["SF-Net"]["clicks"] = "background"
    registered.write_text(yaml.safe_dump(content, allow_unicode=True))
    with pytest.raises(WorkbookError, match="SF-Net was registered with clicks 'background'"):
        predictions.evaluated(session, registered)
