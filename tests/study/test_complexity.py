"""Parameters and FLOPs: numbers that were known before, and a network small enough to count
by hand.
"""

import pytest
import torch
from torch import nn

from wtal_core.models import backtal
from wtal_core.papers import reported, reported_rows
from wtal_core.study import complexity

# parameters, and FLOPs of 750 snippets, each rounded to a thousand
TRUE = {
    "3C-Net [41]": (4_405_450, 6.601728),
    "SF-Net [11]": (16_830_552, 25.239552),
    "UM [19]": (12_625_920, 18.938880),
    "HAM-Net [34]": (29_146_646, 43.727649),
    "BackTAL": (29_453_857, 82.007858),
    "BaS-Net": (26_262_529, 77.226242),
}


@pytest.fixture(scope="module")
def costs() -> dict[str, complexity.Cost]:
    return {name: complexity.cost_of(build) for name, build in complexity.NETWORKS.items()}


@pytest.mark.parametrize("name", TRUE)
def test_true_costs_are_those_of_the_specification(costs, name):
    assert costs[name].parameters == TRUE[name][0]
    assert float(complexity.billions(costs[name].flops)) == TRUE[name][1]


def test_hooks_miss_the_two_large_convolutions_of_backtal(costs):
    cost = costs["BackTAL"]
    assert (cost.seen_parameters, complexity.billions(cost.seen_flops)) == (4_288_033, "6.510386")
    assert cost.parameters - cost.seen_parameters == 25_165_824
    assert cost.flops - cost.seen_flops == 2 * 37_748_736_000


@pytest.mark.parametrize("name", [name for name in TRUE if name != "BackTAL"])
def test_hooks_miss_nothing_of_the_others_but_loose_parameters(costs, name):
    cost = costs[name]
    assert cost.seen_flops == cost.flops
    assert cost.parameters - cost.seen_parameters == (44 if name == "SF-Net [11]" else 0)


def test_what_hooks_see_is_what_the_paper_prints(costs):
    for row in reported_rows("backtal/table10"):
        cost = costs[row["method"]]
        assert [round(cost.seen_parameters / 1e6, 2), round(cost.seen_flops / 1e9, 2)] == row["v"]
    counted = reported("backtal")["repository_numbers"]["counted"]["BackTAL_as_reported"]
    assert counted["params_M"] == costs["BackTAL"].seen_parameters / 1e6


class Small(nn.Module):
    """One convolution that is called, with bias, and one that is not."""

    def __init__(self):
        super().__init__()
        self.called, self.act, self.used = (
            nn.Conv1d(3, 4, 1),
            nn.LeakyReLU(),
            nn.Conv1d(4, 5, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.nn.functional.conv1d(self.act(self.called(x)), self.used.weight, padding=1)


def test_a_network_counted_by_hand():
    cost = complexity.cost_of(Small, size=3, snippets=7)
    extra = 2 * 4 * 7 + 2 * 4 * 7  # bias, leaky ReLU
    assert cost == complexity.Cost(
        parameters=16 + 60,
        seen_parameters=16,
        products=2 * 7 * (3 * 4 + 3 * 4 * 5),
        flops=2 * 7 * (12 + 60) + extra,
        seen_flops=2 * 7 * 12 + extra,
    )


def test_our_own_network_shares_the_first_layer_s_products():
    small = backtal.Config(width=8, filter_width=4, emb_hidden=6, emb_dim=2)
    counts = complexity.products_here("backtal", small, streams=2, size=5, snippets=9)
    attention, embedding = 9 * (10 * 4 + 4), 9 * 3 * (10 * 6 + 6 * 2)
    taps = 9 + 8 + 8  # neither end has a neighbour beyond
    one_pass = taps * (10 * 8 + 8 * 8) + 9 * 8 * 21
    assert counts["localize"] == 2 * (attention + embedding + one_pass)
    assert counts["train"] == counts["localize"] + 2 * (
        one_pass - taps * 80 + 2 * 64
    )  # the two passes lie end to end
    assert counts["parameters"] == 44 + 5 + 186 + 38 + 3 * 8 * 18 + 8 * 21


def test_billions_round_halves_up():
    assert [complexity.billions(count) for count in (6_510_385_500, 499, 500)] == [
        "6.510386",
        "0.000000",
        "0.000001",
    ]
