"""Links to the code: a page for each file, and names in the text that lead to their lines.

A link `repo:PATH` leads to the page of a file, or to a document of the book. Words in code type
such as `facnet.localize`, `wtal_core/packed.py` or `wtal evaluate` become such links.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from book.settings import BRANCH, ROOT, repository

SCHEME = "repo:"
FOLDER = "code"  # in the book
ALWAYS = ("CITATION.cff", "LICENSE")
CODE_TYPE = re.compile(r"`([^`\n]+)`")
PLAIN_NAME = re.compile(r"[A-Za-z_][\w.]*")
COMMAND = re.compile(r"wtal ([a-z]+)(?: ([a-z]+))?")
COMMANDS = "docs/commands"
INDEX = """<h1>The code</h1>
<p>Files that the book links to, each with the lines that are meant. One file per method:
<code>wtal_core/models</code>. How they hang together: <a href="{layout}">Where things are</a>.</p>
"""


@cache
def definitions() -> dict[str, str]:
    """ "facnet.localize" -> "wtal_core/models/facnet.py#L12": functions, classes and their methods;
    also under the full name of the module. Names that two modules share lead nowhere.
    """
    found: list[tuple[str, str]] = []
    for path in sorted((ROOT / "wtal_core").glob("**/*.py")):
        place = path.relative_to(ROOT)
        module = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
        for name, line in _defined(ast.parse(path.read_text(encoding="utf-8"))):
            for prefix in {module, module.split(".")[-1]}:
                found.append((f"{prefix}.{name}", f"{place.as_posix()}#L{line}"))
    times = Counter(name for name, _ in found)
    return {name: where for name, where in found if times[name] == 1}


def _defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Name and line of what a module defines, and of what its classes define."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner.lineno


def meant(words: str, anchors: set[str]) -> str | None:
    """What words in code type lead to, as `repo:` names it; None where nothing is sure.

    anchors: of the page of commands.
    """
    if command := COMMAND.match(words):
        two, one = f"wtal-{command[1]}-{command[2]}", f"wtal-{command[1]}"
        return next((f"{COMMANDS}.md#{a}" for a in (two, one) if a in anchors), None)
    for place in (words, f"wtal_core/{words}"):
        if "/" in place and PurePosixPath(place).suffix and (ROOT / place).is_file():
            return place
    if module := _module(words):
        return module
    called = PLAIN_NAME.match(words)
    return definitions().get(called[0].rstrip(".")) if called else None


def _module(words: str) -> str | None:
    """The file of `wtal_core.runs.train`."""
    path = words.replace(".", "/") + ".py"
    return path if words.startswith("wtal_core.") and (ROOT / path).is_file() else None


class LinkCode(SphinxPostTransform):
    """Resolves `repo:` links, and makes links of names in code type."""

    default_priority = 5
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        for literal in list(self.document.findall(nodes.literal)):
            if not any(isinstance(node, nodes.reference) for node in _above(literal)):
                self._link(literal)
        for link in list(self.document.findall(nodes.reference)):
            if link.get("refuri", "").startswith(SCHEME):
                self._resolve(link)

    def _link(self, literal: nodes.literal) -> None:
        where = meant(literal.astext(), self._commands())
        address = self._address(where) if where else None
        if address and not address.startswith("#"):  # a command's own heading
            link = nodes.reference("", "", refuri=address, internal=True)
            literal.replace_self(link)
            link += literal

    def _resolve(self, link: nodes.reference) -> None:
        address = self._address(link["refuri"].removeprefix(SCHEME))
        if address is None:
            link.replace_self(link.children)
        else:
            link["refuri"] = address
            link["internal"] = True

    def _address(self, where: str) -> str | None:
        """From this page to a document or a listing; None where the book has neither."""
        path, _, anchor = where.partition("#")
        anchor = f"#{anchor}" if anchor else ""
        page = path.strip("/")
        if page.endswith((".md", ".ipynb")):
            page = str(Path(page).with_suffix(""))
        elif (ROOT / page).is_dir():
            below = sorted(name for name in self.env.all_docs if name.startswith(f"{page}/"))
            page = below[0] if below else f"{FOLDER}/index"
        elif ROOT / page in files(Path(self.app.srcdir)):
            page = f"{FOLDER}/{page}"
        if page not in self.env.all_docs and not page.startswith(f"{FOLDER}/"):
            return None
        return self.app.builder.get_relative_uri(self.env.docname, page) + anchor

    def _commands(self) -> set[str]:
        """The anchors of the page of commands."""
        return set(self.env.metadata.get(COMMANDS, {}).get("myst_slugs", {}))


def _above(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


@cache
def files(sources: Path) -> list[Path]:
    """The files of the repository that have a page: those that the sources link to or name."""
    places = set(ALWAYS)
    for source in sources.glob("**/*"):
        if source.suffix in (".md", ".ipynb"):
            text = source.read_text(encoding="utf-8")
            places |= set(re.findall(rf"\({SCHEME}([^)#]+)", text))
            places |= {meant(words, set()) or "" for words in set(CODE_TYPE.findall(text))}
    paths = {ROOT / place.partition("#")[0] for place in places}
    return sorted(path for path in paths if path.is_file() and _is_listed(path))


def _is_listed(path: Path) -> bool:
    """Whether a file is text that no other page of the book shows: not so a file of arrays."""
    if path.suffix in (".md", ".ipynb"):
        return False
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def listings(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages of the files, and the page that lists them."""
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
    for path in files(Path(app.srcdir)):
        place = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        body = highlight(text, _lexer(path), formatter).replace('name="L-', 'id="L')
        body = body.replace('id="L-', 'id="L').replace('href="#L-', 'href="#L')
        there = f' · <a href="{_there(place)}">in the repository</a>' if repository() else ""
        up = app.builder.get_relative_uri(f"{FOLDER}/{place}", f"{FOLDER}/index")
        head = f'<h1>{escape(path.name)}</h1><p><a href="{up}">{escape(place)}</a>{there}</p>'
        yield f"{FOLDER}/{place}", {"title": place, "body": head + body}, "page.html"
    yield f"{FOLDER}/index", {"title": "The code", "body": _index(app)}, "page.html"


def _index(app: Sphinx) -> str:
    """The files by folder."""
    here = f"{FOLDER}/index"
    body = [INDEX.format(layout=app.builder.get_relative_uri(here, "docs/layout"))]
    for folder in dict.fromkeys(path.parent for path in files(Path(app.srcdir))):
        place = folder.relative_to(ROOT).as_posix()
        body.append(f"<h2>{escape(place)}</h2><ul>")
        for path in (path for path in files(Path(app.srcdir)) if path.parent == folder):
            uri = app.builder.get_relative_uri(
                here, f"{FOLDER}/{path.relative_to(ROOT).as_posix()}"
            )
            body.append(f'<li><a href="{uri}">{escape(path.name)}</a></li>')
        body.append("</ul>")
    return "\n".join(body)


def _there(place: str) -> str:
    return f"{repository()}/blob/{BRANCH}/{place}"


def _lexer(path: Path) -> Any:
    try:
        return get_lexer_for_filename(path.name)
    except ClassNotFound:
        return TextLexer()
