"""The page of a results folder: per data set every artifact with its number, its verdicts and its
picture.

Numbers and verdicts are read from the artifacts' saved tables, as `docs/findings.md` reads them.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from wtal_core.data.manifests import dataset_names, load_manifest
from wtal_core.data.paths import COMMITTED, SHIPPED
from wtal_core.reading.places import resolved
from wtal_core.report.artifacts import SavedTable, artifact_of, read_tables
from wtal_core.report.coverage import FORM
from wtal_core.report.findings import DATASETS, Judged, all_judged, interval_of, place_in
from wtal_core.report.messages import VERDICTS
from wtal_core.report.shown_table import GLYPHS
from wtal_core.workbook.artifacts import OWN, Notebook, find_notebooks
from wtal_core.workbook.navigation import PAPERS

# columns that say what became of a prediction or of a question
OUTCOMES = {"verdict": "Predictions", "outcome": "Predictions", "depends": "With the constant"}
WIDTH = 160  # of a picture on the page, in pixels
INTRODUCTION = """# Results

Every table and figure, with what came out. The numbers are of the data set in the heading, not of
the paper's own data: compare the order of the rows and the differences, not the numbers.

Up to three lines say what came out:

1. The row for which the paper prints its highest number, with its mean over seeds here and the 95 %
   interval in brackets; ± is the deviation over seeds where one of them has collapsed. *printed*
   is the paper's number. *trained*: how many networks have met their own objective.
2. *Largest claim*: the comparison for which the paper prints its largest difference, and that
   difference here, in points.
3. *Verdicts* of all its comparisons: {signs}. {findings} lists each of them with its interval.
   *ours*: comparisons that the paper does not make.
"""
TABLE_HEAD = """| picture | table or figure | what came out |
|---|---|---|"""
NO_PICTURE = "–"
SHORT = 60  # letters of a sentence after which there is room for another one


class Result(NamedTuple):
    """One artifact on one data set. page: its tables, in Markdown; None where only pictures are."""

    artifact: str
    title: str
    notebook: Path | None
    page: Path | None
    pictures: tuple[Path, ...]


def write_index(results: Path) -> Path:
    """Writes `README.md` of a results folder. Returns its path."""
    index = results / "README.md"
    index.write_text(index_page(results), encoding="utf-8")
    return index


def index_page(results: Path) -> str:
    """The page as Markdown. Raises WorkbookError where a file of tables is damaged."""
    judged: dict[tuple[str, str], list[Judged]] = {}
    for comparison in all_judged(results):
        key = (comparison.dataset, f"{comparison.paper}/{comparison.artifact}")
        judged.setdefault(key, []).append(comparison)
    signs = ", ".join(f"{GLYPHS[verdict]} {verdict}" for verdict in VERDICTS)
    parts = [INTRODUCTION.format(signs=signs, findings=_findings(results))]
    without = []
    notebooks = find_notebooks()
    order = (*OWN, *PAPERS)
    notebooks.sort(key=lambda notebook: place_in(notebook.artifact.split("/")[0], order))
    folders = [path for path in results.iterdir() if path.is_dir()]
    for folder in sorted(folders, key=lambda path: (place_in(path.name, DATASETS), path.name)):
        lines = [
            _line(result, judged.get((folder.name, result.artifact), []), results)
            for result in _results(folder, notebooks)
        ]
        if lines:
            parts.append("\n".join([_heading(folder.name), "", TABLE_HEAD, *lines, ""]))
        elif any(folder.glob("runs/*.jsonl")):
            without.append(f"`{folder.name}`")
    if without:
        parts.append(
            "## Runs without a table of their own\n\n"
            f"Other pages read them: {', '.join(without)}.\n"
        )
    return "\n".join(parts)


def _findings(results: Path) -> str:
    """A link to the page of all verdicts; what to type where there is no checkout beside."""
    page = _in_checkout(SHIPPED / "docs" / "findings.md", results)
    return f"[Does it hold?]({_address(page, results)})" if page else "`wtal results findings FILE`"


def _in_checkout(file: Path, folder: Path) -> Path | None:
    """A file of the checkout that a folder lies in; None for a folder that may be taken away."""
    return file if file.is_file() and resolved(folder).is_relative_to(SHIPPED) else None


def _heading(dataset: str) -> str:
    if dataset not in dataset_names():
        return f"## {dataset}"
    manifest = load_manifest(dataset)
    return f"## {manifest.title}\n\n`{dataset}`, {manifest.origin} data."


def _results(folder: Path, notebooks: list[Notebook]) -> Iterator[Result]:
    """What a data set's folder holds: the notebooks' artifacts, then those of commands."""
    known = {notebook.artifact for notebook in notebooks}
    for notebook in notebooks:
        paper, name = notebook.artifact.split("/")
        page = folder / paper / f"{name}.md"
        pictures = _pictures(folder / paper, name)
        if page.is_file() or pictures:
            yield Result(
                notebook.artifact,
                notebook.title,
                _executed(notebook, page),
                page if page.is_file() else None,
                pictures,
            )
    for page in sorted(folder.glob("*/*.md")):
        artifact = f"{page.parent.name}/{page.stem}"
        if artifact not in known:
            pictures = _pictures(page.parent, "protocols" if page.stem == "README" else page.stem)
            yield Result(artifact, _title_of(page), None, page, pictures)


def _executed(notebook: Notebook, page: Path) -> Path | None:
    """Where the notebook lies with the outputs that the page is of: in a folder of somebody's own
    beside the page, for the committed results among the committed notebooks.
    """
    beside = page.with_name(notebook.path.name)
    if beside.is_file() and not resolved(page).is_relative_to(COMMITTED):
        return beside
    return _in_checkout(notebook.path, page.parent)


def _pictures(folder: Path, name: str) -> tuple[Path, ...]:
    """The PNG files of an artifact, the one of its own name first."""
    files = [path for path in folder.glob(f"{name}*.png") if artifact_of(path) == name]
    return tuple(sorted(files, key=lambda path: (path.stem != name, path.name)))


def _title_of(page: Path) -> str:
    """The heading of a page that a person wrote; the first words of a page of tables."""
    heading = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    source = page.with_suffix(".csv")
    if not source.is_file():
        return heading
    return f"{heading.capitalize()}: {_first(read_tables(source)).caption.split('. ')[-1]}"


def _line(result: Result, judged: list[Judged], results: Path) -> str:
    """One row of the page."""
    source = result.page.with_suffix(".csv") if result.page else None
    tables = read_tables(source) if source is not None and source.is_file() else {}
    came_out = [
        _number(tables, result),
        _largest_claim([comparison for comparison in judged if comparison.is_papers]),
        _verdicts(judged, tables),
    ]
    told = "<br>".join(filter(None, came_out))
    return f"| {_thumbnail(result, results)} | {_name(result, results)} | {told} |"


def _thumbnail(result: Result, results: Path) -> str:
    """A small picture that leads to the page of the artifact, or else to the large picture."""
    if not result.pictures:
        return NO_PICTURE
    address = _address(result.pictures[0], results)
    words = _plain(result.title)
    page = _address(result.page or result.pictures[0], results)
    return f'[<img src="{address}" width="{WIDTH}" alt="{words}">]({page})'


def _name(result: Result, results: Path) -> str:
    """The title, which leads to the notebook, and the page of all tables and pictures."""
    title = result.title
    if result.notebook is not None:
        title = f"[{title}]({_address(result.notebook, results)})"
    if result.page is None:
        return title
    has_tables = result.page.with_suffix(".csv").is_file()
    what = "tables and pictures" if has_tables and result.pictures else "tables"
    words = what if has_tables else "page"
    return f"{title}<br>[{words}]({_address(result.page, results)})"


def _number(tables: Mapping[str, SavedTable], result: Result) -> str:
    """The number to look at first, and of what it is; or what stands there instead."""
    if not tables:
        return "A picture without a table." if result.page is None else "See the page."
    for name, table in tables.items():
        frame = table.as_frame()
        is_of_means = {"paper", "here", "±"} <= set(frame)
        if is_of_means and frame["paper"].str.contains(r"\d").any():
            return _of_the_papers_best(frame, _metric(name, table.caption))
    for name, table in tables.items():
        if name.endswith("_columns"):
            return _of_printed_columns(table.as_frame(), tables)
    for table in tables.values():
        if (number := _with_interval(table.as_frame())) is not None:
            return number
    return f"No single number: {_plain(_subject(_first(tables)))}."


def _of_the_papers_best(frame: pd.DataFrame, metric: str) -> str:
    place = _highest(frame.index, frame["paper"])
    row = frame.iloc[place]
    spread = _in_brackets(row["95 % interval"], row["±"])
    trained = ""
    if "trained" in frame:
        trained = f"; {row['trained']} networks trained, in all rows {_counted(frame['trained'])}"
    name = _plain(str(frame.index[place]))
    number = f"{name}: **{row['here']}**{spread}, printed {row['paper']}"
    return f"{number}<br>{metric}{trained}"


def _of_printed_columns(frame: pd.DataFrame, tables: Mapping[str, SavedTable]) -> str:
    """Of the last printed column, which is the average, the paper's highest row."""
    lines = frame.reset_index()
    is_average = lines["column"] == lines["column"].iloc[-1]
    lines = lines[is_average & lines["here"].str.contains(r"\d")]
    if lines.empty:
        return ""
    row = lines.iloc[_highest(lines["row"], lines["printed"])]
    mean, _, deviation = row["here"].partition(" ± ")
    spread = _in_brackets(row["95 % interval"], deviation)
    words = row["column"] if "mAP" in row["column"] else f"mAP, {row['column']}"
    trained = _trained(row["row"], tables)
    return f"{_plain(row['row'])}: **{mean}**{spread}, printed {row['printed']}<br>{words}{trained}"


def _trained(row: str, tables: Mapping[str, SavedTable]) -> str:
    """How many networks of a row are trained, if any of the artifact's tables says so."""
    for table in tables.values():
        frame = table.as_frame()
        if "trained" in frame and row in frame.index:
            return f"; {frame.loc[row, 'trained']} networks trained"
    return ""


def _highest(names: Iterable[str], printed: pd.Series) -> int:
    """Where the highest printed number stands; of several the last, in the first of its forms.

    A row such as "UM + CW, weight 1" is a variant of "UM + CW", which the number is of.
    """
    numbers = pd.to_numeric(printed, errors="coerce")
    plain = [FORM.sub("", str(name)) for name in names]
    best = [name for name, number in zip(plain, numbers, strict=True) if number == numbers.max()]
    best = [name for name in best if not any(name.startswith(f"{other}, ") for other in best)]
    return plain.index(best[-1]) if best else len(plain) - 1


def _with_interval(frame: pd.DataFrame) -> str | None:
    """The first row of a table that has an interval, with its number; None where there is none."""
    columns = list(frame)
    if "95 % interval" not in columns or columns.index("95 % interval") == 0 or frame.empty:
        return None
    before = columns[columns.index("95 % interval") - 1]
    of_what = "here" if "here" in columns else before
    row = frame.iloc[0]
    if not re.search(r"\d", row[of_what]):
        return None
    spread = _in_brackets(row["95 % interval"], "")
    return f"{_plain(str(frame.index[0]))}: {_plain(of_what)} **{row[of_what]}**{spread}"


def _in_brackets(interval: str, deviation: str) -> str:
    if re.search(r"\d", interval):
        return f" ({interval})"
    return f" ± {deviation}" if re.search(r"\d", deviation) else ""


def _counted(trained: pd.Series) -> str:
    """ "96 of 100" of a column such as "5 of 5", "4 of 5"."""
    pairs = [re.fullmatch(r"(\d+) of (\d+)", text) for text in trained]
    numbers = [(int(pair[1]), int(pair[2])) for pair in pairs if pair]
    return f"{sum(met for met, _ in numbers)} of {sum(seeds for _, seeds in numbers)}"


def _metric(name: str, caption: str) -> str:
    """ "average mAP@0.1:0.7" from the sentence of a caption that says it."""
    if name.endswith("_average"):
        return "average mAP"
    sentences = [part for part in re.split(r"\. ", caption) if "mAP" in part]
    words = sentences[0].split(";")[0].replace(" (%)", "").rstrip(".") if sentences else "mAP"
    return words[0].lower() + words[1:] if words.startswith("Average") else words


def _subject(table: SavedTable) -> str:
    """A caption without its number and its data set, which stand beside and above: its first
    sentence, or two short ones.
    """
    words = re.sub(
        r"^\S.* (Table|Figure) \d+(, (?=as printed|reported))?[.:,]? ?", "", table.caption
    )
    words = re.sub(r"(?<=\. )Simulated, version 2, (\w)", lambda begins: begins[1].upper(), words)
    words = re.sub(r"(on )?Simulated, version 2, ", "", words)
    first, *others = words.rstrip(".").split(". ")
    return ". ".join([first, *others[: int(len(first) < SHORT)]])


def _largest_claim(judged: list[Judged]) -> str:
    """The comparison of the largest printed difference; the first where none has a number."""
    if not judged:
        return ""
    best = max(judged, key=lambda one: float("-inf") if one.printed is None else one.printed)
    size = "" if best.here is None else f" **{best.here:+.1f}**"
    spread = "" if best.interval is None else f" ({interval_of(best)})"
    printed = "" if best.printed is None else f", printed {best.printed:+.1f}"
    told = f"{size}{spread}{printed}".lstrip(", ").strip()
    said = f"Largest claim: {_plain(best.comparison)}: {GLYPHS[best.verdict]} {best.verdict}"
    return f"{said}, {told}" if told else said


def _verdicts(judged: list[Judged], tables: Mapping[str, SavedTable]) -> str:
    """Counts by sign: the paper's comparisons, ours, and what was predicted."""
    parts = []
    for words, chosen in (
        ("", [one.verdict for one in judged if one.is_papers]),
        ("ours: ", [one.verdict for one in judged if not one.is_papers]),
    ):
        counts = Counter(chosen)
        if counts:
            told = " ".join(f"{GLYPHS[name]} {counts[name]}" for name in VERDICTS if counts[name])
            parts.append(words + told)
    parts = [f"Verdicts: {'; '.join(parts)}"] if parts else []
    parts += [told for table in tables.values() if (told := _outcomes(table))]
    return "<br>".join(parts)


def _outcomes(table: SavedTable) -> str:
    """Counts of what became of predictions or questions; "" where the table holds none."""
    for column, what in OUTCOMES.items():
        if column in table.columns and "comparison" not in table.columns:
            outcomes = Counter(table.as_frame()[column])
            return f"{what}: " + ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
    return ""


def _first(tables: Mapping[str, SavedTable]) -> SavedTable:
    return next(iter(tables.values()))


def _plain(words: str) -> str:
    """Words of a table as text: no markup of theirs is any in the page."""
    return escape(" ".join(words.split())).replace("|", "&#124;")


def _address(target: Path, results: Path) -> str:
    return Path(os.path.relpath(resolved(target), resolved(results))).as_posix()
