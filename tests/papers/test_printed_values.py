"""The long table of printed numbers, and that the manifests hold every number of the transcription,
where that is there.
"""

import re
from collections import Counter

import pandas as pd
import pytest
import yaml

from tests.places import SHARED
from wtal_core import papers
from wtal_core.errors import WorkbookError
from wtal_core.papers import printed_values

SOURCES = SHARED / "reported"
PAPERS = ("backtal", "facnet", "gaufuse", "ten")
VERDICTS = {
    "check",
    "holds",
    "issues",
    "text_claims",
    "check_avg",
    "confidence",
}  # of the transcriber, not of the papers


def numbers(content) -> Counter:
    """Every number below a value, switches left out."""
    if isinstance(content, dict):
        return sum(
            (numbers(value) for key, value in content.items() if key not in VERDICTS), Counter()
        )
    if isinstance(content, list):
        return sum(map(numbers, content), Counter())
    return Counter(
        [float(content)]
        if isinstance(content, int | float) and not isinstance(content, bool)
        else []
    )


def transcription(paper: str) -> dict:
    name = "facnet_gaufuse" if paper in ("facnet", "gaufuse") else paper
    content = yaml.safe_load((SOURCES / f"{name}.yaml").read_text())
    return content.get(paper, content)


def tables(content: dict) -> dict:
    """Table number -> table."""
    content = content.get("tables", content)
    found = {
        "".join(filter(str.isdigit, key.split("_")[0])): value
        for key, value in content.items()
        if key.startswith("tab")
    }
    return {int(number): value for number, value in found.items()}


@pytest.fixture(scope="module")
def values():
    return printed_values.printed_values()


@pytest.mark.skipif(not SOURCES.exists(), reason=f"the transcription is not at {SOURCES}")
@pytest.mark.parametrize("paper", PAPERS)
def test_every_transcribed_number_is_in_the_same_table(paper):
    source, here = tables(transcription(paper)), tables(papers.reported(paper))
    assert set(source) == set(here) and len(here) >= 5
    for number, table in source.items():
        table = {key: value for key, value in table.items() if key not in ("iou", "reproduced")}
        missing = numbers(table) - numbers(here[number])
        assert not missing, f"{paper}, table {number}: {missing}"


def without_tables(paper: str) -> dict:
    """The transcription of a paper less its tables, with what stands beside them."""
    content = transcription(paper)
    beside = (
        yaml.safe_load((SOURCES / "facnet_gaufuse.yaml").read_text()) if paper == "gaufuse" else {}
    )
    return {
        **{key: value for key, value in content.items() if not key.startswith("tab")},
        "counted": content.get("table10"),
        **{key: beside.get(key) for key in ("rskp", "related")},
    }


@pytest.mark.skipif(not SOURCES.exists(), reason=f"the transcription is not at {SOURCES}")
@pytest.mark.parametrize("paper", PAPERS)
def test_every_other_transcribed_number_is_there(paper):
    here = [papers.reported(paper), papers.other_sources()]
    written = {
        float(number) for number in re.findall(r"\d+(?:\.\d+)?", str(here))
    }  # also those within words
    assert not set(numbers(without_tables(paper))) - set(numbers(here)) - written


@pytest.mark.skipif(not SOURCES.exists(), reason=f"the transcription is not at {SOURCES}")
def test_rows_have_the_transcribed_values_in_order():
    for paper in ("facnet", "gaufuse"):
        for number, table in tables(transcription(paper)).items():
            rows = [row["v"] for row in table["rows"] if "v" in row]
            assert not rows or rows == [
                row["v"] for row in tables(papers.reported(paper))[number]["rows"]
            ]
    for number, table in tables(transcription("ten")).items():
        rows = [[*row["map"].values(), *row["avg"].values()] for row in table["rows"]]
        assert rows == [row["v"] for row in tables(papers.reported("ten"))[number]["rows"]]
    for number in (1, 2, 3, 4):
        rows = [row["values"] for row in transcription("backtal")[f"table{number}"]["rows"]]
        assert rows == [row["v"] for row in papers.reported_rows(f"backtal/table{number}")]


def test_the_facnet_rows_have_one_value_under_two_names():
    for row in papers.reported_rows("facnet/table3"):
        assert row["v"] == [
            row["CW"],
            row["CA"],
            row["MIL"],
            row["hybrid"],
            row["background"],
            row["avg"],
        ]


def test_every_row_has_a_value_a_column():
    for paper in papers.known_papers():
        for name, table in papers.reported(paper)["tables"].items():
            assert {len(row["v"]) for row in table["rows"]} == {len(table["columns"])}, (
                paper,
                name,
            )
            labels = [row["method"] for row in table["rows"]]
            assert len(labels) == len(set(labels)) or paper != "backtal"


@pytest.mark.parametrize(
    ("printed", "source", "method"),
    [
        ("SSN [51] (ICCV17)", "gaufuse", "SSN"),
        ("UM (I3D) [17]", "facnet", "UM"),
        ("WUM [17]", "gaufuse", "UM"),
        ("Lee et al. (UM) [19]", "backtal", "UM"),
        ("BS", "ten", "BaS-Net"),
        ("ASCNett", "ten", "ACSNet"),
        ("Ours", "ten", "TEN"),
        ("Li et al. [18] (MM22)", "gaufuse", "TEN"),
        ("Nguyen et al. [10]", "backtal", "BM"),
        ("BM [27] (reproduced)", "facnet", "BM"),
        ("STPN + embedding + Ours", "gaufuse", "STPN"),
    ],
)
def test_names_of_methods(printed, source, method):
    assert (
        printed_values.canonical(printed, source, own="TEN" if source == "ten" else None) == method
    )


def test_an_unknown_method_is_named():
    with pytest.raises(
        WorkbookError, match=r"ten: no method is known as 'Li et al\.'; add the name"
    ):
        printed_values.canonical("Li et al.", "ten")


def test_metrics_and_what_they_average():
    assert (
        printed_values.metric_name("m50") == "mAP@0.5"
        and printed_values.metric_name("avg_50_95") == "average 0.5:0.95"
    )
    assert printed_values.averaged("avg_30_70") == ["m30", "m40", "m50", "m60", "m70"]
    assert (
        len(printed_values.averaged("avg_50_95")) == 10
        and printed_values.averaged("avg_50_95")[1] == "m55"
    )


def cells(values, **chosen):
    for column, value in chosen.items():
        values = values[values[column] == value]
    return values


def test_own_quoted_and_reproduced_rows_are_told_apart(values):
    assert set(cells(values, source="facnet", table="table5")["origin"]) == {"reproduced"}
    assert cells(values, source="gaufuse", table="table2", name="Ours", metric="m50")[
        ["method", "origin"]
    ].values.tolist() == [["GauFuse", "own"]]
    assert set(cells(values, source="gaufuse", table="table2", method="UM")["origin"]) == {"quoted"}


def test_configurations_are_what_differs_from_the_full_method(values):
    assert set(cells(values, source="ten", table="table6", name="interval=4")["configuration"]) == {
        ""
    }
    assert set(cells(values, source="ten", name="BL")["configuration"]) == {
        "bg_variant=plain tcb=False"
    }
    assert set(cells(values, source="backtal", name="Baseline")["configuration"]) == {
        "affinity=0 background_click=0 score_separation=0"
    }
    half = cells(values, source="gaufuse", table="table3", row=1)
    half = cells(half, configuration="delta=0 fusion_test=nms fusion_train=uniform linpro=0")
    assert half["value"].tolist() == [24.2, 8.1, 31.2]


def test_dashes_stay(values):
    assert (
        cells(values, source="ten", table="table1", method="SSN", metric="m60")["value"]
        .isna()
        .all()
    )
    assert cells(
        values, source="ten", table="table2", method="SSN", metric="m60"
    ).empty  # no such column


def test_a_readable_table_has_names_and_dashes():
    table = pd.DataFrame({"metric": ["m50", "avg_10_70"], "value": [31.25, None], "n": [1, 2]})
    shown = printed_values.readable(table, "metric", "value", "n", decimals=2)
    assert shown.index.tolist() == ["mAP@0.5", "average 0.1:0.7"] and shown["value"].tolist() == [
        "31.25",
        "–",
    ]
