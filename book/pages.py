"""Pages that the book has beside the repository's documents, and what it adds to those."""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pandas as pd

from book.settings import ROOT, citation, repository
from wtal_core.papers.manifests import known_papers, reported
from wtal_core.report.findings import DATASETS as MAIN_FIRST
from wtal_core.report.findings import Judged, place_in
from wtal_core.report.messages import VERDICTS
from wtal_core.report.shown_table import GLYPHS
from wtal_core.workbook import navigation
from wtal_core.workbook.artifacts import FOLDER, Notebook
from wtal_core.workbook.navigation import DATASETS, PAPERS, notebooks

WHAT_CAME_OUT = ("findings", "predictions", "teaching", "profiles", "rows")
AIM = re.compile(r"^\| \[[^]]+\]\(([^)]+\.ipynb)\) \| ([^|]+?) \|", re.MULTILINE)
# tables of an artifact, by the end of their names
TABLES = {
    "columns": "Every printed column",
    "messages": "The messages",
    "judged": "Each comparison",
    "tious": "All tIoUs",
    "diagnoses": "What the training arrived at",
    "literature": "Methods of the literature",
    "yardsticks": "Yardsticks",
    "printed": "What the paper prints",
}
DIFFERS = re.compile(r"^## (What differs .+)$", re.MULTILINE)
BUTTONS = """:::{container} buttons
[Chapter zero](/notebooks/chapter_zero.ipynb)
[Start here](/notebooks/start_here.ipynb)
[FAC-Net, step by step](/notebooks/facnet/method.ipynb)
[Does it hold?](/docs/findings.md)
:::

"""
RUNNING = """# Run it yourself

The pages of this book are notebooks that were executed before they were committed. Its sliders move
in the browser. To change a line of code or train a network, take the workbook itself: Linux, Python
3.11 or newer. In a checkout:

```
make setup                                # everything, pinned, into .venv
. .venv/bin/activate
wtal lab                                  # JupyterLab in the browser, at start_here
```

`wtal lab facnet/method` opens another notebook. Each has a folded cell of parameters.
There you can give another data set, profile or number of seeds. Runs that are committed are read.
What is missing is trained, as the line "Cost" of the notebook says.

A single notebook is downloaded by the button at the top of its page. It needs the package beside
it: `pip install ".[notebooks]"` in a checkout.

All commands: [](/docs/commands.md).
"""
HOSTED = """
## Without installing

The rocket at the top of a notebook's page opens it in Binder or in Colab. The repository is
<{repository}>. Binder installs the workbook first, which takes some minutes. In Colab, run this in
a new first cell:

```
!git clone --depth 1 {repository} workbook
%pip install -q -e "workbook[notebooks]"
%cd workbook
```
"""
NOT_HOSTED = """
## Without installing

This copy of the book names no public address of the workbook, so it has no buttons for Binder and
Colab. `BOOK_REPOSITORY=https://github.com/OWNER/NAME make book` builds one that has them.
"""
CITE = """# Cite

If you use this workbook, please cite it, and the papers whose methods you run.

```bibtex
@software{{wtal_workbook,
  title   = {{{title}}},
  author  = {{{author}}},
  version = {{{version}}},{url}
}}
```

The same as [CITATION.cff](/CITATION.cff), which reference managers read.

## The papers

{papers}

[All methods that are trained or quoted here, with their papers](/docs/bibliography.md).
"""


def address(notebook: Notebook) -> str:
    """Of a link from anywhere in the book."""
    return f"/notebooks/{notebook.path.relative_to(FOLDER).as_posix()}"


def front(text: str, chapters: list[Notebook], taken: set[str]) -> str:
    """The README, with the contents of the book."""
    picture = text.index("![")
    zero = [address(notebook) for notebook in chapters if notebook.path.parent == FOLDER]
    docs = sorted(place for place in taken if place.startswith("docs/"))
    outcome = [f"docs/{name}.md" for name in WHAT_CAME_OUT if f"docs/{name}.md" in docs]
    path = [place for place in docs if place == "docs/learning_path.md"]
    others = [place for place in docs if place not in [*outcome, *path]]
    papers = [f"papers/{paper}" for paper in _papers_of(chapters)]
    results = [place for place in taken if place == "results/README.md"]
    last = [place for place in ("CONTRIBUTING.md", "CHANGELOG.md") if place in taken]
    parts = {
        "First steps and tools": [*path, *zero],
        "The papers": papers,
        "What came out": [*outcome, *results],
        "To look up": ["running", *others, *last, "cite"],
    }
    contents = [toctree(places, caption=part) for part, places in parts.items() if places]
    buttons = BUTTONS if not _missing(BUTTONS, taken) else ""
    return text[:picture] + buttons + text[picture:] + "".join(contents)


def toctree(places: list[str], caption: str = "") -> str:
    """Contents that stand at the side of the page."""
    lines = [f"/{place.lstrip('/').removesuffix('.md').removesuffix('.ipynb')}" for place in places]
    options = f":caption: {caption}\n" if caption else ""
    return "\n```{toctree}\n:hidden:\n" + options + "\n" + "\n".join(lines) + "\n```\n"


def result(text: str, place: str) -> str:
    """A page of tables, with a title that says of what, and the notebook that made them."""
    _, dataset, paper, file = place.split("/")
    short = Path(file).stem
    title, _, tables = text.partition("\n")
    if title != f"# {short}":
        return text
    artifact = f"{paper}/{short}"
    made_by = [notebook for notebook in notebooks() if notebook.artifact == artifact]
    about = [f"From [{notebook.title}]({address(notebook)})." for notebook in made_by]
    headed = re.sub(rf"^## {short}(?:_(\w+))?$", _headed, tables, flags=re.MULTILINE)
    return "\n\n".join([f"# {_named(artifact)}, on {dataset}", *about, headed])


def _headed(heading: re.Match[str]) -> str:
    """ "## Every printed column" of "## table3_columns"."""
    end = heading[1]
    return f"## {TABLES.get(end, end.replace('_', ' ').capitalize()) if end else 'The table'}"


def links_of(place: str) -> str:
    """The line below a notebook's title: its paper, its results, how to run it."""
    notebook = next(n for n in notebooks() if address(n) == f"/{place}")
    paper = notebook.path.parent.name
    links = [f"[{reported(paper)['method']}](/papers/{paper}.md)"] if paper in PAPERS else []
    found = results_of(notebook.artifact)
    if found:
        links.append("results on " + ", ".join(f"[{d}](/{page})" for d, page in found.items()))
    links.append("[glossary](/docs/glossary.md)")
    links.append("[run it yourself](/running.md)")
    return ":::{container} places\n" + " · ".join(links) + "\n:::"


def results_of(artifact: str) -> dict[str, str]:
    """Data set -> page of results of an artifact, as the book names it."""
    pages = navigation.results_of(artifact)
    return {dataset: path.relative_to(ROOT).as_posix() for dataset, path in pages.items()}


def all_pages(chapters: list[Notebook], judged: list[Judged]) -> list[tuple[str, str]]:
    """(place, text) of the pages of the book that are no document of the repository."""
    papers = [
        (f"papers/{paper}.md", _paper(paper, chapters, judged)) for paper in _papers_of(chapters)
    ]
    hosted = HOSTED.format(repository=repository()) if repository() else NOT_HOSTED
    return [*papers, ("running.md", RUNNING + hosted), ("cite.md", _cite())]


def _paper(paper: str, chapters: list[Notebook], judged: list[Judged]) -> str:
    facts = reported(paper)
    own = [notebook for notebook in chapters if notebook.path.parent.name == paper]
    of_paper = [one for one in judged if one.paper == paper and one.is_papers]
    artifacts = "\n".join(_entry(notebook) for notebook in own)
    code = f"wtal_core/models/{paper}.py"
    numbers = f"data_manifests/papers/{paper}.yaml"
    return f"""# {facts["method"]}

*{facts["title"]}*, {facts["venue"]}.{_arxiv(facts)} The method is one file,
[`{code}`](/{code}). What the paper prints: [`{numbers}`](/{numbers}).
[Cite it](/cite.md) · [all results](/results/README.md) · [all verdicts](/docs/findings.md) ·
[glossary](/docs/glossary.md). Every notebook has a button for its download.

## What is here

{artifacts}

## What holds

How many comparisons of each message hold, on which data. The words are explained, and each
comparison has its interval, on the page [](/docs/findings.md).

{_verdicts(of_paper)}

![Paired differences of {paper}'s comparisons](/docs/holds/{paper}.png)

## What differs from paper and code

{_differences(own)}
{toctree([address(notebook) for notebook in own])}"""


def _entry(notebook: Notebook) -> str:
    """A notebook with what came out, in a line and a picture."""
    found = results_of(notebook.artifact)
    pages = ", ".join(f"[{dataset}](/{page})" for dataset, page in found.items())
    lines = [f"### [{_without_paper(notebook)}]({address(notebook)})\n"]
    if aim := aims().get(notebook.path.relative_to(FOLDER).as_posix()):
        lines.append(f"{aim[0].upper()}{aim[1:]}.\n")
    if found:
        lines.append(f"Tables: {pages}.\n")
        lines.append(_folded(*next(iter(found.items()))))
    drawn = [(d, _pictures(d, notebook.artifact)) for d in found if _pictures(d, notebook.artifact)]
    if drawn:
        dataset, pictures = drawn[0]
        lines.append(f"![{notebook.title}, on {dataset}](/{pictures[0]})\n")
    return "\n".join(lines)


@cache
def aims() -> dict[str, str]:
    """A notebook's path below `notebooks/` -> its aim, as the learning path has it."""
    page = (ROOT / "docs" / "learning_path.md").read_text(encoding="utf-8")
    return {place.removeprefix("../notebooks/"): aim for place, aim in AIM.findall(page)}


def _folded(dataset: str, page: str) -> str:
    """The first table of a page of results, behind a line to click on; "" where it has none."""
    table = re.search(r"(?:^\|.*\n)+", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    if table is None:
        return ""
    summary = f"<summary>The table on {dataset}</summary>"
    return f"<details>{summary}\n\n{table[0]}\n</details>\n"


def _verdicts(judged: list[Judged]) -> str:
    """One row per message, one column per data set."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in judged:
        counts.setdefault((one.claim, one.dataset), Counter())[one.verdict] += 1
    columns = sorted({dataset for _, dataset in counts}, key=lambda d: place_in(d, DATASETS))
    rows = [
        {
            "message": claim,
            **{d: _told(counts.get((claim, d), Counter())) for d in columns},
        }
        for claim in dict.fromkeys(claim for claim, _ in counts)
    ]
    if not rows:
        return "Nothing is judged yet."
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True, tablefmt="pipe")


def _told(verdicts: Counter[str]) -> str:
    told = [f"{GLYPHS[name]} {verdicts[name]} {name}" for name in VERDICTS if verdicts[name]]
    return "<br>".join(told) or "–"


def _differences(own: list[Notebook]) -> str:
    """Links to the sections of the notebooks that tell them."""
    lines = []
    for notebook in own:
        for heading in DIFFERS.findall(_prose(notebook)):
            anchor = re.sub(r"\W+", "-", heading.lower()).strip("-")
            link = f"{address(notebook)}#{anchor}"
            lines.append(f"* [{_without_paper(notebook)}]({link})")
    return "\n".join(lines)


def _prose(notebook: Notebook) -> str:
    """The text of its Markdown cells."""
    content = json.loads(notebook.path.read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def _cite() -> str:
    facts = citation()
    url = f"\n  url     = {{{repository()}}}," if repository() else ""
    papers = [reported(paper) for paper in PAPERS]
    return CITE.format(
        title=facts["title"],
        author=" and ".join(author["name"] for author in facts["authors"]),
        version=facts["version"],
        url=url,
        papers="\n".join(f"* *{p['title']}*, {p['venue']}.{_arxiv(p)}" for p in papers),
    )


def _arxiv(facts: dict) -> str:
    number = facts.get("arxiv")
    return f" [arXiv {number}](https://arxiv.org/abs/{number})." if number else ""


def _named(artifact: str) -> str:
    """ "FAC-Net, Table 3" of "facnet/table3", "Ladder" of "ladder/ladder"."""
    paper, short = artifact.split("/")
    words = re.sub(r"(\d+)$", r" \1", short).replace("_", " ").capitalize()
    return f"{reported(paper)['method']}, {words}" if paper in known_papers() else words


def _pictures(dataset: str, artifact: str) -> list[str]:
    """The picture of the artifact, and its others."""
    paper, short = artifact.split("/")
    folder = ROOT / "results" / dataset / paper
    files = [*folder.glob(f"{short}.png"), *sorted(folder.glob(f"{short}_*.png"))]
    return [path.relative_to(ROOT).as_posix() for path in files]


def results_in_order(place: str) -> tuple[int, list[str | int]]:
    """A key that sorts pages of results by data set, as the index does, and by number."""
    return place_in(place.split("/")[1], MAIN_FIRST), numbers_apart(place)


def numbers_apart(place: str) -> list[str | int]:
    """A key that sorts figure2 before figure10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", place)]


def _papers_of(chapters: list[Notebook]) -> list[str]:
    return [p for p in PAPERS if any(n.path.parent.name == p for n in chapters)]


def _without_paper(notebook: Notebook) -> str:
    """ "Table 3: which branches" of "FAC-Net, Table 3: which branches"."""
    method = re.escape(reported(notebook.path.parent.name)["method"])
    words = re.sub(rf"^{method}( \+ \w+)?[,:] ", "", notebook.title)
    return words[0].upper() + words[1:]


def _missing(text: str, taken: set[str]) -> set[str]:
    return set(re.findall(r"\]\(/([^)]+)\)", text)) - taken
