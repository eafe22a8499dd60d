"""Which notebooks there are, by the table or figure that each regenerates."""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from wtal_core.data.paths import NOTEBOOKS
from wtal_core.errors import WorkbookError
from wtal_core.study.own_parameters import NAME, short_name

FOLDER = NOTEBOOKS
# notebooks of no paper that write results: "ladder" or "ladder/ladder"
OWN = ("ladder", "predictions", "unknowns")
TEXTS = ("text/plain", "text/markdown")  # kinds of output that are read


@dataclass(frozen=True)
class Notebook:
    """A notebook of a paper: artifact id such as "facnet/table3", or "facnet/method" (no table, no
    figure); and its file.
    """

    artifact: str
    path: Path

    @property
    def title(self) -> str:
        """The first heading."""
        content = json.loads(self.path.read_text(encoding="utf-8"))
        first_cell = "".join(content["cells"][0]["source"])
        return first_cell.splitlines()[0].lstrip("# ").strip()

    @property
    def output_text(self) -> str:
        """The text of all its outputs, as it was executed last."""
        content = json.loads(self.path.read_text(encoding="utf-8"))
        outputs = [output for cell in content["cells"] for output in cell.get("outputs", [])]
        texts = [output.get("text", []) for output in outputs]
        texts += [output.get("data", {}).get(kind, []) for output in outputs for kind in TEXTS]
        return "\n".join("".join(text) for text in texts)


def find_notebooks(wanted: tuple[str, ...] = ()) -> list[Notebook]:
    """The artifacts asked for, in order: "facnet" (all of a paper), "facnet/table3" (one); nothing
    is all there are.
    """
    of_papers = [
        Notebook(f"{path.parent.name}/{short_name(path.stem)}", path)
        for path in sorted(FOLDER.glob("*/*.ipynb"), key=_order)
    ]
    own = [Notebook(f"{name}/{name}", FOLDER / f"{name}.ipynb") for name in OWN]
    known = [*of_papers, *(notebook for notebook in own if notebook.path.is_file())]
    names = {name for n in known for name in (n.artifact, n.artifact.split("/")[0])}
    if unknown := sorted(set(wanted) - names):
        near = sorted(get_close_matches(unknown[0], names, n=5, cutoff=0.5))
        alike = f"near it are {', '.join(near)}; " if near else ""
        raise WorkbookError(f"unknown artifact {unknown[0]!r}; {alike}`wtal list` names all")
    return [n for n in known if not wanted or {n.artifact, n.artifact.split("/")[0]} & set(wanted)]


def _order(path: Path) -> tuple[str, int, int, str]:
    """By paper; tables by number, then figures, then the others."""
    kinds, short = ("table", "figure"), short_name(path.stem)
    kind = next(
        (
            place
            for place, name in enumerate(kinds)
            if NAME.fullmatch(path.stem) and short.startswith(name)
        ),
        len(kinds),
    )
    return (
        path.parent.name,
        kind,
        int(short.removeprefix(kinds[kind])) if kind < len(kinds) else 0,
        path.stem,
    )
