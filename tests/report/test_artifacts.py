"""The files of an artifact: what goes in comes out, in order, whole, and nothing is lost."""

import csv
import multiprocessing
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.report import artifacts
from wtal_core.report.artifacts import read_table, read_tables, refresh_page, save_table
from wtal_core.report.shown_table import heading

TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda text: " | " not in text)


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(["a", "b"], name="row"))


def test_a_table_is_written_in_long_form_and_as_a_page(tmp_path):
    table = frame(here=["1.0", "2.0"], n=[5, 4])
    assert save_table(table, tmp_path / "table7.csv", "Where from.").equals(table)
    assert (tmp_path / "table7.csv").read_text() == (
        "# table7: Where from.\n# table7, rows: row\ntable,row,column,value\n"
        "table7,a,here,1.0\ntable7,a,n,5\ntable7,b,here,2.0\ntable7,b,n,4\n"
    )
    assert (tmp_path / "table7.md").read_text() == (
        "# table7\n\n## table7\n\nWhere from.\n\n"
        "| row   | here   | n   |\n|:------|:-------|:----|\n"
        "| a     | 1.0    | 5   |\n| b     | 2.0    | 4   |\n"
    )


def test_columns_are_saved_under_the_names_that_are_read(tmp_path):
    columns = {"sup": ["weak", None], "m50": [1.5, np.nan], "avg_50_95": [2.0, 3.0]}
    save_table(frame(**columns), tmp_path / "table2.csv", "As printed.")
    again = read_table(tmp_path / "table2.csv", "table2")
    assert list(again) == ["supervision", "mAP@0.5", "average 0.5:0.95"]
    assert again.loc["b"].tolist() == ["–", "–", "3.0"]
    assert "m50" not in (tmp_path / "table2.md").read_text()


def test_a_file_of_before_is_read_under_the_names_of_today(tmp_path):
    lines = "# t: x\ntable,row,column,value\nt,a,reported,1.0\nt,a,reproduced,2.0\nt,a,m50,3.0\n"
    (tmp_path / "t.csv").write_text(lines)
    assert list(read_table(tmp_path / "t.csv", "t")) == ["paper", "here", "mAP@0.5"]
    lines = "# t: x\ntable,row,column,value\nt,a,reported,1.0\nt,a,paper,2.0\n"
    (tmp_path / "t.csv").write_text(lines)
    assert list(read_table(tmp_path / "t.csv", "t")) == ["reported", "paper"]


def test_committed_tables_have_no_raw_keys_and_no_empty_numbers():
    for file in (ROOT / "results").glob("*/*/*.csv"):
        if file.read_text().startswith("# ") and "\ntable,row,column,value\n" in file.read_text():
            lines = list(csv.reader(file.read_text().splitlines()))
            cells = lines[lines.index(artifacts.HEADER) + 1 :]
            assert {name for _, _, name, _ in cells if heading(name) != name} == set(), file
            assert not {value for *_, value in cells} & {"nan", "NaN", "None"}, file


def test_tables_keep_their_order_and_are_replaced_where_they_stand(tmp_path):
    for name in ("table7_tious", "table7", "table7_messages"):
        save_table(frame(n=[1, 2]), tmp_path / f"{name}.csv", name)
    save_table(frame(n=[3, 4]), tmp_path / "table7.csv", "again")
    tables = read_tables(tmp_path / "table7.csv")
    assert list(tables) == ["table7_tious", "table7", "table7_messages"]
    assert [table.caption for table in tables.values()] == [
        "table7_tious",
        "again",
        "table7_messages",
    ]
    assert read_table(tmp_path / "table7.csv", "table7")["n"].tolist() == ["3", "4"]
    headings = [line for line in (tmp_path / "table7.md").read_text().splitlines() if "##" in line]
    assert headings == ["## table7_tious", "## table7", "## table7_messages"]


@pytest.mark.parametrize(
    ("name", "artifact"),
    [
        ("table7_weights_messages.csv", "table7"),
        ("figure7_here.png", "figure7"),
        ("linpro_videos.csv", "linpro"),
        ("gradients.csv", "gradients"),
        ("table10.csv", "table10"),
    ],
)
def test_the_artifact_is_named_before_the_first_underscore(name, artifact):
    assert artifacts.artifact_of(Path(name)) == artifact


def test_levels_of_an_index_come_back_and_have_columns_on_the_page(tmp_path):
    index = pd.MultiIndex.from_tuples([("v1", "a"), ("v1", "b")], names=["video", "method"])
    save_table(pd.DataFrame({"n": [1, 2]}, index=index), tmp_path / "figure4.csv", "Where from.")
    table = read_table(tmp_path / "figure4.csv", "figure4")
    assert table.index.equals(index)
    assert table.index.names == ["video", "method"]
    lines = (tmp_path / "figure4.md").read_text().splitlines()
    assert [cell.strip() for cell in lines[6].split("|")[1:-1]] == ["video", "method", "n"]
    assert [cell.strip() for cell in lines[9].split("|")[1:-1]] == ["v1", "b", "2"]


def test_rows_of_one_label_stay_apart(tmp_path):
    table = pd.DataFrame(
        {"n": [1, 2, 2], "m": [3, 4, 4]}, index=pd.Index(["same", "same", "same"], name="claim")
    )
    save_table(table, tmp_path / "t.csv", "x")
    assert read_table(tmp_path / "t.csv", "t").astype(int).to_numpy().tolist() == [
        [1, 3],
        [2, 4],
        [2, 4],
    ]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=4, unique=True),
    st.lists(TEXTS, max_size=4),
    st.data(),
)
def test_any_texts_come_back(tmp_path_factory, columns, rows, data):
    line = st.lists(TEXTS, min_size=len(columns), max_size=len(columns))
    cells = data.draw(st.lists(line, min_size=len(rows), max_size=len(rows)))
    table = pd.DataFrame(cells, index=pd.Index(rows, dtype="str"), columns=columns, dtype="str")
    folder = tmp_path_factory.mktemp("any")
    save_table(table, folder / "t.csv", "Where from.")
    again = read_table(folder / "t.csv", "t")
    assert again.index.tolist() == rows
    assert again.to_numpy().tolist() == cells
    if rows:
        assert again.columns.tolist() == columns


def test_numbers_are_written_as_they_are_shown(tmp_path):
    table = frame(whole=np.array([1, 2]), part=np.array([0.1, np.nan]), yes=[True, None])
    save_table(table, tmp_path / "t.csv", "x")
    assert read_table(tmp_path / "t.csv", "t").to_numpy().tolist() == [
        ["1", "0.1", "True"],
        ["2", "–", "–"],
    ]


def test_pictures_are_linked_whichever_comes_first(tmp_path):
    (tmp_path / "table1_ladder.png").touch()
    (tmp_path / "table10.png").touch()  # of another artifact
    save_table(frame(n=[1, 2]), tmp_path / "table1_map50.csv", "x")
    page = tmp_path / "table1.md"
    assert page.read_text().endswith(
        "## Pictures\n\n![Picture table1_ladder. x](table1_ladder.png)\n"
    )
    (tmp_path / "table1.png").touch()
    refresh_page(tmp_path / "table1.png")
    assert page.read_text().endswith(
        "![Picture table1. x](table1.png)\n![Picture table1_ladder. x](table1_ladder.png)\n"
    )


def test_words_of_a_picture_are_the_caption_of_its_table(tmp_path):
    (tmp_path / "table1_low.png").touch()
    save_table(frame(n=[1]), tmp_path / "table1.csv", "The first.")
    save_table(frame(n=[1]), tmp_path / "table1_low.csv", "Weights [0, 1]. mAP (%).")
    page = (tmp_path / "table1.md").read_text()
    assert r"![Picture table1_low. Weights \[0, 1\]. mAP (%).](table1_low.png)" in page


def test_a_picture_without_a_page_makes_none(tmp_path):
    (tmp_path / "protocols.csv").write_text("another,form\n")
    refresh_page(tmp_path / "protocols_details.png")
    assert [path.name for path in tmp_path.iterdir()] == ["protocols.csv"]


def save_some(folder: Path, process: int) -> None:
    for number in range(5):
        save_table(frame(n=[number, 2]), folder / f"table1_{process}x{number}.csv", "x")


def test_processes_that_save_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=save_some, args=(tmp_path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    names = {f"table1_{process}x{number}" for process in range(3) for number in range(5)}
    assert set(read_tables(tmp_path / "table1.csv")) == names
    assert not list(tmp_path.glob("*.partial"))


def test_a_lock_that_is_never_given_back_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "LONGEST_WAIT", 0.05)
    with (
        FileLock(tmp_path / ".table1.lock"),
        pytest.raises(WorkbookError, match=r"table1\.csv: another process has held it"),
    ):
        save_table(frame(n=[1, 2]), tmp_path / "table1.csv", "x")
    assert not (tmp_path / "table1.csv").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkbookError, match=r"cannot be written .* choose another results folder"):
        save_table(frame(n=[1, 2]), tmp_path / "file" / "table1.csv", "x")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (pd.DataFrame([[1, 2]], columns=["n", "n"]), "two columns of one name: n, n"),
        (pd.DataFrame({"n": [1]}, index=["a | b"]), "row's label 'a | b' holds ' | '"),
    ],
)
def test_a_table_that_would_not_come_back_is_refused(tmp_path, table, problem):
    with pytest.raises(WorkbookError) as error:
        save_table(table, tmp_path / "t.csv", "x")
    assert problem in str(error.value)
    assert list(tmp_path.iterdir()) == []


HEAD = "# t: x\n# t, rows: a | b\ntable,row,column,value\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no header"),
        ("# t: x\nrow,reproduced\na,1.0\n", "no header table,row,column,value"),
        ("# not a caption\n", "'# not a caption' is no caption of a table"),
        (HEAD + "u,a | b,n,1\n", "table 'u' has no caption"),
        (HEAD + "t,a | b,n\n", "has 3 parts, not 4"),
        (HEAD + "t,a | b,n,1\nt,a | b,m,1\nt,c | d,n,1\n", "row 'c | d' of table t lacks a cell"),
        (HEAD + "t,a | b,n,1\nt,c | d,m,1\n", "row 'a | b' of table t lacks a cell"),
        (HEAD + "t,a,n,1\n", "row 'a' has not the levels a, b"),
    ],
)
def test_a_damaged_file_is_told_and_left_as_it_is(tmp_path, text, problem):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(WorkbookError) as error:
        read_table(path, "t")
    assert str(error.value).startswith(f"{path}: is no whole file of tables (")
    assert problem in str(error.value)
    assert "delete it and run its notebook again" in str(error.value)
    with pytest.raises(WorkbookError, match="is no whole file of tables"):
        save_table(frame(n=[1, 2]), tmp_path / "t_more.csv", "x")
    assert path.read_text() == text


def test_a_missing_table_is_told_with_those_there_are(tmp_path):
    save_table(frame(n=[1, 2]), tmp_path / "table1.csv", "x")
    with pytest.raises(WorkbookError, match=r"holds no table table1_x; it has table1"):
        read_table(tmp_path / "table1.csv", "table1_x")
    with pytest.raises(WorkbookError, match="there is no such file"):
        read_table(tmp_path / "table2.csv", "table2")


def test_committed_pages_are_those_of_their_tables():
    listed = subprocess.run(
        ["git", "ls-files", "results/*/*/*.md"], cwd=ROOT, capture_output=True, text=True
    )
    pages = [ROOT / line for line in listed.stdout.splitlines() if "README" not in line]
    if listed.returncode == 0:
        assert len(pages) > 60
    differing = []
    for page in pages:
        file = page.with_suffix(".csv")
        tables = read_tables(file)
        same = page.read_text() == artifacts.as_page(file, tables)
        if not same or file.read_text() != artifacts.as_csv(tables):
            differing.append(page.relative_to(ROOT).as_posix())
    assert differing == []
