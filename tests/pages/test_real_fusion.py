"""The committed tables of real candidates: they fit each other, and rows follow from parameters."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL
from wtal_core.evaluation.published import CO2NET, ground_truth, read, training_candidates
from wtal_core.localization.fusion import FusionRule
from wtal_core.pages import published_detections, real_fusion
from wtal_core.study import label_quality, real_detectors
from wtal_core.study.detector_fusion import before_soft_suppression, resolved, scored

needs_candidates = pytest.mark.skipif(
    not (REAL / "co2net").exists(), reason="CO2-Net's detections are not beside the project"
)


@pytest.mark.parametrize("name", real_fusion.TABLES)
def test_a_committed_table_is_beside_its_reference(name):
    form = real_fusion.TABLES[name]
    table = real_fusion.committed(name)
    assert table.loc[form.reference, ["difference", "low", "high"]].eq(0).all()
    above = table[form.column] - table.loc[form.reference, form.column]
    np.testing.assert_allclose(table["difference"], above, rtol=0, atol=2e-4)
    assert (table["low"] <= table["high"]).all()
    line = real_fusion.about(name)
    assert "(real data)" in line and line.count("sha256") == len(form.files)


def test_the_published_row_is_the_score_of_the_protocols_table():
    table = real_fusion.committed("one_detector")
    scores = published_detections.beside("0.1:0.7")["CO2-Net"].loc["210"]
    row = table.loc[real_detectors.PUBLISHED]
    assert row["average"] == pytest.approx(scores["activitynet"], abs=1e-3)
    assert row["wtalc"] == pytest.approx(scores["wtalc"], abs=1e-3)


def test_the_references_are_rows_that_the_study_makes():
    assert real_fusion.TABLES["one_detector"].reference == real_detectors.HARD
    assert real_fusion.TABLES["three_detectors"].reference == real_detectors.CO2NET_ALONE
    assert real_fusion.TABLES["labels"].reference == label_quality.REFERENCE


@pytest.mark.slow
@needs_candidates
@pytest.mark.parametrize("template", ["nms", "gaussian"])
def test_committed_rows_follow_from_their_parameters(template):
    row = real_fusion.committed("one_detector").loc[f"{template}, chosen on training videos"]
    temperature = 0.2 if np.isnan(row["temperature"]) else row["temperature"]
    rule = FusionRule(template, temperature, "score", row["limit"], "iou")
    train = ground_truth(REAL, "validation")
    fitted = scored(resolved(training_candidates(REAL), train, rule), train)
    assert fitted.mean() == pytest.approx(row["training"], abs=1e-3)
    test = real_detectors.test_truth(REAL)
    candidates = before_soft_suppression(read(REAL, CO2NET)[1], test.timebase)
    tested = scored(resolved(candidates, test, rule), test)
    assert tested.mean() == pytest.approx(row["average"], abs=1e-3)


def test_a_table_is_written_with_a_picture_whose_axes_have_names(tmp_path):
    form = real_fusion.TABLES["labels"]
    for file in form.files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("{}")
    values = {"AP": [40.0, 42.0], "difference": [0.0, 2.0], "low": [0.0, 1.0], "high": [0.0, 3.0]}
    table = pd.DataFrame(values, index=[form.reference, "another"])
    paths = real_fusion.write({"labels": table}, tmp_path, tmp_path / "out")
    assert [path.name for path in paths] == ["labels.csv", "labels.png"]
    back = real_fusion.committed("labels", tmp_path / "out")
    pd.testing.assert_frame_equal(back, table.rename_axis("way"))
    figure = real_fusion.picture("labels", back)
    assert [axes.get_xlabel() for axes in figure.axes] == list(form.labels)
    plt.close(figure)
