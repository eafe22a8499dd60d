"""The three analyses against the published tool's numbers, against plain loops, and their
invariants.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain import diagnosis as plain
from tests.data_samples import REAL, needs_real_data
from tests.evaluation.test_error_types import HAND, OF_DETAD, hand_detections, hand_truth
from tests.evaluation.test_golden import CASES, detections, ground_truth, read_case
from tests.evaluation.test_mean_average_precision import CLASSES, VIDEOS, problems, table
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.characteristics import Buckets, characteristics
from wtal_core.evaluation.diagnosis import Diagnosis, diagnose
from wtal_core.evaluation.error_types import ERROR_TYPES, OUTCOMES, RULES, outcomes
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.preparation import kept_instances

SMALL = read_case(next(path for path in CASES if path.stem == "thumos_small"))
EXPECTED = json.loads(
    (GOLDEN_FOLDER / "diagnosis" / "detad_thumos_small.expected.json").read_text()
)
TRUTH, FOUND = ground_truth(SMALL, "activitynet"), detections(SMALL)
CHARACTERISTICS = {"coverage": "coverage", "length": "length", "num-instances": "instances"}
# The drawn instances are short: in the published buckets they would all be in one.
NARROW = (
    Buckets("length", "s", (0.0, 1.0, 2.0, 2.2), ("S", "M", "L")),
    Buckets("instances", "", (0.0, 2.0, 4.0), ("few", "more")),
)


def published_traits(truth: GroundTruth) -> pd.DataFrame:
    """DETAD's file, in the order of the ground truth; without it, what can be reckoned without
    durations.
    """
    path = REAL / "thumos14" / "detad" / "thumos14_test_extra_characteristics.json"
    if not path.exists():
        return characteristics(truth)
    rows = [
        (video, one["label"], *one["segment"], one["coverage"], one["length"], one["num-instances"])
        for video, entry in json.loads(path.read_text())["database"].items()
        for one in entry["annotations"]
    ]
    names = [*truth.segments.columns, "coverage", "length", "instances"]
    return truth.segments.merge(pd.DataFrame(rows, columns=names), how="left", validate="1:1")


@pytest.fixture(scope="module", params=["thumos_default", "multi"])
def small(request) -> tuple[Diagnosis, dict]:
    """Our diagnosis and the tool's, at one threshold and at five."""
    expected = EXPECTED[request.param]
    return diagnose(
        TRUTH, FOUND, tuple(expected["false_positive"]["tiou"]), published_traits(TRUTH)
    ), expected


def near(got, expected) -> None:
    np.testing.assert_allclose(np.asarray(got, dtype=float), expected, rtol=0, atol=1e-9)


def rows_of(analysis: pd.DataFrame, characteristic: str) -> pd.DataFrame:
    return analysis[analysis["characteristic"] == CHARACTERISTICS[characteristic]].set_index(
        "bucket"
    )


def test_false_positives_agree_with_the_published_tool(small):
    got, expected = small[0], small[1]["false_positive"]
    near(got.normalised_map, expected["average_mAP_N"])
    near(got.normalised_map_by_tiou, expected["mAP_N"])
    assert got.reference == expected["average_num_instance_per_class"]
    for tiou, counts in zip(got.tious, expected["counts"].values(), strict=True):
        assert got.outcome_counts.loc[tiou].to_dict() == {
            OF_DETAD[name]: n for name, n in counts.items()
        }
    near(
        [got.impact[OF_DETAD[name]] for name in expected["average_mAP_N_gain"]],
        list(expected["average_mAP_N_gain"].values()),
    )
    assert got.block_sizes.tolist() == expected["n_per_G"]
    assert got.profile.index.tolist() == [f"{g}G" for g in range(1, 11)]
    for block, shares in zip(got.profile.index, expected["profile_per_G"], strict=True):
        near([got.profile.loc[block, OF_DETAD[name]] for name in shares], list(shares.values()))


@pytest.mark.parametrize(
    "name", [pytest.param("coverage", marks=needs_real_data), "length", "num-instances"]
)
def test_sensitivity_agrees_with_the_published_tool(small, name):
    got, expected = small[0], small[1]["sensitivity"]
    near(got.normalised_map_of_all, expected["average_mAP_N"])
    values = expected["by_characteristic"][name]
    near(rows_of(got.sensitivity, name)["normalised_map"][list(values)], list(values.values()))
    relative = [value / expected["average_mAP_N"] for value in values.values()]
    near(
        got.relative_change.loc[CHARACTERISTICS[name], ["smallest", "largest"]],
        [min(relative), max(relative)],
    )


@pytest.mark.parametrize(
    "name", [pytest.param("coverage", marks=needs_real_data), "length", "num-instances"]
)
def test_false_negatives_agree_with_the_published_tool(small, name):
    got, values = (
        rows_of(small[0].false_negatives, name),
        small[1]["false_negative"]["by_characteristic"][name],
    )
    near(got["share"][list(values)], [one["share_of_gt"] for one in values.values()])
    near(got["rate"][list(values)], [one["false_negative_rate"] for one in values.values()])
    assert got["instances"].sum() == 3358


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("name", HAND["cases"])
def test_values_by_hand(name, as_published):
    got, expected = (
        diagnose(hand_truth(), hand_detections(name), as_published=as_published),
        HAND["cases"][name],
    )
    near(got.normalised_map_by_tiou, expected["mAP_N"])
    near(
        got.impact,
        [expected["gain"][detad] for detad, ours in OF_DETAD.items() if ours in ERROR_TYPES],
    )
    key = "peer" if as_published else "intended"
    named = pd.Series([OF_DETAD[one[key]] for one in expected["predictions"]]).value_counts()
    assert got.outcome_counts.loc[0.5].to_dict() == {one: named.get(one, 0) for one in OUTCOMES}


@given(problem=problems(), g=st.sampled_from([10, 1, 2.5]), as_published=st.booleans())
@settings(max_examples=80, deadline=None)
def test_equals_the_plain_form(problem, g, as_published):
    rows, found_rows, _, blocked = problem
    truth, found, tious = (
        GroundTruth(table(rows), VIDEOS, CLASSES, blocked=blocked),
        table(found_rows, "score"),
        (0.5, 0.1),
    )
    got = diagnose(truth, found, tious, buckets=NARROW, g=g, as_published=as_published)
    limited = [plain.named(truth, found, RULES, tiou, g, as_published) for tiou in tious]
    near(got.normalised_map_by_tiou, [plain.mean_normalised_ap(*one) for one in limited])
    gains = [
        np.mean([plain.mean_normalised_ap(*one, error) for one in limited]) - got.normalised_map
        for error in ERROR_TYPES
    ]
    near(got.impact, gains)
    assert (got.impact >= 0).all()
    blocks = [plain.profile(*one, math.ceil(g)) for one in limited]
    for number, shares in enumerate(got.profile.to_numpy()):
        near(
            shares,
            [
                np.mean([of[number][name] for of in blocks]) if blocks[0][number] else np.nan
                for name in OUTCOMES
            ],
        )
    _check_buckets(got, truth, [plain.named(truth, found, RULES, tiou) for tiou in tious])


def _check_buckets(got: Diagnosis, truth: GroundTruth, per_level: list) -> None:
    """Sensitivity and false negatives against the plain form, with all detections."""
    traits = characteristics(truth)[kept_instances(truth, RULES)]
    instances, found, _ = per_level[0]
    missed = [plain.missed(*one) for one in per_level]
    for buckets in NARROW:
        of = [plain.bucket_number(value, buckets.edges) for value in traits[buckets.name]]
        for number, label in enumerate(buckets.labels):
            inside = {place for place, bucket in enumerate(of) if bucket == number}
            value = plain.sensitivity(instances, found, [one[2] for one in per_level], of, number)
            rate = (
                np.mean([len(one & inside) / len(inside) for one in missed]) if inside else np.nan
            )
            for table_, name, expected in (
                (got.sensitivity, "normalised_map", value),
                (got.false_negatives, "rate", rate),
                (got.false_negatives, "share", len(inside) / len(of)),
                (got.sensitivity, "instances", len(inside)),
            ):
                row = table_[
                    (table_["characteristic"] == buckets.name) & (table_["bucket"] == label)
                ]
                if len(row) or inside:
                    near(row[name].item(), np.nan if expected is None else expected)


def test_thresholds_together_are_thresholds_one_by_one(small):
    """But for the sensitivity, for which a detection must fit a bucket at every threshold, as in
    the published tool.
    """
    got = small[0]
    alone = [diagnose(TRUTH, FOUND, (tiou,), published_traits(TRUTH)) for tiou in got.tious]
    for name in ("normalised_map", "normalised_map_of_all", "profile", "impact"):
        near(getattr(got, name), np.mean([getattr(one, name) for one in alone], axis=0))
    near(
        got.false_negatives["rate"], np.mean([one.false_negatives["rate"] for one in alone], axis=0)
    )
    pd.testing.assert_frame_equal(
        got.outcome_counts, pd.concat([one.outcome_counts for one in alone])
    )
    mean = np.mean([one.sensitivity["normalised_map"] for one in alone], axis=0)
    difference = (got.sensitivity["normalised_map"] - mean).abs().max()
    assert difference < 1e-12 if len(alone) == 1 else 0.01 < difference < 0.02


def test_shares_of_a_block_and_of_the_buckets_sum_to_one(small):
    got = small[0]
    sums = got.profile.sum(axis=1, min_count=1)
    near(sums[got.block_sizes > 0], 1)
    assert sums[got.block_sizes == 0].isna().all() and (got.block_sizes == 0).sum() == 4
    near(got.false_negatives.groupby("characteristic")["share"].sum(), 1)


def test_the_whole_is_its_budget_and_what_lies_beyond():
    got, counts = diagnose(TRUTH, FOUND, g=0.5), diagnose(TRUTH, FOUND).counts
    assert (
        got.counts["used"]
        == got.outcome_counts.loc[0.5].sum() + got.counts["beyond_budget"]
        == 4240
    )
    assert (
        got.block_sizes.tolist() == [4240 - got.counts["beyond_budget"]]
        and counts["beyond_budget"] == 0
    )
    n = TRUTH.segments.groupby("label").size()
    budget = np.minimum((0.5 * n).astype(int), FOUND.groupby("label").size())
    assert got.block_sizes.sum() == budget.sum()
    whole = diagnose(TRUTH, FOUND)
    assert got.normalised_map < whole.normalised_map == got.normalised_map_of_all
    for name in ("sensitivity", "relative_change", "false_negatives"):  # these know no budget
        pd.testing.assert_frame_equal(getattr(got, name), getattr(whole, name))


def test_the_outcomes_are_those_of_the_table_without_budget():
    got = diagnose(TRUTH, FOUND, g=10_000)
    assert (
        outcomes(TRUTH, FOUND)["outcome"].value_counts().to_dict()
        == got.outcome_counts.loc[0.5].to_dict()
    )


@pytest.mark.parametrize("as_published", [False, True])
def test_no_detections_at_all(as_published):
    got = diagnose(
        hand_truth(), hand_detections("base").iloc[:0], (0.3, 0.5), as_published=as_published
    )
    assert (
        got.normalised_map == 0
        and (got.impact == 0).all()
        and (got.outcome_counts == 0).all(axis=None)
    )
    assert got.profile.isna().all(axis=None) and (got.block_sizes == 0).all()
    present = got.sensitivity["instances"] > 0
    assert (got.sensitivity["normalised_map"][present] == 0).all() and got.sensitivity[
        "normalised_map"
    ][~present].isna().all()
    assert (got.false_negatives["rate"][present] == 1).all()
    assert (
        got.relative_change.isna().all(axis=None) and got.counts["classes_without_detections"] == 2
    )


def test_no_true_positive():
    got = diagnose(hand_truth(), hand_detections("base").iloc[[5, 9]])
    assert (
        got.normalised_map == 0
        and got.outcome_counts.loc[0.5, "background"] == 2
        and (got.impact == 0).all()
    )
    assert (
        got.profile.loc["1G", "background"] == 1
        and got.false_negatives["rate"].dropna().eq(1).all()
    )


@pytest.mark.parametrize(("before", "rate"), [(18, 0), (19, 1), (20, 1)])
def test_a_match_among_many_false_positives_is_none(before, rate):
    """P_N of the match is 1 / 19, .05 and 1 / 21."""
    truth = GroundTruth(table([("v", "A", 0.0, 10.0)]), ("v",), ("A",))
    got = diagnose(
        truth,
        table([("v", "A", 50.0, 60.0, 1.0)] * before + [("v", "A", 0.0, 10.0, 0.5)], "score"),
        g=100,
    )
    assert got.false_negatives["rate"].dropna().tolist() == [rate, rate]
    assert got.outcome_counts.loc[
        0.5, "true positive"
    ] == 1 and got.normalised_map == pytest.approx(1 / (before + 1))


def test_a_detection_matched_to_two_buckets_counts_for_neither():
    truth = GroundTruth(table([("v", "A", 0.0, 10.0), ("v", "A", 7.0, 11.0)]), ("v",), ("A",))
    found = table(
        [("v", "A", 0.0, 5.0, 0.9), ("v", "A", 0.0, 9.5, 0.8)], "score"
    )  # the second: 7 to 11 at .2, 0 to 10 at .7
    got = diagnose(truth, found, (0.2, 0.7)).sensitivity.set_index(["characteristic", "bucket"])[
        "normalised_map"
    ]
    assert got["length", "M"] == 0.5 and got["length", "S"] == 0


def test_one_instance():
    truth = GroundTruth(table([("v", "A", 0.0, 10.0)]), ("v", "w"), ("A", "B"))
    got = diagnose(
        truth,
        table([("w", "A", 0.0, 1.0, 0.9), ("v", "A", 0.0, 10.0, 0.8)], "score"),
        traits=characteristics(truth, {"v": 100.0}),
    )
    assert got.normalised_map == 0.5 and got.impact["background"] == 0.5 and got.reference == 1
    sensitivity = got.sensitivity.drop(columns="range").dropna().to_numpy().tolist()
    assert sensitivity == [
        ["coverage", "XL", 1, 0.5],
        ["length", "M", 1, 0.5],
        ["instances", "XS", 1, 0.5],
    ]
    assert got.false_negatives.dropna()["rate"].tolist() == [0, 0, 0] and (
        got.relative_change == 1
    ).all(axis=None)


def test_a_class_without_detections_counts_with_zero():
    found = hand_detections("base")
    got, both = diagnose(hand_truth(), found[found["label"] == "A"]), diagnose(hand_truth(), found)
    assert (
        0 < got.normalised_map < both.normalised_map
        and got.counts["classes_without_detections"] == 1
    )
    length = got.sensitivity[got.sensitivity["characteristic"] == "length"].set_index("bucket")[
        "normalised_map"
    ]
    assert (
        length["XL"] == 0 and length["M"] > 0 and np.isnan(length["L"])
    )  # 20 s is of B only; none is 12 to 18 s


def test_all_scores_equal_keep_the_order_of_the_table():
    same = diagnose(
        TRUTH, FOUND.sort_values("score", ascending=False, kind="stable").assign(score=1.0)
    )
    assert (
        same.normalised_map == diagnose(TRUTH, FOUND).normalised_map
        and same.counts["tied_scores"] == 4240
    )
    assert same.normalised_map != diagnose(TRUTH, FOUND.assign(score=1.0)).normalised_map


def test_zero_length_and_infinite_scores():
    worse = pd.concat(
        [FOUND, table([("video_test_0000004", "CricketBowling", 5.0, 5.0, math.inf)], "score")]
    )
    got, before = diagnose(TRUTH, worse, g=1000), diagnose(TRUTH, FOUND, g=1000)
    assert got.normalised_map < before.normalised_map
    difference = got.outcome_counts.loc[0.5] - before.outcome_counts.loc[0.5]
    assert difference.to_dict() == {**dict.fromkeys(OUTCOMES, 0), "background": 1}


def test_instances_that_are_left_out_are_counted():
    rows = [
        ("v", "C", 0.0, 50.0),
        ("v", "A", 5.0, 5.0),
        ("v", "A", 0.0, 10.0),
        ("v", "B", 9.0, 8.0),
        ("w", "A", 0.0, 5.0),
    ]
    truth = GroundTruth(table(rows), ("v", "w"), ("A", "B", "C"), blocked=("w",))
    found = table(
        [("v", label, 0.0, 10.0, 1.0) for label in ("A", "B", "C", "D")]
        + [("w", "A", 0.0, 5.0, 1.0)],
        "score",
    )
    got = diagnose(truth, found, traits=characteristics(truth, {"v": 40.0}))
    counts = {
        name.removeprefix("instances_"): n
        for name, n in got.counts.items()
        if name.startswith("instances")
    }
    assert {name: n for name, n in counts.items() if n} == {
        "instances": 5,
        "used": 1,
        "dropped": 4,
        "dropped_blocked": 1,
        "dropped_without_length": 2,
        "dropped_longer_than_video": 1,
    }
    assert got.sensitivity.dropna()[["characteristic", "bucket"]].to_numpy().tolist() == [
        ["coverage", "XL"],
        ["length", "M"],
        ["instances", "S"],
    ]
    assert (
        got.counts["used"] == 1
        and got.counts["dropped_class_without_ground_truth"] == 3
        and got.normalised_map == 1
    )
    assert (
        diagnose(truth, found).counts["instances_used"] == 2
    )  # without durations, C cannot be seen to be too long


def test_characteristics_that_are_not_known_are_left_out():
    got = diagnose(hand_truth(), hand_detections("base"))
    assert got.left_out == ("coverage",) and "coverage" not in set(
        got.sensitivity["characteristic"]
    )
    assert list(got.relative_change.index) == ["length", "instances"]
    traits = characteristics(hand_truth(), {"v1": 100.0})
    partly = diagnose(hand_truth(), hand_detections("base"), traits=traits)
    assert partly.left_out == () and partly.counts["without_coverage"] == 2
    coverage = partly.false_negatives[partly.false_negatives["characteristic"] == "coverage"]
    assert coverage["instances"].sum() == 3 and coverage["share"].sum() == pytest.approx(0.6)
    none = diagnose(hand_truth(), hand_detections("base"), traits=traits * np.nan)
    assert (
        none.left_out == ("coverage", "length", "instances")
        and none.normalised_map == got.normalised_map
    )
    assert (
        list(none.sensitivity.columns) == list(got.sensitivity.columns)
        and len(none.sensitivity) == 0
    )
    assert (
        list(none.false_negatives.columns) == list(got.false_negatives.columns)
        and len(none.relative_change) == 0
    )


def test_an_instance_on_a_border_is_of_the_lower_bucket():
    truth = GroundTruth(table([("v", "A", 0.0, 3.0), ("v", "A", 10.0, 16.5)]), ("v",), ("A",))
    got = diagnose(
        truth,
        table([("v", "A", 0.0, 3.0, 1.0)], "score"),
        traits=characteristics(truth, {"v": 6.5}),
    )
    sizes = got.sensitivity.set_index(["characteristic", "bucket"])["instances"]
    assert (
        sizes["length", "XS"] == 1 and sizes["length", "M"] == 1 and sizes["coverage", "XL"] == 2
    )  # coverage 1 is in


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(
            ({"g": g}, "a budget of .* detections per instance is not usable")
            for g in (0, -1, math.inf, math.nan)
        ),
        *(
            ({"tious": tious}, "tIoU thresholds .* are not usable")
            for tious in ((), (0.0,), (0.5, 1.2))
        ),
        ({"traits": characteristics(hand_truth()).iloc[:4]}, "4 rows for 5 instances"),
    ],
)
def test_refuses_what_is_not_usable(arguments, message):
    with pytest.raises(WorkbookError, match=message):
        diagnose(hand_truth(), hand_detections("base"), **arguments)


def test_buckets_of_another_characteristic():
    agreement = Buckets("agreement", "share of annotators", (0.0, 0.5, 1.0), ("low", "high"))
    got = diagnose(
        hand_truth(),
        hand_detections("base"),
        traits=pd.DataFrame({"agreement": [0.1, 0.5, 0.6, 0.7, 1.0]}),
        buckets=(agreement,),
    )
    assert got.sensitivity[["characteristic", "bucket", "instances"]].to_numpy().tolist() == [
        ["agreement", "low", 2],
        ["agreement", "high", 3],
    ]
