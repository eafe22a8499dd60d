"""FAC-Net agrees with the authors' code on reference vectors, and keeps the invariants of packed
and stacked computation.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch, reordered
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.models.facnet import (
    OFFICIAL,
    QUICK,
    Network,
    ablate,
    activate,
    localize,
    loss,
    signals,
    thresholds_for,
)
from wtal_core.models.shared.activation import Scene
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "facnet.npz").items()
}
SMALL = replace(OFFICIAL, embedding=16)
EMBEDDING = "feature_embedding.process"
EXACT = {"rtol": 0, "atol": 1e-9}


def network_of(config=SMALL, streams=2, size=16, classes=5, seed=0) -> Network:
    return Network(config, streams, size, classes, torch.Generator().manual_seed(seed)).double()


def scene_of(lengths, classes=5) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(classes)),
        Timebase(),
        empty_segments(),
    )


def gradients(network: Network, batch: Packed, config=SMALL) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    layers = {
        f"embed_{i}.{ours}": GOLDEN[f"{kind}/{EMBEDDING}.{theirs}.{ours}"]
        for i, theirs in ((1, 0), (2, 3))
        for ours in ("weight", "bias")
    }
    layers = {name: v.T[None] if v.ndim == 2 else v[None, None] for name, v in layers.items()}
    return {
        **layers,
        "w_a": GOLDEN[f"{kind}/ac_center"][None],
        "w_f": GOLDEN[f"{kind}/fg_center"][None],
    }


@pytest.fixture
def golden():
    """The reference network and batch."""
    network = network_of(streams=1)
    network.load_state_dict(official("weight"))
    videos, length, _ = GOLDEN["x"].shape
    return network, Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    for name in ("p_cw", "p_ca", "p_mil"):
        torch.testing.assert_close(getattr(outputs, name)[0], GOLDEN[name], **EXACT)
    torch.testing.assert_close(
        outputs.s_a[0].unflatten(0, GOLDEN["x"].shape[:2]), GOLDEN["cas_logits"], **EXACT
    )


def test_losses_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, SMALL)
    assert set(losses) == {"cw", "ca", "mil", "total"}
    for name, value in losses.items():
        torch.testing.assert_close(value.mean(), GOLDEN[f"loss_{name}"], **EXACT)


def test_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    loss(network(batch), batch, SMALL)["total"].mean().backward()
    found = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(found, official("grad"), **EXACT)


@pytest.mark.parametrize(
    "config",
    [SMALL, replace(SMALL, kernel=3), replace(SMALL, background=False)],
    ids=["kernel 1", "kernel 3", "no background"],
)
def test_a_packed_batch_equals_one_video_at_a_time(config):
    network, batch = network_of(config), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    for part in fields(together):
        joined = torch.cat([getattr(a, part.name) for a in alone], 1)
        torch.testing.assert_close(getattr(together, part.name), joined, **EXACT)
    summed = [gradients(network, single, config) for single in one_by_one(batch)]
    expected = {name: sum(g[name] for g in summed) for name in summed[0]}
    torch.testing.assert_close(gradients(network, batch, config), expected, **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("config", [SMALL, replace(SMALL, kernel=3)], ids=["kernel 1", "kernel 3"])
def test_videos_without_or_with_one_snippet_are_finite(lengths, config):
    network, batch = network_of(config), random_batch(lengths)
    outputs = network(batch)
    assert all(getattr(outputs, part.name).isfinite().all() for part in fields(outputs))
    assert all(g.isfinite().all() for g in gradients(network, batch, config).values())
    detections = localize(activate(outputs, batch, config), scene_of(lengths), config)
    assert np.isfinite(detections[["t_start", "t_end", "score"]].to_numpy()).all()


def test_a_video_that_dropout_switched_off_has_finite_gradients():
    network = network_of().float()
    batch = random_batch()
    dead = Packed(torch.zeros_like(batch.features).float(), batch.lengths, batch.labels.float())
    assert all(g.isfinite().all() for g in gradients(network, dead).values())


def test_streams_are_independent():
    network, batch = network_of(), random_batch()
    other = Packed(batch.features.clone(), batch.lengths, batch.labels)
    other.features[0] += 1
    before, after = network(batch), network(other)
    for part in fields(before):
        assert torch.equal(getattr(before, part.name)[1], getattr(after, part.name)[1])
    assert not torch.equal(before.p_cw[0], after.p_cw[0])
    changed, kept = gradients(network, batch), gradients(network, other)
    assert all(torch.equal(changed[name][1], kept[name][1]) for name in changed)


def test_stacked_streams_equal_networks_of_their_own():
    network, batch = network_of(), random_batch()
    for stream in range(2):
        single = network_of(streams=1)
        single.load_state_dict(
            {name: value[stream : stream + 1] for name, value in network.state_dict().items()}
        )
        own = Packed(batch.features[stream : stream + 1], batch.lengths, batch.labels)
        torch.testing.assert_close(
            network(batch).p_mil[stream : stream + 1], single(own).p_mil, **EXACT
        )


def test_the_order_of_the_videos_does_not_matter():
    network, batch, order = network_of(), random_batch(), [3, 0, 4, 2, 1]
    outputs, moved = network(batch), network(reordered(batch, order))
    for name in ("p_cw", "p_ca", "p_mil"):
        torch.testing.assert_close(
            getattr(outputs, name)[:, order], getattr(moved, name), rtol=0, atol=1e-12
        )
    losses, moved_losses = loss(outputs, batch, SMALL), loss(moved, reordered(batch, order), SMALL)
    torch.testing.assert_close(losses["total"][order], moved_losses["total"], rtol=0, atol=1e-12)


def train_one_epoch(schedule: Schedule) -> dict[str, torch.Tensor]:
    """Parameters after 20 videos in steps of ten, dropout off."""
    network, batches = (
        network_of(),
        [random_batch((9, 4, 1, 7, 12, 3, 8, 5, 6, 11), seed=s) for s in (1, 2)],
    )
    optimizer = schedule.optimizer(network)
    for batch in batches:
        optimizer.zero_grad()
        schedule.reduce(loss(network(batch), batch, SMALL)["total"]).backward()
        optimizer.step()
    return {name: p.detach() for name, p in network.named_parameters()}


def test_summed_and_mean_gradients_take_the_same_steps():
    """Specification S8: sum of 10 with decay 0.005 and epsilon 1e-8 = mean with 0.0005 and 1e-9."""
    summed = train_one_epoch(Schedule(learning_rate=1e-3))
    torch.testing.assert_close(
        train_one_epoch(Schedule(learning_rate=1e-3, reduction="mean")), summed, **EXACT
    )
    by_hand = torch.optim.Adam(network_of().parameters(), 1e-3, (0.9, 0.99), 1e-9, 0.0005)
    ours = Schedule(learning_rate=1e-3, reduction="mean").optimizer(network_of())
    for name in ("lr", "betas", "eps", "weight_decay"):
        assert ours.param_groups[0][name] == pytest.approx(by_hand.param_groups[0][name])
    start = dict(network_of().named_parameters())
    assert all((summed[name] - start[name]).abs().max() > 1e-4 for name in start)


def test_without_background_scores_are_over_c_classes_and_mil_has_no_background_target():
    config = replace(SMALL, background=False)
    network, batch = network_of(config), random_batch()
    outputs = network(batch)
    assert network.w_a.shape == (2, 5, 16)
    assert outputs.p_cw.shape == outputs.p_ca.shape == outputs.p_mil.shape == (2, 5, 5)
    assert outputs.s_a.shape == (2, sum(LENGTHS), 5)
    target = batch.labels / batch.labels.sum(1, keepdim=True)
    expected = -(target * outputs.p_mil.log()).sum(-1).sum(0)
    torch.testing.assert_close(loss(outputs, batch, config)["mil"], expected, rtol=0, atol=1e-7)
    assert activate(outputs, batch, config).cas.shape == (2, sum(LENGTHS), 5)


def test_background_is_a_target_of_mil_only():
    outputs, batch = network_of()(random_batch()), random_batch()
    losses, count = loss(outputs, batch, SMALL), batch.labels.sum(1)
    chosen = -(batch.labels * outputs.p_mil[..., :-1].log()).sum(-1) - outputs.p_mil[..., -1].log()
    torch.testing.assert_close(losses["mil"], (chosen / (count + 1)).sum(0), rtol=0, atol=1e-7)
    chosen = -(batch.labels * outputs.p_cw[..., :-1].log()).sum(-1)
    torch.testing.assert_close(losses["cw"], (chosen / count).sum(0), rtol=0, atol=1e-7)


def test_a_branch_without_weight_is_left_out():
    batch = random_batch()
    losses = loss(network_of()(batch), batch, replace(SMALL, lambda_ca=0.0, lambda_mil=0.5))
    assert set(losses) == {"cw", "mil", "total"}
    torch.testing.assert_close(losses["total"], losses["cw"] + 0.5 * losses["mil"])


def test_size_of_the_paper_setting():
    assert (
        sum(p.numel() for p in Network(OFFICIAL, 2, 1024, 20, torch.Generator()).parameters())
        == 2 * 2_121_728
    )
    schedule = OFFICIAL.schedule
    assert (schedule.epochs, schedule.batch_size, schedule.reduction) == (100, 10, "sum")
    assert (schedule.learning_rate, schedule.betas, schedule.weight_decay) == (
        1e-4,
        (0.9, 0.99),
        0.005,
    )
    assert QUICK.taus == OFFICIAL.taus and QUICK.thresholds == OFFICIAL.thresholds


def test_the_foreground_starts_as_the_opposite_of_the_background():
    network = network_of()
    assert torch.equal(network.w_f[:, 0], -network.w_a[:, -1])
    assert network.w_f.data_ptr() != network.w_a.data_ptr()
    random = network_of(replace(SMALL, foreground_init="xavier"))
    assert not torch.equal(random.w_f[:, 0], -random.w_a[:, -1])
    assert random.w_f.abs().max() <= (6 / 17) ** 0.5
    assert torch.equal(random.w_a, network.w_a)  # the other weights are drawn before


def test_thresholds_keep_their_ratio_to_the_uniform_value():
    assert thresholds_for(OFFICIAL, 20) == (OFFICIAL.thresholds, OFFICIAL.class_threshold)
    thresholds, least = thresholds_for(replace(OFFICIAL, background=False), 20)
    np.testing.assert_allclose(thresholds, np.array(OFFICIAL.thresholds) * 21 / 20)
    assert least == pytest.approx(0.1)
    thresholds, least = thresholds_for(OFFICIAL, 5)
    np.testing.assert_allclose(thresholds, np.array(OFFICIAL.thresholds) * 21 / 6)
    assert least == pytest.approx(0.1 * 21 / 6)


TABLE_3 = {
    ("CW", 0, 0): (1, 0, 0),
    ("CA", 0, 0): (0, 1, 0),
    ("MIL", 0, 0): (0, 0, 1),
    ("CW", 1, 0): (1, 0, 0),
    ("CA", 1, 0): (0, 1, 0),
    ("MIL", 1, 0): (0, 0, 1),
    ("CW CA", 0, 0): (1, 0.1, 0),
    ("CW CA", 1, 0): (1, 0.1, 0),
    ("CW MIL", 0, 0): (1, 0, 0.1),
    ("CW MIL", 1, 0): (1, 0, 0.1),
    ("CA MIL", 0, 0): (0, 1, 1),
    ("CA MIL", 1, 0): (0, 1, 1),
    ("CW CA MIL", 0, 0): (1, 0.1, 0.1),
    ("CW CA MIL", 1, 0): (1, 0.1, 0.1),
    ("CW MIL", 0, 1): (1, 0, 0.1),
    ("CW MIL", 1, 1): (1, 0, 0.1),
    ("CA MIL", 0, 1): (0, 1, 1),
    ("CA MIL", 1, 1): (0, 1, 1),
    ("CW CA MIL", 0, 1): (1, 0.1, 0.1),
    ("CW CA MIL", 1, 1): (1, 0.1, 0.1),
}


def test_ablate_gives_the_twenty_rows_of_table_3():
    assert len(TABLE_3) == 20
    for (branches, hybrid, background), weights in TABLE_3.items():
        row = ablate(OFFICIAL, branches, bool(hybrid), bool(background))
        assert (row.lambda_cw, row.lambda_ca, row.lambda_mil) == weights
        assert row.taus == ((1.0, 2.0, 5.0) if hybrid else (1.0,))
        assert row.background == bool(background)
        untouched = replace(
            row, lambda_cw=1.0, lambda_ca=0.1, lambda_mil=0.1, taus=OFFICIAL.taus, background=True
        )
        assert untouched == OFFICIAL
    assert ablate(OFFICIAL, "CW CA MIL", True, True) == OFFICIAL
    weaker = ablate(OFFICIAL, "CA MIL", True, True, lambda_no_cw=0.1)
    assert weaker == replace(OFFICIAL, lambda_cw=0.0)


def test_the_effective_cosine_scale_of_a_video_is_ten():
    batch = random_batch()
    half = network_of(replace(SMALL, video_scale=5.0))(batch)
    for name in ("p_cw", "p_ca", "p_mil"):
        whole = getattr(network_of()(batch), name).log()
        torch.testing.assert_close(getattr(half, name), (whole / 2).softmax(-1), **EXACT)


@pytest.mark.parametrize(("source", "name"), [("ca", "p_ca"), ("mil", "p_mil"), ("cw", "p_cw")])
def test_the_branch_that_classifies_is_a_choice(source, name):
    outputs, batch = network_of()(random_batch()), random_batch()
    chosen = activate(outputs, batch, replace(SMALL, class_source=source)).scores
    np.testing.assert_array_equal(chosen, getattr(outputs, name)[..., :-1].detach().numpy())
    weights = {f"lambda_{other}": float(other == source) for other in ("ca", "mil", "cw")}
    np.testing.assert_array_equal(
        activate(outputs, batch, replace(SMALL, **weights)).scores, chosen
    )


def test_attention_for_display_lies_between_0_and_1():
    batch = random_batch()
    outputs = network_of()(batch)
    attention = activate(outputs, batch, SMALL).attention
    assert attention.min() >= 0 and attention.max() <= 1
    assert set(signals(outputs)) == {"s_a", "s_f", "x"}
