"""Claims against tables: the verdicts on numbers made by hand, and on every claim of the papers."""

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.papers import claims as paper_claims


@pytest.fixture
def paper(monkeypatch):
    """A paper of one table."""
    rows = [
        {"method": "Ours", "ours": True, "sup": "weak", "v": [31.6, 12.0, None]},
        {"method": "A", "sup": "weak", "v": [28.4, 12.5, 4.0]},
        {"method": "B", "sup": "full", "v": [40.0, 11.0, None]},
    ]
    monkeypatch.setattr(
        paper_claims,
        "reported",
        lambda name: {"tables": {"table1": {"columns": ["m30", "m50", "m70"], "rows": rows}}},
    )
    return "paper"


def checked(paper, kind, **claim):
    check = {"best": paper_claims._best, "more": paper_claims._more}.get(
        kind, paper_claims._arithmetic
    )
    return check(paper, {"kind": kind, **claim})


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [(3.2, "holds"), (3.3, "by rounding"), (3.4, "contradicted"), (2.2, "contradicted")],
)
def test_differences(paper, printed, verdict):
    found = checked(
        paper,
        "difference",
        printed=printed,
        of=["table1", "Ours", "m30"],
        over=["table1", "A", "m30"],
    )
    assert found["verdict"] == verdict and found["computed"] == 3.2


def test_shares_and_increases(paper):
    assert checked(paper, "share", printed=14.72, of=4.29, over=29.15)["verdict"] == "holds"
    assert checked(paper, "increase", printed=17.9, of=79, over=67)["verdict"] == "holds"
    assert checked(paper, "increase", printed=10.5, of=43.6, over=39.6)["verdict"] == "contradicted"


def test_a_repeated_number_has_no_rounding(paper):
    assert (
        checked(paper, "value", printed=31.7, of=["table1", "Ours", "m30"])["verdict"]
        == "contradicted"
    )


def test_best_says_where_not_and_who(paper):
    found = checked(
        paper,
        "best",
        printed="almost all",
        of=["table1", "Ours"],
        among=["weak"],
        columns=["m30", "m50"],
    )
    assert found == {"verdict": "partly", "remark": "best in 1 of 2; mAP@0.5 12.0: below A 12.5"}
    assert (
        checked(paper, "best", printed="every", of=["table1", "Ours"], columns=["m30"])["verdict"]
        == "contradicted"
    )  # B


def test_columns_without_rivals_leave_it_open(paper):
    found = checked(paper, "best", printed=2, of=["table1", "Ours"], rivals=["B"])
    assert found["verdict"] == "open" and "1 columns without" in found["remark"]


def test_half_a_unit_is_of_the_last_printed_decimal():
    assert [paper_claims.half_unit(n) for n in (48, 31.2, 4.29)] == [0.5, 0.05, 0.005]


def test_wrong_addresses_are_named(paper):
    with pytest.raises(WorkbookError, match="table1 has no row 'C'"):
        paper_claims.cell(paper, ["table1", "C", "m30"])
    for row, column in (("A", "m99"), ("Ours", "m70")):
        with pytest.raises(WorkbookError, match=f"prints nothing for '{row}' in '{column}'"):
            paper_claims.cell(paper, ["table1", row, column])


def test_exactly_these_claims_of_the_papers_do_not_hold():
    found = paper_claims.claims()
    bad = found[found["verdict"] != "holds"]
    assert set(zip(bad["paper"], bad["claim"], bad["verdict"], strict=True)) == {
        ("gaufuse", "with Gaussian weighted fusion, gain over the baseline", "contradicted"),
        ("gaufuse", "gain on STPN + embedding", "contradicted"),
        ("gaufuse", "Gaussian fusion in testing, gain over NMS", "by rounding"),
        ("gaufuse", "THUMOS14: best of the weakly supervised in almost every metric", "partly"),
        ("ten", "THUMOS14: best of the weakly supervised in almost all metrics", "partly"),
        ("backtal", "HACS: better than SSN at nine of ten tIoU", "open"),
    }
    computed = found.set_index("claim")["computed"]
    assert computed["with Gaussian weighted fusion, gain over the baseline"] == 0.5
    assert (
        computed["gain on STPN + embedding"] == 3.2
        and computed["Gaussian fusion in testing, gain over NMS"] == 2.2
    )
    assert len(found) > 70 and found["paper"].nunique() == 4


def test_who_is_above_gaufuse_at_high_tiou():
    found = paper_claims.claims().set_index("claim")["remark"]
    remark = found["THUMOS14: best of the weakly supervised in almost every metric"]
    for name in (
        "DELU [4] (ECCV22) 27.4",
        "Li et al. [18] (MM22) 14.2",
        "CO2-Net [6] (MM21) 13.4",
        "TS-PCA [22] (CVPR21) 13.7",
        "EM-MIL [28] (ECCV20) 16.4",
        "DELU [4] (ECCV22) 15.3",
        "CO2-Net [6] (MM21) 26.4",
        "Li et al. [18] (MM22) 27.3",
    ):
        assert name in remark
    assert remark.startswith("best in 8 of 10")
