"""RSKP agrees with the authors' code on reference vectors, and keeps the invariants of packed
computation. No memory here.
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch, reordered
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.localization.detections import to_table
from wtal_core.localization.fusion import FusionRule
from wtal_core.models import rskp
from wtal_core.models.rskp import (
    OFFICIAL,
    QUICK,
    Heads,
    Network,
    Outputs,
    activate,
    attention_contrast,
    instances,
    localize,
    loss,
    signals,
)
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

FOLDER = GOLDEN_FOLDER / ""
GOLDEN = {name: torch.from_numpy(value) for name, value in np.load(FOLDER / "rskp.npz").items()}
DETECTED = json.loads((FOLDER / "postprocess.json").read_text())
SMALL = replace(OFFICIAL, embedding=16)
EXACT = {"rtol": 0, "atol": 1e-9}
PARTS = ("p_ca", "p_cw", "f", "s")


def network_of(config=SMALL, streams=2, size=16, classes=5) -> Network:
    return Network(config, streams, size, classes, torch.Generator().manual_seed(0)).double()


def scene_of(videos: int) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(videos)), tuple("abcde"), Timebase(), empty_segments()
    )


def gradients(network: Network, value: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    value.sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    layer = {name: GOLDEN[f"{kind}/feature_embedding.0.{name}"] for name in ("weight", "bias")}
    return {
        "embed.weight": layer["weight"].T[None],
        "embed.bias": layer["bias"][None, None],
        "mu": GOLDEN[f"{kind}/mu"],
        "w_a": GOLDEN[f"{kind}/ac_center"],
        "w_f": GOLDEN[f"{kind}/fg_center"],
    }


@pytest.fixture
def golden():
    """The reference network and batch."""
    network = network_of(streams=1)
    network.load_state_dict(official("weight"), strict=False)
    videos, length, _ = GOLDEN["x"].shape
    return network, Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    for prefix, heads in (("o", outputs.original), ("m", outputs.refined)):
        for ours, theirs in zip(PARTS, ("ca", "cw", "att", "cas"), strict=True):
            expected = GOLDEN[f"{prefix}_{theirs}"]
            torch.testing.assert_close(getattr(heads, ours).view(expected.shape), expected, **EXACT)
    for ours, theirs in (
        (outputs.x.view(GOLDEN["embedding"].shape), "embedding"),
        (outputs.mu, "mu"),
        (outputs.pi, "mu_pred"),
    ):
        torch.testing.assert_close(ours, GOLDEN[theirs], **EXACT)
    assert outputs.remembered is None


def test_losses_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, SMALL)
    assert set(losses) == {"fore", "back", "att", "spl", "total"}
    for name, value in losses.items():
        torch.testing.assert_close(value.mean(), GOLDEN[f"loss_{name}"], **EXACT)


def test_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    found = gradients(network, loss(network(batch), batch, SMALL)["total"].mean())
    torch.testing.assert_close(found, official("grad"), **EXACT)


def test_its_parameters_and_how_they_begin():
    network = Network(OFFICIAL, 2, 1024, 20, torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in network.parameters()) == 4_257_792
    assert {name: tuple(p.shape) for name, p in network.named_parameters()} == {
        "embed.weight": (1, 2048, 2048),
        "embed.bias": (1, 1, 2048),
        "mu": (8, 2048),
        "w_a": (21, 2048),
        "w_f": (1, 2048),
    }
    for weight, ends in (
        (network.mu, 8 + 2048),
        (network.w_a, 21 + 2048),
        (network.embed.weight, 2 * 2048),
    ):
        assert 0.99 < weight.abs().max().item() / (6 / ends) ** 0.5 <= 1
    assert torch.equal(network.w_f, -network.w_a[-1:]) and not network.embed.bias.any()
    assert {name: tuple(b.shape) for name, b in network.named_buffers()} == {
        "bank": (20, 5, 2048),
        "bank_scores": (20, 5),
        "epoch": (),
    }


def test_a_packed_batch_equals_one_video_at_a_time():
    network, batch = network_of(), random_batch()
    outputs, alone = network(batch), [network(single) for single in one_by_one(batch)]
    for branch in ("original", "refined"):
        for part in PARTS:
            joined = torch.cat([getattr(getattr(a, branch), part) for a in alone])
            torch.testing.assert_close(getattr(getattr(outputs, branch), part), joined, **EXACT)
    for part in ("mu", "pi", "x"):
        torch.testing.assert_close(
            getattr(outputs, part), torch.cat([getattr(a, part) for a in alone]), **EXACT
        )
    losses = loss(outputs, batch, SMALL)
    singles = [loss(a, single, SMALL) for a, single in zip(alone, one_by_one(batch), strict=True)]
    for name, value in losses.items():
        torch.testing.assert_close(value, torch.cat([single[name] for single in singles]), **EXACT)
    summed = [gradients(network, single["total"]) for single in singles]
    expected = {name: sum(g[name] for g in summed) for name in summed[0]}
    torch.testing.assert_close(gradients(network, losses["total"]), expected, **EXACT)


def test_the_order_of_videos_does_not_matter():
    network, order = network_of(), [3, 0, 4, 2, 1]
    batch, other = random_batch(), reordered(random_batch(), order)
    found, moved = (loss(network(b), b, SMALL)["total"] for b in (batch, other))
    torch.testing.assert_close(moved, found[order], **EXACT)


def test_streams_stand_side_by_side():
    one, two = network_of(streams=1, size=32), network_of()
    batch = random_batch()
    together = replace(batch, features=torch.cat(list(batch.features), 1)[None])
    torch.testing.assert_close(one(together).refined.s, two(batch).refined.s, **EXACT)


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_prototypes_are_those_of_plain_expectation_maximisation(steps):
    network, batch = network_of(replace(SMALL, em_steps=steps)), random_batch()
    outputs = network(batch)
    for v, x in enumerate(outputs.x.split(batch.lengths)):
        if not len(x):
            continue
        mu = network.mu
        for _ in range(steps):
            cosines = torch.nn.functional.cosine_similarity(mu[:, None], x[None], dim=2)  # (K, T)
            z = torch.nan_to_num(SMALL.sharpness * cosines).softmax(0)
            mu = (z / z.sum(1, keepdim=True)) @ x
        torch.testing.assert_close(outputs.mu[v], mu, rtol=0, atol=1e-6)  # without the 1e-9
    (grad,) = torch.autograd.grad(
        outputs.mu.square().sum(), network.mu
    )  # it learns through all steps
    assert grad.abs().max() > 1e-6


def heads_of(f: torch.Tensor, s: torch.Tensor, videos=5) -> Heads:
    uniform = torch.full((videos, s.shape[1]), 1 / s.shape[1], dtype=torch.float64)
    return Heads(uniform, uniform, f, s)


@pytest.mark.parametrize("fraction", [1, 3, 8])
@pytest.mark.parametrize("lengths", [LENGTHS, (16, 17, 8, 15), (0,), (1,), (2, 3)])
def test_the_attention_loss_equals_a_loop(lengths, fraction):
    batch = random_batch(lengths)
    f = torch.rand(sum(lengths), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = attention_contrast(f, batch, fraction)
    for value, mine in zip(found, f.split(lengths), strict=True):
        k, ranked = max(len(mine) // fraction, 1), sorted(mine.tolist())
        expected = np.mean(ranked[:k]) - np.mean(ranked[-k:]) if len(mine) else 0.0
        assert value.item() == pytest.approx(expected, abs=1e-12)


def test_the_propagation_loss_equals_a_loop_and_leaves_its_target_alone():
    batch, draw = random_batch(), torch.Generator().manual_seed(1)
    scores = [
        (3 * torch.randn(sum(LENGTHS), 6, generator=draw, dtype=torch.float64)).requires_grad_()
        for _ in range(3)
    ]
    f, mu, x = (
        torch.zeros(sum(LENGTHS)).double(),
        torch.zeros(5, 8, 4).double(),
        torch.zeros(sum(LENGTHS), 4).double(),
    )
    o, m, r = (heads_of(f, s) for s in scores)
    for remembered in (None, r):
        found = loss(
            Outputs(o, m, remembered, mu, torch.zeros(5, 8, 6).double(), x, 0), batch, SMALL
        )["spl"]
        with torch.no_grad():
            target = (
                scores[1] if remembered is None else 0.2 * scores[2] + 0.8 * scores[1]
            )  # logits are mixed
            rows = [
                -((t / 0.2).softmax(0) * (s / 0.2).softmax(0).log()).sum()
                for t, s in zip(target, scores[0], strict=True)
            ]
            mean = [
                torch.stack(part).mean() if part else torch.zeros(()).double()
                for part in (
                    rows[end - n : end] for n, end in zip(LENGTHS, np.cumsum(LENGTHS), strict=True)
                )
            ]
        torch.testing.assert_close(found, torch.stack(mean), **EXACT)
        grad = torch.autograd.grad(found.sum(), scores, allow_unused=True)
        assert grad[0].abs().max() > 1e-3 and grad[1] is None and grad[2] is None


@pytest.mark.parametrize(("epoch", "weight"), [(0, 1.0), (100, 1.0), (101, 0.5), (199, 0.5)])
def test_weights_of_the_losses(epoch, weight):
    network, batch = network_of(), random_batch()
    network.epoch.fill_(epoch)
    found = loss(network(batch), batch, SMALL)
    expected = found["fore"] + 0.2 * found["back"] + 0.1 * found["att"] + weight * found["spl"]
    torch.testing.assert_close(found["total"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("dead", [False, True])
def test_videos_without_or_with_one_snippet_are_finite(lengths, dead):
    """In float32, with dropout; "dead": no feature at all, so every embedding is 0."""
    batch, network = random_batch(lengths), network_of().float()
    batch = Packed(batch.features.float() * (not dead), lengths, batch.labels.float())
    losses = loss(network(batch, torch.Generator().manual_seed(1)), batch, SMALL)
    assert all(value.isfinite().all() for value in losses.values())
    assert all(g.isfinite().all() for g in gradients(network, losses["total"]).values())
    table = localize(activate(network(batch), batch, SMALL), scene_of(len(lengths)), SMALL)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_an_empty_video_teaches_nothing():
    network, batch = network_of(), random_batch((0, 9))
    losses = loss(network(batch), batch, SMALL)
    assert all(not g.any() for g in gradients(network, losses["total"][:1]).values())
    assert losses["att"][0] == losses["spl"][0] == 0


def test_what_localization_gets_is_mixed_from_both_branches():
    network, batch = network_of(), random_batch()
    outputs = network(batch)
    o, m = (
        {part: getattr(heads, part).detach().numpy() for part in PARTS}
        for heads in (outputs.original, outputs.refined)
    )
    soft = [np.exp(b["s"]) / np.exp(b["s"]).sum(1, keepdims=True) for b in (o, m)]
    cas, scores = (
        (0.6 * soft[0] + 0.4 * soft[1]) * o["f"][:, None],
        0.6 * o["p_ca"] + 0.4 * m["p_ca"],
    )
    for background, columns in ((False, 5), (True, 6)):
        found = activate(outputs, batch, SMALL, background)
        np.testing.assert_allclose(found.cas[0], cas[:, :columns], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.scores[0], scores[:, :columns], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(found.attention[0], o["f"])
        assert found.lengths == LENGTHS
    assert {name: tuple(a.shape) for name, a in signals(outputs).items()} == {
        "s_a": (1, 53, 6),
        "s_m": (1, 53, 6),
        "s_f": (1, 53),
        "x": (1, 53, 16),
    }
    assert torch.equal(signals(outputs)["s_m"][0], outputs.refined.s)
    assert [(share, s.shape) for share, s in rskp.snippet_scores(outputs)] == [
        (0.8, (1, 53, 6)),
        (0.2, (1, 53, 6)),
    ]
    assert torch.equal(rskp.snippet_scores(outputs)[1][1][0], outputs.refined.s)


def detected() -> tuple[Activation, Scene]:
    """The reference activations, and what names them."""
    cas, scores = (
        np.concatenate(DETECTED["cas_flow"])[None],
        np.array(DETECTED["video_score_flow"])[None],
    )
    ambiguous = pd.DataFrame(DETECTED["ambiguous"], columns=["video", "label", "t_start", "t_end"])
    activation = Activation(
        cas[..., : scores.shape[2]], scores, cas[..., 0], tuple(DETECTED["lengths"])
    )
    return activation, Scene(
        tuple(DETECTED["videos"]), tuple(DETECTED["classes"]), Timebase(), ambiguous
    )


def assert_detections(found: pd.DataFrame, segments: list) -> None:
    rows = np.array([(label, *row) for label, rows in enumerate(segments) for row in rows])
    label, video = rows[:, :2].T.astype(int)
    expected = to_table(
        video, label, *rows.T[2:], DETECTED["videos"], DETECTED["classes"], Timebase()
    )
    keys = ["video", "label", "t_start", "t_end"]
    first, second = (table.sort_values(keys, ignore_index=True) for table in (found, expected))
    assert first[["video", "label"]].values.tolist() == second[["video", "label"]].values.tolist()
    columns = ["t_start", "t_end", "score"]
    np.testing.assert_allclose(first[columns], second[columns], rtol=0, atol=1e-9)


def test_detections_and_their_map_agree_with_the_official_code():
    activation, scene = detected()
    found = localize(activation, scene, OFFICIAL)
    assert_detections(found, DETECTED["rskp"]["segments"])
    rows = [
        (video, label, *segment)
        for video, labels, segments in zip(
            DETECTED["videos"], DETECTED["labels"], DETECTED["segments"], strict=True
        )
        for label, segment in zip(labels, segments, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"])
    truth = GroundTruth(table, scene.videos, scene.classes, scene.ambiguous)
    np.testing.assert_allclose(
        100 * evaluate(truth, found, protocol("wtalc")).map,
        DETECTED["rskp"]["map"],
        rtol=0,
        atol=1e-9,
    )


def test_another_suppression_takes_the_place_of_the_config_s():
    activation, scene = detected()
    kept = FusionRule("nms", limit=0.9)
    assert localize(activation, scene, OFFICIAL, kept).equals(
        localize(activation, scene, replace(OFFICIAL, suppression=kept))
    )
    assert len(localize(activation, scene, OFFICIAL, kept)) > len(
        localize(activation, scene, OFFICIAL)
    )


def test_instances_may_be_of_the_background_and_detections_are_not():
    network, batch = network_of(), random_batch()
    config = replace(SMALL, class_threshold=0.0)
    outputs = network(batch)
    (with_it,), (without,) = (
        instances(activate(outputs, batch, config, b), 5, config) for b in (True, False)
    )
    assert 5 in with_it.label and len(without.label) > 20
    actions = with_it.label < 5
    for name in ("video", "label", "start", "end", "score"):
        np.testing.assert_array_equal(getattr(with_it, name)[actions], getattr(without, name))


def test_profiles():
    assert {"official": OFFICIAL, "quick": QUICK} == rskp.PROFILES and rskp.Config() == OFFICIAL
    assert OFFICIAL.thresholds == pytest.approx([0.001 + 0.002 * i for i in range(20)], abs=1e-12)
    schedule = OFFICIAL.schedule
    assert (
        schedule.epochs,
        schedule.learning_rate,
        schedule.weight_decay,
        schedule.betas,
        schedule.batch_size,
        schedule.reduction,
        schedule.steps,
    ) == (200, 5e-5, 5e-4, (0.9, 0.99), 10, "sum", ())
