"""Each switch of BackTAL's Config: that it changes the result, and the ones whose effect is known
by formula.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.click_samples import clicked_batch
from tests.packed_samples import LENGTHS
from wtal_core.data.dataset import empty_segments
from wtal_core.localization.frames import FrameRule
from wtal_core.models.backtal import (
    FULL,
    Config,
    Network,
    activate,
    clicked_background,
    foreground,
    localize,
    loss,
    mined_background,
    separation,
    top_times,
)
from wtal_core.models.shared.activation import Scene
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.layers import top_mean
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed
from wtal_core.runs.inputs import rescaled
from wtal_core.timebase import Timebase

RULE = FrameRule(class_threshold=0.1)
SMALL = replace(
    FULL, inputs=Inputs(clicks="background"), width=16, filter_width=8, emb_hidden=8, rule=RULE
)
EXACT = {"rtol": 0, "atol": 1e-9}
# field -> (its other value, what else has to be so that it matters)
CHANGES = {
    "inputs": (Inputs(clicks="background", length=20), {}),
    "width": (8, {}),
    "filter_width": (4, {}),
    "conv_bias": (True, {}),
    "dropout": (0.2, {}),
    "affinity": (False, {"lambda_aff": 0.0}),
    "layout": ("paper_eq15", {}),
    "window": (5, {}),
    "mode": ("presum", {}),
    "emb_hidden": (0, {}),
    "emb_dim": (8, {}),
    "top": (0.5, {}),
    "top_sep": (0.5, {}),
    "cls": ("bce_on_softmax", {}),
    "lambda_norm": (0.1, {}),
    "lambda_frame": (0.5, {}),
    "frame_mean": ("per_video", {}),
    "lambda_sep": (0.1, {}),
    "sep_form": ("eq8", {}),
    "sep_branch": ("supp", {}),
    "lambda_aff": (0.1, {}),
    "tau_same": (0.9, {}),
    "tau_diff": (-0.5, {}),
    "hard": ("global_max", {}),
    "fg_branch": ("base", {}),
    "weight_sup": ("clicks", {}),
    "mined_ratio": (7.0, {"inputs": Inputs(clicks="action")}),
    "mined_weight": ("one", {"inputs": Inputs(clicks="action"), "mined_ratio": 2.0}),
    "rule": (replace(RULE, gamma=0.7), {}),
    "schedule": (Schedule(learning_rate=1e-2), {}),
}


def network_of(config=SMALL) -> Network:
    return Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()


def sample(config: Config) -> Packed:
    """As `runs.inputs` would give it: rescaled, with the clicks asked for (of a rescaled video, at
    its own places).
    """
    lengths = (30, 50, 40)
    batch = clicked_batch(lengths, kind=config.inputs.clicks)
    if config.inputs.length is None:
        return batch
    videos = [
        torch.from_numpy(rescaled(f.numpy(), config.inputs))
        for f in batch.features.split(batch.lengths, 1)
    ]
    other = clicked_batch(tuple(v.shape[1] for v in videos), kind=config.inputs.clicks)
    return Packed(torch.cat(videos, 1), other.lengths, batch.labels, other.clicks)


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of two steps with dropout, then detections, from a seed."""
    batch, draw = sample(config), torch.Generator().manual_seed(1)
    network = Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for _ in range(2):
        value = config.schedule.reduce(loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    scene = Scene(("a", "b", "c"), tuple("01234"), Timebase(), empty_segments(), (30, 50, 40))
    with torch.no_grad():
        table = localize(activate(network(batch), batch, config), scene, config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


def test_every_field_of_config_is_exercised():
    assert set(CHANGES) == {f.name for f in fields(Config)}


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_of_config_changes_the_result(name):
    value, needed = CHANGES[name]
    base = replace(SMALL, **needed) if name != "affinity" else SMALL
    before, again, after = (
        run_through(config)
        for config in (base, replace(base), replace(base, **needed | {name: value}))
    )
    assert before[0] == again[0] and np.array_equal(before[1], again[1])
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])
    assert np.isfinite(after[0]).all()


def test_eq_8_is_twice_the_code():
    batch = clicked_batch()
    outputs, background = network_of()(batch), clicked_background(batch)
    code, paper = (
        separation(outputs, background, batch, replace(SMALL, sep_form=form))
        for form in ("code", "eq8")
    )
    assert code.sum() > 0
    torch.testing.assert_close(paper, 2 * code, **EXACT)


def test_separation_takes_its_own_k():
    batch = clicked_batch()
    outputs, background = network_of()(batch), clicked_background(batch)
    same = separation(outputs, background, batch, replace(SMALL, top_sep=SMALL.top))
    torch.testing.assert_close(separation(outputs, background, batch, SMALL), same, **EXACT)
    assert not torch.equal(
        separation(outputs, background, batch, replace(SMALL, top_sep=0.5)), same
    )


def test_the_total_is_the_weighted_sum_of_its_terms():
    batch = clicked_batch(kind="both")
    config = replace(
        SMALL,
        lambda_sep=0.3,
        lambda_frame=0.7,
        lambda_norm=0.01,
        weight_sup="clicks_and_top",
        mined_ratio=1.0,
    )
    losses = loss(network_of()(batch), batch, config)
    weights = {
        "base": 1,
        "supp": 1,
        "norm": 0.01,
        "frame": 0.7,
        "sep": 0.3,
        "aff": 0.8,
        "weight": 1,
        "mined": 1 / 6,
    }
    assert set(losses) == {*weights, "total"}
    torch.testing.assert_close(
        losses["total"], sum(weights[name] * losses[name] for name in weights), **EXACT
    )
    assert "sep" not in loss(network_of()(batch), batch, replace(SMALL, lambda_sep=0.0))


def test_mined_frames_are_the_unclicked_ones_that_look_most_like_background():
    """Specification C3, snippet by snippet: K of the whole batch, from the videos with clicks."""
    batch = clicked_batch(kind="action", share=0.1, without=(3,))
    outputs = network_of()(batch)
    found = mined_background(outputs, batch, replace(SMALL, mined_ratio=2.0))
    clicked, background = batch.clicks.sum(1) > 0, outputs.cas[0, :, -1]
    counts = [int(clicked[batch.video == v].sum()) for v in range(len(LENGTHS))]
    pool = [t for t in range(sum(LENGTHS)) if not clicked[t] and counts[int(batch.video[t])]]
    number = sum(min(2 * n, length - n) for n, length in zip(counts, LENGTHS, strict=True))
    assert (
        sorted(sorted(pool, key=lambda t: -background[t])[:number])
        == found.nonzero()[:, 0].tolist()
    )
    losses = loss(outputs, batch, replace(SMALL, mined_ratio=2.0))
    assert (
        losses["sep"].sum() > 0 and losses["aff"].sum() > 0
    )  # the mined frames are their background
    assert (loss(outputs, batch, SMALL)["sep"] == 0).all()


def test_attention_learns_from_clicks_and_from_top_snippets():
    batch = clicked_batch()
    network = network_of()
    outputs, background = network(batch), clicked_background(batch)
    w, top = outputs.w.sigmoid(), (foreground(outputs, batch, SMALL) > 0) & ~background
    found = loss(outputs, batch, replace(SMALL, weight_sup="clicks"))["weight"].mean()
    torch.testing.assert_close(found, -(1 - w[background]).log().mean(), **EXACT)
    found = loss(outputs, batch, replace(SMALL, weight_sup="clicks_and_top"))["weight"].mean()
    torch.testing.assert_close(
        found, -torch.cat([(1 - w[background]).log(), w[top].log()]).mean(), **EXACT
    )


def test_top_k_means_and_counts():
    batch = clicked_batch((9, 0, 1), classes=3)
    scores = torch.randn(1, 10, 3, dtype=torch.float64)
    mean = top_mean(scores, batch, 0.34)
    torch.testing.assert_close(
        mean[0, 0], scores[0, :9].sort(0, descending=True).values[:3].mean(0), **EXACT
    )
    assert (mean[0, 1] == 0).all() and torch.equal(mean[0, 2], scores[0, 9])
    labels = torch.tensor([[1.0, 0, 1], [1, 1, 1], [0, 1, 0]], dtype=torch.float64)
    times = top_times(scores[0], labels, batch, 0.34)
    expected = sum(
        (scores[0, :9, c] >= scores[0, :9, c].sort(descending=True).values[2]).double()
        for c in (0, 2)
    )
    assert times.tolist() == [*expected.tolist(), 1.0]
