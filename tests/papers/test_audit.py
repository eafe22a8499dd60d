"""The audit of averages: on rows made by hand, and on the papers, where each known error must be
found and no other.
"""

import pandas as pd
import pytest

from wtal_core.papers import audit as paper_audit
from wtal_core.papers.printed_values import COLUMNS, printed_values


def table(**rows) -> pd.DataFrame:
    """name={metric: value} as a long table of one source."""
    lines = [
        ("paper", "table1", i, name, name, "THUMOS14", "weak", "quoted", "", metric, value)
        for i, (name, cells) in enumerate(rows.items())
        for metric, value in cells.items()
    ]
    return pd.DataFrame(lines, columns=COLUMNS).astype({"value": float})


def falling(*numbers, average, metric="avg_30_70") -> dict:
    return dict(zip(("m30", "m40", "m50", "m60", "m70"), numbers, strict=False)) | {metric: average}


def verdicts(values) -> dict:
    return dict(zip(*paper_audit.averages(values)[["name", "verdict"]].to_numpy().T, strict=True))


@pytest.fixture(scope="module")
def printed():
    return printed_values()


@pytest.fixture(scope="module")
def found(printed):
    return paper_audit.averages(printed)


def test_the_bound_is_a_tenth():
    values = table(
        exact=falling(50, 40, 30, 20, 10, average=30.0),
        near=falling(50, 40, 30, 20, 10, average=30.1),
        tie=falling(50.1, 40.1, 30, 20, 10.05, average=30.1),
        far=falling(50, 40, 30, 20, 10, average=30.2),
    )
    assert verdicts(values) == {
        "exact": "agrees",
        "near": "not the rounded mean",
        "tie": "agrees",
        "far": "impossible",
    }


def test_missing_columns_give_bounds():
    """mAP falls with tIoU: 50, ?, 30, ?, 10 has a mean between 26 and 34."""
    values = table(
        low=falling(50, None, 30, None, 10, average=26.0),
        below=falling(50, None, 30, None, 10, average=25.8),
        above=falling(50, None, 30, None, 10, average=34.2),
    )
    assert verdicts(values) == {
        "low": "column missing",
        "below": "impossible",
        "above": "impossible",
    }
    lines = paper_audit.averages(values).set_index("name")
    assert lines.loc["low", ["low", "high"]].tolist() == [26.0, 34.0] and lines.loc[
        "above", "error"
    ] == pytest.approx(0.2)


def test_a_column_that_the_table_lacks_is_no_dash():
    values = table(
        three={"m50": 40.0, "m75": 25.0, "m95": 5.0, "avg_50_95": 25.0}, none={"avg_50_95": 25.0}
    )
    assert verdicts(values) == {"three": "columns not in the table", "none": "no column"}


def test_rising_map_is_found_also_behind_a_dash():
    values = table(
        good=falling(50, 50, 30, 20, 10, average=32.0),
        bad=falling(50, None, 51, 20, 10, average=30.0),
    )
    rising = paper_audit.rising(values)
    assert rising[["name", "metric", "value", "before"]].values.tolist() == [
        ["bad", "m50", 51.0, 50.0]
    ]


def test_no_printed_map_rises(printed):
    assert paper_audit.rising(printed).empty


def in_papers(found, verdict) -> set:
    rows = found[
        (found["verdict"] == verdict)
        & found["source"].isin(["backtal", "facnet", "gaufuse", "ten"])
    ]
    return set(
        zip(
            rows["source"],
            rows["table"],
            rows["method"],
            rows["metric"],
            rows["printed"],
            strict=True,
        )
    )


def test_exactly_these_averages_are_impossible(found):
    assert in_papers(found, "impossible") == {
        ("ten", "table1", "SSN", "avg_10_50", 47.0),
        ("ten", "table1", "BSN", "avg_30_70", 38.5),
        ("ten", "table1", "ACGNet", "avg_10_50", 52.6),
        ("ten", "table1", "ACGNet", "avg_30_70", 33.4),
        ("ten", "table1", "ACGNet", "avg_10_70", 42.5),
        ("gaufuse", "table2", "SSN", "avg_10_50", 49.6),
    }
    assert (found["verdict"] == "impossible").sum() == 6  # none in the list and the repositories
    recomputed = (
        found[found["verdict"] == "impossible"]
        .set_index(["source", "method", "metric"])["recomputed"]
        .round(2)
    )
    assert (
        recomputed["ten", "BSN", "avg_30_70"] == 36.76
        and recomputed["ten", "ACGNet", "avg_10_70"] == 42.67
    )


def test_exactly_these_are_no_rounded_means(found):
    rows = found[
        (found["verdict"] == "not the rounded mean")
        & found["source"].isin(["backtal", "facnet", "gaufuse", "ten"])
    ]
    names, recomputed = rows["name"].str.split(" ").str[0], rows["recomputed"].round(2)
    assert set(zip(rows["source"], names, rows["printed"], recomputed, strict=True)) == {
        ("ten", "TSCN", 28.7, 28.76),
        ("ten", "AUMN", 41.4, 41.46),
        ("ten", "CO2-Net", 35.6, 35.66),
        ("ten", "Ours", 56.3, 56.36),
        ("ten", "Ours", 46.1, 46.19),
        ("ten", "BL+BGES", 34.5, 34.58),
        ("ten", "BL+BVL", 34.0, 33.94),
        ("ten", "TEN+BVL+BGES", 37.5, 37.42),
        ("ten", "CAS", 43.9, 43.96),
        ("ten", "CAS", 45.5, 45.44),
        ("ten", "interval=3", 37.4, 37.34),
        ("ten", "interval=4", 56.3, 56.36),
        ("gaufuse", "EM-MIL", 45.0, 44.92),
        ("gaufuse", "CO2-Net", 35.6, 35.66),
        ("gaufuse", "Li", 56.3, 56.36),
        ("gaufuse", "Li", 46.1, 46.19),
        ("gaufuse", "DELU", 37.4, 37.48),
    }


def test_averages_over_dashes_are_listed_and_within_their_bounds(found):
    missing = in_papers(found, "column missing")
    assert {
        ("ten", "table1", "SSN", "avg_30_70", 28.7),
        ("ten", "table1", "SSN", "avg_10_70", 37.8),
    } <= missing
    assert {
        ("backtal", "table4", "SF-Net", "avg_10_70", 30.1),
        ("backtal", "table3", "SSN", "avg_50_95", 19.0),
    } <= missing
    assert sum(source == "backtal" and table == "table2" for source, table, *_ in missing) == 11


def explained(printed, found, method, source="ten") -> pd.DataFrame:
    lines = paper_audit.explanations(printed, found)
    return lines[(lines["method"] == method) & (lines["source"] == source)]


def test_the_digit_of_acgnet_is_found_and_confirmed(printed, found):
    first = explained(printed, found, "ACGNet").iloc[0]
    assert first[["kind", "what", "fits", "agrees with"]].tolist() == [
        "one digit of a column",
        "m50: 35.7 → 34.7",
        "exactly",
        "awesome_list",
    ]


def test_the_averages_of_ssn_are_those_of_tscn(printed, found):
    lines = explained(printed, found, "SSN")
    assert "47.0, 37.8, 28.7: TSCN, ten table1" in set(
        lines.loc[lines["kind"] == "averages of another row", "what"]
    )


def test_bsn_has_the_number_of_bmn(printed, found):
    lines = explained(printed, found, "BSN")
    assert lines[["kind", "what"]].values.tolist() == [
        ["same number in another row", "38.5: BMN, backtal table1"]
    ]


def test_the_ssn_of_gaufuse_is_explained_by_nothing_here(printed, found):
    assert explained(printed, found, "SSN", source="gaufuse").empty


def test_a_digit_is_found_in_a_row_by_hand():
    values = table(wrong=falling(50, 40, 30, 20, 18, average=30.0))
    lines = paper_audit.explanations(values, paper_audit.averages(values))
    assert "m70: 18.0 → 10.0" in set(lines["what"]) and "m40: 40.0 → 60.0" not in set(
        lines["what"]
    )  # 60 would rise


def test_small_changes_stay_unnoticed():
    values = table(row=falling(50, 40, 30, 20, 10, average=30.0))
    found = paper_audit.unnoticed(
        values, ("paper", "table1", 0, "row", "row", "THUMOS14", "weak", "quoted", "")
    )
    assert (
        ("m50", 30.0, 30.5) in found
        and ("m50", 30.0, 30.6) not in found
        and ("m50", 30.0, 31.0) not in found
    )
    assert len(found) == 25  # five last digits in each of five columns
