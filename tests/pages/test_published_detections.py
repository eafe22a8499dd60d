"""The committed scores of published detections, and the notebook that compares protocols, given
such files.
"""

from dataclasses import replace

import nbformat
import numpy as np
import pytest

from tests.data_samples import REAL
from wtal_core.evaluation.ladder import ALL_TIOUS
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.evaluation.published import DETECTORS, LISTS
from wtal_core.evaluation.tables import read_detections, read_ground_truth
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
    assert line.count("sha256") == 2 and "wtal statistics protocols" in line


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


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda detector: detector.manifest)
def test_the_committed_file_is_what_the_command_writes(detector, tmp_path):
    if not (REAL / detector.manifest).exists():
        pytest.skip(f"the detections of {detector.name} are not beside the project")
    target = tmp_path / detector.manifest / "protocols.csv"
    fresh = published_detections.write(REAL, target, detector)
    about, numbers = fresh.read_text().split("\n", 1)
    committed_about, committed_numbers = detector.path.read_text().split("\n", 1)
    assert numbers == committed_numbers and about == committed_about
    beside = {path.name for path in detector.path.parent.glob("protocols*")}
    assert {path.name for path in fresh.parent.iterdir()} == beside
    assert {"protocols.csv", "protocols.png", "protocols_details.png"} <= beside


def test_the_repositories_of_autoloc_print_what_is_computed():
    """THUMOS14 on its authors' ground truth is in the next test; here, ActivityNet 1.2."""
    table = published_detections.published("protocol", published_detections.ACTIVITYNET_PATH)
    printed = [27.3, 24.9, 22.5, 19.9, 17.5, 15.1, 13.0, 10.0, 6.8, 3.3, 16.0]
    np.testing.assert_allclose(table.loc["activitynet"], printed, rtol=0, atol=0.05)


@pytest.mark.skipif(
    not (REAL / "autoloc").exists(), reason="AutoLoc's detections are not beside the project"
)
def test_autoloc_scores_on_its_own_ground_truth_as_its_repository_prints(tmp_path):
    autoloc = REAL / "autoloc"
    truth = read_ground_truth(autoloc / "autoloc_thumos14_gt.json")
    detections = read_detections(autoloc / "autoloc_thumos14_test.parquet")
    printed = [46.7, 41.7, 35.8, 29.0, 21.2, 13.4, 5.8, 1.6, 0.2]
    score = evaluate(truth, detections, ACTIVITYNET, ALL_TIOUS)
    np.testing.assert_allclose(100 * score.map, printed, rtol=0, atol=0.05)
    fresh = published_detections.write_activitynet(REAL, tmp_path / "protocols.csv")
    assert fresh.read_text() == published_detections.ACTIVITYNET_PATH.read_text()


def test_protocols_lie_furthest_apart_for_co2net():
    table = published_detections.beside("0.5").loc["210"]
    apart = table.loc["wtalc"] - table.loc["activitynet"]
    assert apart.idxmax() == "CO2-Net" and apart["CO2-Net"] == pytest.approx(3.74, abs=0.01)


@needs_stpn
def test_the_videos_that_a_list_lacks_are_false_positives_where_they_are_not_blocked():
    """CO2-Net was run on 212 videos: on a ground truth of 210, its detections in the two others
    cost .16 points at 0.5, so that 3.7 points between two protocols read as 3.9.
    """
    truth = read_ground_truth(REAL / "stpn" / "gt.json")
    detections = read_detections(REAL / "co2net" / "detections_test.json")
    open_list = evaluate(truth, detections, ACTIVITYNET, (0.5,)).average
    blocked = evaluate(replace(truth, blocked=LISTS["210"]), detections, ACTIVITYNET, (0.5,))
    assert 100 * open_list == pytest.approx(33.94, abs=0.005)
    assert 100 * blocked.average == pytest.approx(34.10, abs=0.005)


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
    last = [cell for cell in cells if cell.cell_type == "code"][-1]
    assert "your files, results.json on gt.json" in last.outputs[0].text
