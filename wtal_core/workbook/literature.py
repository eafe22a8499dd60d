"""The methods of the literature in a paper's comparison table that the workbook holds, trained here
in their own settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from wtal_core.models import method_names
from wtal_core.papers import known_methods, reported
from wtal_core.papers.printed_values import canonical
from wtal_core.runs.results import Results
from wtal_core.study.facts import strict_table
from wtal_core.study.session import Session


@dataclass(frozen=True)
class Rival:
    """A method that a table prints. name: its one name. printed: the row. method: its file."""

    name: str
    printed: str
    method: str


def rivals(artifact: str) -> list[Rival]:
    """The methods of the workbook that a comparison table prints, the paper's own left out, in its
    order.

    A row of a variant, such as "STPN + Embedding", is not one of them. Of several rows of a method
    it is the last: those of I3D features stand below those of others.
    """
    paper, table = artifact.split("/")
    content = reported(paper)
    found: dict[str, Rival] = {}
    for row in content["tables"][table]["rows"]:
        printed = row["method"]
        if row.get("ours") or " + " in printed or " w/o " in printed:
            continue
        name = canonical(printed, paper, content["method"])
        file = known_methods()[name].get("workbook")
        if file in method_names() and name != content["method"]:
            found[name] = Rival(name, printed, file)
    return list(found.values())


def trained(session: Session, artifact: str) -> tuple[Results, dict[str, str]]:
    """The runs of every rival, each a row by its name, and row -> printed row."""
    found = rivals(artifact)
    parts = [session.run(rival.method, {rival.name: session.base(rival.method)}) for rival in found]
    return Results.joined(parts), {rival.name: rival.printed for rival in found}


def strict(
    session: Session, artifact: str, settings: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, pd.DataFrame]:
    """mAP in percent at the tIoUs of ActivityNet's tables: row -> one line per seed.

    settings: row -> its config, where it is not the profile's.
    """
    facts = {}  # of all rows before the first table, so that whoever plans sees every run
    for rival in rivals(artifact):
        config = settings.get(rival.name, session.base(rival.method))
        facts[rival.name] = session.facts(rival.method, config)
    return {row: strict_table(of_row, session.seeds) for row, of_row in facts.items()}
