"""SF-Net: losses and inference equal plain loops, and packed computation keeps its invariants."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.plain import sfnet as plain
from tests.packed_samples import random_batch
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.models.sfnet import (
    OFFICIAL,
    QUICK,
    Network,
    Outputs,
    activate,
    localize,
    loss,
    random_crops,
    signals,
)
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.inputs import Inputs
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

LENGTHS = (7, 0, 1, 4, 12, 33, 20)
SMALL = replace(OFFICIAL, hidden=8)
EXACT = {"rtol": 0, "atol": 1e-9}
NAMES = ("video", "frame", "mined", "act", "total")


def network_of(config=SMALL, streams=2) -> Network:
    network = Network(config, streams, 16, 5, torch.Generator().manual_seed(0)).double()
    network.fuse_act.data += torch.tensor([0.7, -0.4])[
        :streams, None, None
    ]  # else the fused actionness is 0
    return network


def clicked_batch(lengths=LENGTHS, share=0.15, seed=0) -> Packed:
    """Some snippets with one label, some with two; the last video has none."""
    batch, draw = random_batch(lengths, seed=seed), torch.Generator().manual_seed(seed)
    clicks = (torch.rand(sum(lengths), 6, generator=draw, dtype=torch.float64) < share / 3).double()
    clicks[:, -1] = 0
    clicks[sum(lengths[:-1]) :] = 0
    return replace(batch, clicks=clicks / clicks.sum(1, keepdim=True).clamp_min(1))


def each_video(batch: Packed) -> list[Packed]:
    cuts = [
        value.split(batch.lengths, dim) for value, dim in ((batch.features, 1), (batch.clicks, 0))
    ]
    return [
        Packed(x, (length,), batch.labels[v : v + 1], clicks)
        for v, (length, x, clicks) in enumerate(zip(batch.lengths, *cuts, strict=True))
    ]


def by_plain_loops(outputs: Outputs, batch: Packed, config) -> dict[str, torch.Tensor]:
    logits, actionness = (
        [list(o.split(batch.lengths)) for o in values]
        for values in (outputs.logits, outputs.actionness)
    )
    return plain.batch_loss(
        logits,
        actionness,
        list(batch.clicks.split(batch.lengths)),
        config.mined_ratio,
        config.act_background == "hard_topk",
        config.act_gate,
        config.fraction,
        config.shortest_video,
    )


def gradients(network: Network, total: torch.Tensor) -> list[torch.Tensor]:
    network.zero_grad()
    total.backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in network.parameters()]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, act_background="hard_topk"),
        replace(SMALL, mined_ratio=0.7),
        replace(SMALL, act_gate=1e3),
        replace(SMALL, mined_ratio=0.0),
    ],
    ids=["official", "hard_topk", "few mined", "gate closed", "none mined"],
)
def test_losses_and_gradients_are_those_of_plain_loops(config, seed):
    network, batch = network_of(config), clicked_batch(seed=seed)
    losses, expected = (
        loss(network(batch), batch, config),
        by_plain_loops(network(batch), batch, config),
    )
    assert set(losses) == set(NAMES)
    for name in NAMES:
        torch.testing.assert_close(losses[name].mean(), expected[name], **EXACT)
    assert (expected["mined"] > 0) == (config.mined_ratio > 0) and min(
        expected["video"], expected["frame"]
    ) > 1
    torch.testing.assert_close(
        gradients(network, losses["total"].mean()), gradients(network, expected["total"]), **EXACT
    )


def test_a_packed_batch_equals_one_video_at_a_time():
    network, batch = network_of(), clicked_batch()
    together, alone = network(batch), [network(video) for video in each_video(batch)]
    torch.testing.assert_close(together.logits, torch.cat([a.logits for a in alone], 1), **EXACT)
    torch.testing.assert_close(
        together.actionness, torch.cat([a.actionness for a in alone], 1), **EXACT
    )
    losses = [
        loss(outputs, video, SMALL) for outputs, video in zip(alone, each_video(batch), strict=True)
    ]
    counted = torch.stack([value["video"] > 0 for value in losses]).sum()
    single = torch.cat([value["video"] for value in losses])
    torch.testing.assert_close(
        loss(together, batch, SMALL)["video"], single * len(LENGTHS) / counted, **EXACT
    )
    labelled = torch.tensor([(video.clicks.sum(1) > 0).sum() for video in each_video(batch)])
    single = torch.cat([value["frame"] for value in losses]) * labelled
    torch.testing.assert_close(
        loss(together, batch, SMALL)["frame"], single * len(LENGTHS) / labelled.sum(), **EXACT
    )


@pytest.mark.parametrize("choice", ["last_k", "hard_topk"])
def test_which_snippets_the_actionness_loss_teaches(choice):
    """The last K unlabelled snippets of the videos with clicks, in the order of the batch, or the
    highest-scored ones.
    """
    batch = clicked_batch((10, 10, 10))
    batch.clicks[:] = 0
    batch.clicks[[2, 15], 0] = 1
    actionness = torch.linspace(1, -1, 30, dtype=torch.float64).repeat(3, 1).requires_grad_()
    logits = torch.zeros(3, 30, 6, dtype=torch.float64)
    outputs = Outputs(logits, actionness, batch, batch.features)
    loss(outputs, batch, replace(SMALL, act_background=choice, mined_ratio=2.0))[
        "total"
    ].mean().backward()
    taught = {"last_k": [2, 15, 16, 17, 18, 19], "hard_topk": [0, 1, 2, 3, 4, 15]}
    assert (actionness.grad != 0).all(0).nonzero()[:, 0].tolist() == taught[choice]
    assert (actionness.grad != 0).sum() == 3 * 6


def test_the_actionness_counts_only_above_its_gate():
    network, batch = network_of(), clicked_batch()
    losses = loss(network(batch), batch, SMALL)
    act = losses["act"].mean().item()
    torch.testing.assert_close(
        losses["total"], losses["video"] + losses["frame"] + losses["mined"] / 6 + losses["act"]
    )
    closed = loss(network(batch), batch, replace(SMALL, act_gate=act + 1e-6))
    torch.testing.assert_close(closed["total"], losses["total"] - losses["act"])
    assert torch.equal(closed["act"], losses["act"])
    assert torch.equal(
        loss(network(batch), batch, replace(SMALL, act_gate=act - 1e-6))["total"], losses["total"]
    )


def test_weights_of_the_terms():
    network, batch = network_of(), clicked_batch()
    config = replace(SMALL, lambda_video=2.0, lambda_frame=3.0, lambda_act=0.5, mined_weight=0.25)
    losses = loss(network(batch), batch, config)
    expected = (
        2 * losses["video"] + 3 * losses["frame"] + 0.75 * losses["mined"] + 0.5 * losses["act"]
    )
    torch.testing.assert_close(losses["total"], expected)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("share", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("kind", ["clicks", "video"])
def test_batches_without_clicks_and_short_videos_train(lengths, share, kind):
    config = replace(SMALL, labels=kind, crops=(6, 9))
    network, batch = network_of(config), clicked_batch(lengths, share)
    outputs = network(batch, torch.Generator().manual_seed(0))
    losses = loss(outputs, batch, config)
    assert all(value.isfinite().all() for value in losses.values())
    assert all(g.isfinite().all() for g in gradients(network, losses["total"].mean()))
    table = localize(activate(network(batch), batch, config), scene_of(len(lengths)), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_labels_come_from_clicks_or_from_the_video():
    network, batch = network_of(), random_batch(LENGTHS)
    config = replace(SMALL, labels="video", inputs=Inputs())
    losses = loss(network(batch), batch, config)
    assert losses["frame"].sum() == losses["mined"].sum() == losses["act"].sum() == 0
    assert torch.equal(losses["total"] > 0, torch.tensor(LENGTHS) >= 5)
    assert loss(network(batch), batch, SMALL)["total"].sum() == 0
    clicked = clicked_batch()
    everything = replace(
        clicked,
        labels=((torch.eye(7)[clicked.video].T.double() @ clicked.clicks[:, :-1]) > 0).double(),
    )
    torch.testing.assert_close(
        loss(network(everything), everything, config), loss(network(clicked), clicked, SMALL)
    )


def test_what_the_config_refuses():
    for kind in ("both", "background"):
        with pytest.raises(WorkbookError, match="choose 'action'"):
            replace(OFFICIAL, inputs=Inputs(clicks=kind))
    with pytest.raises(WorkbookError, match="labels='video'"):
        replace(OFFICIAL, inputs=Inputs())


def test_size_and_schedule_of_the_paper_setting():
    network = Network(OFFICIAL, 2, 1024, 20, torch.Generator())
    assert sum(p.numel() for p in network.parameters()) == 16_830_552
    for layer, bound in (
        (network.act_1, (6 / (6 * 1024)) ** 0.5),
        (network.embed_1, (6 / 2048) ** 0.5),
    ):
        assert (
            layer.weight.abs().max().item() == pytest.approx(bound, rel=1e-4)
            and not layer.bias.any()
        )
    assert network.fuse_act.abs().sum() == 0 and (network.fuse_logits == 1).all()
    steps = len(OFFICIAL.schedule.batches(torch.ones(200, 1), torch.Generator()))
    assert (steps * OFFICIAL.schedule.epochs, steps * OFFICIAL.expand_epoch) == (8001, 2002)
    rule = OFFICIAL.schedule.optimizer(network).param_groups[0]
    assert (rule["lr"], rule["betas"]) == (1e-4, (0.9, 0.999))
    assert (rule["weight_decay"], rule["eps"]) == (pytest.approx(5e-4), pytest.approx(1e-8))
    rule = QUICK.schedule.optimizer(network).param_groups[0]
    assert (rule["weight_decay"], rule["eps"]) == (pytest.approx(5e-4), pytest.approx(1e-8))


def test_the_streams_meet_in_the_fused_output_only():
    network, batch = network_of(), random_batch(LENGTHS)
    other = Packed(batch.features.clone(), batch.lengths, batch.labels)
    other.features[0] += 1
    before, after = network(batch), network(other)
    for name in ("logits", "actionness"):
        same = [
            torch.equal(a, b)
            for a, b in zip(getattr(before, name), getattr(after, name), strict=True)
        ]
        assert same == [False, True, False]
    torch.testing.assert_close(before.logits[2], before.logits[0] + before.logits[1])
    torch.testing.assert_close(
        before.actionness[2],
        0.7 * before.actionness[0] - 0.4 * before.actionness[1],
        rtol=0,
        atol=1e-6,
    )
    lengths = {name: len(value) for name, value in signals(before).items()}
    assert lengths == {"s_a": 3, "s_f": 3, "x": 2}
    assert network_of(streams=1)(random_batch(LENGTHS, streams=1)).logits.shape == (
        2,
        sum(LENGTHS),
        6,
    )


def test_crops_are_windows_of_the_longer_videos_without_their_last_snippet():
    batch = clicked_batch((3, 8, 0, 9, 30), share=3.0)
    batch.features[:] = torch.arange(50.0)[None, :, None]
    draw, seen = torch.Generator().manual_seed(0), set()
    for _ in range(300):
        crop = random_crops(batch, 8, draw)
        parts = crop.features[0, :, 0].long().split(crop.lengths)
        assert crop.lengths == (3, 8, 0, 8, 8)
        assert [p.tolist() for p in parts[:4]] == [[0, 1, 2], [*range(3, 11)], [], [*range(11, 19)]]
        assert parts[4].tolist() == [*range(parts[4][0], parts[4][0] + 8)]
        assert torch.equal(crop.clicks, batch.clicks[torch.cat(parts)])
        seen.add(int(parts[4][0]) - 20)
    assert seen == set(range(22))
    assert random_crops(batch, 30, draw) is batch


def test_crops_alternate_and_only_while_training():
    config = replace(SMALL, crops=(5, 9))
    network, batch, draw = network_of(config), clicked_batch(), torch.Generator().manual_seed(0)
    longest = [max(network(batch, draw).snippets.lengths) for _ in range(6)]
    assert longest == [5, 5, 9, 5, 9, 5]
    assert network(batch).snippets is batch
    again = network_of(config)
    again.load_state_dict(network.state_dict())
    assert max(again(batch, draw).snippets.lengths) == 9  # goes on after a checkpoint
    outputs = network(batch, draw)
    assert outputs.logits.shape[1] == sum(outputs.snippets.lengths) < sum(LENGTHS)
    torch.testing.assert_close(
        loss(outputs, batch, config)["total"].mean(),
        by_plain_loops(outputs, outputs.snippets, config)["total"],
        **EXACT,
    )


def scene_of(videos: int) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(videos)),
        tuple(f"class {c}" for c in range(5)),
        Timebase(fps=1.0, stride=1.0),
        empty_segments(),
    )


@pytest.mark.parametrize("seed", range(5))
def test_detections_are_those_of_plain_loops(seed):
    draw = torch.Generator().manual_seed(seed)
    batch = random_batch(LENGTHS)
    outputs = Outputs(
        torch.randn(3, sum(LENGTHS), 6, generator=draw, dtype=torch.float64) - 0.5,
        torch.randn(3, sum(LENGTHS), generator=draw, dtype=torch.float64),
        batch,
        batch.features,
    )
    table = localize(activate(outputs, outputs.snippets, SMALL), scene_of(len(LENGTHS)), SMALL)
    cuts = np.cumsum(LENGTHS)[:-1]
    videos = zip(
        np.split(outputs.logits[-1, :, :-1].numpy(), cuts),
        np.split(outputs.actionness[-1].numpy(), cuts),
        strict=True,
    )
    rows = [
        (f"video {v}", f"class {c}", *rest)
        for v, (logits, actionness) in enumerate(videos)
        for c, *rest in plain.localize_video(logits, actionness, 2.0)
    ]
    rows.sort(key=lambda row: (row[0], row[1], -row[4]))
    assert [tuple(row[:4]) for row in table.itertuples(index=False)] == [
        row[:4] for row in rows
    ] and len(rows) > 5
    np.testing.assert_allclose(table["score"], [row[4] for row in rows], rtol=0, atol=1e-12)


def test_scores_are_float64_and_attention_lies_between_0_and_1():
    batch = clicked_batch()
    activation = activate(network_of()(batch), batch, SMALL)
    assert isinstance(activation, Activation) and activation.cas.shape == (1, sum(LENGTHS), 5)
    assert activation.scores.shape == (1, len(LENGTHS), 5) and activation.attention.shape == (
        1,
        sum(LENGTHS),
    )
    assert 0 < activation.attention.min() < activation.attention.max() < 1
