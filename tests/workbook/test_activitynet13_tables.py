"""With features of ActivityNet 1.3 the two tables of it train every row of theirs on them.

The features are invented: right layout and size, eight training and four validation videos.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from wtal_core.runs.ledger import Ledger
from wtal_core.runs.sweep import ensure
from wtal_core.workbook.artifacts import find_notebooks
from wtal_core.workbook.plan import planned

DATASET = "activitynet1.3"
LABELS = ("Archery", "Ballet", "Canoeing")
SECONDS = 40.0


def invent(folder):
    """One action of ten seconds per video, which raises channels of its own."""
    random = np.random.default_rng(0)
    database = {}
    for number in range(12):
        name, subset = f"video{number:02d}", "training" if number < 8 else "validation"
        start, label = 2.0 + number, number % len(LABELS)
        features = random.random((int(SECONDS * 25 / 16), 2048), dtype=np.float32)
        features[int(start / 0.64) : int((start + 10) / 0.64), label * 600 : label * 600 + 300] += 2
        database[name] = {
            "subset": subset,
            "duration": SECONDS,
            "annotations": [{"label": LABELS[label], "segment": [start, start + 10]}],
        }
        side = folder / "features" / {"training": "train", "validation": "test"}[subset]
        side.mkdir(parents=True, exist_ok=True)
        np.save(side / f"v_{name}.npy", features)
    (folder / "activity_net.v1-3.min.json").write_text(json.dumps({"database": database}))


def in_one_epoch(config):
    """A plug-in's schedule is that of its host."""
    if hasattr(config, "base"):
        return replace(config, base=in_one_epoch(config.base))
    return replace(config, schedule=replace(config.schedule, epochs=1))


def runs_of_both_tables(profile, store):
    asked = {"dataset": DATASET, "profile": profile, "seeds": 1, "store": str(store)}
    runs = []
    for notebook in find_notebooks(("facnet/table2", "gaufuse/table1")):
        runs += [run for run in planned(notebook.path, asked) if run not in runs]
    return runs


def batches(runs, method):
    return {run.config.schedule.batch_size for run in runs if run.method == method}


@pytest.mark.slow
def test_every_row_takes_an_epoch_on_invented_features(tmp_path, monkeypatch):
    """GauFuse's paper says batches of 128 for ActivityNet 1.3; its code knows THUMOS14 alone."""
    monkeypatch.setenv("WTAL_DATA", str(tmp_path))
    invent(tmp_path / DATASET)
    official = runs_of_both_tables("official", tmp_path / "kept")
    printed = runs_of_both_tables("printed", tmp_path / "kept")
    assert {run.dataset for run in (*official, *printed)} == {DATASET}
    assert {run.method for run in official} == {run.method for run in printed}
    assert {"facnet", "rskp", "gaufuse", "um", "asmloc", "a2clpt"} <= {r.method for r in printed}
    assert batches(official, "gaufuse") == {10} and batches(printed, "gaufuse") == {128}
    short = [replace(run, config=in_one_epoch(run.config)) for run in printed]
    for record in ensure(short, Ledger(tmp_path / "kept"), "cpu", 1):
        assert np.isfinite(record.history[-1]["total"]), record.method
