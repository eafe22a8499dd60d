"""Contradictions: every one of the answer key that numbers can show is found, and no other."""

import pytest

from wtal_core.papers import contradictions as paper_contradictions
from wtal_core.papers.printed_values import printed_values


@pytest.fixture(scope="module")
def values():
    return printed_values()


def test_within_a_paper_only_the_baseline_of_gaufuse_is_printed_with_several_numbers(values):
    found = paper_contradictions.within(values)
    assert set(found["source"]) == {"gaufuse"}
    assert found.set_index("metric")[["lowest", "highest"]].T.to_dict("list") == {
        "m50": [36.2, 38.2],
        "m70": [11.1, 12.5],
        "avg_10_70": [44.9, 45.1],
    }
    assert "table4: baseline (RSKP)" in found["printed"][0]


def test_the_training_half_of_table_3_has_the_numbers_with_linpro(values):
    found = paper_contradictions.twins(values)
    assert found[["row", "same numbers as"]].values.tolist() == [
        ["table3: Baseline (NMS), fusion_train", "table4: + LinPro Pseudo Label Generation"],
        ["table3: Gaussian, fusion_train", "table4: + Gaussian weighted fusion"],
    ]


def test_equal_ticks_of_backtal():
    found = paper_contradictions.same_ticks()
    assert found[["source", "table", "value", "value there"]].values.tolist() == [
        ["backtal", "table13", 31.8, 32.4]
    ]


def test_rows_above_the_full_method(values):
    found = paper_contradictions.above_the_full_method(values)
    rows = set(zip(found["source"], found["table"], found["value"], found["full"], strict=True))
    assert ("backtal", "table6", 36.8, 36.3) in rows and set(found["source"]) == {"backtal", "ten"}


PUBLISHED = {
    "UM": {"m30", "m40", "m50", "m60", "m70", "avg_30_70"},
    "SSN": {"avg_10_50"},
    "BSN": {"avg_30_70"},
    "BM": {"m30", "m40", "m50", "m60", "m70"},
    "ActionBytes": {"m40"},
    "ACGNet": {"m50"},
    "DELU": {"m60"},
    "HAM-Net": {"m10", "m20", "m30", "m40", "m50", "m60", "m70", "avg_30_70", "avg_10_70"},
    "AUMN": {"avg_10_70"},
    "TSCN": {"avg_30_70"},
    "ACM-BANet": {"avg_10_70"},
}


def test_exactly_these_published_numbers_differ_between_sources(values):
    found = paper_contradictions.between(values)
    published = found[found["kind"] == "published"]
    assert {
        method: set(rows["metric"]) for method, rows in published.groupby("method")
    } == PUBLISHED
    assert set(found["dataset"]) == {"THUMOS14"}
    of = published.set_index(["method", "metric"])
    assert of.loc[("UM", "avg_30_70"), ["ten", "gaufuse", "backtal"]].tolist() == [30.0, 32.9, 32.9]
    assert of.loc[
        ("HAM-Net", "m50"), ["facnet", "gaufuse", "backtal", "awesome_list"]
    ].tolist() == [31.0, 31.0, 32.6, 32.6]
    assert of.loc[("ActionBytes", "m40"), ["backtal", "awesome_list"]].tolist() == [37.5, 35.8]
    assert of.loc[("ACM-BANet", "avg_10_70"), ["facnet_readme", "awesome_list"]].tolist() == [
        39.9,
        40.0,
    ]
    assert found["difference"].is_monotonic_decreasing


def test_exactly_these_reproductions_differ_between_papers(values):
    found = paper_contradictions.between(values)
    again = found[found["kind"] == "reproduced"]
    assert set(
        zip(
            again["method"],
            again["configuration"],
            again["metric"],
            again["facnet"],
            again["gaufuse"],
            strict=True,
        )
    ) == {
        ("BM", "", "m30", 46.5, 45.2),
        ("BM", "", "m70", 9.1, 8.7),
        ("BM", "", "avg_10_70", 36.0, 35.3),
        ("STPN", "embedding=1", "avg_10_70", 28.9, 28.4),
    }
    common = paper_contradictions.in_common(values)
    assert common.loc[("THUMOS14", "UM", "", "reproduced")].tolist() == [3, 0]


def test_most_of_what_sources_have_in_common_agrees(values):
    common = paper_contradictions.in_common(values)
    published = common[common.index.get_level_values("kind") == "published"]
    assert (published["differ"] > 0).sum() == len(PUBLISHED) and len(published) > 60
    assert published.loc[["ActivityNet1.2", "ActivityNet1.3"], "differ"].sum() == 0


def test_the_averages_decide_for_the_smaller_number(values):
    found = paper_contradictions.which_fits(values).set_index(["method", "source"])
    for case in (("ACGNet", "ten"), ("DELU", "gaufuse")):
        assert found.loc[case, "error with the other"] < 0.05 < found.loc[case, "error as printed"]
    assert found.loc[("DELU", "gaufuse"), ["printed", "elsewhere"]].tolist() == [27.4, 27.2]


def test_supervision_is_labelled_differently(values):
    found = paper_contradictions.supervision_labels(values)
    assert set(found.index.get_level_values("method")) == {"BM", "STAR", "TSRNet"}
    assert found.loc[("BM", "THUMOS14"), ["backtal", "facnet"]].tolist() == ["weak+", "weak"]


def test_a_rerun_of_facnet_is_better_than_the_paper(values):
    found = paper_contradictions.reruns(values)
    again = found[(found["method"] == "FAC-Net") & (found["source"] == "gaufuse")].set_index(
        "metric"
    )
    assert again.loc["avg_10_70", ["published", "value", "difference"]].tolist() == [
        42.2,
        42.9,
        0.7,
    ]
    assert again.loc["m70", "value"] == 13.7


@pytest.mark.parametrize(
    ("method", "dataset", "metric", "published", "value"),
    [
        ("CoLA", "THUMOS14", "avg_10_70", 40.9, 41.7),
        ("ASM-Loc", "THUMOS14", "avg_10_70", 45.1, 45.3),
        ("ASM-Loc", "ActivityNet1.3", "m95", 6.2, 0.6),
        ("DELU", "THUMOS14", "avg_10_70", 46.4, 46.8),
        ("UM", "THUMOS14", "avg_10_70", 41.9, 40.4),
        ("STPN", "THUMOS14", "avg_10_90", 21.2, 21.3),
        ("GauFuse", "THUMOS14", "avg_10_70", 48.3, 48.14),
    ],
)
def test_repositories_against_papers(values, method, dataset, metric, published, value):
    found = paper_contradictions.reruns(values)
    rows = found[
        (found["method"] == method) & (found["dataset"] == dataset) & (found["metric"] == metric)
    ]
    assert (published, value) in set(zip(rows["published"], rows["value"], strict=True))


def test_absent_methods(values):
    found = paper_contradictions.absent(values)
    rows = set(
        zip(
            found["source"],
            found["table"],
            found["method"],
            found["metric"],
            found["value"],
            strict=True,
        )
    )
    assert {
        ("ten", "table2", "CO2-Net", "m50", 43.3),
        ("ten", "table2", "CoLA", "m50", 42.7),
        ("ten", "table2", "D2-Net", "m50", 42.3),
        ("ten", "table2", "AUMN", "m50", 42.0),
        ("ten", "table2", "ACGNet", "m50", 41.8),
        ("facnet", "table1", "TS-PCA", "avg_10_70", 42.6),
        ("facnet", "table1", "UGCT", "avg_10_70", 43.6),
        ("backtal", "table1", "CO2-Net", "m50", 38.3),
    } <= rows
    assert (found["difference"] > 0).all() and not set(found["method"]) & {
        "GTAN",
        "P-GCN",
        "BSN",
        "SSN",
    }
    assert "BackTAL" not in set(found.loc[found["source"] == "ten", "method"])  # it uses clicks


def test_ten_is_first_in_its_table_and_sixth_with_the_methods_that_it_compares_with_elsewhere(
    values,
):
    absent = paper_contradictions.absent(values)
    assert paper_contradictions.rank(values, "ten", "table2", "m50") == (1, 7)
    assert paper_contradictions.rank(
        values, "ten", "table2", "m50", absent[absent["elsewhere"]]
    ) == (6, 12)
    assert (
        paper_contradictions.rank(values, "ten", "table2", "avg_50_95")[0] == 3
    )  # UM 25.9 and ACSNet 26.0


def test_settings_of_text_and_code():
    found = paper_contradictions.settings()
    differ = set(
        zip(found.loc[~found["same"], "paper"], found.loc[~found["same"], "setting"], strict=True)
    )
    assert {
        ("backtal", "epochs THUMOS14"),
        ("facnet", "embedding"),
        ("facnet", "weight_decay"),
        ("facnet", "rgb_scale"),
        ("gaufuse", "renewal_epochs"),
        ("gaufuse", "test_temperature"),
        ("gaufuse", "class_threshold"),
    } <= differ
    assert ("backtal", "epochs HACS") not in differ


def test_test_sets_of_thumos14():
    found = paper_contradictions.test_sets()["test_videos"]
    assert found[["ten", "backtal", "facnet", "gaufuse"]].tolist() == [213, 213, 212, 212]
    assert sorted(found.tolist()) == [210, 212, 212, 212, 213, 213]


def test_only_backtal_is_larger_than_printed():
    found = paper_contradictions.counted_again("backtal", "table10")
    assert set(found.loc[(found["ratio"] - 1).abs() > 0.01, "method"]) == {"BackTAL"}
    assert found.set_index(["method", "column"]).loc[("BackTAL", "params_M"), "counted"] == 29.45


def test_a_method_that_came_later_is_not_absent(values):
    """DELU (44.2 on ActivityNet1.2) is of TEN's own month; ACGNet is later than BackTAL."""
    found = paper_contradictions.absent(values)
    listed = set(zip(found["source"], found["method"], strict=True))
    assert (
        not listed & {("ten", "DELU"), ("backtal", "ACGNet"), ("facnet", "CO2-Net")}
        and ("backtal", "CO2-Net") in listed
    )
