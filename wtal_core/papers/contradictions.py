"""Contradictions between printed rows.

Within a paper, between papers, against repositories, and rows that are not there.

Input is the table of `wtal_core.papers.printed_values`; all numbers are reported ones, in percent.
Rows are compared only where method, data set and configuration are the same, and a reproduced row
never with a published one (that is `reruns`).
"""

from itertools import combinations
from typing import Any, NamedTuple

import pandas as pd

from wtal_core.papers import known_methods, known_papers, other_sources, reported
from wtal_core.papers.audit import SLACK, substituted
from wtal_core.papers.printed_values import PLACE, wide

TOLERANCE = 0.05  # numbers are printed to 0.1: what is farther apart is another number
SAME = ["method", "dataset", "configuration"]
ENOUGH = 3  # equal numbers that make a coincidence unlikely


FITS = [
    "method",
    "dataset",
    "metric",
    "source",
    "printed",
    "elsewhere",
    "error as printed",
    "error with the other",
]
ABSENT = [
    "source",
    "table",
    "dataset",
    "method",
    "published",
    "metric",
    "value",
    "own",
    "difference",
    "elsewhere",
]
TWINS = ["source", "row", "described as", "same numbers as", "described there as", "numbers"]


class Ticked(NamedTuple):
    """A row with check marks: the marks as the text shows them, its name, its last number."""

    ticks: tuple
    method: str
    value: float


class Described(NamedTuple):
    """A printed row: where it stands (`PLACE` -> value), and its numbers by metric."""

    place: dict[str, Any]
    numbers: pd.Series

    @property
    def name(self) -> str:
        return f"{self.place['table']}: {self.place['name']}"

    @property
    def configuration(self) -> str:
        return self.place["configuration"]


def within(values: pd.DataFrame) -> pd.DataFrame:
    """One configuration printed twice by a source with different numbers; one row per metric.

    Columns: source, method, dataset, configuration, origin, metric, lowest, highest, difference,
    printed (number and place).
    """
    rows = values[values["value"].notna() & (values["table"] != "repository")]
    rows = rows.assign(
        printed=[
            f"{row.value:.1f} ({row.table}: {row.name})" for row in rows.itertuples(index=False)
        ]
    )
    found = rows.groupby(["source", *SAME, "origin", "metric"], sort=False).agg(
        lowest=("value", "min"),
        highest=("value", "max"),
        printed=("printed", lambda p: ", ".join(dict.fromkeys(p))),
    )
    return _largest(found.reset_index(), "printed")


def twins(values: pd.DataFrame) -> pd.DataFrame:
    """Own rows of one paper, described as different, that print the same numbers.

    They must share `ENOUGH` numbers or more.
    """
    twins_of_all = []
    for source, rows in wide(values[values["origin"] == "own"]).groupby("source", sort=False):
        described = [
            Described(dict(zip(PLACE, key, strict=True)), numbers)
            for key, numbers in rows.iterrows()
        ]
        for first, second in combinations(described, 2):
            count = _equal_numbers(first.numbers, second.numbers)
            same_data = first.place["dataset"] == second.place["dataset"]
            same_description = first.configuration == second.configuration
            if same_data and not same_description and count >= ENOUGH:
                twins_of_all.append(
                    {
                        "source": source,
                        "row": first.name,
                        "described as": first.configuration,
                        "same numbers as": second.name,
                        "described there as": second.configuration,
                        "numbers": count,
                    }
                )
    return pd.DataFrame(twins_of_all, columns=TWINS)


def _equal_numbers(first: pd.Series, second: pd.Series) -> int:
    """How many numbers both rows print; 0 if any of them differs."""
    shared = (first.notna() & second.notna()).to_numpy()
    return int(shared.sum()) if (first[shared] == second[shared]).all() else 0


def same_ticks() -> pd.DataFrame:
    """Rows of one table with the same check marks but different results.

    Check marks are taken as the text shows them.
    """
    contradictions = []
    for paper in known_papers():
        for table, content in reported(paper)["tables"].items():
            rows = [
                Ticked(tuple(row["as_extracted"]), row["method"], row["v"][-1])
                for row in content["rows"]
                if "as_extracted" in row
            ]
            for first, second in combinations(rows, 2):
                if first.ticks == second.ticks and first.value != second.value:
                    names = (first.method, second.method)
                    contradictions.append((paper, table, *names, first.value, second.value))
    columns = ["source", "table", "row", "same ticks as", "value", "value there"]
    return pd.DataFrame(contradictions, columns=columns)


def above_the_full_method(values: pd.DataFrame) -> pd.DataFrame:
    """Own rows of other configurations that beat the paper's full method on a metric.

    Not an error, but worth knowing.
    """
    own = values[(values["origin"] == "own") & values["value"].notna()]
    full = (
        own[own["configuration"] == ""]
        .groupby(["source", "dataset", "metric"])["value"]
        .max()
        .rename("full")
    )
    other = own[own["configuration"] != ""].join(full, on=["source", "dataset", "metric"])
    above = other[other["value"] > other["full"] + SLACK]
    above = above.assign(difference=(above["value"] - above["full"]).round(2))
    above = above.sort_values("difference", ascending=False, kind="stable")
    columns = ["source", "table", "name", "dataset", "metric", "value", "full", "difference"]
    return above[columns].reset_index(drop=True)


def between(values: pd.DataFrame) -> pd.DataFrame:
    """One method and data set with different numbers in different sources.

    One row per metric, the largest difference first.

    Columns: method, dataset, configuration, kind ("published" or "reproduced"), metric, lowest,
    highest, difference, then one column per source. Where a source contradicts itself its first
    number counts.
    """
    sides = _one_column_per_source(values)
    ends = sides.agg(["min", "max"], axis=1).set_axis(["lowest", "highest"], axis=1)
    return _largest(ends.join(sides).reset_index()).dropna(axis=1, how="all")


def in_common(values: pd.DataFrame) -> pd.DataFrame:
    """How many metrics of a method several sources print, and how many of them differ.

    Columns: compared, differ.
    """
    sides = _one_column_per_source(values)
    sides = sides[sides.notna().sum(axis=1) > 1]
    differ = (sides.max(axis=1) - sides.min(axis=1)) > TOLERANCE
    return differ.groupby(level=["dataset", "method", "configuration", "kind"], sort=False).agg(
        compared="size", differ="sum"
    )


def which_fits(values: pd.DataFrame) -> pd.DataFrame:
    """Where sources differ in one column of a method: which number fits the printed averages?

    Columns: method, dataset, metric, source, printed, elsewhere, error as printed, error with the
    other (of the worst average).
    """
    differing = between(values)
    differing = differing[
        (differing["configuration"] == "")
        & (differing["kind"] == "published")
        & differing["metric"].str.startswith("m")
    ]
    single = differing[~differing.duplicated(["method", "dataset"], keep=False)]
    rows = values[
        (values["configuration"] == "")
        & (values["origin"] != "reproduced")
        & values["value"].notna()
    ]
    lines = []
    for case in single.itertuples():
        here = rows[
            (rows["method"] == case.method)
            & (rows["dataset"] == case.dataset)
            & (rows["metric"] == case.metric)
        ]
        for row in here[here["value"].isin([case.lowest, case.highest])].itertuples():
            other = case.highest if row.value == case.lowest else case.lowest
            key = tuple(getattr(row, name) for name in PLACE)
            as_printed, with_other = substituted(values, key, case.metric, other)
            lines.append(
                {
                    "method": case.method,
                    "dataset": case.dataset,
                    "metric": case.metric,
                    "source": row.source,
                    "printed": row.value,
                    "elsewhere": other,
                    "error as printed": round(as_printed, 3),
                    "error with the other": round(with_other, 3),
                }
            )
    return pd.DataFrame(lines, columns=FITS)


def supervision_labels(values: pd.DataFrame) -> pd.DataFrame:
    """Methods that sources sort under different supervision: one column per source."""
    rows = values[values["origin"] != "reproduced"].drop_duplicates(["dataset", "method", "source"])
    table = rows.pivot(index=["method", "dataset"], columns="source", values="supervision")
    return table[table.nunique(axis=1) > 1].dropna(axis=1, how="all")


def reruns(values: pd.DataFrame) -> pd.DataFrame:
    """Results of running a method's code, beside what its paper prints.

    One row per metric, the largest difference first.

    published: the paper's own number where that paper is here, else the one that most sources
    quote.
    """
    rows = values[(values["configuration"] == "") & values["value"].notna()]
    # own before quoted
    published = rows[rows["origin"] != "reproduced"].sort_values("origin", kind="stable")
    accepted = (
        published.groupby(["method", "dataset", "metric"])[["origin", "value"]]
        .apply(_accepted)
        .rename("published")
    )
    again = (
        rows[rows["origin"] == "reproduced"]
        .join(accepted, on=["method", "dataset", "metric"])
        .dropna(subset="published")
    )
    again = again.assign(difference=(again["value"] - again["published"]).round(2))
    again = again.sort_values("difference", key=lambda d: -d.abs(), kind="stable")
    return again[
        ["method", "dataset", "metric", "published", "value", "difference", "source", "name"]
    ].reset_index(drop=True)


def absent(values: pd.DataFrame) -> pd.DataFrame:
    """Better methods that a paper's table leaves out.

    They were published before it, used no fuller supervision, and are better than the paper's own
    method in a column; known from other sources.

    Columns: source, table, dataset, method, published, metric, value, own, difference, elsewhere in
    the paper (bool).
    """
    own = values[
        (values["origin"] == "own")
        & (values["configuration"] == "")
        & values["source"].isin(known_papers())
    ]
    tables = own[own["table"].isin(["table1", "table2", "table3"])].dropna(subset="value")
    known = values[
        (values["origin"] != "reproduced")
        & (values["configuration"] == "")
        & values["value"].notna()
    ]
    known = known.groupby(["dataset", "method", "metric"])["value"].agg(_most_common).reset_index()
    parts = [
        _absent_of(values, known, key, rows)
        for key, rows in tables.groupby(["source", "table", "dataset"], sort=False)
        if (
            values["source"].eq(key[0]) & values["table"].eq(key[1]) & values["origin"].eq("quoted")
        ).any()
    ]
    return pd.concat(parts, ignore_index=True)


def rank(
    values: pd.DataFrame, source: str, table: str, metric: str, others: pd.DataFrame | None = None
) -> tuple[int, int]:
    """(place, number of rows) of a paper's own method in its table.

    Among the weakly supervised rows of the table, and of `others`.
    """
    rows = values[
        (values["source"] == source) & (values["table"] == table) & (values["metric"] == metric)
    ]
    rows = rows[(rows["supervision"] != "full") & rows["value"].notna()]
    more = (
        others[
            (others["source"] == source) & (others["table"] == table) & (others["metric"] == metric)
        ]["value"]
        if (others is not None)
        else rows["value"][:0]
    )
    mine = rows.loc[rows["origin"] == "own", "value"].max()
    both = pd.concat([rows["value"], more])
    return int((both > mine + SLACK).sum()) + 1, len(both)


def settings() -> pd.DataFrame:
    """Settings of the official codes beside the texts; a dash where a text has none.

    Columns: paper, setting, text, code, same, where.
    """
    lines = []
    for paper in known_papers():
        text = reported(paper).get("text_numbers", {})
        for name, entry in reported(paper).get("code_numbers", {}).items():
            said, code = text.get(name), entry["value"]
            for key, value in (code if isinstance(code, dict) else {"": code}).items():
                stated = said.get(key) if isinstance(said, dict) else said
                shown = "–" if stated is None else str(stated)
                lines.append(
                    (
                        paper,
                        f"{name} {key}".strip(),
                        shown,
                        str(value),
                        stated == value,
                        entry["where"],
                    )
                )
    return pd.DataFrame(lines, columns=["paper", "setting", "text", "code", "same", "where"])


def test_sets() -> pd.DataFrame:
    """How many THUMOS14 test videos the papers say and the packages of annotations hold.

    Columns: test_videos, instances.
    """
    papers = {
        paper: {"test_videos": reported(paper)["text_numbers"]["test_videos"]}
        for paper in known_papers()
    }
    return (
        pd.DataFrame({**papers, **other_sources()["annotation_packages"]["test_sets"]})
        .T.reindex(columns=["test_videos", "instances"])
        .astype("Int64")
    )


def counted_again(paper: str, table: str) -> pd.DataFrame:
    """Printed values of a table beside those counted again from the official codes.

    One row per method and column, with their ratio.
    """
    content: dict[str, Any] = reported(paper)["tables"][table]
    counted = reported(paper)["repository_numbers"]["counted"]
    lines = []
    for row in content["rows"]:
        name = row["method"].split(" [")[0]
        lines += [
            (
                name,
                column,
                printed,
                round(counted[name][column], 2),
                round(counted[name][column] / printed, 2),
            )
            for column, printed in zip(content["columns"], row["v"], strict=True)
            if name in counted
        ]
    return pd.DataFrame(lines, columns=["method", "column", "printed", "counted", "ratio"])


def _one_column_per_source(values: pd.DataFrame) -> pd.DataFrame:
    """Published and reproduced numbers, one column per source.

    One row per method, data set, configuration, kind and metric. Results of repositories are left
    out.
    """
    of_a_repository = (values["table"] == "repository") | values["source"].str.endswith(
        "_repository"
    )
    rows = values[values["value"].notna() & ~(of_a_repository & (values["origin"] == "reproduced"))]
    rows = rows.assign(kind=rows["origin"].where(rows["origin"] == "reproduced", "published"))
    return rows.pivot_table(
        index=[*SAME, "kind", "metric"],
        columns="source",
        values="value",
        aggfunc="first",
        sort=False,
    )


def _largest(pairs: pd.DataFrame, *last: str) -> pd.DataFrame:
    """Rows with a real difference of `lowest` and `highest`, the largest first.

    The difference stands beside them. last: columns that come last.
    """
    pairs = pairs.assign(difference=(pairs["highest"] - pairs["lowest"]).round(2))
    real = pairs[pairs["difference"] > TOLERANCE]
    real = real.sort_values("difference", ascending=False, kind="stable")
    known_order = [*SAME, "source", "origin", "kind", "metric", "lowest", "highest", "difference"]
    first = [name for name in known_order if name in real]
    middle = [name for name in real if name not in (*first, *last)]
    return real[[*first, *middle, *last]].reset_index(drop=True)


def _most_common(numbers: pd.Series) -> float:
    """The number that most sources print; of equally many, the first."""
    return float(
        numbers.value_counts(sort=False).sort_values(ascending=False, kind="stable").index[0]
    )


def _accepted(rows: pd.DataFrame) -> float:
    """The paper's own number if there is one, else the most common."""
    own = rows.loc[rows["origin"] == "own", "value"]
    return float(own.iloc[0]) if len(own) else _most_common(rows["value"])


def _absent_of(
    values: pd.DataFrame, known: pd.DataFrame, key: tuple, own: pd.DataFrame
) -> pd.DataFrame:
    """The absent methods of one table. own: the cells of its own row."""
    source, table, dataset = key
    mentioned = values[values["source"] == source]
    present = set(mentioned.loc[(mentioned["table"] == table), "method"])
    elsewhere = set(mentioned["method"])
    mine = own.set_index("metric")["value"].rename("own")
    about = known_methods()
    no_fuller = {"weak"} if (own["supervision"] == "weak").all() else {"weak", "weak+"}
    earlier = [
        name
        for name, facts in about.items()
        if facts["published"] < reported(source)["published"]
        and facts.get("supervision", "weak") in no_fuller
    ]
    candidates = known[
        (known["dataset"] == dataset) & known["method"].isin(set(earlier) - present)
    ].join(mine, on="metric")
    better = candidates[candidates["value"] > candidates["own"] + SLACK]
    better = better.assign(
        published=[about[name]["published"] for name in better["method"]],
        source=source,
        table=table,
        difference=(better["value"] - better["own"]).round(2),
        elsewhere=better["method"].isin(elsewhere),
    )
    return better[ABSENT].sort_values("difference", ascending=False, kind="stable")
