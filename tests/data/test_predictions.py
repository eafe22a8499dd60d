"""The registered predictions are regular, agree with their page, and name the frozen data."""

import re

import pytest
import yaml

from tests.places import ROOT
from wtal_core.data.manifests import load_manifest
from wtal_core.data.simulator_2 import content_hash
from wtal_core.models import method_names

PAGE = (ROOT / "docs" / "predictions.md").read_text()
REGISTERED = yaml.safe_load((ROOT / "data_manifests" / "predictions.yaml").read_text())
KEYS = {"id", "statement", "kind", "dataset", "rows", "statistic", "bound"}


def test_the_hash_is_that_of_the_data():
    (name, registered), *others = REGISTERED["datasets"].items()
    assert registered == content_hash(load_manifest(name)) and not others
    assert f"`{registered}`" in PAGE and str(REGISTERED["date"]) in PAGE


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
        assert ("*calibrated*" in line) == (prediction["kind"] == "calibrated")


def test_all_ten_are_there_and_rows_are_methods():
    numbers = {re.match(r"A(\d+)", prediction["id"])[1] for prediction in REGISTERED["predictions"]}
    assert numbers == {str(number) for number in range(1, 11)}
    named = {row["method"] for row in REGISTERED["rows"].values() if "method" in row}
    assert named <= set(method_names())
