"""The registered predictions are regular, agree with their page, and name the frozen data. Nobody
changes one silently.
"""

import hashlib
import re

import pytest
import yaml

from tests.places import ROOT
from wtal_core.data.manifests import load_manifest
from wtal_core.data.simulator_2 import content_hash
from wtal_core.models import method_names

PAGE = (ROOT / "docs" / "predictions.md").read_text()
FILE = ROOT / "data_manifests" / "predictions.yaml"
REGISTERED = yaml.safe_load(FILE.read_text())
# of the file as it was on 2026-11-26, before the first run of another method on simulated-2
FROZEN = "b140b36ea83cbd0882c71fa7add74fd62a1eae5fabcd9204ab9388811302d8e3"
# of the table of predictions on their page, the same day
FROZEN_TABLE = "1b9dfceeebe7d225c6147bb886f6e3badd5dd71453da37d19ec79c49eb1a5d17"
SIGNS = {"≤": "max", "≥": "min"}
KEYS = {"id", "statement", "kind", "dataset", "rows", "statistic", "bound"}


def test_the_hash_is_that_of_the_data():
    (name, registered), *others = REGISTERED["datasets"].items()
    assert registered == content_hash(load_manifest(name)) and not others
    assert f"`{registered}`" in PAGE and str(REGISTERED["date"]) in PAGE


def test_no_prediction_has_changed_since_it_was_registered():
    """A failed prediction stays; what is expected of other data gets a file of its own."""
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == FROZEN
    table = "\n".join(re.findall(r"^\| A.+$", PAGE, re.MULTILINE))
    assert hashlib.sha256(table.encode()).hexdigest() == FROZEN_TABLE


@pytest.mark.parametrize("prediction", REGISTERED["predictions"], ids=lambda p: p["id"])
def test_predictions_are_regular(prediction):
    assert KEYS <= set(prediction) <= KEYS | {"expected_ranks", "printed", "over"}
    assert prediction["kind"] in ("held-out", "calibrated")
    assert set(prediction["rows"]) | set(prediction.get("over", ())) <= set(REGISTERED["rows"])
    assert prediction["bound"] and set(prediction["bound"]) <= {"min", "max"}
    for beside in ("expected_ranks", "printed"):
        assert len(prediction.get(beside, prediction["rows"])) == len(prediction["rows"])


def test_the_page_has_the_same_predictions_and_bounds():
    lines = dict(re.findall(r"^\| (A\d+\w?) \| (.+) \|$", PAGE, re.MULTILINE))
    assert list(lines) == [prediction["id"] for prediction in REGISTERED["predictions"]]
    for prediction in REGISTERED["predictions"]:
        line = lines[prediction["id"]]
        bound = [float(number) for number in prediction["bound"].values()]
        assert [float(n) for n in re.findall(r"\d*\.?\d+", line.rpartition(" | ")[2])][
            : len(bound)
        ] == bound
        stated = line.rpartition(" | ")[2]
        ends = {SIGNS[stated[0]]} if stated[0] in SIGNS else {"min", "max"}
        assert set(prediction["bound"]) == ends
        assert ("*calibrated*" in line) == (prediction["kind"] == "calibrated")


def test_the_page_states_the_same_order_and_steps():
    by_id = {prediction["id"]: prediction for prediction in REGISTERED["predictions"]}
    (order,) = re.findall(r"^\| A2a \| order: (.+?) \(a comma: a tie\)", PAGE, re.MULTILINE)
    ranks = {}
    for tied in (step.split(", ") for step in order.split(" < ")):
        ranks |= dict.fromkeys(tied, len(ranks) + (len(tied) + 1) / 2)
    for id in ("A2a", "A2b"):
        assert dict(zip(by_id[id]["rows"], by_id[id]["expected_ranks"], strict=True)) == ranks
    (steps,) = re.findall(r"^\| A2c \| steps (.+?) are as printed: (.+?) \|", PAGE, re.MULTILINE)
    names, printed = (part.split(", ") for part in steps)
    assert names == by_id["A2c"]["rows"]
    assert list(map(float, printed)) == by_id["A2c"]["printed"]


def test_all_ten_are_there_and_rows_are_methods():
    numbers = {re.match(r"A(\d+)", prediction["id"])[1] for prediction in REGISTERED["predictions"]}
    assert numbers == {str(number) for number in range(1, 11)}
    named = {row["method"] for row in REGISTERED["rows"].values() if "method" in row}
    assert named <= set(method_names())
