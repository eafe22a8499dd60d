"""Ladders between protocols on small cases, on STPN's real detections, and the committed file made
from them.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL
from wtal_core.data.opening import open_dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.hand_examples import EXAMPLES
from wtal_core.evaluation.ladder import (
    ALL_TIOUS,
    DETAILS,
    WAYS,
    Setting,
    contributions,
    differing,
    grid_halves,
    ladder,
    protocol_table,
)
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocol_case import read_case, simulate_case
from wtal_core.evaluation.protocols import (
    ACTIVITYNET,
    OPENTAD,
    PROTOCOLS,
    WTALC,
    WTALC_2019,
    Protocol,
)

EVERY = replace(WTALC_2019, shortest=OPENTAD.shortest, duplicates=OPENTAD.duplicates)


@pytest.fixture(scope="module")
def case():
    return simulate_case(open_dataset("simulated"))


def test_the_details_are_all_fields_of_a_protocol_that_decide_its_number():
    named = {field for fields in DETAILS.values() for field in fields}
    assert named == set(Protocol.__dataclass_fields__) - {"id", "title", "source", "tious"}


@pytest.mark.parametrize("detail", DETAILS)
def test_each_hand_example_changes_this_detail_alone_and_its_map(detail):
    example = EXAMPLES[detail]
    assert differing(example.first, example.last) == (detail,)
    before, after = example.scores()
    assert abs(before - after) > 5


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("tie rule", (100, 50)),
        ("AP rule", (200 / 3, 175 / 3)),
        ("time grid", (100, 0)),
        ("ambiguity filter", (50, 100)),
    ],
)
def test_hand_examples_have_the_values_that_a_hand_finds(detail, expected):
    assert EXAMPLES[detail].scores() == pytest.approx(expected)


def test_a_ladder_begins_and_ends_at_its_settings_and_passes_wtalc(case):
    first, last = Setting(ACTIVITYNET, case.left_out), Setting(WTALC_2019)
    steps = ladder(case.ground_truth, case.detections, first, last)
    table = protocol_table(
        case.ground_truth, case.detections, {"shorter": case.left_out, "all": ()}
    )
    assert list(steps.index) == ["start", *differing(first, last)] and len(steps) == 8
    for step, where in (
        ("start", ("shorter", "activitynet")),
        ("test list", ("all", "activitynet")),
        ("ambiguity filter", ("all", "wtalc")),
        ("AP rule", ("all", "wtalc-2019")),
    ):
        np.testing.assert_array_equal(steps.loc[step], table.loc[where])


def test_every_detail_moves_the_map_of_the_simulated_case(case):
    first = Setting(ACTIVITYNET, case.left_out)
    steps = ladder(case.ground_truth, case.detections, first, Setting(EVERY), (0.1, 0.5))
    assert len(steps) == 9 and (steps.diff().iloc[1:].abs().max(axis=1) > 0.1).all()


def test_contributions_add_up_and_agree_with_the_ladder(case):
    first, last = Setting(ACTIVITYNET), Setting(WTALC)
    points = contributions(case.ground_truth, case.detections, first, last, (0.1, 0.5))
    steps = ladder(case.ground_truth, case.detections, first, last, (0.1, 0.5))
    np.testing.assert_allclose(
        points.loc["in the ladder"], steps.diff().iloc[1:], rtol=0, atol=1e-12
    )
    for way in (WAYS[0], WAYS[3]):
        np.testing.assert_allclose(
            points.loc[way].sum(), steps.iloc[-1] - steps.iloc[0], rtol=0, atol=1e-9
        )
    alone = [
        first.taking([detail], last).scored(case.ground_truth, case.detections, (0.1, 0.5))
        for detail in steps.index[1:]
    ]
    np.testing.assert_allclose(
        points.loc[WAYS[1]], np.array(alone) - steps.iloc[0].to_numpy(), rtol=0, atol=1e-12
    )


def test_two_details_have_the_mean_of_both_orders(case):
    first, last = Setting(ACTIVITYNET), Setting(replace(ACTIVITYNET, unit="snippets", ap="sum"))
    points = contributions(case.ground_truth, case.detections, first, last, (0.1, 0.5))
    np.testing.assert_allclose(
        points.loc[WAYS[3]], (points.loc[WAYS[1]] + points.loc[WAYS[2]]) / 2, rtol=0, atol=1e-9
    )


def test_equal_settings_have_nothing_to_contribute(case):
    with pytest.raises(WorkbookError, match="two settings are equal"):
        contributions(case.ground_truth, case.detections, Setting(WTALC), Setting(WTALC))


def test_both_halves_of_the_grid_are_the_protocol_in_snippets(case):
    found = grid_halves(case.ground_truth, case.detections, ACTIVITYNET, ALL_TIOUS)
    for row, unit in (("seconds", "seconds"), ("both: snippets", "snippets")):
        expected = evaluate(
            case.ground_truth, case.detections, replace(ACTIVITYNET, unit=unit), ALL_TIOUS
        ).map
        np.testing.assert_array_equal(found.loc[row].iloc[:9], 100 * expected)
    assert (
        found.loc["both: snippets", "0.5"] > found.loc["snippets, above the threshold", "0.5"] + 5
    )


def test_averages_appear_where_their_thresholds_do(case):
    assert list(
        protocol_table(case.ground_truth, case.detections, {"all": ()}, (0.5,)).columns
    ) == ["0.5"]
    found = protocol_table(case.ground_truth, case.detections, {"all": ()})
    assert list(found.columns[-2:]) == ["0.1:0.7", "0.1:0.9"] and len(found) == len(PROTOCOLS)
    np.testing.assert_allclose(found["0.1:0.7"], found.iloc[:, :7].mean(axis=1))


STPN_THERE = (REAL / "stpn" / "results.json").exists()


@pytest.mark.skipif(not STPN_THERE, reason="the detections of STPN are not beside the project")
def test_the_test_list_without_two_videos_is_the_authors_list_of_210():
    ambiguous = REAL / "thumos14" / "Thumos14reduced-Annotations" / "Ambiguous_test.txt"
    found = read_case(REAL / "stpn" / "gt.json", REAL / "stpn" / "results.json", ambiguous, "test")
    assert (len(found.ground_truth.videos), found.left_out, len(found.ground_truth.ambiguous)) == (
        210,
        (),
        99,
    )
    score = Setting(ACTIVITYNET).scored(found.ground_truth, found.detections, ALL_TIOUS)
    np.testing.assert_allclose(
        score, [52.10, 44.22, 34.72, 26.07, 17.70, 10.09, 4.99, 1.34, 0.10], rtol=0, atol=0.006
    )


def test_a_detail_is_taken_whole():
    changed = Setting(ACTIVITYNET).taking(["dropped instances"], Setting(OPENTAD))
    assert (changed.protocol.shortest, changed.protocol.duplicates) == (
        OPENTAD.shortest,
        OPENTAD.duplicates,
    )
    assert pd.Series(differing(changed, Setting(ACTIVITYNET))).tolist() == ["dropped instances"]
