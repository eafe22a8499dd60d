"""DELU agrees with the authors' code on reference vectors; its two losses by hand; every setting
does something.
"""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.attention_samples import (
    assert_same_detections,
    gradients,
    invented_activation,
    invented_scene,
    scene_of,
    trained,
)
from tests.models.test_co2net import CHANGES as CO2NET_CHANGES
from tests.models.test_co2net import TERMS, assert_same_outputs, golden_batch, official
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.losses.attended import lifted
from wtal_core.models import co2net
from wtal_core.models.delu import (
    ACTIVITYNET12,
    METHOD,
    OFFICIAL,
    Config,
    Network,
    activate,
    between_epochs,
    evidence_loss,
    exp_evidence,
    localize,
    loss,
    ranked,
    snippet_weights,
)
from wtal_core.packed import Packed, Resident

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "delu.npz").items()
}
INVENTED = json.loads((GOLDEN_FOLDER / "delu_postprocess.json").read_text())
EXACT = {"rtol": 1e-9, "atol": 1e-12}
SMALL = replace(OFFICIAL, samples=None, width=32, attention_width=8)
TWO_PAIRS = replace(SMALL, schedule=replace(SMALL.schedule, pairs=2))


def network_of(config=SMALL) -> Network:
    return Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()


def packed(lengths, labels=None) -> Packed:
    """Videos without features to speak of."""
    features = torch.zeros(1, sum(lengths), 1).double()
    return Packed(features, tuple(lengths), torch.eye(3).double() if labels is None else labels)


@pytest.fixture
def golden():
    """The reference network, a fifth of its training over, and batch."""
    network = network_of(TWO_PAIRS)
    progress = GOLDEN["iteration"].double() / GOLDEN["max_iterations"]
    network.load_state_dict({**official(GOLDEN, "weight"), "progress": progress})
    return network, golden_batch(GOLDEN)


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    assert_same_outputs(outputs, GOLDEN)
    suppressed = lifted(outputs.logits, outputs.attention)
    weight = snippet_weights(suppressed, outputs.progress, batch, TWO_PAIRS)
    torch.testing.assert_close(weight, GOLDEN["snippet_weight"].flatten(), **EXACT)


def test_losses_and_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, TWO_PAIRS)
    for ours, theirs in {**TERMS, "evidence": "edl", "uncertain_guide": "uct_guide"}.items():
        torch.testing.assert_close(losses[ours].mean(), GOLDEN[f"loss_{theirs}"], **EXACT)
    losses["total"].mean().backward()
    computed = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(computed, official(GOLDEN, "grad"), **EXACT)


def test_detections_and_map_agree_with_the_official_code():
    activation = invented_activation(INVENTED, co2net.Outputs, METHOD)
    np.testing.assert_allclose(activation.scores[0], INVENTED["video_scores"], rtol=1e-9)
    assert_same_detections(INVENTED, localize(activation, invented_scene(INVENTED), OFFICIAL))


@pytest.mark.parametrize(("rank", "expected"), [("as_code", [1, 3, 2, 0]), ("fixed", [3, 0, 2, 1])])
def test_weights_follow_the_rank_once_fixed(rank, expected):
    """Uncertainties in the order of .9, .1, .5, .3: the code gives the second, fourth, third and
    first weight where the fourth, first, third and second are meant.
    """
    config = replace(OFFICIAL, rank=rank)
    logits = torch.tensor([0.1, 4.0, 1.0, 2.0]).double()[:, None].expand(-1, 4)
    weight = snippet_weights(logits, torch.tensor(0.25).double(), packed((4,)), config)
    theta = torch.tensor([-0.75, -0.25, 0.25, 0.75]).double()
    curve = 1 + 0.7 * torch.tanh(theta * 0.5)
    torch.testing.assert_close(weight, curve[expected], **EXACT)


def test_ranks_are_of_each_video_and_ties_in_the_order_of_time():
    values = torch.tensor([3.0, 1.0, 1.0, 5.0, 2.0, 2.0])
    order, place = ranked(values, packed((3, 0, 3)))
    assert order.tolist() == [1, 2, 0, 1, 2, 0]
    assert place.tolist() == [2, 0, 1, 2, 0, 1]


def test_evidence_is_clipped_and_taken_of_the_snippets_attended_most():
    """Two of 18 snippets count, whose logits are 20 and 0 in class 0 and 0 elsewhere."""
    assert exp_evidence(torch.tensor([20.0, -20.0])).tolist() == pytest.approx(
        [np.exp(10.0), np.exp(-10.0)]
    )
    logits = torch.zeros(18, 4).double()
    logits[7, 0] = 50.0
    attention = torch.full((18,), 0.5).double()
    attention[7] = 0.9
    batch = packed((18,), torch.tensor([[1.0, 1.0, 0.0]]).double())
    value = evidence_loss(logits, attention, batch, OFFICIAL)
    alpha = np.array([np.exp(10.0), 1.0, 1.0]) + 1
    share = np.array([1 / alpha[0], 1 / alpha[1]])
    weight = (1 - 3 / alpha.sum()) * 2 * share / share.sum()
    assert value.tolist() == pytest.approx([weight @ (np.log(alpha.sum()) - np.log(alpha[:2]))])
    squares = replace(OFFICIAL, evidence="relu", evidence_form="squares")
    alpha = np.array([26.0, 1.0, 1.0])
    expected = ((np.array([1, 1, 0]) - alpha / 28) ** 2).sum()
    assert evidence_loss(logits, attention, batch, squares).tolist() == pytest.approx([expected])


def test_progress_is_the_share_of_epochs_that_are_over():
    network = network_of()
    assert network(random_batch()).progress == 0
    videos = Resident([np.zeros((2, 3, 16))], np.ones((1, 5)))
    assert between_epochs(network, videos, SMALL, 50, torch.Generator()) is None
    assert network(random_batch()).progress == pytest.approx(0.2)


@pytest.mark.parametrize("changes", [{}, {"rank": "fixed", "evidence_form": "squares"}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, lambda_co_activity=0.0, **changes)
    network = network_of(config)
    batch = random_batch()
    separate = [gradients(METHOD, network, single, config) for single in one_by_one(batch)]
    expected = {name: sum(part[name] for part in separate) for name in separate[0]}
    computed = gradients(METHOD, network, batch, config)
    torch.testing.assert_close(computed, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("labelled", [True, False])
def test_videos_without_snippet_or_label_are_finite(lengths, labelled):
    config = replace(SMALL, samples=20)
    batch = random_batch(lengths)
    batch.labels.mul_(float(labelled))
    network = network_of(config)
    every = gradients(METHOD, network, batch, config)
    assert all(gradient.isfinite().all() for gradient in every.values())
    drawn = network(batch, torch.Generator().manual_seed(0))
    assert loss(drawn, batch, config)["total"].isfinite().all()
    table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_settings_of_the_code():
    assert (OFFICIAL.samples, OFFICIAL.lambda_guide, OFFICIAL.rule.longer_than) == (320, 0.4, 1.0)
    assert len(OFFICIAL.rule.thresholds) == 20 and OFFICIAL.schedule.pairs == 3
    assert (ACTIVITYNET12.evidence, ACTIVITYNET12.evidence_form) == ("relu", "squares")


def test_a_bad_value_is_refused_in_the_name_of_this_method():
    with pytest.raises(WorkbookError, match="delu: rank is 'both'"):
        replace(OFFICIAL, rank="both")


CHANGES = {
    **CO2NET_CHANGES,
    "rule": replace(SMALL.rule, sigma=0.6),
    "lambda_evidence": 0.3,
    "evidence_fraction": 3,
    "evidence": "relu",
    "evidence_form": "squares",
    "lambda_uncertain": 1.3,
    "amplitude": 0.2,
    "rank": "fixed",
}


@pytest.mark.parametrize("name", [f.name for f in fields(Config) if f.name != "inputs"])
def test_every_field_of_config_changes_the_result(name):
    before = trained(METHOD, SMALL)
    change = {name: CHANGES[name]}
    after = trained(METHOD, replace(SMALL, **change))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])
