"""W-TALC agrees with the authors' code on reference vectors, network and localization; pairs, crops
and both readings of its activations.
"""

import json
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

from tests.models.reference_detections import assert_detections, assert_map
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.mean_threshold import runs_above_middle
from wtal_core.models import facnet
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.schedule import Schedule
from wtal_core.models.wtalc import (
    FACNET_RULE,
    METHOD,
    OFFICIAL,
    QUICK,
    Config,
    Network,
    Outputs,
    activate,
    instances,
    localize,
    loss,
    signals,
    trained_as,
)
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

VALUES = {
    n: torch.from_numpy(np.asarray(v)) for n, v in np.load(GOLDEN_FOLDER / "wtalc.npz").items()
}
DETECTED = json.loads((GOLDEN_FOLDER / "wtalc_postprocess.json").read_text())
SMALL = replace(
    OFFICIAL, crop=None, hidden=32, schedule=replace(OFFICIAL.schedule, pairs=2, batch_size=5)
)
EXACT = {"rtol": 1e-9, "atol": 1e-9}
LAYERS = {"embed": "fc", "classify": "classifier"}


def network_of(config=SMALL, streams=2, size=16) -> Network:
    return Network(config, streams, size, 5, torch.Generator().manual_seed(0)).double()


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    tensors = {}
    for ours, theirs in LAYERS.items():
        tensors[f"{ours}.weight"] = VALUES[f"{kind}/{theirs}.weight"].T[None]
        tensors[f"{ours}.bias"] = VALUES[f"{kind}/{theirs}.bias"][None, None]
    return tensors


def scene_of(videos, classes=5, ambiguous=None) -> Scene:
    names = tuple(f"video_{v:02}" for v in range(videos))
    labels = tuple(f"class_{c}" for c in range(classes))
    return Scene(names, labels, Timebase(), empty_segments() if ambiguous is None else ambiguous)


def gradients(network, batch, config=SMALL) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].mean().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


@pytest.fixture
def golden():
    """The reference network and batch, without its zero padding."""
    rows = torch.arange(VALUES["x"].shape[1]) < VALUES["seq_len"][:, None]
    network = network_of(streams=1, size=VALUES["x"].shape[2])
    network.load_state_dict(official("weight"))
    lengths = tuple(VALUES["seq_len"].tolist())
    return network, Packed(VALUES["x"][rows][None], lengths, VALUES["y"]), rows


def test_outputs_agree_with_the_official_code(golden):
    network, batch, rows = golden
    outputs = network(batch)
    torch.testing.assert_close(outputs.x[0], VALUES["features"][rows], **EXACT)
    torch.testing.assert_close(outputs.s_a[0], VALUES["cas"][rows], **EXACT)


def test_losses_and_gradients_agree_with_the_official_code(golden):
    network, batch, _ = golden
    losses = loss(network(batch), batch, SMALL)
    assert set(losses) == {"mill", "casl", "total"}
    for name, value in losses.items():
        assert value.mean().item() == pytest.approx(VALUES[f"loss_{name}"].item(), rel=1e-9)
    torch.testing.assert_close(gradients(network, batch), official("grad"), **EXACT)


def test_zero_padding_would_change_nothing(golden):
    """What the code's padding of short crops adds, no loss looks at."""
    network, batch, _ = golden
    padded = torch.nn.functional.pad(VALUES["x"], (0, 0, 0, 7)).flatten(0, 1)[None]
    outputs = network(Packed(padded, (47,) * 5, VALUES["y"]))
    rows = torch.arange(47) < VALUES["seq_len"][:, None]
    cut = Outputs(outputs.x[:, rows.flatten()], outputs.s_a[:, rows.flatten()], batch)
    torch.testing.assert_close(loss(cut, batch, SMALL), loss(network(batch), batch, SMALL), **EXACT)


def invented() -> Activation:
    """The invented logits of the reference detections."""
    logits = torch.from_numpy(np.concatenate(DETECTED["cas"]))[None]
    videos = Packed(logits, tuple(DETECTED["lengths"]), torch.zeros(9, 6))
    return activate(Outputs(logits, logits, videos), videos, OFFICIAL)


def test_detections_agree_with_the_official_code():
    activation = invented()
    np.testing.assert_allclose(activation.scores[0], DETECTED["video_scores"], rtol=1e-9)
    ambiguous = pd.DataFrame(DETECTED["ambiguous"], columns=["video", "t_start", "t_end"])
    for part, filtered in (("detections", ambiguous[:0]), ("detections_kept", ambiguous)):
        table = localize(activation, scene_of(9, 6, filtered), OFFICIAL)
        assert_detections(table, DETECTED, part, seconds=0.64)
    assert_map(table, DETECTED, "wtalc-2019")


def test_the_middle_of_the_range_by_hand():
    rows = np.array([0.0, 1.0, 1.0, 2.0, 2.0, 0.5, 2.0, 3.0, 3.0, 3.0, -2.0, -1.0, -1.0])
    runs = runs_above_middle(rows, np.array([7, 0, 3, 3]), shortest=2)
    assert runs.sequence.tolist() == [0, 3]  # the middle itself is not above; a flat one has no run
    assert runs.start.tolist() == [3, 1] and runs.end.tolist() == [5, 3]
    assert runs.peak.tolist() == [2.0, -1.0]
    alone = runs_above_middle(rows, np.array([7, 0, 3, 3]), shortest=1)
    assert alone.start.tolist() == [3, 6, 1]
    with pytest.raises(WorkbookError, match="must be finite"):
        runs_above_middle(np.array([np.nan]), np.array([1]), shortest=1)


def test_a_class_is_localized_where_its_score_is_above_zero():
    row = np.array([0.0, 4.0, 4.0, 0.0])
    cas = np.stack([row - 9, row, row], 1)[None]
    for score, labels in ((0.0, []), (0.1, ["class_1"])):
        scores = np.array([[[-1.0, score, -1.0]]])
        activation = Activation(cas, scores, cas[..., 0], (4,))
        table = localize(activation, scene_of(1, 3), OFFICIAL)
        assert table["label"].tolist() == labels
        assert table["score"].tolist() == pytest.approx([4 + 0.7 * score] * len(labels))


def test_a_packed_batch_equals_one_video_at_a_time():
    network, batch = network_of(), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    torch.testing.assert_close(together.s_a, torch.cat([a.s_a for a in alone], 1), **EXACT)
    mill = loss(together, batch, SMALL)["mill"]
    expected = [
        loss(a, single, SMALL)["mill"] for a, single in zip(alone, one_by_one(batch), strict=True)
    ]
    torch.testing.assert_close(mill, torch.cat(expected), **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5, 1), LENGTHS])
@pytest.mark.parametrize("post", ["official", "facnet"])
def test_videos_without_or_with_one_snippet_are_finite(lengths, post):
    config, batch = replace(SMALL, post=post), random_batch(lengths)
    network = network_of(config)
    assert all(g.isfinite().all() for g in gradients(network, batch).values())
    table = localize(activate(network(batch), batch, config), scene_of(len(lengths)), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()
    assert set(table["video"]) <= {f"video_{v:02}" for v, n in enumerate(lengths) if n}


def test_training_sees_windows_of_long_videos():
    config, batch = replace(SMALL, crop=10), random_batch()
    network, draw = network_of(config), torch.Generator().manual_seed(0)
    outputs = network(batch, draw)
    assert outputs.snippets.lengths == (7, 0, 1, 10, 10)
    assert METHOD.host.snippets(outputs, batch) is outputs.snippets
    assert outputs.s_a.shape == (1, 28, 5)
    assert network(batch).snippets is batch
    assert loss(outputs, batch, config)["total"].isfinite().all()


def test_read_as_facnet_the_activations_are_probabilities():
    batch = random_batch((30, 50, 40))
    config = replace(SMALL, post="facnet")
    with torch.no_grad():
        activation = activate(network_of()(batch), batch, config)
    np.testing.assert_allclose(activation.cas.sum(-1), 1)
    np.testing.assert_allclose(activation.scores.sum(-1), 1)
    table = localize(activation, scene_of(3), config)
    expected = facnet.localize(activation, scene_of(3), FACNET_RULE)
    pd.testing.assert_frame_equal(table, expected)
    (ours,) = instances(activation, 5, config, FusionRule())
    (theirs,) = facnet.instances(activation, 5, FACNET_RULE, FusionRule())
    np.testing.assert_array_equal(ours.start, theirs.start)
    assert len(ours.start) > 0


def test_how_it_is_localized_asks_for_no_other_training():
    read = replace(QUICK, post="facnet", shortest=5, score_weight=0.1)
    assert trained_as(read) == QUICK
    assert trained_as(replace(read, margin=0.1)) != QUICK


def trained(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of three steps with dropout, then detections, from a seed."""
    batch = replace(random_batch((30, 50, 40, 45, 20)), labels=VALUES["y"])  # pairs share classes
    draw = torch.Generator().manual_seed(3)
    network = Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for _ in range(3):
        value = config.schedule.reduce(loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    activation = activate(network(batch), batch, config)
    table = localize(activation, scene_of(5), config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


@cache
def trained_small() -> tuple[list[float], np.ndarray]:
    return trained(SMALL)


CHANGES = {
    "hidden": 16,
    "dropout": 0.2,
    "crop": 25,
    "fraction": 3,
    "balance": 0.2,
    "margin": 0.1,
    "post": "facnet",
    "shortest": 1,
    "score_weight": 0.2,
    "schedule": Schedule(learning_rate=1e-2),
}


@pytest.mark.parametrize("name", [f.name for f in fields(Config)])
def test_every_field_of_config_changes_the_result(name):
    before, after = trained_small(), trained(replace(SMALL, **{name: CHANGES[name]}))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])


def test_sizes_and_settings_of_the_paper():
    network = Network(replace(OFFICIAL, hidden=64), 2, 32, 20, torch.Generator())
    assert sum(p.numel() for p in network.parameters()) == 64 * 64 + 64 + 64 * 20 + 20
    schedule = OFFICIAL.schedule
    assert (schedule.pairs, schedule.repeat, schedule.batch_size) == (3, True, 10)
    assert schedule.epochs * 20 == 100_000 and schedule.weight_decay == pytest.approx(10 * 5e-4)
    shapes = {n: tuple(v.shape) for n, v in signals(network_of()(random_batch())).items()}
    assert shapes == {"s_a": (1, sum(LENGTHS), 5), "x": (1, sum(LENGTHS), 32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 0}, "wtalc: crop is 0; expected a whole number >= 1 or None"),
        ({"balance": 1.5}, r"wtalc: balance is 1.5; expected a number in \[0, 1\]"),
        ({"post": "rskp"}, "wtalc: post is 'rskp'; expected one of 'official', 'facnet'"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(WorkbookError, match=message):
        replace(OFFICIAL, **change)
