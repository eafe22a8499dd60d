"""The notebook of a diagnosis on files of a reader's own that hold nothing of a kind it shows."""

import json

import pytest

from tests.cli.test_cases import FOUND, found, truth
from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.workbook.execution import execute

NOTEBOOK = ROOT / "notebooks" / "diagnose.ipynb"


def diagnosed(folder, detections: dict, **changes) -> str:
    """All that the notebook prints on these detections of the cases' ground truth."""
    given = {"name": "a", "title": "t", "subset": ""}
    for name, content in {"detections": detections, "ground_truth": truth()}.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        given[name] = str(path)
    output = folder / "out.ipynb"
    execute(NOTEBOOK, output, given | changes, progress=False)
    cells = json.loads(output.read_text())["cells"]
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    return "".join("".join(one.get("text", [])) for one in outputs)


@pytest.mark.slow
def test_nothing_was_missed(tmp_path):
    """A detection on every instance, and a false one beside them."""
    exact = [("vid_a", "Jump", 10, 20, 0.9), ("vid_a", "Jump", 40, 50, 0.9)]
    exact += [("vid_a", "Throw", 60, 70, 0.8), ("vid_b", "Throw", 5, 15, 0.7)]
    exact += [("vid_b", "Jump", 30, 45, 0.6), ("vid_a", "Jump", 80, 90, 0.3)]
    assert "nothing was missed" in diagnosed(tmp_path, found(exact))


@pytest.mark.slow
def test_no_detection_at_all(tmp_path):
    """Sentences in place of pictures, and the real cases below them."""
    said = diagnosed(tmp_path, {"results": {"vid_a": []}})
    assert "no detection is wrong" in said and "background errors lie at least half inside" in said


@pytest.mark.slow
def test_detections_without_ground_truth_are_refused(tmp_path):
    with pytest.raises(WorkbookError, match="give `ground_truth` too"):
        diagnosed(tmp_path, found(FOUND), ground_truth="")
