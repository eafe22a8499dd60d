"""Where the repository is: as the environment variable BOOK_REPOSITORY says, or else the line
`repository-code: https://github.com/OWNER/NAME` of CITATION.cff.

With an address the book has links to the repository, and buttons that open a notebook in Binder or
Colab. Without one it has neither, and its page "Run it yourself" says so.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "main"


@cache
def citation() -> dict[str, Any]:
    """CITATION.cff."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def repository() -> str:
    """The repository's address; empty where none is given. Raises ValueError for any but https."""
    address = os.environ.get("BOOK_REPOSITORY") or citation().get("repository-code", "")
    if address and not address.startswith("https://"):
        raise ValueError(f"{address!r} is no address of a repository; it begins with https://")
    return address.rstrip("/")
