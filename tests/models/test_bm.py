"""BM: its losses and activations step by step in plain loops, its switches, its localization."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from tests.models.test_stpn import plain_nms, scene_of, sigmoid
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.models import gaufuse
from wtal_core.models.bm import (
    METHOD,
    OFFICIAL,
    QUICK,
    Network,
    activate,
    as_in_dgam,
    as_recollected,
    localize,
    loss,
    signals,
)
from wtal_core.models.shared.activation import Activation

SMALL = replace(OFFICIAL, samples=None, attention_hidden=6)
EXACT = {"rtol": 0, "atol": 1e-9}
CLASSES = 5
TERMS = ("foreground", "background", "guide", "cluster")


def network_of(config=SMALL, streams=2) -> Network:
    """A small network, its biases moved away from 0."""
    draw = torch.Generator().manual_seed(0)
    network = Network(config, streams, 16, CLASSES, draw).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
    return network


def gradients(network, batch, config) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def probabilities(logits) -> list[float]:
    peak = max(logits)
    powers = [math.exp(z - peak) for z in logits]
    return [power / sum(powers) for power in powers]


def plain_stream(network, batch, config, video, stream) -> dict:
    """What the specification says of one video and stream (B.3)."""
    weights = {name: p.detach().numpy()[stream] for name, p in network.named_parameters()}
    begin = sum(batch.lengths[:video])
    x = batch.features[stream, begin : begin + batch.lengths[video]].numpy()
    attention = []
    for row in x:
        hidden = row @ weights["attend.hidden.weight"] + weights["attend.hidden.bias"][0]
        positive = [max(0.0, h) for h in hidden]
        last = positive @ weights["attend.last.weight"] + weights["attend.last.bias"][0]
        attention.append(sigmoid(last[0]))
    x_fg, x_bg = np.zeros(16), np.zeros(16)
    for share, row in zip(attention, x, strict=True):
        x_fg += share * row
        x_bg += (1 - share) * row
    if config.pool == "one_over_T":
        x_fg, x_bg = x_fg / max(1, len(x)), x_bg / max(1, len(x))
    else:
        x_fg = x_fg / (sum(attention) + 1)
        x_bg = x_bg / (sum(1 - share for share in attention) + 1e-6)
    matrix, bias = weights["classify.weight"], weights["classify.bias"][0]
    cam = [row @ matrix + (bias if config.cam_bias else 0) for row in x]
    p_fg, p_bg = probabilities(x_fg @ matrix + bias), probabilities(x_bg @ matrix + bias)
    shown = [c for c in range(CLASSES) if batch.labels[video, c]]
    u_fg, u_bg = weights["u"].T
    losses = {
        "foreground": -sum(math.log(p_fg[c]) for c in shown) / len(shown),
        "background": -math.log(p_bg[-1]),
        "cluster": -math.log(sigmoid((u_fg - u_bg) @ x_fg))
        - math.log(sigmoid((u_bg - u_fg) @ x_bg)),
        "guide": 0.0,
    }
    if len(x):
        q = [probabilities(row) for row in cam]
        of_labels = gaussian_filter1d([max(row[c] for c in shown) for row in q], config.sigma)
        of_background = gaussian_filter1d([row[-1] for row in q], config.sigma)
        for share, best, none in zip(attention, of_labels, of_background, strict=True):
            losses["guide"] += (abs(share - best) + abs(share - (1 - none))) / len(x)
    return {"attention": attention, "cam": cam, "p": p_fg, **losses}


@pytest.mark.parametrize(
    "changes", [{}, {"pool": "sum", "cam_bias": True, "sigma": 0.6, "attention_share": 0.2}]
)
def test_losses_and_activations_are_those_of_the_plain_form(changes):
    config = replace(SMALL, lambda_background=0.3, lambda_cluster=0.2, **changes)
    network, batch = network_of(config), random_batch()
    outputs = network(batch)
    losses = loss(outputs, batch, config)
    activation = activate(outputs, batch, config, background=True)
    averaged = activate(outputs, batch, replace(config, streams="averaged"))
    np.testing.assert_allclose(averaged.cas[0], activation.cas.mean(0)[:, :-1], rtol=1e-12)
    for video, length in enumerate(LENGTHS):
        plain = [plain_stream(network, batch, config, video, stream) for stream in range(2)]
        for name in TERMS:
            expected = sum(p[name] for p in plain)
            assert losses[name][video].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
        total = sum(
            p["foreground"] + 0.3 * p["background"] + 0.1 * p["guide"] + 0.2 * p["cluster"]
            for p in plain
        )
        assert losses["total"][video].item() == pytest.approx(total, rel=1e-9)
        begin = sum(LENGTHS[:video])
        for stream, p in enumerate(plain):
            np.testing.assert_allclose(activation.scores[stream, video], p["p"], rtol=1e-9)
            for t in range(length):
                share, a = config.attention_share, p["attention"][t]
                expected = [(1 - share) * a * sigmoid(m) + share * a**2 for m in p["cam"][t]]
                np.testing.assert_allclose(activation.cas[stream, begin + t], expected, rtol=1e-9)


def test_gradients_of_the_fixed_guide_are_those_of_its_plain_form():
    """With the guide as a number, autograd of the rest has to be the network's gradient."""
    network, batch = network_of(), random_batch((6, 3))
    expected = gradients(network, batch, SMALL)
    network.zero_grad()
    outputs = network(batch)
    plain = 0.0
    for stream in range(2):
        q = outputs.s_a[stream].softmax(-1).detach().numpy()
        for video, own in enumerate((slice(0, 6), slice(6, 9))):
            shown = batch.labels[video].numpy() > 0
            best = torch.tensor(gaussian_filter1d(q[own][:, :-1][:, shown].max(1), 1.0))
            none = torch.tensor(gaussian_filter1d(q[own][:, -1], 1.0))
            a = outputs.attention[stream, own]
            guide = ((a - best).abs() + (a - 1 + none).abs()).mean()
            p_fg = outputs.foreground[stream, video].softmax(-1)[:-1][shown]
            p_bg = outputs.background[stream, video].softmax(-1)[-1]
            near_fg, near_bg = (of_half[stream, video] for of_half in outputs.clusters)
            cluster = -near_fg.sigmoid().log() - (1 - near_bg.sigmoid()).log()
            plain = plain - p_fg.log().mean() + 0.1 * (guide + cluster - p_bg.log())
    plain.backward()
    got = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(got, expected, **EXACT)
    free = gradients(network, batch, replace(SMALL, guide_detach=False))
    assert not torch.allclose(free["classify.weight"], expected["classify.weight"])


@pytest.mark.parametrize("changes", [{}, {"samples": 20, "pool": "sum"}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network, batch = network_of(config), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    for name in ("s_a", "attention", "foreground", "background"):
        joined = torch.cat([getattr(outputs, name) for outputs in alone], 1)
        torch.testing.assert_close(getattr(together, name), joined, **EXACT)
    each = [gradients(network, single, config) for single in one_by_one(batch)]
    summed = {name: sum(g[name] for g in each) for name in each[0]}
    torch.testing.assert_close(gradients(network, batch, config), summed, **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 1, 5)])
@pytest.mark.parametrize("samples", [None, 20])
def test_videos_without_or_with_one_snippet_are_finite(lengths, samples):
    config, batch = replace(SMALL, samples=samples), random_batch(lengths)
    network = network_of(config)
    assert all(g.isfinite().all() for g in gradients(network, batch, config).values())
    table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def one_video(rows, score=0.9) -> Activation:
    """Activations of one class of one video, a row per stream."""
    rows = np.asarray(rows, dtype=np.float64)
    cas = np.zeros((*rows.shape, CLASSES))
    cas[:, :, 2] = rows
    scores = np.zeros((len(rows), 1, CLASSES))
    scores[:, 0, 2] = score
    return Activation(cas, scores, rows, (rows.shape[1],))


def plain_proposals(row, threshold, factor, rule, score) -> list[tuple[float, float, float]]:
    """Runs of one sequence, the inner mean less the outer one's share, plus the class's share."""
    points = []
    for j in range(len(row) * factor):
        place = min(max((j + 0.5) / factor - 0.5, 0), len(row) - 1)
        left = min(int(place), max(len(row) - 2, 0))
        right = min(left + 1, len(row) - 1)
        points.append(row[left] + (place - left) * (row[right] - row[left]))
    proposals, start = [], None
    for j, value in enumerate([*points, -1.0]):
        is_above = value >= threshold and value > 0
        if is_above and start is None:
            start = j
        if not is_above and start is not None:
            reach = rule.outer * (j - start)
            before = points[max(0, math.trunc(start - reach)) : start]
            after = points[j : min(len(points), math.trunc(j - 1 + reach) + 1)]
            sides = [before, after] if rule.outer_sides == "each" else [before + after]
            outer = sum(sum(side) / max(1, len(side)) for side in sides)
            inner = sum(points[start:j]) / (j - start)
            contrast = inner - rule.outer_weight * outer + rule.score_class * score
            proposals.append((start / factor, j / factor, contrast))
            start = None
    return proposals


@pytest.mark.parametrize(
    "config", [SMALL, replace(as_in_dgam(SMALL), thresholds_by_stream=(0.5, 0.6))]
)
def test_detections_are_those_of_the_plain_form(config):
    rng = np.random.default_rng(0)
    rows = 1 / (1 + np.exp(-rng.normal(size=(2, 30)).cumsum(1) / 2))
    proposals = []
    for stream, row in enumerate(rows):
        thresholds = config.rule.thresholds
        if config.thresholds_by_stream:
            thresholds = (config.thresholds_by_stream[stream],)
        for threshold in thresholds:
            proposals += plain_proposals(row, threshold, config.rule.upsampling, config.rule, 0.9)
    expected = np.array(plain_nms(proposals, 0.5))
    assert len(proposals) >= len(expected) > 3
    table = localize(one_video(rows), scene_of([30]), config)
    assert set(table["label"]) == {"class 2"}
    np.testing.assert_allclose(table[["t_start", "t_end", "score"]].to_numpy(), expected, atol=1e-9)


def test_thresholds_of_another_number_of_streams_are_refused():
    config = replace(SMALL, thresholds_by_stream=(0.1, 0.2))
    with pytest.raises(WorkbookError, match=r"2 numbers for 1 streams; give one each, or \(\)"):
        localize(one_video([[0.5, 0.5]]), scene_of([2]), config)
    with pytest.raises(WorkbookError, match="pool is 'mean'"):
        replace(OFFICIAL, pool="mean")


def test_constructors_change_what_they_name():
    recollected, dgam = as_recollected(OFFICIAL), as_in_dgam(OFFICIAL)
    assert (recollected.streams, recollected.rule.thresholds[0]) == ("averaged", 0.0)
    assert len(recollected.rule.thresholds) == 21
    assert (dgam.lambda_background, dgam.lambda_guide, dgam.lambda_cluster) == (0.03, 0.1, 0.3)
    assert dgam.schedule.learning_rate == 1e-3
    assert as_in_dgam(QUICK).schedule == QUICK.schedule


def test_it_hosts_gaufuse_and_shows_its_signals():
    assert gaufuse.can_host("bm")
    outputs = network_of()(random_batch())
    assert METHOD.host.snippets(outputs, random_batch()) is outputs.snippets
    assert outputs.s_a.shape[-1] == CLASSES + 1
    assert set(signals(outputs)) == {"s_a", "w", "x"}
    rng = np.random.default_rng(1)
    activation = one_video(1 / (1 + np.exp(-rng.normal(size=(2, 40)).cumsum(1))))
    rule = FusionRule("gaussian", limit=0.3, overlap="iou", temperature=0.1)
    fused = localize(activation, scene_of([40]), SMALL, rule)
    plain = localize(activation, scene_of([40]), SMALL)
    assert 0 < len(fused) <= len(plain)
    assert not np.array_equal(fused["t_start"], plain["t_start"])
