"""Sentences of the papers that hold a number, checked against the papers' own tables.

A claim stands in the manifest of its paper, in our words. kinds: `value` (a cell is repeated),
`difference`, `increase` (in percent of the second operand), `share` (in percent of it), `more` (one
number above another), `best` (a row against rivals, column by column). Operands are cells `[table,
row, column]`, or numbers that the text prints. All numbers are reported ones.

Verdicts: "holds"; "by rounding" (not with the printed numbers, but with unrounded ones);
"contradicted"; "partly" (best in some columns of a vague "almost all"); "open" (too few numbers are
printed to tell).
"""

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
    compute, printed = ARITHMETIC[claim["kind"]], claim["printed"]
    a, b = cell(paper, claim["of"]), cell(paper, claim.get("over", 1))
    computed = compute(a, b)
    corners = [
        compute(a + i * half_unit(a), b + j * half_unit(b)) for i in (-1, 1) for j in (-1, 1)
    ]
    half = half_unit(printed)
    if abs(computed - printed) <= half + SLACK:
        verdict = "holds"
    elif (
        claim["kind"] != "value"
        and min(corners) - half - SLACK <= printed <= max(corners) + half + SLACK
    ):
        verdict = "by rounding"
    else:
        verdict = "contradicted"
    remark = f"{a}" if claim["kind"] == "value" else f"{a} and {b}"
    difference = round(printed - computed, 2) + 0.0  # no minus zero
    return {
        "computed": round(computed, 2),
        "difference": difference,
        "verdict": verdict,
        "remark": remark,
    }


def _more(paper: str, claim: dict[str, Any]) -> dict[str, Any]:
    """One number above another."""
    a, b = cell(paper, claim["of"]), cell(paper, claim["over"])
    return {"verdict": "holds" if a > b else "contradicted", "remark": f"{a} and {b}"}


def _best(paper: str, claim: dict[str, Any]) -> dict[str, Any]:
    """A row against its rivals in every column that both print."""
    own, rivals = _versus(paper, claim)
    highest = rivals.max(axis=0)
    lost = own[own < highest - SLACK]
    open_columns = int(highest.isna().sum())
    won = len(own) - len(lost) - open_columns
    by = [f"{metric_name(c)} {own[c]}: {_above(rivals[c], own[c])}" for c in lost.index]
    said = claim["printed"]
    if isinstance(said, int):
        verdict = (
            "holds"
            if won == said
            else "open"
            if won < said <= won + open_columns
            else "contradicted"
        )
    elif len(lost) == 0:
        verdict = "holds"
    else:
        verdict = {
            "every": "contradicted",
            "most": "holds" if won > len(own) / 2 else "contradicted",
        }.get(said, "partly")
    more = [f"{open_columns} columns without a rival's number"] if open_columns else []
    return {"verdict": verdict, "remark": "; ".join([f"best in {won} of {len(own)}", *by, *more])}


def _above(rivals: pd.Series, own: float) -> str:
    """Who is above, the highest first."""
    higher = rivals[rivals > own + SLACK].sort_values(ascending=False, kind="stable")
    return "below " + ", ".join(f"{name} {value}" for name, value in higher.items())


def _versus(paper: str, claim: dict[str, Any]) -> tuple[pd.Series, pd.DataFrame]:
    """The row's values by column, and those of its rivals: the named ones, or all others under the
    supervision `among`.
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
