"""3C-Net against a plain form of its specification: one video, one class, one snippet at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import Conv1d

from tests.models.test_topk_mil import scene_of
from tests.packed_samples import random_batch
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.models.c3net import (
    ACTIVITYNET12,
    OFFICIAL,
    Network,
    Outputs,
    activate,
    localize,
    loss,
    moved_centres,
)
from wtal_core.models.shared.activation import Activation
from wtal_core.models.shared.peak_localization import PeakRule, localize_peaks, peak_instances

SMALL = replace(OFFICIAL, hidden=6, dropout=0.0, crops=None, centre_delay=3)
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def sample(config=SMALL, seed=0):
    """A network and a batch with counts, float64."""
    batch = random_batch(seed=seed)
    counts = batch.labels * torch.arange(1, 6, dtype=torch.float64)
    batch = replace(batch, counts=counts)
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(1)).double()
    return network, batch


def trained(network, batch, steps: int) -> Outputs:
    """Outputs of a training step after `steps` of them."""
    network.steps.fill_(steps)
    return network(batch, torch.Generator().manual_seed(3))


def plain_class_loss(logits: list[torch.Tensor], labels, shortest=5) -> float:
    """Of one output: mean over the videos that are long enough and have a class."""
    values = []
    for scores, label in zip(logits, labels, strict=True):
        if len(scores) < shortest or not label.sum():
            continue
        k = int(np.ceil(len(scores) / 8))
        mean = torch.stack([column.sort(descending=True).values[:k].mean() for column in scores.T])
        values.append(-(label / label.sum() * (mean - mean.logsumexp(0))).sum())
    return sum(values) / len(values)


def plain_features(logits, x, labels, only_single: bool):
    """(video, class, feature) of one stream."""
    rows = []
    for video, (scores, features, label) in enumerate(zip(logits, x, labels, strict=True)):
        if not len(scores) or (only_single and label.sum() != 1):
            continue
        for c in torch.nonzero(label)[:, 0].tolist():
            attention = (scores[:, c] - scores[:, c].logsumexp(0)).exp()
            weight = [a if a >= attention.mean() else 0 * a for a in attention]
            total = sum(weight)
            rows.append(
                (video, c, sum(w * f for w, f in zip(weight, features, strict=True)) / total)
            )
    return rows


def plain_count_loss(tcam, counts) -> float:
    value = 0.0
    for scores, count in zip(tcam, counts, strict=True):
        for c in range(scores.shape[1]):
            column = scores[:, c]
            said = ((column - column.logsumexp(0)).exp() * column).sum() if len(column) else 0.0
            if 0 < count[c] < len(scores):
                value += abs(said - count[c]) / count[c]
            else:
                value += 1e-3 * abs(said)
    return value / len(counts)


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
@pytest.mark.parametrize("centre_mean", ["twice", "once"])
def test_losses_are_those_of_the_plain_form(steps, centre_mean):
    config = replace(SMALL, centre_mean=centre_mean)
    network, batch = sample(config)
    centres = network.centres.clone()
    outputs = trained(network, batch, steps)
    found = loss(outputs, batch, config)
    by_video = [list(part.split(batch.lengths)) for part in outputs.logits]
    expected = sum(plain_class_loss(part, batch.labels) for part in by_video)
    torch.testing.assert_close(found["cls"].mean(), expected, **EXACT)

    centre = 0.0
    for stream in range(2):
        x = outputs.x[stream].split(batch.lengths)
        rows = plain_features(by_video[stream], x, batch.labels, only_single=steps < 3)
        if steps:
            apart = [(f - centres[stream, c]).square().sum() for _, c, f in rows]
            centre = centre + sum(apart) / len(rows) ** (1 if centre_mean == "once" else 2)
    torch.testing.assert_close(found["centre"].mean(), torch.as_tensor(centre).double(), **EXACT)

    count = plain_count_loss(by_video[-1], batch.counts) if steps in (2, 4) else torch.tensor(0.0)
    torch.testing.assert_close(found["count"].mean(), count.double(), **EXACT)
    total = found["cls"] + 1e-3 * found["centre"] + found["count"]
    torch.testing.assert_close(found["total"], total, **EXACT)


def test_centres_take_a_step_down_their_own_loss():
    """As stochastic gradient descent on the unweighted centre loss does."""
    network, batch = sample()
    centres = network.centres.clone().requires_grad_()
    outputs = trained(network, batch, 4)
    moved = network.centres
    again = replace(outputs, centres=centres)
    loss(again, batch, SMALL)["centre"].mean().backward()
    torch.testing.assert_close(moved, centres.detach() - 0.1 * centres.grad, **EXACT)
    assert not torch.equal(moved, centres) and int(network.steps) == 5


def test_evaluation_leaves_centres_and_steps():
    network, batch = sample()
    before = network.centres.clone()
    network(batch)
    with torch.no_grad():
        network(batch, torch.Generator())
    assert torch.equal(network.centres, before) and int(network.steps) == 0


def test_centres_of_the_first_step_stay():
    network, batch = sample()
    outputs = trained(network, batch, 0)
    assert not outputs.told.any()
    assert torch.equal(moved_centres(outputs, SMALL), outputs.centres)


def test_smoothing_is_a_dilated_convolution_of_each_class():
    config = replace(SMALL, smooth=True)
    network, batch = sample(config)
    plain = Conv1d(5, 5, 13, padding=12, dilation=2, bias=False, groups=5).double()
    plain.weight.data = network.taps.data
    unsmoothed = replace(config, smooth=False)
    network.config = unsmoothed
    before = network(batch).logits[-1]
    network.config = config
    after = network(batch).logits[-1]
    for part, smoothed in zip(before.split(batch.lengths), after.split(batch.lengths), strict=True):
        if len(part):
            torch.testing.assert_close(smoothed, plain(part.T[None])[0].T.relu(), **EXACT)


def test_official_sizes():
    network = Network(OFFICIAL, 2, 1024, 101, torch.Generator())
    layers = [network.embed_1, network.embed_2, network.classify]
    assert sum(p.numel() for layer in layers for p in layer.parameters()) == 4_405_450
    assert network.fuse.numel() == 2 * 101
    config, note = method("c3net").config_for("official", "activitynet1.2")
    assert config == ACTIVITYNET12 and note == ""


def test_an_empty_batch_and_a_batch_without_counts():
    network, batch = sample()
    no_counts = replace(batch, counts=None)
    outputs = trained(network, no_counts, 2)
    values = loss(outputs, no_counts, SMALL)
    assert values["total"].isfinite().all() and not values["count"].any()
    none = random_batch(lengths=(0, 0))
    assert loss(trained(network, none, 2), none, SMALL)["total"].isfinite().all()


def test_long_videos_are_cropped_in_turn():
    config = replace(SMALL, crops=(5, 9))
    network, batch = sample(config)
    lengths = [trained(network, batch, step).snippets.lengths for step in (0, 1, 2, 3)]
    assert lengths[0] == lengths[1] == lengths[3] == (5, 0, 1, 5, 5)
    assert lengths[2] == (7, 0, 1, 9, 9)


def test_detections_of_a_case_by_hand():
    """Two classes; the second scores 3 of at most 8, below half of the first."""
    cas = np.array([[[0.0, 4.0], [9.0, 3.0], [7.0, 3.0], [1.0, 2.0], [8.0, 3.0]]])
    scores = np.array([[[8.0, 3.0]]])
    activation = Activation(cas, scores, cas.max(-1), (5,))
    found = peak_instances(activation, PeakRule(class_ratio=0.5))
    # above (9 + 0) / 2: snippets 1, 2 and 4, of which 4 is alone
    assert found.start.tolist() == [1.0] and found.end.tolist() == [3.0]
    assert found.score.tolist() == [9.0 + 8.0] and found.label.tolist() == [0]
    both = peak_instances(activation, PeakRule(class_ratio=0.0, threshold="zero"))
    assert both.start.tolist() == [1.0, 0.0] and both.end.tolist() == [5.0, 5.0]
    assert both.score.tolist() == [17.0, 7.0]
    table = localize_peaks(activation, scene_of(1), PeakRule(class_ratio=0.5, shortest=1))
    assert table["t_start"].tolist() == [1.0, 4.0] and set(table["label"]) == {"class 0"}


def test_no_video_has_no_detections():
    network, _ = sample()
    none = random_batch(lengths=(0, 0))
    activation = activate(network(none), none, SMALL)
    assert localize(activation, scene_of(2), SMALL).empty


def test_a_rule_that_cannot_be_is_refused():
    with pytest.raises(WorkbookError, match="class_ratio"):
        PeakRule(class_ratio=1.5)
