"""Sentences of the papers that hold a number, checked against the papers' own tables.

A claim stands in the manifest of its paper, in our words. kinds: `value` (a cell is repeated),
`difference`, `increase` (in percent of the second operand), `share` (in percent of it), `more` (one
number above another), `best` (a row against rivals, column by column). Operands are cells `[table,
row, column]`, or numbers that the text prints. All numbers are reported ones.

Verdicts: "holds"; "by rounding" (not with the printed numbers, but with unrounded ones);
"contradicted"; "partly" (best in some columns of a vague "almost all"); "open" (too few numbers are
printed to tell).
"""

from itertools import product
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.papers import known_papers, reported
from wtal_core.papers.printed_values import RESULT, metric_name

SLACK = 1e-9
ARITHMETIC = {
    "value": lambda a, b: a,
    "difference": lambda a, b: a - b,
    "increase": lambda a, b: 100 * (a / b - 1),
    "share": lambda a, b: 100 * a / b,
}
COLUMNS = [
    "paper",
    "where",
    "claim",
    "kind",
    "printed",
    "computed",
    "difference",
    "verdict",
    "remark",
]


def claims() -> pd.DataFrame:
    """One row per claim of every paper, in the papers' order: `COLUMNS`.

    computed is NaN for `more` and `best`.
    """
    lines = []
    for paper in known_papers():
        for claim in reported(paper).get("claims", []):
            checks = {"best": _best, "more": _more}
            checked = checks.get(claim["kind"], _arithmetic)(paper, claim)
            lines.append(
                {
                    "paper": paper,
                    "where": claim["where"],
                    "claim": claim["says"],
                    "kind": claim["kind"],
                    "printed": claim.get("printed", "–"),
                    **checked,
                }
            )
    return pd.DataFrame(lines).reindex(columns=COLUMNS)


def half_unit(number: int | float) -> float:
    """Half of the last printed decimal: 0.05 for 31.2, 0.005 for 4.29, 0.5 for 48."""
    decimals = len(str(number).partition(".")[2]) if isinstance(number, float) else 0
    return 0.5 * 10**-decimals


def cell(paper: str, operand: list[str] | int | float) -> int | float:
    """The printed number of [table, row, column], or the number itself."""
    if not isinstance(operand, list):
        return operand
    table, row, column = operand
    cells = _row(paper, table, row)
    if cells.get(column) is None:
        raise WorkbookError(
            f"{paper}: {table} prints nothing for {row!r} in {column!r}; its columns: "
            f"{', '.join(cells)}"
        )
    return cells[column]


def _arithmetic(paper: str, claim: dict[str, Any]) -> dict[str, Any]:
    """value, difference, increase, share."""
    compute = ARITHMETIC[claim["kind"]]
    printed = claim["printed"]
    first = cell(paper, claim["of"])
    second = cell(paper, claim.get("over", 1))
    computed = compute(first, second)
    half = half_unit(printed)
    # the unrounded operands lie anywhere within half a unit of the printed ones
    corners = [
        compute(
            first + sign_of_first * half_unit(first), second + sign_of_second * half_unit(second)
        )
        for sign_of_first, sign_of_second in product((-1, 1), repeat=2)
    ]
    within_rounding = min(corners) - half - SLACK <= printed <= max(corners) + half + SLACK
    if abs(computed - printed) <= half + SLACK:
        verdict = "holds"
    elif claim["kind"] != "value" and within_rounding:
        verdict = "by rounding"
    else:
        verdict = "contradicted"
    remark = f"{first}" if claim["kind"] == "value" else f"{first} and {second}"
    difference = round(printed - computed, 2) + 0.0  # no minus zero
    return {
        "computed": round(computed, 2),
        "difference": difference,
        "verdict": verdict,
        "remark": remark,
    }


def _more(paper: str, claim: dict[str, Any]) -> dict[str, Any]:
    """One number above another."""
    first = cell(paper, claim["of"])
    second = cell(paper, claim["over"])
    verdict = "holds" if first > second else "contradicted"
    return {"verdict": verdict, "remark": f"{first} and {second}"}


def _best(paper: str, claim: dict[str, Any]) -> dict[str, Any]:
    """A row against its rivals in every column that both print."""
    own, rivals = _versus(paper, claim)
    highest = rivals.max(axis=0)
    lost = own[own < highest - SLACK]
    open_columns = int(highest.isna().sum())
    won = len(own) - len(lost) - open_columns
    remarks = [f"best in {won} of {len(own)}"]
    for column in lost.index:
        above = _above(rivals[column], own[column])
        remarks.append(f"{metric_name(column)} {own[column]}: {above}")
    if open_columns:
        remarks.append(f"{open_columns} columns without a rival's number")
    verdict = _verdict_of_best(claim["printed"], won, len(lost), open_columns)
    return {"verdict": verdict, "remark": "; ".join(remarks)}


def _verdict_of_best(printed: int | str, won: int, lost: int, open_columns: int) -> str:
    """printed: in how many columns the paper says that it is best, or "every", "most", vaguely."""
    if isinstance(printed, int):
        if won == printed:
            return "holds"
        return "open" if won < printed <= won + open_columns else "contradicted"
    if lost == 0:
        return "holds"
    if printed == "every":
        return "contradicted"
    if printed == "most":
        return "holds" if won > lost + open_columns else "contradicted"
    return "partly"


def _above(rivals: pd.Series, own: float) -> str:
    """Who is above, the highest first."""
    higher = rivals[rivals > own + SLACK].sort_values(ascending=False, kind="stable")
    return "below " + ", ".join(f"{name} {value}" for name, value in higher.items())


def _versus(paper: str, claim: dict[str, Any]) -> tuple[pd.Series, pd.DataFrame]:
    """The row's values by column, and those of its rivals.

    Rivals: the named ones, or all others under the supervision `among`.
    """
    table, name = claim["of"][:2]
    content = reported(paper)["tables"][table]
    columns = claim.get("columns") or [
        column for column in content["columns"] if RESULT.fullmatch(column)
    ]
    frame = pd.DataFrame(
        [_row(paper, table, row["method"]) for row in content["rows"]],
        index=[row["method"] for row in content["rows"]],
        dtype=object,
    )[columns].astype(float)
    others = [row for row in content["rows"] if row["method"] != name and not row.get("ours")]
    chosen = [
        row["method"]
        for row in others
        if row.get("sup") in claim.get("among", [row.get("sup")])
        and row["method"] in claim.get("rivals", [row["method"]])
    ]
    return frame.loc[name], frame.loc[chosen]


def _row(paper: str, table: str, name: str) -> dict[str, Any]:
    """Column -> printed number of one row."""
    content = reported(paper)["tables"].get(table)
    rows = [row for row in content["rows"] if row["method"] == name] if content else []
    if not rows:
        raise WorkbookError(
            f"{paper}: {table} has no row {name!r}; correct the claim in "
            f"data_manifests/papers/{paper}.yaml"
        )
    return dict(zip(content["columns"], rows[0]["v"], strict=True))
