"""README and docs/: what they link to exists, and what they say of commands is so."""

import re
import shlex

import pytest

from tests.places import ROOT
from wtal_core.cli.entry import GROUPS, all_commands, overview
from wtal_core.cli.formats_example import page as formats_page
from wtal_core.cli.reference import reference
from wtal_core.cli.rows import write as write_rows
from wtal_core.data import archives, download
from wtal_core.data.manifests import dataset_names
from wtal_core.data.restricted_pickle import ADMITTED
from wtal_core.evaluation.formats import opening
from wtal_core.reading import arrays, json_files, parquet, pickles, texts, yaml_files
from wtal_core.runs import train
from wtal_core.workbook.artifacts import find_notebooks

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"^(\w+):", re.MULTILINE)
TEST = re.compile(r"\b(tests/[\w/]+(?:\.\w+)?)(?:::(\w+))?")
WORDS = {4: "four", 7: "seven"}
CALL = re.compile(r"\bwtal ([a-z]+(?: [a-z]+)?)")
# words that follow `wtal` in a sentence or stand for several commands
NOT_ONE_COMMAND = {"new", "statistics"}


def test_links_lead_somewhere():
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(page.read_text())
        if not re.match(r"https?://", link) and not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_page_of_docs_is_linked_from_the_readme():
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages <= linked


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 70


def test_commands_in_texts_exist():
    known = all_commands()
    unknown = []
    for page in PAGES:
        for words in CALL.findall(page.read_text()):
            first, _, second = words.partition(" ")
            exists = first in known or (first in GROUPS and f"{first} {second}" in known)
            if not exists and words not in NOT_ONE_COMMAND:
                unknown.append(f"{page.name}: wtal {words}")
    assert unknown == []


def test_options_of_the_readmes_commands_exist():
    lines = re.findall(r"^wtal (.+?)(?: +#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(lines) == 3
    page = reference()
    for line in lines:
        command, *words = shlex.split(line)
        section = page.split(f"## `wtal {command}`")[1].split("\n## ")[0]
        for option in (word for word in words if word.startswith("--")):
            assert f"`{option}`" in section, line


def test_tests_that_texts_name_exist():
    absent = []
    for page in PAGES:
        for path, name in TEST.findall(page.read_text()):
            file = ROOT / path
            is_there = file.exists() if not name else f"def {name}(" in file.read_text()
            if not is_there:
                absent.append(f"{page.name}: {path} {name}")
    assert absent == []


def test_the_limits_that_the_page_on_trust_states_are_those_of_the_code():
    text = " ".join((ROOT / "docs" / "trust.md").read_text().split())
    gibibyte = 2**30
    for words in (
        f"{texts.LARGEST // gibibyte} GiB, lists in lists {json_files.DEEPEST}",
        f"detections and annotations {opening.MOST_PLAIN // gibibyte} GiB,",
        f"or {opening.MOST_BYTES // gibibyte} GiB when decompressed",
        f"YAML {yaml_files.LARGEST // 2**20} MiB, {yaml_files.MOST_VALUES:,} values, depth "
        f"{yaml_files.DEEPEST}",
        f"pickle {pickles.MOST_OPCODES:,} opcodes, {pickles.MOST_VALUES:,} values, depth "
        f"{pickles.DEEPEST}",
        f"more than {arrays.FREE // gibibyte} GiB and {arrays.HIGHEST_RATIO} times its size",
        f"Parquet {parquet.MOST_ROWS // 10**6} million rows",
        f"at most {archives.MOST_MEMBERS:,} files and {archives.MOST_BYTES // gibibyte} GiB, at "
        f"most {archives.MOST_RATIO} times its packed size",
        f"{download.TIMEOUT[1]:.0f} s for each piece and {WORDS[download.TRIES]} tries",
        f"one every {train.CHECKPOINT_SECONDS:.0f} s",
        f"name {WORDS[len({name for _, name in ADMITTED})]} globals",
    ):
        assert words in text, words


def test_targets_of_make_in_texts_exist():
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    for page in PAGES:
        assert set(re.findall(r"`make (\w+)", page.read_text())) <= targets, page.name


def test_the_page_of_commands_is_what_the_commands_say():
    """`make docs` writes it."""
    assert (ROOT / "docs" / "commands.md").read_text() == reference()


def test_the_samples_of_formats_are_what_is_read_and_written():
    """`make docs` writes them."""
    assert (ROOT / "docs" / "formats.md").read_text() == formats_page()


def test_the_counts_of_printed_rows_are_what_the_committed_tables_say(tmp_path):
    """`make docs` writes them."""
    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text())
    write_rows(ROOT / "results", tmp_path / "rows.md", readme)
    assert (ROOT / "docs" / "rows.md").read_text() == (tmp_path / "rows.md").read_text()
    assert (ROOT / "README.md").read_text() == readme.read_text()


def test_the_overview_has_one_line_per_command():
    for name in all_commands():
        (line,) = [line for line in overview().splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith(".") and len(line) < 130


def test_the_readme_counts_the_tables_that_there_are():
    """ "Tables 1 to 4, Figures 1 and 4 to 8" are the notebooks of that paper."""
    text = (ROOT / "README.md").read_text()
    papers = {"facnet": "FAC-Net", "backtal": "BackTAL", "ten": "TEN", "gaufuse": "GauFuse"}
    for paper, title in papers.items():
        (line,) = [row for row in text.splitlines() if row.startswith(f"| **{title}")]
        tables, figures = line.split("Tables ")[1].split(", Figures ")
        stated = {f"table{n}" for n in numbers(tables)} | {f"figure{n}" for n in numbers(figures)}
        names = {notebook.artifact.split("/")[1] for notebook in find_notebooks((paper,))}
        assert stated == {name for name in names if re.fullmatch(r"(table|figure)\d+", name)}


def numbers(text: str) -> list[int]:
    """ "1 and 4 to 8" -> 1, 4, 5, 6, 7, 8."""
    listed = []
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        listed += range(int(first), int(last or first) + 1)
    return listed


@pytest.mark.parametrize("name", dataset_names())
def test_the_page_on_data_names_every_data_set(name):
    assert f"`{name}`" in (ROOT / "docs" / "data.md").read_text()
