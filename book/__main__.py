"""`python -m book FOLDER [DOCUMENT ...]`: builds the book; of the documents named, if any."""

import argparse
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from book.sources import ROOT, Sources


def build(folder: Path, only: tuple[str, ...] = (), jobs: int = 2) -> int:
    """Writes the book into a folder; what it is made of lies beside it, in FOLDER.work.

    The folder is replaced as a whole, once all pages are made. Returns Sphinx's exit status: 0, or
    1 where anything is wrong, warnings included.
    """
    work = folder.with_name(f"{folder.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    Sources(work / "sources", only).write()
    options = ["-b", "html", "-q", "-n", "-W", "--keep-going", "-j", str(jobs)]
    places = ["-c", str(ROOT / "book"), "-d", str(work / "doctrees"), str(work / "sources")]
    status = build_main([*options, *places, str(work / "html")])
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
        (work / "html").rename(folder)
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m book", description="Builds the book.")
    parser.add_argument("folder", type=Path, help="that it is written into, as a whole")
    parser.add_argument("documents", nargs="*", help="to build alone, such as docs/glossary.md")
    given = parser.parse_args()
    sys.exit(build(given.folder.resolve(), tuple(given.documents)))
