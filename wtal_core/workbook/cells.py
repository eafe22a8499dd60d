"""A notebook's text from a plain template."""

import json
import re
from typing import Any

PARAMETERS = "parameters"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook_from(template: str) -> str:
    """A notebook, not executed, in Jupyter's format 4.5. Each cell of the template begins with a
    line `%% markdown`, `%% code` or `%% parameters`.
    """
    blocks = re.split(r"^%% ", template, flags=re.MULTILINE)[1:]
    notebook = {
        "cells": [_cell(number, *block.split("\n", 1)) for number, block in enumerate(blocks)],
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "markdown" if kind == "markdown" else "code",
        "id": f"cell-{number:02d}",
        "metadata": folded() if kind == PARAMETERS else {"tags": []},
        "source": source.strip().splitlines(keepends=True),
    }
    if kind != "markdown":
        cell |= {"execution_count": None, "outputs": []}
    return cell


def folded() -> dict[str, Any]:
    """Metadata of a cell of parameters, which JupyterLab and MyST-NB fold."""
    return {"jupyter": {"source_hidden": True}, "tags": [PARAMETERS, "hide-input"]}
