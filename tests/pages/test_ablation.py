"""An ablation's tables and figures: what they say, and where they go."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from tests.results_samples import SampleRecord, record, results
from tests.tiny_dataset import tiny_dataset
from wtal_core.data.dataset import Dataset
from wtal_core.pages.ablation import Ablation, Place
from wtal_core.report.artifacts import read_tables
from wtal_core.runs.ledger import Record
from wtal_core.runs.results import Results
from wtal_core.study.session import open_session

UP, DOWN = (
    [(0.5, 0.40 + s / 1000, 0.1) for s in range(5)],
    [(0.5, 0.30 + s / 500, 0.3) for s in range(5)],
)


@dataclass(frozen=True)
class Folder:
    """All that an ablation knows of a session."""

    root: Path
    dataset: Dataset

    def path(self, suffix: str) -> Path:
        return self.root / f"table7{suffix}"

    def references(self, results: Results) -> dict[str, float]:
        return {"no training": 12.0, "plain": 20.04}

    def worth(self, results: Results) -> dict[str, float]:
        return {"random": 3.0, "true segments": 71.26}


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path, tiny_dataset())


@pytest.fixture
def table(folder) -> Ablation:
    rows = results({"up": UP, "down": DOWN}).measured(0.5)
    return Ablation("BackTAL Table 7", folder, rows, {"up": 36.3, "down": 35.0}, "HACS")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def text(folder: Folder, suffix: str) -> str:
    """The section of the artifact's page that shows one table."""
    sections = folder.path(".md").read_text().split("\n## ")
    names = [section.partition("\n")[0] for section in sections]
    return sections[names.index(f"table7{suffix}")].partition("\n\n")[2]


def trained(
    *histories: list[dict[str, float]], method: str = "facnet", config: dict | None = None
) -> list[Record]:
    line = record(0.1, 0.2, 0.3).line | {"method": method, "config": config or {}}
    return [SampleRecord(line | {"history": history}, (Path("nowhere"),)) for history in histories]


def with_histories(folder: Folder, rows: dict[str, list[Record]]) -> Ablation:
    found = Results(
        rows, tuple(range(len(next(iter(rows.values()))))), "Tiny", "simulated", "quick", "wtalc"
    )
    return Ablation("Table", folder, found, {})


def test_a_session_is_a_place(tmp_path):
    session = open_session("backtal/table7", store=str(tmp_path))
    assert (
        isinstance(session, Place)
        and session.path("_x.csv") == tmp_path / "simulated-2" / "backtal" / "table7_x.csv"
    )


def test_each_table_goes_to_the_artifacts_files_with_its_caption(table, folder):
    tables = {
        "": table.beside(),
        "_tious": table.tious(),
        "_messages": table.judge({"c": [("up", "down")]}),
    }
    first = f"BackTAL Table 7, on {table.results.provenance()}. "
    saved = read_tables(folder.path(".csv"))
    assert list(saved) == [f"table7{suffix}" for suffix in tables]
    for suffix, shown in tables.items():
        assert text(folder, suffix).startswith(first)
        assert saved[f"table7{suffix}"].caption.startswith(first)
        assert saved[f"table7{suffix}"].as_frame().equals(shown.map(str).astype("str"))
    files = {path.name for path in folder.root.iterdir() if not path.name.startswith(".")}
    assert files == {"table7.csv", "table7.md"}


def test_the_caption_names_origin_metric_and_the_data_set_of_the_paper(table):
    assert "Tiny (simulated data)" in table.caption and "mAP@0.5 (%)" in table.caption
    assert "`paper` is the paper's number, on HACS." in table.caption
    assert "To compare with: no training 12.0; plain 20.0." in table.caption
    assert table.caption.endswith("What a number is worth: random 3.0; true segments 71.3.")


def test_a_table_of_all_tious_does_not_claim_to_be_of_one(table, folder):
    table.tious()
    assert "mAP@0.5" not in text(folder, "_tious") and "mAP (%) per tIoU" in text(folder, "_tious")


def test_names_of_tables_and_pictures_can_be_chosen(table, folder):
    table.beside("_map50")
    table.tious("")
    table.judge({"c": [("up", "down")]}, "steps")
    table.bars("_ladder")
    assert list(read_tables(folder.path(".csv"))) == ["table7_map50", "table7", "table7_steps"]
    page = folder.path(".md").read_text()
    shown = page.partition("## Pictures\n\n")[2]
    assert shown.startswith("![Picture table7_ladder. ")
    assert shown.endswith("](table7_ladder.png) [SVG](table7_ladder.svg)\n")
    assert folder.path("_ladder.png").exists()


def test_verdicts_are_explained_where_they_stand(table, folder):
    judged = table.judge({"it helps": [("up", "down"), ("down", "up")]})
    assert judged.index.tolist() == ["it helps"] * 2 and judged["verdict"].tolist() == [
        "holds",
        "reversed",
    ]
    assert judged["paper"].tolist() == ["+1.3", "-1.3"]
    assert "*holds*: the 95 % interval of the paired difference lies above 0" in text(
        folder, "_messages"
    )
    assert "`paper` is the paper's difference, on HACS" in text(folder, "_messages")


def test_bars_show_rows_seeds_and_the_paper(table, folder):
    axes, paper = table.bars().figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["up", "down"]
    assert [round(patch.get_width(), 1) for patch in axes.patches] == [40.2, 30.4]
    assert [len(line.get_xdata()) for line in axes.lines] == [5, 5, 2, 2]  # seeds, then references
    assert [line.get_xdata()[0] for line in axes.lines[2:]] == [12.0, 20.04]
    assert not axes.collections and len(paper.collections) == 2
    assert axes.get_xlabel() == "mAP@0.5 (%)" and folder.path(".png").exists()


def test_a_sweep_draws_the_rows_it_is_told(table, folder):
    figure = table.sweeps(
        {"size (number)": {"here": {8: "down", 16: "up"}, "again": {8: "up", 16: "up"}}}
    ).figure
    here, again, *references = figure.axes[0].lines
    (paper,) = figure.axes[1].lines
    assert [line.get_ydata()[0] for line in references] == [12.0, 20.04]
    assert here.get_ydata().tolist() == pytest.approx(
        [30.4, 40.2]
    ) and again.get_ydata().tolist() == pytest.approx([40.2, 40.2])
    assert paper.get_ydata().tolist() == [35.0, 36.3]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "here",
        "again",
        "no training: 12.0",
        "plain: 20.0",
        "paper, on HACS",
    ]
    assert folder.path(".png").exists()


def test_diagnoses_are_of_the_last_epoch(folder):
    rows = {
        "a": trained(
            [{"frame": 9.0, "gap": 1.0}, {"frame": 1.0, "gap": -1.0}],
            [{"frame": 9.0}, {"frame": 2.0, "gap": 0.5}],
        ),
        "b": trained([{}], [{}]),
    }
    found = with_histories(folder, rows).diagnoses(["frame"], below_zero=["gap"])
    assert found.loc["a"].tolist() == ["1.500 ± 0.707", "1 of 2"]
    assert found.loc["b", "frame"] == "–"
    assert "at the last epoch" in text(folder, "_diagnoses").lower()


def test_one_run_has_no_deviation(folder):
    assert (
        with_histories(folder, {"a": trained([{"frame": 1.25}])})
        .diagnoses(["frame"])
        .loc["a", "frame"]
        == "1.250"
    )


@pytest.mark.parametrize(
    ("method", "config", "shown"),
    [
        ("facnet", {}, "own"),
        ("basnet", {"samples": None}, "own"),
        ("backtal", {"inputs.length": 100}, "0.200"),
        ("basnet", {"samples": 40}, "0.500"),
    ],
)
def test_sums_over_a_video_become_means_per_snippet(folder, method, config, shown):
    records = trained([{"norm": 20.0}], method=method, config=config)
    found = with_histories(folder, {"a": records})
    lengths = [video.length for video in folder.dataset.train]
    expected = f"{20 * len(lengths) / sum(lengths):.3f}" if shown == "own" else shown
    assert found.diagnoses([], per_snippet={"norm": "mean attention"}).loc["a"].to_dict() == {
        "mean attention": expected
    }


def test_half_way_is_the_last_score_of_the_first_half(folder):
    scored = [{"average_map": 0.1}, {"average_map": 0.2}, {}, {"average_map": 0.3}]
    late = [{}, {}, {"average_map": 0.5}]
    found = with_histories(folder, {"a": trained(scored), "b": trained(late)}).diagnoses(
        [], halfway=True
    )
    assert found.loc["a"].tolist() == ["20.0", "30.0"] and found.loc["b"].tolist() == ["–", "50.0"]
    assert f"by protocol {folder.dataset.default_protocol}" in text(folder, "_diagnoses")


def test_how_many_epochs_the_best_one_was_chosen_of(folder):
    scored = [{"average_map": 0.1}, {}, {"average_map": 0.2}]
    ablation = with_histories(folder, {"a": trained(scored), "b": trained([{"average_map": 0.1}])})
    ablation.beside()
    assert "`best on test`: the best of 1 or 2 epochs looked at." in text(folder, "")


def test_epochs_are_not_counted_where_none_is_known(table, folder):
    table.beside()
    assert "best of" not in text(folder, "")


def test_a_forest_is_the_judged_comparisons_and_is_saved(table, folder):
    judged = table.judge({"up is better": [("up", "down"), ("down", "up")]})
    (axes,) = table.forest(judged).figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["up is better", "up > down", "down > up"]
    assert folder.path(".png").exists() and folder.path(".svg").exists()
