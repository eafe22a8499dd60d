"""A paper's messages, judged by numbers."""

from dataclasses import replace

import pandas as pd
import pytest

from tests.results_samples import results
from wtal_core.models import facnet
from wtal_core.report import messages
from wtal_core.runs.run import Run

UP = [(0.5, 0.40 + s / 1000, 0.1) for s in range(5)]
DOWN = [(0.5, 0.30 + s / 500, 0.3) for s in range(5)]
NOISE = [(0.5, 0.40 + s, 0.1) for s in (0.1, -0.1, 0.2, -0.2, 0.0)]
CLAIMS = {"first": [("up", "down"), ("down", "up")], "second": [("up", "noise")]}


@pytest.fixture
def judged():
    return messages.judge(
        results({"up": UP, "down": DOWN, "noise": NOISE}).measured(0.5),
        CLAIMS,
        {"up": 36.3, "down": 35.0},
    )


def test_verdicts_follow_the_paired_interval(judged):
    assert judged["verdict"].tolist() == ["holds", "reversed", "cannot tell"]
    assert judged["here"].tolist()[:2] == ["+9.8", "-9.8"]


def test_the_papers_difference_is_that_of_its_rows(judged):
    assert judged["paper"].tolist() == ["+1.3", "-1.3", "–"]


def test_a_claim_of_ours_has_no_number_of_the_paper():
    rows = results({"up": UP, "down": DOWN}).measured(0.5)
    found = messages.judge(
        rows, {"not in the paper: up": [("up", "down")]}, {"up": 36.3, "down": 35.0}
    )
    assert found["paper"].tolist() == ["–"] and found["verdict"].tolist() == ["holds"]


def test_a_number_that_the_paper_leaves_out_gives_no_difference():
    found = messages.judge(
        results({"up": UP, "down": DOWN}), {"c": [("up", "down")]}, {"up": 36.3, "down": None}
    )
    assert found["paper"].tolist() == ["–"]


def test_any_values_by_row_and_seed_can_be_judged():
    values = pd.DataFrame([[1.0, 2.0, 3.0, 4.0, 5.0], [0.5, 1.4, 2.6, 3.5, 4.5]], index=["a", "b"])
    found = messages.judge_values(values, {"c": [("a", "b")]}, {})
    assert found.loc[0, ["here", "verdict"]].tolist() == ["+0.5", "holds"]
    assert (
        messages.judge_values(values.iloc[:, :4], {"c": [("a", "b")]}, {})["verdict"].item()
        == "cannot tell"
    )


def test_the_metric_decides():
    """At 0.5 "up" is above "down"; on average over tIoUs below."""
    rows = results({"up": UP, "down": DOWN})
    claim = {"first": [("up", "down")]}
    verdicts = [
        messages.judge(one, claim, {})["verdict"].item()
        for one in (rows.measured(0.5), rows.measured())
    ]
    assert verdicts == ["holds", "reversed"]


def test_under_five_seeds_nothing_is_decided():
    found = messages.judge(
        results({"up": UP[:4], "down": DOWN[:4]}).measured(0.5), {"c": [("up", "down")]}, {}
    )
    assert found["verdict"].item() == "cannot tell"


def test_one_seed_has_no_interval():
    found = messages.judge(results({"up": UP[:1], "down": DOWN[:1]}), {"c": [("up", "down")]}, {})
    assert found.loc[0, ["95 % interval", "verdict"]].tolist() == ["–", "cannot tell"]


@pytest.mark.parametrize("as_index", [False, True])
def test_counts_keep_the_order_of_the_claims(judged, as_index):
    found = messages.count(judged.set_index("claim") if as_index else judged)
    assert list(found.index) == ["first", "second"]
    assert found.loc["first"].tolist() == [2, 1, 1, 0, 0, 0]
    assert found.loc["second"].tolist() == [1, 0, 0, 0, 1, 0]


def trained(a, b):
    return pd.DataFrame([a, b], index=["a", "b"], dtype=bool)


def judged_pair(differences, printed, states=None):
    values = pd.DataFrame([differences, [0.0] * len(differences)], index=["a", "b"])
    reported = {} if printed is None else {"a": printed, "b": 0.0}
    return messages.judge_values(values, {"c": [("a", "b")]}, reported, states).iloc[0]


def test_a_small_effect_within_half_of_the_papers_is_no_difference():
    small = [0.3, -0.3, 0.2, -0.2, 0.1]
    assert judged_pair(small, 2.0)["verdict"] == "no difference"
    assert judged_pair(small, 0.1)["verdict"] == "no difference"  # at least half a point
    assert judged_pair([4 * d for d in small], 2.0)["verdict"] == "cannot tell"
    assert judged_pair([4 * d for d in small], 8.0)["verdict"] == "no difference"


def test_only_seeds_that_are_trained_in_both_rows_count():
    states = trained([1, 1, 1, 1, 0], [1, 1, 1, 1, 1])
    found = judged_pair([1.0, 1.1, 0.9, 1.0, -50.0], 1.0, states)
    assert found["verdict"] == "holds" and found["trained"] == "4 and 5 of 5"
    assert found["here"] == "+1.0"


def test_fewer_than_four_trained_pairs_are_no_verdict():
    states = trained([1, 1, 1, 1, 0], [0, 1, 1, 1, 1])
    assert judged_pair([1.0, 1.1, 0.9, 1.0, 1.0], 1.0, states)["verdict"] == "not trained"
    states = trained([0] * 5, [1] * 5)
    found = judged_pair([1.0, 1.1, 0.9, 1.0, 1.0], 1.0, states)
    assert found["verdict"] == "not trained" and found["here"] == "–"


def test_two_trainings_of_one_network_are_not_compared():
    sample = results({"source": UP, "reader": DOWN, "other": NOISE}).measured(0.5)
    networks = {
        row: [Run("facnet", facnet.Config(delta=delta), "simulated-2", seed) for seed in range(5)]
        for row, delta in (("source", 5.0), ("reader", 5.0), ("other", 10.0))
    }
    sample = replace(sample, origins=networks)
    claims = {"reading": [("source", "reader")], "training": [("source", "other")]}
    for row, loss in (("source", 1.0), ("reader", 1.0), ("other", 2.0)):
        for record in sample.records[row]:
            record.line["columns"] = {"total": (2.0, loss)}
    assert messages.judge(sample, claims, {})["verdict"].tolist() == ["holds", "cannot tell"]
    sample.records["reader"][3].line["columns"] = {"total": (2.0, 1.1)}
    judged = messages.judge(sample, claims, {})
    assert judged["verdict"].tolist() == ["cannot tell", "cannot tell"]
    assert judged["here"].tolist()[0] == "–" and judged["95 % interval"].tolist()[0] == "–"
    lines = judged.astype(str).to_dict("records")
    assert [messages.is_apart(line) for line in lines] == [True, False]
