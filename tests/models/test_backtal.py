"""BackTAL agrees with the authors' code on reference vectors and with a plain unfolded form, packed
and in both layouts.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from benchmarks.backtal_step import gradient_difference
from tests.click_samples import clicked_batch, one_by_one
from tests.packed_samples import LENGTHS, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.models.backtal import (
    ACTIVITYNET12,
    BASE,
    FULL,
    HACS,
    PROFILES,
    QUICK,
    Config,
    Network,
    activate,
    affinities,
    baseline,
    localize,
    loss,
    signals,
    table6_rows,
    table7_rows,
    table8_rows,
    table9_rows,
    table11_rows,
    table12_rows,
    table13_rows,
)
from wtal_core.models.shared.activation import Scene
from wtal_core.models.shared.layers import top_count
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "backtal.npz").items()
}
SMALL = replace(FULL, width=16, filter_width=8, emb_hidden=8)
EXACT = {"rtol": 0, "atol": 1e-9}
LAYERS = {
    "filter_1": "filter_module.conv_1.0",
    "filter_2": "filter_module.conv_2.0",
    "conv_1": "base_module.conv_1",
    "conv_2": "base_module.conv_2",
    "classify": "classifier_module.conv",
    "emb_1": "embedding_module.conv_1",
    "emb_2": "embedding_module.conv_2",
}
SHAPES = {
    "official": {},
    "eq15": {"layout": "paper_eq15"},
    "h = 7": {"window": 7},
    "h = 5, eq15": {"window": 5, "layout": "paper_eq15"},
    "presum": {"window": 5, "mode": "presum"},
    "bias": {"conv_bias": True},
    "one-layer embedding": {"emb_hidden": 0},
    "baseline": {"affinity": False, "lambda_aff": 0.0},
}


def network_of(config=SMALL, streams=2, size=16, classes=5, seed=0) -> Network:
    return Network(config, streams, size, classes, torch.Generator().manual_seed(seed)).double()


def scene_of(lengths) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(5)),
        Timebase(),
        empty_segments(),
        tuple(lengths),
    )


def gradients(network: Network, value: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    value.backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    found = {
        f"{ours}.{what}": GOLDEN.get(f"{kind}/{theirs}.{what}")
        for ours, theirs in LAYERS.items()
        for what in ("weight", "bias")
    }
    return {
        name: value.permute(2, 1, 0) if value.ndim == 3 else value
        for name, value in found.items()
        if value is not None
    }


def packed(name: str) -> torch.Tensor:
    """A golden array (B, K, T) as (M, K)."""
    return GOLDEN[name].transpose(1, 2).flatten(0, 1)


@pytest.fixture
def golden():
    """The reference network and batch; the last video has no click."""
    network, videos, length = network_of(streams=1), len(GOLDEN["x"]), GOLDEN["x"].shape[2]
    network.load_state_dict(official("weight"))
    click = GOLDEN["click"].flatten()
    clicks = torch.nn.functional.one_hot(click.clamp_min(0), 6).double() * (click >= 0)[:, None]
    return network, Packed(packed("x")[None], (length,) * videos, GOLDEN["y"], clicks)


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    for i, name in enumerate(("base", "supp")):
        torch.testing.assert_close(outputs.cas[i], packed(f"cas_{name}"), **EXACT)
        torch.testing.assert_close(outputs.s[i], GOLDEN[f"score_{name}"], **EXACT)
    torch.testing.assert_close(outputs.e, packed("embedding"), **EXACT)
    torch.testing.assert_close(outputs.w.sigmoid(), packed("fore_weights")[:, 0], **EXACT)
    torch.testing.assert_close(outputs.feature, packed("feature1_supp"), **EXACT)


def test_losses_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, SMALL)
    assert set(losses) == {"base", "supp", "norm", "frame", "sep", "aff", "total"}
    assert "loss_total" in GOLDEN
    for name, theirs in {
        "base": "base",
        "supp": "supp",
        "norm": "norm",
        "aff": "affinity",
        "total": "total",
    }.items():
        torch.testing.assert_close(losses[name].mean(), GOLDEN[f"loss_{theirs}"], **EXACT)


def test_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    found = gradients(network, loss(network(batch), batch, SMALL)["total"].mean())
    torch.testing.assert_close(found, official("grad"), **EXACT)


def test_what_localization_gets_agrees_with_the_official_code(golden):
    network, batch = golden
    with torch.no_grad():
        outputs = network(batch)
    activation = activate(outputs, batch, SMALL)
    np.testing.assert_allclose(activation.scores[0], GOLDEN["prob_supp"][:, :-1], atol=1e-9)
    np.testing.assert_allclose(activation.cas[0], packed("cas_supp")[:, :-1], atol=1e-9)
    np.testing.assert_allclose(
        activation.magnitude[0], packed("feature1_supp").norm(dim=1), atol=1e-9
    )
    assert outputs.cas.shape[0] == 1  # the base pass is not computed


@pytest.mark.parametrize("layout", ["official_groups", "paper_eq15"])
def test_gradients_agree_with_the_plain_unfolded_form(layout):
    assert gradient_difference(layout) < 1e-9


def test_the_base_pass_can_be_asked_for():
    network, batch = network_of(), random_batch()
    with torch.no_grad():
        alone, both = network(batch), network(batch, both=True)
    assert both.cas.shape[0] == 2
    torch.testing.assert_close(alone.cas[0], both.cas[1], **EXACT)


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES.keys())
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    """Losses: clicked snippets and clicked videos count alike, in whatever batch they come."""
    config, batch = replace(SMALL, **changes), clicked_batch(without=(3,))
    network, singles = network_of(config), one_by_one(batch)
    together, alone = network(batch), [network(single) for single in singles]
    for part in fields(together):
        if getattr(together, part.name) is not None:
            joined = torch.cat(
                [getattr(a, part.name) for a in alone],
                0 if part.name in ("w", "e", "feature") else 1,
            )
            torch.testing.assert_close(getattr(together, part.name), joined, **EXACT)
    clicks = batch.membership @ batch.clicks.sum(1)
    losses = [loss(a, single, config) for a, single in zip(alone, singles, strict=True)]
    expected = sum(
        (each["base"] + each["supp"] + config.lambda_norm * each["norm"]) / len(singles)
        + each["frame"] * n / clicks.sum()
        + (n > 0) * (each["sep"] + config.lambda_aff * each.get("aff", 0)) / (clicks > 0).sum()
        for each, n in zip(losses, clicks, strict=True)
    ).sum()
    found = loss(together, batch, config)["total"].mean()
    torch.testing.assert_close(found, expected, **EXACT)
    torch.testing.assert_close(gradients(network, found), gradients(network, expected), **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES.keys())
def test_videos_without_or_with_one_snippet_are_finite(lengths, changes):
    config = replace(SMALL, rule=replace(SMALL.rule, class_threshold=0.0), **changes)
    network, batch = network_of(config), clicked_batch(lengths)
    outputs = network(batch)
    assert all(
        g.isfinite().all()
        for g in gradients(network, loss(outputs, batch, config)["total"].mean()).values()
    )
    detections = localize(activate(outputs, batch, config), scene_of(lengths), config)
    assert np.isfinite(detections[["t_start", "t_end", "score"]].to_numpy()).all()
    assert set(detections["video"]) <= {f"video {v}" for v, length in enumerate(lengths) if length}


@pytest.mark.parametrize(
    "changes", [{}, {"frame_mean": "per_video"}, {"mined_ratio": 7.0}, {"weight_sup": "clicks"}]
)
def test_without_clicks_the_click_terms_are_zero(changes):
    config, batch = replace(SMALL, **changes), random_batch()
    for given in (batch, replace(batch, clicks=torch.zeros(sum(LENGTHS), 6, dtype=torch.float64))):
        network = network_of(config)
        losses = loss(network(given), given, config)
        assert all(
            (losses[name] == 0).all()
            for name in {"frame", "sep", "aff", "weight", "mined"} & set(losses)
        )
        assert (losses["total"] > 0).all()
        assert all(g.isfinite().all() for g in gradients(network, losses["total"].mean()).values())


def test_silent_features_have_finite_gradients():
    batch = clicked_batch()
    network, dead = (
        network_of().float(),
        Packed(
            torch.zeros_like(batch.features).float(),
            batch.lengths,
            batch.labels.float(),
            batch.clicks.float(),
        ),
    )
    assert all(
        g.isfinite().all()
        for g in gradients(network, loss(network(dead), dead, SMALL)["total"].mean()).values()
    )


def test_numbers_of_parameters():
    network = Network(FULL, 2, 1024, 20, torch.Generator())
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    assert sum(sizes.values()) == 29_453_857
    assert (
        sum(size for name, size in sizes.items() if name not in ("conv_1.weight", "conv_2.weight"))
        == 4_288_033
    )
    assert (
        sum(p.numel() for p in Network(BASE, 2, 1024, 20, torch.Generator()).parameters())
        == 29_453_857 - 3_195_424
    )


def test_initial_weights_are_torch_s_own():
    network, theirs = network_of(size=24), torch.nn.Conv1d(48, 16, 3)
    bound = (3 * 48) ** -0.5
    for weight in (network.conv_1.weight, theirs.weight):
        assert 0.95 * bound < weight.abs().max() <= bound
    assert network.emb_1.bias.abs().max() <= bound and network.filter_1.bias.abs().max() > bound


def test_numbers_of_the_three_data_sets():
    sizes = [(FULL, 93, 93, 10, 7), (ACTIVITYNET12, 60, 20, 6, 0), (HACS, 120, 40, 8, 0)]
    for config, k, k_sep, levels, magnitudes in sizes:
        length = config.inputs.length
        shares = config.top, config.top if config.top_sep is None else config.top_sep
        assert [top_count(length, share) for share in shares] == [k, k_sep]
        assert (len(config.rule.thresholds), len(config.rule.magnitude)) == (levels, magnitudes)
    assert [c.schedule.epochs for c, *_ in sizes] == [40, 25, 8] and [
        c.schedule.batch_size for c, *_ in sizes
    ] == [16, 128, 64]
    (group,) = FULL.schedule.optimizer(network_of()).param_groups
    assert (group["weight_decay"], group["eps"], group["betas"]) == (
        pytest.approx(5e-4),
        pytest.approx(1e-8),
        (0.9, 0.999),
    )
    assert set(PROFILES) == {"official", "printed", "quick"} and QUICK.inputs.length is None


def test_affinities_are_cosines_with_neighbours_in_the_video():
    e = torch.nn.functional.normalize(torch.randn(5, 3, dtype=torch.float64), dim=1)
    a = affinities(
        e,
        3,
        Packed(
            torch.zeros(1, 5, 1, dtype=torch.float64),
            (2, 3),
            torch.zeros(2, 1, dtype=torch.float64),
        ),
    )
    assert a[0].tolist() == pytest.approx(
        [0, (e[0] @ e[1]).item(), 0, (e[2] @ e[3]).item(), (e[3] @ e[4]).item()]
    )
    assert a[1].tolist() == [1] * 5
    assert a[2, :-1].tolist() == pytest.approx(a[0, 1:].tolist())


def test_signals_are_what_figures_draw():
    outputs = network_of()(random_batch())
    assert {name: tuple(value.shape) for name, value in signals(outputs).items()} == {
        "s_a": (1, sum(LENGTHS), 6),
        "w": (1, sum(LENGTHS)),
        "x": (1, sum(LENGTHS), 16),
        "e": (1, sum(LENGTHS), 32),
    }
    assert "e" not in signals(network_of(baseline(SMALL))(random_batch()))


def test_a_loss_of_the_embedding_needs_one():
    with pytest.raises(WorkbookError, match="lambda_aff"):
        replace(FULL, affinity=False)


TABLES = {
    6: table6_rows,
    7: table7_rows,
    8: table8_rows,
    9: table9_rows,
    11: table11_rows,
    12: table12_rows,
    13: table13_rows,
}


@pytest.mark.parametrize(
    ("table", "count"), [(6, 4), (7, 7), (8, 6), (9, 8), (11, 5), (12, 12), (13, 6)]
)
def test_rows_of_the_tables(table, count):
    found = TABLES[table](FULL)
    assert len(found) == count and all(isinstance(config, Config) for config in found.values())
    assert table in (9, 11, 12) or found["Baseline"] == BASE
    assert table in (6, 8, 13) or FULL in found.values()
    assert len(set(found.values())) == count - (
        3 if table == 12 else 0
    )  # Table 12 holds the full model four times
