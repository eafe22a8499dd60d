"""The page of a results folder says what its tables say, and nothing of theirs is markup."""

import re

import pandas as pd
import pytest

from tests.places import ROOT
from wtal_core.report.artifacts import save_table
from wtal_core.report.findings import all_judged
from wtal_core.workbook import reproduce, results_index
from wtal_core.workbook.artifacts import find_notebooks
from wtal_core.workbook.results_index import index_page, write_index

CAPTION = "FAC-Net Table 3, on Simulated, 5 seeds, profile quick. Average mAP (%) over tIoU 0.5."
NUMBERS = pd.DataFrame(
    {
        "paper": ["30.0", "40.0", "40.0"],
        "here": ["11.0", "22.0", "33.0"],
        "±": ["1.0", "2.0", "3.0"],
        "95 % interval": ["10.0 to 12.0", "–", "32.0 to 34.0"],
        "trained": ["5 of 5", "4 of 5", "3 of 5"],
    },
    index=pd.Index(["CW", "CW, hybrid", "full, code"], name="row"),
)
MESSAGES = pd.DataFrame(
    {
        "claim": ["hybrid helps", "full helps", "not in the paper: more"],
        "comparison": ["CW, hybrid > CW", "full, code > CW", "a > b"],
        "paper": ["+1.0", "+9.0", "–"],
        "here": ["+11.0", "-2.0", "+1.0"],
        "95 % interval": ["9.0 to 13.0", "-4.0 to -1.0", "0.5 to 1.5"],
        "trained": ["5 and 4 of 5", "5 and 3 of 5", "5 and 5 of 5"],
        "verdict": ["holds", "reversed", "holds"],
    }
)


def save(results, place: str, table: pd.DataFrame, caption: str = CAPTION):
    path = results / f"{place}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_table(table, path, caption)


def lines_of(page: str, title: str) -> list[str]:
    return [line for line in page.splitlines() if f"| {title}" in line]


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "reproduced"
    save(folder, "simulated/facnet/table3", NUMBERS)
    save(folder, "simulated/facnet/table3_judged", MESSAGES)
    (folder / "simulated/facnet/table3.png").write_bytes(b"")
    return folder


def test_a_row_has_the_papers_best_number_its_largest_claim_and_all_verdicts(results):
    (line,) = lines_of(index_page(results), "FAC-Net, Table 3")
    picture, name, came_out = line.strip("| ").split(" | ")
    assert picture.startswith('[<img src="simulated/facnet/table3.png" width="160" alt="FAC-Net, T')
    assert picture.endswith("](simulated/facnet/table3.md)")
    assert "[tables and pictures](simulated/facnet/table3.md)" in name
    assert came_out.split("<br>") == [
        "full, code: **33.0** (32.0 to 34.0), printed 40.0",
        "average mAP over tIoU 0.5; 3 of 5 networks trained, in all rows 12 of 15",
        "Largest claim: full, code &gt; CW: ✗ reversed, **-2.0** (-4.0 to -1.0), printed +9.0",
        "Verdicts: ✓ 1 ✗ 1; ours: ✓ 1",
    ]


def test_a_collapsed_seed_leaves_the_deviation(results):
    save(results, "simulated/facnet/table3", NUMBERS.iloc[:2])
    (line,) = lines_of(index_page(results), "FAC-Net, Table 3")
    assert "CW, hybrid: **22.0** ± 2.0, printed 40.0" in line


def test_a_number_of_printed_columns_says_whether_its_networks_are_trained(results):
    levels = ["printed row", "row", "column"]
    lines = [
        ("A", "CW", "mAP@0.5"),
        ("A", "CW", "average 0.5:0.95"),
        ("B", "b", "average 0.5:0.95"),
    ]
    columns = pd.DataFrame(
        {
            "printed": ["9.0", "7.0", "8.0"],
            "here": ["2.0 ± 0.1", "1.0 ± 0.1", "–"],
            "95 % interval": ["–", "0.9 to 1.1", "–"],
        },
        index=pd.MultiIndex.from_tuples(lines, names=levels),
    )
    save(results, "simulated/facnet/table2_columns", columns)
    save(results, "simulated/facnet/table2_mild", NUMBERS[["here", "±", "trained"]])
    (line,) = lines_of(index_page(results), "FAC-Net, Table 2")
    assert "CW: **1.0** (0.9 to 1.1), printed 7.0<br>mAP, average 0.5:0.95; 5 of 5 netw" in line


def test_what_has_no_number_says_what_is_there(results):
    what = pd.DataFrame({"clicks": ["12"]}, index=["A1"])
    save(results, "simulated/backtal/figure7", what, "Where annotators click. Real clicks.")
    (line,) = lines_of(index_page(results), "BackTAL, Figure 7")
    assert line.startswith("| – | ")
    assert line.endswith("| No single number: Where annotators click. Real clicks. |")


def test_a_sentence_whose_data_set_is_left_out_begins_with_a_capital(results):
    what = pd.DataFrame({"sum": ["12"]}, index=["A1"])
    caption = "Ten programmes. Simulated, version 2, activations drawn with seed 0."
    save(results, "simulated/backtal/figure7", what, caption)
    (line,) = lines_of(index_page(results), "BackTAL, Figure 7")
    assert "Ten programmes. Activations drawn with seed 0." in line


def test_names_from_tables_are_text(results):
    named = NUMBERS.rename(index={"full, code": "<img src=x onerror=alert(1)>|y"})
    save(results, "simulated/facnet/table3", named)
    (line,) = lines_of(index_page(results), "FAC-Net, Table 3")
    assert "&lt;img src=x onerror=alert(1)&gt;&#124;y: **33.0**" in line


def test_a_notebook_beside_the_tables_is_the_one_that_is_linked(results):
    (notebook,) = find_notebooks(("facnet/table3",))
    beside = f"simulated/facnet/{notebook.path.name}"
    assert ".ipynb" not in index_page(results)
    (results / beside).write_text("{}")
    assert f"({beside})" in index_page(results)


def test_a_copy_beside_the_committed_tables_is_not_linked(results, monkeypatch):
    """Git ignores it, so another checkout has none."""
    (notebook,) = find_notebooks(("facnet/table3",))
    (results / f"simulated/facnet/{notebook.path.name}").write_text("{}")
    monkeypatch.setattr(results_index, "COMMITTED", results)
    assert ".ipynb" not in index_page(results)


def test_a_folder_that_may_be_taken_away_links_nothing_outside(results):
    page = index_page(results)
    assert "../" not in page and "`wtal results findings FILE`" in page


def test_a_damaged_table_of_an_earlier_command_is_told(results):
    said = reproduce._shown(["backtal/table10"], results)
    assert said == f"Look at {results / 'README.md'}"
    counted = pd.DataFrame({"true, M": ["12.6"]}, index=["UM [19]"])
    save(results, "simulated/backtal/table10", counted, "Counted.")
    said = reproduce._shown(["facnet/table3", "backtal/table10"], results)
    assert said.startswith("Without a network: backtal/table10. Look at ")
    (results / "simulated/facnet/table3.csv").write_text("damaged")
    said = reproduce._shown(["facnet/table3"], results)
    assert "was not written" in said and "table3.csv: is no whole file of tables" in said


def test_data_sets_without_a_table_are_named(results):
    (results / "hapt/runs").mkdir(parents=True)
    (results / "hapt/runs/facnet.jsonl").write_text("")
    index = write_index(results).read_text()
    assert "Other pages read them: `hapt`." in index and "## Simulated" in index


def test_the_committed_page_is_what_the_committed_tables_say():
    """`make docs` writes it."""
    assert (ROOT / "results/README.md").read_text() == index_page(ROOT / "results")


def test_the_committed_page_shows_every_table_and_judges_as_the_findings_do():
    page = (ROOT / "results/README.md").read_text()
    pages = {path.relative_to(ROOT / "results") for path in (ROOT / "results").glob("*/*/*.md")}
    assert {path.as_posix() for path in pages} <= set(re.findall(r"\]\(([^)]+)\)", page))
    signs = re.findall(r"[✓✗=?○] (\d+)", "\n".join(re.findall("Verdicts: ([^|<]+)", page)))
    assert sum(map(int, signs)) == len(list(all_judged(ROOT / "results")))


def test_the_headline_is_of_the_printed_row_and_not_of_a_variant_of_it():
    names = ["UM", "UM + CW", "UM + CW, weight 1", "BM"]
    printed = pd.Series(["40.4", "40.8", "40.8", "–"])
    assert results_index._highest(names, printed) == 1
