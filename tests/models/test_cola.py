"""CoLA agrees with the authors' code on reference vectors; its mining by hand; every switch."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.models.cola import (
    OFFICIAL,
    Config,
    Network,
    activate,
    contrast,
    dilated,
    eroded,
    largest,
    localize,
    loss,
    median,
    mine,
    signals,
)
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.sampling import thinned
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "cola.npz").items()
}
POSTPROCESS = json.loads((GOLDEN_FOLDER / "cola_postprocess.json").read_text())
EXACT = {"rtol": 0, "atol": 1e-9}
SMALL = replace(OFFICIAL, samples=None, width=32)
SETS = {
    "EA": "easy_action",
    "EB": "easy_background",
    "HA": "hard_action",
    "HB": "hard_background",
}
LAYERS = {
    "embed": "actionness_module.f_embed.0",
    "classify": "actionness_module.f_cls.0",
}


def network_of(config=SMALL, streams=2, size=16) -> Network:
    return Network(config, streams, size, 5, torch.Generator().manual_seed(0)).double()


def scene_of(lengths, classes=5) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(classes)),
        Timebase(),
        empty_segments(),
        tuple(lengths),
    )


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    values = {}
    for ours, theirs in LAYERS.items():
        values[f"{ours}.weight"] = GOLDEN[f"{kind}/{theirs}.weight"].permute(2, 1, 0)
    values["embed.bias"] = GOLDEN[f"{kind}/{LAYERS['embed']}.bias"]
    return values


@pytest.fixture
def golden():
    """The reference network and batch."""
    network = network_of(streams=1, size=32)
    network.load_state_dict(official("weight"))
    videos, length = GOLDEN["x"].shape[:2]
    batch = Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])
    return network, batch


def gradients(network, batch, config) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    torch.testing.assert_close(outputs.s.softmax(-1), GOLDEN["video_score"], **EXACT)
    torch.testing.assert_close(outputs.s_a[0], GOLDEN["cas"].flatten(0, 1), **EXACT)
    torch.testing.assert_close(outputs.actionness, GOLDEN["actionness"].flatten(), **EXACT)
    torch.testing.assert_close(outputs.x[0], GOLDEN["embedding"].flatten(0, 1), **EXACT)


@pytest.mark.parametrize("prefix", ["", "masked/"])
def test_mined_snippets_losses_and_gradients_agree_with_the_official_code(golden, prefix):
    network, batch = golden
    outputs = network(batch)
    if prefix:
        outputs = replace(outputs, considered=GOLDEN["mask"].flatten())
    mined = mine(outputs, SMALL)
    for theirs, ours in SETS.items():
        chosen = [row.nonzero()[:, 0].tolist() for row in getattr(mined, ours)]
        assert chosen == GOLDEN[f"{prefix}index_{theirs}"].tolist()
    losses = loss(outputs, batch, SMALL)
    names = {
        "action": "action",
        "hard_action": "snico_hard_action",
        "hard_background": "snico_hard_background",
        "total": "total",
    }
    assert set(losses) == set(names)
    for ours, theirs in names.items():
        torch.testing.assert_close(losses[ours].mean(), GOLDEN[f"{prefix}loss_{theirs}"], **EXACT)
    losses["total"].mean().backward()
    torch.testing.assert_close(
        {name: p.grad for name, p in network.named_parameters()},
        official(f"{prefix}grad"),
        **EXACT,
    )


def test_regions_agree_with_the_official_code():
    actionness = GOLDEN["actionness"]
    inside = torch.ones_like(actionness, dtype=torch.bool)
    active = (actionness > median(actionness, inside)).double()
    assert torch.equal(active, GOLDEN["binary"])
    assert torch.equal(eroded(active, 3) - eroded(active, 6), GOLDEN["region_inner"])
    assert torch.equal(dilated(active, 6) - dilated(active, 3), GOLDEN["region_outer"])


@pytest.mark.parametrize("case", POSTPROCESS["morphology"])
def test_morphology_agrees_with_the_official_code(case):
    row = torch.tensor(case["binary"], dtype=torch.float64)
    for width in (3, 6):
        assert eroded(row, width).tolist() == case[f"erosion_{width}"]
        assert dilated(row, width).tolist() == case[f"dilation_{width}"]


@pytest.mark.parametrize("case", POSTPROCESS["cases"])
def test_detections_agree_with_the_official_code(case):
    cas = np.array(case["cas"])
    actionness = cas.sum(1)[None]
    activation = Activation(
        cas[None], np.array([[case["class_score"]]]), actionness, (len(cas),), actionness
    )
    scene = scene_of((case["snippets"],), len(case["class_score"]))
    table = localize(activation, scene, OFFICIAL)
    ours = table.assign(label=table["label"].str.removeprefix("class ").astype(int))
    ours = ours[["label", "t_start", "t_end", "score"]].to_numpy(np.float64)
    assert sorted(set(ours[:, 0])) == sorted(case["predicted"])
    theirs = np.array(case["detections"], dtype=np.float64)
    np.testing.assert_allclose(as_set(ours), as_set(theirs), rtol=0, atol=1e-9)


def as_set(rows: np.ndarray) -> np.ndarray:
    """In an order that rounding does not change."""
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


@pytest.mark.parametrize("changes", [{}, {"samples": 20}, {"easy": 2, "hard": 3, "wide": 4}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network, batch = network_of(config), random_batch()
    together = network(batch)
    alone = [network(single) for single in one_by_one(batch)]
    for name, axis in (("x", 1), ("s_a", 1), ("s", 0)):
        expected = torch.cat([getattr(outputs, name) for outputs in alone], axis)
        torch.testing.assert_close(getattr(together, name), expected, **EXACT)
    summed = [gradients(network, single, config) for single in one_by_one(batch)]
    total = {name: sum(g[name] for g in summed) for name in summed[0]}
    torch.testing.assert_close(gradients(network, batch, config), total, **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("samples", [None, 20])
def test_videos_without_or_with_one_snippet_are_finite(lengths, samples):
    config, batch = replace(SMALL, samples=samples), random_batch(lengths)
    network = network_of(config)
    assert all(g.isfinite().all() for g in gradients(network, batch, config).values())
    with torch.no_grad():
        table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_the_first_of_equal_snippets_is_chosen():
    scores = torch.tensor([[1.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 9.0]])
    inside = torch.tensor([[True] * 4, [True] * 3 + [False]])
    chosen = largest(scores, torch.tensor([2, 1]), inside)
    assert chosen.tolist() == [[False, True, True, False], [True, False, False, False]]


def test_regions_end_where_the_video_ends():
    active = torch.tensor([[1.0, 1, 1, 0, 0, 0, 1, 1]])
    assert eroded(active, 3).tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]]
    assert dilated(active, 3).tolist() == [[1, 1, 1, 1, 0, 1, 1, 1]]
    assert dilated(active[:, :4], 2).tolist() == [[1, 1, 1, 0]]
    assert eroded(active[:, :4], 2).tolist() == [[0, 1, 1, 0]]


def test_the_contrast_by_hand():
    """Unit vectors: the query is the key's neighbour by 60 degrees, and a negative's by 90."""
    half = 3**0.5 / 2
    x = torch.tensor([[[2.0, 0.0], [0.5, half], [0.0, 3.0]]], dtype=torch.float64)
    query, key, negative = torch.eye(3, dtype=torch.bool)[:, None]
    value = contrast(x, query, key, negative, 0.5)
    torch.testing.assert_close(value, torch.tensor([(1 + np.exp(0 - 1))]).double().log(), **EXACT)


def test_long_videos_are_thinned_in_evaluation_and_short_ones_stay():
    batch = Packed(torch.arange(40.0)[None, :, None], (33, 0, 7), torch.zeros(3, 2))
    fewer = thinned(batch, 20)
    assert fewer.lengths == (20, 0, 7)
    expected = [j * 33 // 20 for j in range(20)] + list(range(33, 40))
    assert fewer.features[0, :, 0].tolist() == expected
    assert thinned(batch, 33) is batch
    training = network_of(replace(SMALL, samples=20))(
        random_batch((33, 0, 7)), torch.Generator().manual_seed(1)
    )
    assert training.snippets.lengths == (20, 0, 20)


def test_sizes_signals_and_settings():
    with pytest.raises(WorkbookError, match=r"cola: temperature is 0\.0; expected a number > 0"):
        replace(OFFICIAL, temperature=0.0)
    shapes = {
        name: tuple(value.shape) for name, value in signals(network_of()(random_batch())).items()
    }
    snippets = sum(LENGTHS)
    assert shapes == {"s_a": (1, snippets, 5), "s_f": (1, snippets), "x": (1, snippets, 32)}
    assert 13 * OFFICIAL.schedule.epochs == 6006
    assert len(OFFICIAL.rule.thresholds) == 10 and len(OFFICIAL.rule.magnitude) == 33


CHANGES = {
    "samples": 20,
    "width": 8,
    "dropout": 0.2,
    "easy": 2,
    "easy_dropout": 0.1,
    "hard": 4,
    "narrow": 2,
    "wide": 9,
    "temperature": 0.5,
    "lambda_snico": 0.5,
    "rule": replace(OFFICIAL.rule, gamma=0.7),
    "schedule": Schedule(learning_rate=1e-2),
}


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of three steps with dropout, then detections, from a seed."""
    draw, batch = torch.Generator().manual_seed(3), random_batch((30, 50, 40))
    network = Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for _ in range(3):
        value = config.schedule.reduce(loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    table = localize(activate(network(batch), batch, config), scene_of(batch.lengths), config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


@pytest.mark.parametrize("name", [f.name for f in fields(Config)])
def test_every_field_of_config_changes_the_result(name):
    before, after = run_through(SMALL), run_through(replace(SMALL, **{name: CHANGES[name]}))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])
    assert np.array_equal(before[1], run_through(replace(SMALL))[1])
