"""ASM-Loc agrees with the authors' code on reference vectors; segments, sampling and steps."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.localization.instances import Instances
from wtal_core.models import method
from wtal_core.models.asmloc import (
    ACTIVITYNET13,
    OFFICIAL,
    QUICK,
    Config,
    Network,
    StepNetwork,
    View,
    activate,
    best_of_classes,
    between_epochs,
    context_spans,
    drawn,
    localize,
    loss,
    resampled,
    sampling_weights,
    segments_of,
    segments_of_video,
    signals,
    snippet_labels,
)
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import chosen
from wtal_core.packed import Packed, Resident
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "asmloc.npz").items()
}
SEGMENTS = json.loads((GOLDEN_FOLDER / "asmloc_segments.json").read_text())
EXACT = {"rtol": 0, "atol": 1e-9}
CLOSE = {"rtol": 0, "atol": 1e-9}
SMALL = replace(OFFICIAL, samples=40, width=32, dropout=0.0)
LAYERS = {
    "embed": "feature_embedding.0",
    "attend": "att_branch",
    "classify": "snippet_cls",
} | {
    f"{ours}.{layer}": f"{theirs}.conv_{layer}"
    for ours, theirs in (("intra", "MHSA_Intra"), ("inter", "MHSA_Inter"))
    for layer in ("query", "key", "value", "out")
}
NORMS = {"intra": "MHSA_Intra.bn", "inter": "MHSA_Inter.bn"}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients, "base/weight" say, under our names and shapes."""
    values = {}
    for ours, theirs in LAYERS.items():
        weight = GOLDEN.get(f"{kind}/{theirs}.weight")
        if weight is not None:
            values[f"{ours}.weight"] = weight.reshape(*weight.shape[:2], -1).permute(2, 1, 0)
            values[f"{ours}.bias"] = GOLDEN[f"{kind}/{theirs}.bias"]
    if kind.startswith("full"):
        for ours, theirs in NORMS.items():
            values[f"{ours}.scale"] = GOLDEN[f"{kind}/{theirs}.weight"]
            values[f"{ours}.shift"] = GOLDEN[f"{kind}/{theirs}.bias"]
        values["uncertain"] = GOLDEN[f"{kind}/uncertainty_branch.weight"].flatten()
    return values


def statistics(kind: str) -> dict[str, torch.Tensor]:
    """Running means and variances."""
    values = {}
    for ours, theirs in NORMS.items():
        values[f"{ours}.mean"] = GOLDEN[f"full/{kind}/{theirs}.running_mean"]
        values[f"{ours}.variance"] = GOLDEN[f"full/{kind}/{theirs}.running_var"]
    return values


def golden_view(refined: bool) -> tuple[View, Packed]:
    videos, length = GOLDEN["x"].shape[:2]
    batch = Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])
    spans = GOLDEN["segments"].long()
    is_segment = torch.arange(spans.shape[1]) < GOLDEN["segment_count"][:, None]
    labels = GOLDEN["pseudo_label"].flatten(0, 1) if refined else None
    return View(batch, np.ones(videos * length), spans, is_segment, labels), batch


@pytest.mark.parametrize("kind", ["base", "full"])
def test_outputs_losses_and_gradients_agree_with_the_official_code(kind):
    refined = kind == "full"
    draw = torch.Generator().manual_seed(0)
    network = StepNetwork(SMALL, 32, 5, refined, draw).double()
    state = official(f"{kind}/weight")
    network.load_state_dict(state | statistics("buffer") if refined else state)
    view, batch = golden_view(refined)
    if refined:
        with torch.no_grad():
            check_outputs(network(view, None), "full/eval_")
    outputs = network(view, draw)
    check_outputs(outputs, f"{kind}/")
    losses = {name: value.mean() for name, value in loss(outputs, batch, SMALL).items()}
    names = {"fg": "fg", "bg": "bg", "abg": "abg", "total": "total"}
    if refined:
        names |= {"pseudo": "pseudo_ce", "uncertainty": "uncertainty"}
        torch.testing.assert_close(outputs.x[0], GOLDEN["full/after_inter"].flatten(0, 1), **EXACT)
        buffers = dict(network.named_buffers())
        torch.testing.assert_close(buffers, statistics("buffer_after"), **EXACT)
    for ours, theirs in names.items():
        torch.testing.assert_close(losses[ours], GOLDEN[f"{kind}/loss_{theirs}"], **EXACT)
    losses["total"].backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(gradients, official(f"{kind}/grad"), **EXACT)


def check_outputs(outputs, prefix: str) -> None:
    """Under either attention, of snippets and of videos."""
    attention = outputs.attention
    under = [(outputs.s_a[0] * attention[:, i : i + 1]).softmax(-1) for i in (0, 1)]
    values = {
        "fg_score": outputs.fg.softmax(-1),
        "bg_score": outputs.bg.softmax(-1),
        "attention": attention,
        "cas": outputs.s_a[0].softmax(-1),
        "fg_cas": under[0],
        "bg_cas": under[1],
    }
    if outputs.uncertainty is not None:
        values["uncertainty"] = outputs.uncertainty
    for name, value in values.items():
        expected = GOLDEN[prefix + name]
        torch.testing.assert_close(value.flatten(), expected.flatten(), **EXACT)


def activation_of(video: dict, step: str, weights: np.ndarray) -> Activation:
    attention = np.array(video[f"attention{step}"])[None]
    return Activation(
        np.array(video[f"fg_cas{step}"])[None, :, :-1],
        np.array(video["fg_score"])[None, None, :-1],
        attention,
        (attention.shape[1],),
        attention,
        weights=weights,
    )


def found(video: dict, step: str, weights: np.ndarray, rule) -> Instances:
    native = np.array([video["length"]])
    return segments_of(
        activation_of(video, step, weights), native, Timebase().seconds(native), rule
    )


def rows_of(part: Instances) -> np.ndarray:
    return as_set(np.stack([part.label, part.start, part.end, part.score], 1))


def as_set(rows) -> np.ndarray:
    """In an order that rounding does not change."""
    rows = np.array(rows, dtype=np.float64)
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


@pytest.mark.parametrize("name", list(SEGMENTS["videos"]))
def test_segments_sampling_and_labels_agree_with_the_official_code(name):
    video, expected = SEGMENTS["videos"][name], SEGMENTS["expected"][name]
    length, classes = video["length"], SEGMENTS["classes"]
    ones = np.ones(length)
    part = found(video, "", ones, SMALL.pseudo_rule)
    np.testing.assert_allclose(rows_of(part), as_set(expected["pseudo_segments"]), **CLOSE)
    at_step_0 = found(video, "", ones, SMALL.rule)
    np.testing.assert_allclose(rows_of(at_step_0), as_set(expected["detections_step0"]), **CLOSE)
    if "validation" in name:
        part = chosen(part, np.flatnonzero(np.isin(part.label, video["label"])))
    weights = sampling_weights(part, length, SMALL)
    np.testing.assert_allclose(weights, expected["weights"], **CLOSE)
    features = torch.tensor(video["features"], dtype=torch.float64)[None]
    batch = Packed(features, (length,), torch.zeros(1, classes))
    evenly = resampled(batch, [ones], 40, None).features[0]
    np.testing.assert_allclose(evenly, expected["uniform_feature"], **CLOSE)
    dense = resampled(batch, [weights], 40, None)
    np.testing.assert_allclose(dense.features[0], expected["sampled_feature"], **CLOSE)
    spans = context_spans(part, weights, dense.lengths[0], SMALL)
    assert spans.tolist() == expected["segments"]
    labelled = chosen(part, np.flatnonzero(np.isin(part.label, video["label"])))
    labels = snippet_labels(labelled, weights, dense.lengths[0], classes, SMALL)
    np.testing.assert_allclose(labels, expected["pseudo_label"], **CLOSE)
    at_step_1 = found(video, "2", weights, SMALL.rule)
    np.testing.assert_allclose(rows_of(at_step_1), as_set(expected["detections_step1"]), **CLOSE)


def network_of(config=SMALL, step=0, seed=0) -> Network:
    """Of two streams of 16 channels and five classes; the norms' scales are no longer 0."""
    draw = torch.Generator().manual_seed(seed)
    network = Network(config, 2, 16, 5, draw).double()
    for name, parameter in network.named_parameters():
        if name.endswith("scale"):
            torch.nn.init.normal_(parameter, generator=draw)
    network.step.fill_(step)
    return network


def scene_of(lengths) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(5)),
        Timebase(),
        empty_segments(),
        tuple(lengths),
    )


# an untrained network is sure of nothing
EASY = replace(SMALL, pseudo_rule=replace(SMALL.pseudo_rule, magnitude=(0.45, 0.5, 0.55)))


@pytest.mark.parametrize("step", [0, 1, 3])
def test_in_evaluation_a_batch_equals_one_video_at_a_time(step):
    network, batch = network_of(EASY, step), random_batch((7, 0, 1, 12, 65))
    with torch.no_grad():
        together = network(batch)
        alone = [network(single) for single in one_by_one(batch)]
    for name, axis in (("x", 1), ("s_a", 1), ("fg", 0), ("bg", 0)):
        expected = torch.cat([getattr(outputs, name) for outputs in alone], axis)
        torch.testing.assert_close(getattr(together, name), expected, **EXACT)
    weights = np.concatenate([outputs.view.weights for outputs in alone])
    np.testing.assert_allclose(together.view.weights, weights, **CLOSE)
    if step:
        assert together.view.is_segment.sum() > 2 and (weights > 1).any()


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("step", [0, 2])
def test_videos_without_or_with_one_snippet_are_finite(lengths, step):
    network, batch = network_of(EASY, step), random_batch(lengths)
    losses = loss(network(batch, torch.Generator().manual_seed(1)), batch, EASY)
    losses["total"].sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    with torch.no_grad():
        table = localize(activate(network(batch), batch, EASY), scene_of(lengths), EASY)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_in_evaluation_labels_are_not_looked_at():
    network, batch = network_of(EASY, 2), random_batch((30, 50))
    other = Packed(batch.features, batch.lengths, 1 - batch.labels)
    with torch.no_grad():
        torch.testing.assert_close(network(batch).s_a, network(other).s_a, rtol=0, atol=0)
        assert network(batch).view.labels is None
        trained = [network(b, torch.Generator().manual_seed(0)) for b in (batch, other)]
    assert not torch.equal(trained[0].view.labels, trained[1].view.labels)


def test_networks_take_turns_and_only_the_current_one_learns():
    config = replace(EASY, steps=2, step_epochs=3, schedule=replace(EASY.schedule, epochs=6))
    network, turns = network_of(config), []
    for epochs_done in range(1, 7):
        assert between_epochs(network, VIDEOS, config, epochs_done, torch.Generator()) is None
        turns.append(int(network.step))
    assert turns == [0, 0, 1, 1, 1, 1]  # after the last epoch nothing new begins
    batch = random_batch((30, 50))
    loss(network(batch, torch.Generator()), batch, config)["total"].sum().backward()
    learning = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None}
    assert learning == {"1"}
    restored = network_of(config, seed=1)
    restored.load_state_dict(network.state_dict())
    assert int(restored.step) == 1


def segments(*rows) -> Instances:
    """Of one video: class, start and end in snippets of 0.64 s, score."""
    label, start, end, score = np.array(rows, dtype=np.float64).T
    seconds = Timebase().seconds
    video = np.zeros(len(rows), dtype=np.int64)
    return Instances(video, label.astype(np.int64), seconds(start), seconds(end), score)


def test_only_the_best_segments_of_a_class_stretch_time():
    part = segments((0, 4, 6, 0.6), (0, 20, 22, 0.3), (1, 10, 12, 0.9))
    assert best_of_classes(part, 0.7).tolist() == [0]  # class 1 has one segment, so none
    weights = sampling_weights(part, 30, SMALL)
    dense = np.flatnonzero(weights > 1)  # [4, 6] and a snippet of context on either side
    assert dense.tolist() == [3, 4, 5, 6, 7]
    np.testing.assert_allclose(weights[dense], 12 / 5)
    assert (sampling_weights(segments_of_video(None, 0), 30, SMALL) == 1).all()


def test_segments_inside_others_and_duplicates_are_no_spans():
    part = segments((0, 4, 10, 0.9), (0, 4, 10, 0.8), (0, 5, 8, 0.7), (1, 8, 12, 0.6))
    bare = replace(SMALL, delta=0.0)
    assert context_spans(part, np.ones(30), 30, bare).tolist() == [[8, 12], [4, 10]]
    labels = snippet_labels(part, np.ones(30), 30, 2, bare)
    assert labels[9].tolist() == [0.5, 0.5, 0] and labels[13].tolist() == [0, 0, 1]


def test_training_samples_come_from_their_parts():
    assert drawn(5, np.zeros(9)).tolist() == np.linspace(0, 4, 9).tolist()
    assert drawn(4, np.full(4, 0.9)).tolist() == [0, 1, 2, 3]
    lowest, highest = drawn(21, np.zeros(4)), drawn(21, np.full(4, 1 - 1e-9))
    assert lowest.tolist() == [0, 5, 10, 15] and highest.tolist() == [4, 9, 14, 19]


def test_settings_sizes_and_signals():
    with pytest.raises(WorkbookError, match="asmloc: width 30 is not shared by 8 heads"):
        replace(OFFICIAL, width=30)
    outputs = network_of()(random_batch())
    snippets = sum(LENGTHS)
    shapes = {name: tuple(value.shape) for name, value in signals(outputs).items()}
    assert shapes == {"s_a": (1, snippets, 6), "w": (1, snippets), "x": (1, snippets, 32)}
    assert QUICK.steps * QUICK.step_epochs < QUICK.schedule.epochs
    base = StepNetwork(OFFICIAL, 2048, 20, False, torch.Generator())
    assert sum(p.numel() for p in base.parameters()) == 12_632_087


CHANGES = {
    "samples": 20,
    "width": 16,
    "heads": 4,
    "dropout": 0.4,
    "action_fraction": 2,
    "background_fraction": 5,
    "lambda_fg": 0.3,
    "lambda_bg": 1.5,
    "lambda_abg": 1.5,
    "beta": 1.0,
    "steps": 1,
    "step_epochs": 2,
    "alpha": 0.3,
    "gamma": 12.0,
    "delta": 0.0,
    "fps": 2.5,
    "stride": 160.0,
    "pseudo_rule": replace(EASY.pseudo_rule, magnitude=(0.52,)),
    "rule": replace(EASY.rule, gamma=0.7),
    "schedule": replace(EASY.schedule, learning_rate=1e-2),
}
VIDEOS = Resident([np.zeros((2, 3, 16))], np.zeros((1, 5)))
SHORT = replace(EASY, steps=2, step_epochs=1, rule=replace(EASY.rule, thresholds=(0.1, 0.15)))


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of an epoch of one step per network, then detections, from a seed."""
    draw, batch = torch.Generator().manual_seed(3), random_batch((30, 50, 40))
    network = Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for epochs_done in range(1, 5):
        value = config.schedule.reduce(loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
        between_epochs(network, VIDEOS, config, epochs_done, draw)
    with torch.no_grad():
        activation = activate(network(batch), batch, config)
    table = localize(activation, scene_of(batch.lengths), config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


@pytest.fixture(scope="module")
def unchanged():
    return run_through(SHORT)


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_field_of_config_changes_the_result(name, unchanged):
    after = run_through(replace(SHORT, **{name: CHANGES[name]}))
    assert unchanged[0] != after[0] or not np.array_equal(unchanged[1], after[1])


def test_the_same_seed_gives_the_same_result(unchanged):
    again = run_through(replace(SHORT))
    assert unchanged[0] == again[0] and np.array_equal(unchanged[1], again[1])


def test_no_field_of_config_is_left_out():
    assert set(CHANGES) == {field.name for field in fields(Config)}


def test_settings_for_activitynet():
    """The constants, and that a small network learns and localizes by them."""
    config, note = method("asmloc").config_for("official", "activitynet1.3")
    assert note == "" and config is ACTIVITYNET13
    assert (config.steps, config.step_epochs, config.schedule.epochs) == (1, 50, 100)
    assert (config.alpha, config.gamma, config.delta, config.lambda_fg) == (0.3, 10, 0, 5)
    assert config.schedule.weight_decay == pytest.approx(0.016)
    assert len(config.pseudo_rule.thresholds) == 41 and config.pseudo_rule.magnitude == ()
    assert config.pseudo_rule.thresholds[-1] == pytest.approx(0.3)
    assert config.rule.class_threshold > 0.1 and config.pseudo_rule.magnitude_share == 0.3
    small = replace(
        ACTIVITYNET13,
        samples=20,
        width=16,
        heads=2,
        step_epochs=2,
        schedule=replace(ACTIVITYNET13.schedule, epochs=4),
    )
    losses, table = run_through(small)
    assert np.isfinite(losses).all() and len(table) and np.isfinite(table).all()
    alone = replace(small, rule=replace(small.rule, magnitude_share=0.0))
    assert not np.array_equal(run_through(alone)[1], table)
    of_segments = replace(small, pseudo_rule=replace(small.pseudo_rule, magnitude_share=0.0))
    assert run_through(of_segments)[0] != losses
