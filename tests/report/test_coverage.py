"""Counting printed rows: only a number of ours in a table of the folder makes a row ours."""

import pandas as pd
import pytest

from wtal_core import papers
from wtal_core.errors import WorkbookError
from wtal_core.models import method_names
from wtal_core.report import coverage, side_by_side
from wtal_core.report.artifacts import save_table


def save(results, place: str, rows: list[str], column: str = "here", value: str = "30.1"):
    """A table of ours at "simulated/ten/table1_tious", the same number in every row."""
    path = results / f"{place}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({column: [value] * len(rows)}, index=rows)
    save_table(table, path, "A caption.")


def judged(results, artifact: str, shown: str = "") -> dict[str, coverage.PrintedRow]:
    rows = coverage.printed_rows(results, {artifact: shown})
    return {row.name: row for row in rows if row.artifact == artifact}


def computed(results, artifact: str) -> set[str]:
    rows = judged(results, artifact)
    return {name for name, row in rows.items() if row.status in ("trained", "recounted")}


def test_every_printed_row_is_counted_once(tmp_path):
    save(tmp_path, "simulated/ten/table1", ["FAC-Net"])
    rows = coverage.printed_rows(tmp_path, {})
    printed = {
        f"{paper}/{table}": len(content["rows"])
        for paper in papers.known_papers()
        for table, content in papers.reported(paper)["tables"].items()
    }
    assert len(rows) == sum(printed.values()) == 261
    counts = coverage.counts(rows)
    assert {artifact: count.total() for artifact, count in counts.items()} == printed
    by_paper = coverage.by_paper(rows)
    assert by_paper.loc["all"].tolist() == [261, 1, 0, 0, 260]
    assert (by_paper[list(coverage.STATUSES)].sum(axis=1) == by_paper["printed rows"]).all()


def test_a_row_is_computed_under_any_name_of_its_method(tmp_path):
    save(
        tmp_path, "simulated/gaufuse/table2", ["FAC-Net", "TEN+BGES", "GauFuse, code", "top-k MIL"]
    )
    assert computed(tmp_path, "gaufuse/table2") == {
        "FAC-Net [9] (ICCV21)",
        "Li et al. [18] (MM22)",
        "Ours",
    }


def test_what_is_added_to_a_method_or_left_out_tells_rows_apart(tmp_path):
    save(tmp_path, "simulated/facnet/table1", ["FAC-Net w/o BG"])
    assert computed(tmp_path, "facnet/table1") == {"FAC-Net w/o BG"}
    save(tmp_path, "simulated/gaufuse/table5", ["UM + Ours, paper", "STPN + Embedding"])
    assert computed(tmp_path, "gaufuse/table5") == {"WUM + Ours", "STPN [34] + embedding"}


def test_variants_of_a_papers_own_method_have_whole_labels(tmp_path):
    save(tmp_path, "simulated/ten/table3", ["BL+BGES, A", "BL+BGES, B", "TEN, C"])
    assert computed(tmp_path, "ten/table3") == {"BL+BGES"}


@pytest.mark.parametrize(("column", "value"), [("here", "–"), ("avg_10_70", "42.2")])
def test_a_dash_or_a_printed_number_computes_nothing(tmp_path, column, value):
    save(tmp_path, "simulated/facnet/table1", ["FAC-Net"], column, value)
    assert computed(tmp_path, "facnet/table1") == set()


def test_a_row_of_another_table_computes_nothing(tmp_path):
    save(tmp_path, "simulated/facnet/table1", ["FAC-Net"])
    save(tmp_path, "simulated/facnet/table10", ["FAC-Net w/o BG"])
    assert computed(tmp_path, "facnet/table1") == {"FAC-Net"}


def test_printed_columns_name_the_printed_row_themselves(tmp_path):
    values = {"[1, 2]": pd.DataFrame([[30.0] * 7], columns=[f"0.{i}" for i in range(1, 8)])}
    printed = {"[1, 2]": "(2) 1.0, 2.0"}
    table = side_by_side.printed_columns("facnet/table4", printed, values, {"[1, 2]": ["CW"]})
    path = tmp_path / "hapt/facnet/table4_columns.csv"
    path.parent.mkdir(parents=True)
    save_table(table, path, "A caption.")
    row = judged(tmp_path, "facnet/table4")["(2) 1.0, 2.0"]
    assert (row.status, row.reason) == ("trained", "trained (hapt)")
    assert computed(tmp_path, "facnet/table4") == {"(2) 1.0, 2.0"}


def test_how_and_where_a_row_was_computed(tmp_path):
    save(tmp_path, "simulated/backtal/table1", ["BaS-Net"])
    save(tmp_path, "hapt/backtal/table1_tious", ["BaS-Net"], "AVG", "20.0 ± 1.0")
    save(tmp_path, "simulated/backtal/table10", ["UM [19]"], "true, M", "12.63")
    reason = judged(tmp_path, "backtal/table1")["BaS-Net [14]"].reason
    assert reason == "trained (hapt, simulated)"
    row = judged(tmp_path, "backtal/table10")["UM [19]"]
    assert (row.status, row.reason) == ("recounted", "counted from layers (simulated)")


def test_an_artifact_without_a_network_is_told_apart(tmp_path):
    save(tmp_path, "simulated/backtal/table10", ["UM [19]"], "true, M", "12.63")
    save(tmp_path, "simulated/ten/table1", ["FAC-Net"])
    networks = pd.DataFrame({"here": ["30.1"]}, index=["FAC-Net"])
    save_table(networks, tmp_path / "simulated/ten/table1_more.csv", "5 seeds, profile quick.")
    assert coverage.of_networks(tmp_path) == {"backtal/table10": False, "ten/table1": True}


def test_what_a_notebook_shows_is_quoted_and_has_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "MODELS", tmp_path)
    (tmp_path / "um.py").touch()
    save(tmp_path, "simulated/facnet/table1", ["FAC-Net"])
    runs = tmp_path / "simulated" / "runs"
    runs.mkdir()
    (runs / "basnet.jsonl").write_text("")
    shown = "R-C3D [41] 54.5\nTSCN [47]\nBaS-Net [16]\nMAAN [45]\nBM [27]\nUM [17]"
    rows = judged(tmp_path, "facnet/table1", shown)
    reasons = {name: row.reason for name, row in rows.items() if row.status == "quoted"}
    assert reasons == {
        "R-C3D [41]": "fully supervised, outside the scope",
        "TSCN [47]": "no public code known",
        "BaS-Net [16]": "in the workbook, no row of it in this table",
        "MAAN [45]": "official public code, not in the workbook: not specified here",
        "BM [27]": "not in the workbook yet, no public code known",
        "UM [17]": "in the workbook, not trained yet",
    }
    assert rows["STPN [26]"].status == "not yet"


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(WorkbookError, match=r"holds no tables; `wtal reproduce` makes some"):
        coverage.printed_rows(tmp_path, {})


def test_the_page_tells_every_row_and_adds_up(tmp_path):
    save(tmp_path, "simulated/ten/table1", ["FAC-Net"])
    rows = coverage.printed_rows(tmp_path, {})
    page = coverage.page(rows)
    assert page.count("| not yet | ") == 260
    assert "| FAC-Net | trained | trained (simulated) |" in page
    reasons = page.split("## Reasons")[1].split("## Tables")[0]
    numbers = [int(line.split("|")[2]) for line in reasons.strip().splitlines()[2:]]
    assert sum(numbers) == 260


def test_the_table_of_the_readme_is_replaced_and_nothing_else(tmp_path):
    save(tmp_path, "simulated/ten/table1", ["FAC-Net"])
    rows = coverage.printed_rows(tmp_path, {})
    header = "| paper | printed rows | trained | recounted | quoted | not yet |"
    readme = f"Before.\n\n{header}\n| --- |\n| old | 1 |\n\nAfter | that.\n"
    new = coverage.in_readme(readme, rows)
    assert new.startswith(f"Before.\n\n{header}\n") and new.endswith("|\n\nAfter | that.\n")
    assert "| all | 261 | 1 | 0 | 0 | 260 |" in new and "old" not in new
    assert coverage.in_readme(new, rows) == new
    with pytest.raises(WorkbookError, match="the README has no table that begins with"):
        coverage.in_readme("Nothing.", rows)


def test_every_method_of_the_workbook_that_a_paper_prints_is_named_in_the_manifest():
    named = {about["workbook"] for about in papers.known_methods().values() if "workbook" in about}
    assert set(method_names()) - {"topk_mil", "cw_plugin"} <= named
