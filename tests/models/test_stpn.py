"""STPN: its mathematics step by step in plain loops, its switches, and its localization."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.models import gaufuse
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.schedule import Schedule
from wtal_core.models.stpn import (
    METHOD,
    OFFICIAL,
    QUICK,
    Network,
    activate,
    for_plug_in,
    instances,
    localize,
    loss,
    many_thresholds,
    of_other_streams,
    signals,
    with_embedding,
)
from wtal_core.timebase import Timebase

SMALL = replace(OFFICIAL, samples=None, attention_hidden=6, embedding=8, beta=0.01)
EXACT = {"rtol": 0, "atol": 1e-9}
CLASSES = 5


def network_of(config=SMALL, streams=2) -> Network:
    """A small network, its biases moved away from 0."""
    draw = torch.Generator().manual_seed(0)
    network = Network(config, streams, 16, CLASSES, draw).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
    return network


def scene_of(lengths) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(CLASSES)),
        Timebase(fps=1.0, stride=1.0),
        empty_segments(),
        tuple(lengths),
    )


def gradients(network, batch, config) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def linear(x, layer, stream) -> list[float]:
    """One row through one layer, multiplied out."""
    weight = layer.weight[stream].tolist()
    bias = layer.bias[stream, 0].tolist()
    return [sum(x[i] * weight[i][j] for i in range(len(x))) + bias[j] for j in range(len(bias))]


def plain_attention(x, network, stream) -> float:
    hidden = x
    if network.attend.hidden is not None:
        hidden = [max(0.0, h) for h in linear(x, network.attend.hidden, stream)]
    return sigmoid(linear(hidden, network.attend.last, stream)[0])


def plain_video(network, batch, config, video, stream) -> dict:
    """What the specification says of one video and stream (B.1), number by number."""
    begin = sum(batch.lengths[:video])
    rows = batch.features[stream, begin : begin + batch.lengths[video]].tolist()
    for layer in network.embed:
        rows = [[max(0.0, h) for h in linear(row, layer, stream)] for row in rows]
    attention = [plain_attention(row, network, stream) for row in rows]
    size = network.classify.weight.shape[1]
    pooled = [sum(a * row[i] for a, row in zip(attention, rows, strict=True)) for i in range(size)]
    if config.pool == "mean":
        pooled = [value / max(1, len(rows)) for value in pooled]
    logits = linear(pooled, network.classify, stream)
    entropy = 0.0
    for logit, present in zip(logits, batch.labels[video].tolist(), strict=True):
        p = sigmoid(logit)
        entropy -= (math.log(p) if present else math.log(1 - p)) / len(logits)
    bias = network.classify.bias[stream, 0].tolist()
    cam = []
    for row in rows:
        with_bias = linear(row, network.classify, stream)
        cam.append([m if config.cam_bias else m - b for m, b in zip(with_bias, bias, strict=True)])
    return {"attention": attention, "logits": logits, "class": entropy, "cam": cam}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pool": "sum", "cam_bias": True},
        {"embed": "linear2"},
        {"embed": "linear2", "attention_hidden": None},
    ],
)
def test_outputs_losses_and_activations_are_those_of_the_plain_form(changes):
    config = replace(SMALL, alpha=0.3, **changes)
    network, batch = network_of(config), random_batch()
    outputs = network(batch)
    losses = loss(outputs, batch, config)
    activation = activate(outputs, batch, config)
    for video, length in enumerate(LENGTHS):
        plain = [plain_video(network, batch, config, video, stream) for stream in range(2)]
        begin = sum(LENGTHS[:video])
        own = slice(begin, begin + length)
        for stream in range(2):
            mine, other = plain[stream], plain[1 - stream]
            np.testing.assert_allclose(activation.attention[stream, own], mine["attention"])
            video_p = [sigmoid(z) for z in mine["logits"]]
            np.testing.assert_allclose(activation.scores[stream, video], video_p, rtol=1e-9)
            for t in range(length):
                a = mine["attention"][t]
                for c in range(CLASSES):
                    m, n = mine["cam"][t][c], other["cam"][t][c]
                    got = activation.cas[stream, begin + t, c]
                    assert got == pytest.approx(a * sigmoid(m), rel=1e-9)
                    rank = activation.ranking[stream, begin + t, c]
                    assert rank == pytest.approx(a * (0.3 * m + 0.7 * n), rel=1e-9, abs=1e-12)
        entropy = sum(p["class"] for p in plain)
        length_of_attention = sum(sum(p["attention"]) for p in plain)
        assert losses["class"][video].item() == pytest.approx(entropy, rel=1e-9)
        assert losses["sparsity"][video].item() == pytest.approx(length_of_attention, rel=1e-9)
        total = entropy + config.beta * length_of_attention
        assert losses["total"][video].item() == pytest.approx(total, rel=1e-9)


def test_a_gradient_is_the_slope_of_the_plain_loss():
    network, batch = network_of(), random_batch((4, 3))
    expected = gradients(network, batch, SMALL)

    def plain_total() -> float:
        total = 0.0
        for video in range(2):
            for stream in range(2):
                plain = plain_video(network, batch, SMALL, video, stream)
                total += plain["class"] + SMALL.beta * sum(plain["attention"])
        return total

    for name, parameter in network.named_parameters():
        place = (0,) * (parameter.ndim - 1) + (parameter.shape[-1] - 1,)
        slopes = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                parameter[place] += step
                slopes.append(plain_total() / step / 2)
                parameter[place] -= step
        assert sum(slopes) == pytest.approx(expected[name][place].item(), abs=1e-8)


@pytest.mark.parametrize("changes", [{}, {"samples": 20}, {"embed": "conv3x2"}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network, batch = network_of(config), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    for name in ("s_a", "attention", "video_logits", "x"):
        joined = torch.cat([getattr(outputs, name) for outputs in alone], 1)
        torch.testing.assert_close(getattr(together, name), joined, **EXACT)
    each = [gradients(network, single, config) for single in one_by_one(batch)]
    summed = {name: sum(g[name] for g in each) for name in each[0]}
    torch.testing.assert_close(gradients(network, batch, config), summed, **EXACT)
    whole = localize(activate(together, batch, config), scene_of(LENGTHS), config)
    parts = [
        localize(activate(outputs, single, config), scene_of(single.lengths), config)
        for outputs, single in zip(alone, one_by_one(batch), strict=True)
    ]
    assert len(whole) > 4
    numbers = ["t_start", "t_end", "score"]
    expected = pd.concat(parts)
    assert whole["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(whole[numbers], expected[numbers], atol=1e-9)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 1, 5)])
@pytest.mark.parametrize("samples", [None, 20])
def test_videos_without_or_with_one_snippet_are_finite(lengths, samples):
    config, batch = replace(SMALL, samples=samples), random_batch(lengths)
    network = network_of(config)
    assert all(g.isfinite().all() for g in gradients(network, batch, config).values())
    table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()
    for video, length in zip(scene_of(lengths).videos, lengths, strict=True):
        assert (table.loc[table["video"] == video, "t_end"] <= length + 1e-9).all()


def test_streams_do_not_meet_before_localization():
    network, batch = network_of(), random_batch()
    other = random_batch()
    other.features[1] = 0
    torch.testing.assert_close(network(other).s_a[0], network(batch).s_a[0], **EXACT)
    assert not torch.equal(network(other).s_a[1], network(batch).s_a[1])
    three = torch.arange(6.0).view(3, 2)
    expected = torch.tensor([[3.0, 4.0], [2.0, 3.0], [1.0, 2.0]])
    torch.testing.assert_close(of_other_streams(three), expected)
    assert torch.equal(of_other_streams(three[:1]), three[:1])


def test_dropout_before_or_after_the_relu_is_the_same():
    z = torch.randn(40, generator=torch.Generator().manual_seed(0))
    mask = 2.0 * (torch.rand(40, generator=torch.Generator().manual_seed(1)) < 0.5)
    assert torch.equal((z * mask).relu(), z.relu() * mask)


def test_picks_and_dropout_are_drawn_in_training_only():
    config = replace(SMALL, samples=20, embed="linear2")
    network, batch = network_of(config), random_batch()
    draws = [network(batch, torch.Generator().manual_seed(seed)).s_a for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(network(batch).s_a, network(batch).s_a)
    assert network(batch).snippets.lengths == (20, 0, 20, 20, 20)
    outputs = network(batch)
    assert METHOD.host.snippets(outputs, batch) is outputs.snippets
    assert set(signals(network(batch))) == {"s_a", "w", "x"}


def one_video(own, other=None, score=0.9, lead=2, attention=1.0) -> Activation:
    """Two streams' class activations of one class; the cas as `activate` makes them."""
    rows = np.array([own, own if other is None else other], dtype=np.float64)
    cas = np.zeros((2, rows.shape[1], CLASSES))
    ranking = np.zeros_like(cas)
    cas[:, :, lead] = attention / (1 + np.exp(-rows))
    ranking[:, :, lead] = attention * (rows + rows[::-1]) / 2
    scores = np.zeros((2, 1, CLASSES))
    scores[:, 0, lead] = score
    weight = np.full(rows.shape, attention)
    return Activation(cas, scores, weight, (rows.shape[1],), ranking=ranking)


def plain_proposals(cas, ranking, threshold, factor) -> list[tuple[float, float, float]]:
    """Of one sequence: each point on a line between its snippets, runs at or above the threshold,
    the mean of what they are ranked by.
    """
    points = []
    for j in range(len(cas) * factor):
        left = min(j // factor, max(len(cas) - 2, 0))
        right = min(left + 1, len(cas) - 1)
        share = j / factor - left
        points.append(
            [
                row[left] + share * (row[right] - row[left])
                for row in (cas.tolist(), ranking.tolist())
            ]
        )
    runs, start = [], None
    for j, (value, _) in enumerate([*points, (-1.0, 0.0)]):
        if value >= threshold and start is None:
            start = j
        if value < threshold and start is not None:
            mean = sum(rank for _, rank in points[start:j]) / (j - start)
            runs.append((start / factor, j / factor, mean))
            start = None
    return runs


def plain_nms(proposals, limit) -> list[tuple[float, float, float]]:
    left = sorted(proposals, key=lambda p: -p[2])
    kept = []
    for start, end, score in left:
        overlaps = []
        for s, e, _ in kept:
            shared = max(0.0, min(e, end) - max(s, start))
            overlaps.append(shared / (e - s + end - start - shared))
        if all(overlap <= limit for overlap in overlaps):
            kept.append((start, end, score))
    return kept


@pytest.mark.parametrize("thresholds", [(0.5,), (0.3, 0.5, 0.7)])
def test_detections_are_those_of_the_plain_form(thresholds):
    config = replace(SMALL, rule=replace(SMALL.rule, thresholds=thresholds))
    rng = np.random.default_rng(0)
    own, other = rng.normal(size=(2, 30)).cumsum(1) / 2
    activation = one_video(own, other)
    proposals = []
    for stream in range(2):
        for threshold in thresholds:
            rows = activation.cas[stream, :, 2], activation.ranking[stream, :, 2]
            proposals += plain_proposals(*rows, threshold, 24)
    assert len(proposals) >= 4
    expected = np.array(plain_nms(proposals, 0.5))
    table = localize(activation, scene_of([30]), config)
    assert set(table["label"]) == {"class 2"}
    np.testing.assert_allclose(table[["t_start", "t_end", "score"]].to_numpy(), expected, atol=1e-9)
    fewer = localize(one_video(own, other, score=0.1), scene_of([30]), config)
    assert fewer.empty  # the class score has to be above the threshold


def test_a_video_that_was_resampled_keeps_its_time():
    row = np.full(20, -6.0)
    row[10:] = 6.0
    table = localize(one_video(row), scene_of([40]), SMALL)
    half = localize(one_video(row), scene_of([20]), SMALL)
    np.testing.assert_allclose(table["t_start"], 2 * half["t_start"])
    assert table["t_end"].tolist() == [40.0]


def test_index_0_is_lost_as_in_the_code_or_kept():
    row = np.full(12, 3.0)
    kept = replace(SMALL, rule=replace(SMALL.rule, fix_class0=True, drop_frame0_run=False))
    assert localize(one_video(row, lead=0), scene_of([12]), SMALL).empty
    assert len(localize(one_video(row, lead=0), scene_of([12]), kept)) == 1
    sharp = np.full(12, -80.0)
    sharp[0] = -2.9  # the next point, 1 / 24 on, is below the threshold
    assert localize(one_video(sharp), scene_of([12]), SMALL).empty
    assert len(localize(one_video(sharp), scene_of([12]), kept)) == 1


def test_equal_scores_are_settled_in_the_order_of_streams():
    row = np.full(12, -6.0)
    row[3:6] = 2.0
    (first, second) = instances(one_video(row), CLASSES, SMALL)
    np.testing.assert_array_equal(first.start, second.start)
    assert len(localize(one_video(row), scene_of([12]), SMALL)) == 1


def test_constructors_of_the_rows_and_what_they_change():
    assert with_embedding(OFFICIAL).schedule == Schedule()
    assert with_embedding(QUICK).schedule == QUICK.schedule
    assert (with_embedding(OFFICIAL).embed, with_embedding(OFFICIAL).samples) == ("linear2", None)
    assert for_plug_in(OFFICIAL) == replace(with_embedding(OFFICIAL), attention_hidden=None)
    levels = many_thresholds(OFFICIAL).rule.thresholds
    assert (len(levels), levels[0], levels[-1]) == (19, 0.05, 0.5)
    network = Network(OFFICIAL, 1, 1024, 20, torch.Generator())
    assert sum(p.numel() for p in network.parameters()) == 283_157
    assert network_of(for_plug_in(SMALL)).attend.last.weight.shape == (2, 8, 1)
    steps = OFFICIAL.schedule.epochs * -(-200 // OFFICIAL.schedule.batch_size)
    assert abs(steps - 23_100) < 34


@pytest.mark.parametrize(
    ("change", "message"),
    [({"pool": "max"}, "pool is 'max'"), ({"alpha": 1.5}, "alpha"), ({"embed": None}, "embed")],
)
def test_settings_that_are_not_allowed_are_refused(change, message):
    with pytest.raises(WorkbookError, match=message):
        replace(OFFICIAL, **change)


def test_it_hosts_gaufuse():
    assert gaufuse.can_host("stpn")
    rule = FusionRule("gaussian", limit=0.3, overlap="iou", temperature=0.1)
    rng = np.random.default_rng(1)
    activation = one_video(rng.normal(size=40).cumsum() / 2)
    wide = many_thresholds(SMALL)
    fused = localize(activation, scene_of([40]), wide, rule)
    plain = localize(activation, scene_of([40]), wide)
    assert 0 < len(fused) <= len(plain)
    assert not np.array_equal(fused["t_start"], plain["t_start"])
