"""The committed scores of STPN's detections, and the notebook that compares protocols, given those
files.
"""

import nbformat
import numpy as np
import pytest

from tests.data_samples import REAL
from wtal_core.pages import published_detections
from wtal_core.workbook import artifacts, execution

needs_stpn = pytest.mark.skipif(
    not (REAL / "stpn").exists(), reason="the detections of STPN are not beside the project"
)
NOTEBOOK = artifacts.FOLDER / "protocols.ipynb"


def test_the_first_line_names_source_licence_and_sums():
    line = published_detections.about()
    assert (
        "bellos1203/STPN (Apache-2.0) code/ckpt/ckpt001/results.json" in line
        and "real detections" in line
    )
    assert line.count("sha256") == 2 and "published_detections" in line


def test_the_committed_table_has_the_published_rows():
    ties = published_detections.published("tie").iloc[:, :9]
    np.testing.assert_allclose(
        ties.loc["later"], [52.1, 44.2, 34.7, 26.1, 17.7, 10.1, 5.0, 1.3, 0.1], rtol=0, atol=0.05
    )
    np.testing.assert_allclose(
        ties.loc["earlier"],
        [52.17, 44.24, 34.70, 26.06, 17.70, 10.09, 4.99, 1.34, 0.10],
        rtol=0,
        atol=0.006,
    )


def test_kinds_of_the_committed_table_agree_with_each_other():
    table, steps = (published_detections.published(kind) for kind in ("protocol", "ladder"))
    assert len(table) == 10 and table.notna().all(axis=None)
    np.testing.assert_array_equal(
        steps.iloc[[0, -1]], table.loc[[("210", "activitynet"), ("212", "wtalc-2019")]]
    )
    points = published_detections.published("contribution")
    np.testing.assert_allclose(
        points.loc["mean over all orders"].sum(), steps.iloc[-1] - steps.iloc[0], rtol=0, atol=2e-5
    )
    order = published_detections.published("order").loc["all equal", "0.5"]
    assert order["worst first"] < order["as listed"] < order["best first"]


@needs_stpn
def test_the_committed_file_is_what_the_command_writes(tmp_path):
    fresh = published_detections.write(REAL, tmp_path / "stpn" / "protocols.csv")
    about, numbers = fresh.read_text().split("\n", 1)
    committed_about, committed_numbers = published_detections.PATH.read_text().split("\n", 1)
    assert numbers == committed_numbers
    assert about.split("; by `")[0] == committed_about.split("; by `")[0]
    assert {path.name for path in fresh.parent.iterdir()} == {
        "protocols.csv",
        "protocols.png",
        "protocols_details.png",
    }


@needs_stpn
@pytest.mark.filterwarnings("default")
def test_the_notebook_scores_files_of_the_reader(tmp_path):
    ambiguous = REAL / "thumos14" / "Thumos14reduced-Annotations" / "Ambiguous_test.txt"
    given = {
        "ground_truth": str(REAL / "stpn" / "gt.json"),
        "detections": str(REAL / "stpn" / "results.json"),
        "ambiguous": str(ambiguous),
        "subset": "test",
    }
    execution.execute(NOTEBOOK, tmp_path / "protocols.ipynb", given, progress=False)
    cells = nbformat.read(tmp_path / "protocols.ipynb", 4).cells
    tables = [
        output["data"]["text/plain"]
        for cell in cells
        if cell.source.startswith("live =")
        for output in cell.outputs
    ]
    assert len(tables) == 1 and "52.10" in tables[0] and "52.92" in tables[0]
    assert "your files, results.json on gt.json" in cells[-1].outputs[0].text
