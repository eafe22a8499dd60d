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


@pytest.mark.slow
def test_every_row_takes_an_epoch_on_invented_features(tmp_path, monkeypatch):
    monkeypatch.setenv("WTAL_DATA", str(tmp_path))
    invent(tmp_path / DATASET)
    asked = {"dataset": DATASET, "profile": "official", "seeds": 1, "store": str(tmp_path / "kept")}
    runs = []
    for notebook in find_notebooks(("facnet/table2", "gaufuse/table1")):
        of_table = planned(notebook.path, asked)
        assert {run.dataset for run in of_table} == {DATASET}
        runs += [run for run in of_table if run not in runs]
    methods = {run.method for run in runs}
    assert {"facnet", "rskp", "gaufuse", "um", "asmloc", "a2clpt"} <= methods
    batches = {run.config.schedule.batch_size for run in runs if run.method == "gaufuse"}
    assert batches == {128}  # which the paper says of ActivityNet 1.3
    short = [
        replace(run, config=replace(run.config, schedule=replace(run.config.schedule, epochs=1)))
        for run in runs
    ]
    records = ensure(short, Ledger(tmp_path / "kept"), "cpu", 1)
    for record in records:
        assert np.isfinite(record.history[-1]["total"]), record.method
