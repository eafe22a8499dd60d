"""One mechanism of a method in several worlds: with it and without it, beside what was predicted.

A world is a data set that has one difficulty, or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from wtal_core.report import messages
from wtal_core.report.tables import spread
from wtal_core.runs.results import Results


@dataclass(frozen=True)
class Mechanism:
    """Two rows that differ in it alone, and the verdict that was predicted in each world before the
    first run.
    """

    present: str
    absent: str
    predicted: Mapping[str, str]


def judge_in_worlds(
    results: Mapping[str, Results], mechanisms: Mapping[str, Mechanism]
) -> pd.DataFrame:
    """One line per mechanism and world: the paired difference in points, its 95 % interval, how
    many seeds are trained, the verdict of `messages.judge`, and the predicted one.

    results: world -> the rows in it.
    """
    lines = []
    for name, mechanism in mechanisms.items():
        claim = f"{messages.OURS}: {name}"
        for world, predicted in mechanism.predicted.items():
            pair = (mechanism.present, mechanism.absent)
            (line,) = messages.judge(results[world], {claim: [pair]}, {}).to_dict("records")
            lines.append(
                {
                    "mechanism": name,
                    "world": world,
                    "difference": line["here"],
                    "95 % interval": line["95 % interval"],
                    "trained": line["trained"],
                    "verdict": line["verdict"],
                    "predicted": predicted,
                }
            )
    return pd.DataFrame(lines).set_index(["mechanism", "world"])


def objectives(results: Mapping[str, Results]) -> pd.DataFrame:
    """Whether rows are trained: one line per world, row and bound of its method's objective, with
    the loss that has to end below the limit (median over seeds) and how many seeds are trained.

    results: as for `judge_in_worlds`.
    """
    lines = []
    for world, of_world in results.items():
        trained = of_world.trained()
        for row, records in of_world.records.items():
            for place, bound in enumerate(records[0].objective.get("bounds", [])):
                losses = [record.objective["bounds"][place]["loss"] for record in records]
                lines.append(
                    {
                        "world": world,
                        "row": row,
                        "else without": bound["without"],
                        "loss": " + ".join(bound["terms"]),
                        "ends at": round(float(pd.Series(losses).median()), 2),
                        "limit": round(bound["limit"], 2),
                        "trained": f"{trained.loc[row].sum()} of {len(records)}",
                    }
                )
    return pd.DataFrame(lines).set_index(["world", "row"])


def levels(results: Mapping[str, Results]) -> pd.DataFrame:
    """Mean ± deviation over seeds of every row in every world, percent."""
    return pd.DataFrame(
        {
            world: {row: spread(values) for row, values in of_world.values().iterrows()}
            for world, of_world in results.items()
        }
    )


def classified(results: Mapping[str, Results]) -> pd.DataFrame:
    """The same of the share of test videos whose highest class score is of one of their labels: of
    two rows that localize alike the one that classifies better has the higher mAP.
    """
    lines: dict[str, dict[str, str]] = {}
    for world, of_world in results.items():
        lines[world] = {}
        for row, records in of_world.records.items():
            shares = [100 * record.line["classified"]["last"] for record in records]
            lines[world][row] = spread(pd.Series(shares))
    return pd.DataFrame(lines)
