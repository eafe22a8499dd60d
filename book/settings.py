"""Where the repository is, as CITATION.cff says. It is the one place to change.

With a line `repository-code: https://github.com/OWNER/NAME` the book has links to the repository,
and buttons that open a notebook in Binder or Colab; without it has neither.
"""

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
    """The repository's address; empty where CITATION.cff has none."""
    return citation().get("repository-code", "").rstrip("/")
