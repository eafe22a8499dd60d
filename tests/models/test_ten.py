"""TEN as a whole: packed, with every switch, and from activations to detections."""

from dataclasses import fields, replace
from fractions import Fraction
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from wtal_core.data.dataset import empty_segments
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.schedule import Schedule
from wtal_core.models.ten import (
    FULL,
    OFFICIAL,
    QUICK,
    Config,
    Network,
    Outputs,
    activate,
    localize,
    loss,
    signals,
)
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

EXACT = {"rtol": 0, "atol": 1e-9}
SMALL = replace(
    FULL,
    embedding=16,
    samples=None,
    class_threshold=0.0,
    schedule=replace(QUICK.schedule, learning_rate=1e-2),
)
WAYS = {
    "TEN+BGES": {},
    "BL": {"tcb": False, "background": "plain"},
    "reading B": {"reading": "B"},
    "BVL": {"lambda_bvl": 0.1, "bvl_form": "video", "bvl_detach": True},
    "barrier": {"barrier": "log", "reading": "B"},
    "GRL": {"background": "grl"},
    "GRL head": {"background": "grl", "grl_scope": "head"},
    "GRL features": {"background": "grl", "grl_scope": "features"},
    "kernel 1": {"kernel": 1, "fuse": "sum"},
    "over the length": {"foreground_norm": "length", "foreground_extra": 1.0, "label_norm": False},
    "other distances": {
        "att": "mse",
        "cas": "mae_logits",
        "smooth": "tcb_only",
        "detach": True,
        "cas_sum": True,
    },
}


def network_of(config=SMALL, streams=2, size=16) -> Network:
    return Network(config, streams, size, 5, torch.Generator().manual_seed(0)).double()


def scene_of(videos: int) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(videos)), tuple("abcde"), Timebase(), empty_segments()
    )


def both_passes(network: Network, batch: Packed) -> Outputs:
    """Without dropout, the second pass on the snippets in reverse, video by video: the same alone
    and in a batch.
    """
    turned = torch.cat([f.flip(1) for f in batch.features.split(batch.lengths, 1)], 1)
    return Outputs(
        network.branch(batch, None), network.branch(replace(batch, features=turned), None), batch
    )


def gradients(network: Network, value: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    value.sum().backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in network.named_parameters()
    }


@pytest.mark.parametrize("changes", WAYS.values(), ids=WAYS.keys())
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network, batch, singles = network_of(config), random_batch(), one_by_one(random_batch())
    together = loss(both_passes(network, batch), batch, config)
    alone = [loss(both_passes(network, single), single, config) for single in singles]
    for name, value in together.items():
        torch.testing.assert_close(value, torch.cat([a[name] for a in alone]), **EXACT)
    summed = [gradients(network, a["total"]) for a in alone]
    expected = {name: sum(g[name] for g in summed) for name in summed[0]}
    torch.testing.assert_close(gradients(network, together["total"]), expected, **EXACT)
    whole = activate(network(batch), batch, config)
    joined = Activation.join([activate(network(single), single, config) for single in singles])
    for name in ("cas", "scores", "attention"):
        np.testing.assert_allclose(getattr(whole, name), getattr(joined, name), **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize(
    "changes",
    [{}, {"samples": 20}, {"dead": True}, *WAYS.values()],
    ids=["", "sampled", "dead", *WAYS],
)
def test_videos_without_or_with_one_snippet_are_finite(changes, lengths):
    """In float32 and training; "dead": no feature at all, so every embedding is 0."""
    changes = dict(changes)
    dead, batch, config = (
        changes.pop("dead", False),
        random_batch(lengths),
        replace(SMALL, **changes),
    )
    batch = Packed(batch.features.float() * (not dead), lengths, batch.labels.float())
    network = network_of(config).float()
    losses = loss(network(batch, torch.Generator().manual_seed(1)), batch, config)
    empty = torch.tensor(lengths) == 0
    assert all(value.isfinite().all() and (value[empty] == 0).all() for value in losses.values())
    assert (losses["total"] > 0).tolist() == (~empty).tolist()
    assert all(g.isfinite().all() for g in gradients(network, losses["total"]).values())
    table = localize(activate(network(batch), batch, config), scene_of(len(lengths)), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()
    assert set(table["video"]) <= {f"video {v}" for v, length in enumerate(lengths) if length}


@pytest.mark.parametrize("label_norm", [True, False])
@pytest.mark.parametrize("reading", "AB")
def test_a_video_without_labels_owes_only_background_and_consistency(reading, label_norm):
    config, batch = replace(SMALL, reading=reading, label_norm=label_norm), random_batch()
    batch.labels[3] = 0
    network = network_of(config)
    losses = loss(network(batch, torch.Generator().manual_seed(1)), batch, config)
    assert losses["fg"][3] == 0 and losses["fg"][4] > 0
    rest = config.lambda_bg * losses["bg"] + config.beta_att * (losses["att"] + losses["cas"])
    torch.testing.assert_close(losses["total"][3], rest[3], **EXACT)
    assert all(g.isfinite().all() for g in gradients(network, losses["total"]).values())


# field, its other value, what else has to be so that it matters
GRL, BVL, RAW = {"background": "grl"}, {"lambda_bvl": 0.1}, {"locnorm": "none"}
TRAINING = [
    ("embedding", 8, {}),
    ("kernel", 1, {}),
    ("dropout", 0.2, {}),
    ("fuse", "sum", {}),
    ("samples", 20, {}),
    ("reading", "B", {}),
    ("foreground_norm", "length", {}),
    ("foreground_extra", 1.0, {}),
    ("label_norm", False, {}),
    ("lambda_bg", 0.5, {}),
    ("background", "plain", {}),
    ("background", "grl", {}),
    ("grl_scope", "head", GRL),
    ("grl_scope", "features", GRL),
    ("grl_factor", 0.5, GRL),
    ("barrier", "log", {}),
    ("barrier", "mean", {}),
    ("lambda_bvl", 0.1, {}),
    ("bvl_form", "video", BVL),
    ("bvl_detach", True, BVL),
    ("tcb", False, {}),
    ("interval", 2, {}),
    ("beta_att", 0.5, {}),
    ("beta_cas", 0.5, {}),
    ("att", "mse", {}),
    ("att", "none", {}),
    ("cas", "mae", {}),
    ("cas", "mse", {}),
    ("cas", "mae_logits", {}),
    ("cas", "mse_logits", {}),
    ("cas", "none", {}),
    ("smooth", "tcb_only", {}),
    ("smooth", "none", {}),
    ("sigma", 2.0, {}),
    ("detach", True, {}),
    ("direction", "one_other", {}),
    ("direction", "other_one", {}),
    ("temperature", 4.0, {}),
    ("cas_sum", True, {}),
    ("schedule", Schedule(learning_rate=2e-2), {}),
]
INFERENCE = [
    ("gamma", 0.3, {}),
    ("p_background", False, {}),
    ("class_threshold", 0.2, {}),
    ("thresholds", (0.3, 0.6), {}),
    ("locnorm", "none", {}),
    ("upsampling", 4, {}),
    ("shortest", 30, {}),
    ("outer", 0.5, {}),
    ("score_class", 1.0, {}),
    ("nms", 0.1, {}),
    ("nms_iou", "plus_one_seconds", {}),
    ("thresholds", (0.3, 0.6), RAW),
]


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of three steps in training, then detections, from a seed."""
    batch, draw = random_batch((30, 50, 40)), torch.Generator().manual_seed(3)
    network = Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for _ in range(3):
        value = config.schedule.reduce(loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    table = localize(activate(network(batch), batch, config), scene_of(3), config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


@pytest.mark.parametrize(("name", "value", "needed"), TRAINING + INFERENCE)
def test_every_field_of_config_changes_the_result(name, value, needed):
    """What is for inference leaves the losses as they are."""
    base = replace(SMALL, **needed)
    assert getattr(base, name) != value
    before, again, after = (
        run_through(config) for config in (base, replace(base), replace(base, **{name: value}))
    )
    assert (
        before[0] == again[0]
        and np.array_equal(before[1], again[1])
        and not np.array_equal(before[1], after[1])
    )
    assert (before[0] == after[0]) == ((name, value, needed) in INFERENCE)
    assert np.isfinite(after[0]).all() and len(after[1]) > 3


def test_every_field_of_config_and_every_value_of_a_choice_is_exercised():
    assert {name for name, *_ in TRAINING + INFERENCE} == {f.name for f in fields(Config)}
    for f in (f for f in fields(Config) if get_origin(f.type) is Literal):
        tried = {value for name, value, _ in TRAINING + INFERENCE if name == f.name} | {
            getattr(FULL, f.name)
        }
        assert tried == set(get_args(f.type)), f.name


@pytest.mark.parametrize("kernel", [1, 3])
def test_each_stream_has_an_embedding_a_classifier_and_an_attention(kernel):
    network = Network(replace(FULL, kernel=kernel), 2, 1024, 20, torch.Generator())
    assert {name: tuple(p.shape) for name, p in network.named_parameters()} == {
        "embed.weight": (2, kernel * 1024, 1024),
        "embed.bias": (2, 1, 1024),
        "classify.weight": (2, 1024, 21),
        "classify.bias": (2, 1, 21),
        "attend.weight": (2, 1024, 1),
        "attend.bias": (2, 1, 1),
    }
    shapes = {
        name: tuple(value.shape) for name, value in signals(network_of()(random_batch())).items()
    }
    assert shapes == {
        "s_a": (1, sum(LENGTHS), 6),
        "w": (1, sum(LENGTHS)),
        "x": (2, sum(LENGTHS), 16),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reading": "B"},
        {"gamma": 1.0},
        {"gamma": 0.0},
        {"p_background": False},
        {"reading": "B", "p_background": False},
        {"foreground_extra": 1.0, "fuse": "sum"},
    ],
)
def test_what_localization_gets_is_eq_14_and_the_foreground_probability(changes):
    config, batch = replace(SMALL, **changes), random_batch()
    outputs = network_of(config)(batch)
    base, found = outputs.base, activate(outputs, batch, config)
    s, a = base.cas.detach().numpy(), base.attention.detach().numpy()
    q = np.exp(s) / np.exp(s).sum(1, keepdims=True)
    np.testing.assert_allclose(
        found.cas[0], config.gamma * q[:, :-1] + (1 - config.gamma) * a[:, None], **EXACT
    )
    np.testing.assert_array_equal(found.attention[0], a)
    for v in (v for v, length in enumerate(LENGTHS) if length):
        mine = (batch.video == v).numpy()
        z = (
            a[mine]
            @ (s if config.reading == "A" else q)[mine]
            / (a[mine].sum() + config.foreground_extra)
        )
        p = np.exp(z) / np.exp(z).sum() if config.reading == "A" else z
        np.testing.assert_allclose(
            found.scores[0, v], p[:-1] / (1 if config.p_background else p[:-1].sum()), **EXACT
        )


def confidence(fine: np.ndarray, start: int, end: int, share: float) -> float:
    """Inner mean less outer mean of a run."""
    reach = share * (end - start)
    right = max(end, int(end + reach))
    outer = [*fine[max(0, int(np.floor(start - reach))) : start], *fine[end:right]]
    return fine[start:end].mean() - (np.mean(outer) if outer else 0)


def by_hand(activation: Activation, config: Config) -> list[tuple[str, str, float, float, float]]:
    """Detections in plain loops, as specification A.9 says; points of the finer grid stay whole
    numbers to the end.
    """
    begins, k, table = np.cumsum((0, *activation.lengths)), config.upsampling, []
    more = 0 if config.nms_iou == "iou" else Fraction(25 * k, 16)  # a second, in points
    for v, length in enumerate(activation.lengths):
        p = activation.scores[0, v]
        for c in [c for c in range(5) if p[c] >= config.class_threshold] or [p.argmax()]:
            row = activation.cas[0, begins[v] : begins[v + 1], c]
            fine = (
                np.interp((np.arange(length * k) + 0.5) / k - 0.5, np.arange(length), row)
                if length
                else row
            )
            seen = (
                (fine - fine.min()) / (np.ptp(fine) or 1)
                if length and config.locnorm == "minmax"
                else fine
            )
            found = []
            for level in config.thresholds:
                edges = np.flatnonzero(
                    np.diff(np.concatenate(([0], (seen >= level).astype(int), [0])))
                )
                found += [
                    (
                        confidence(fine, s, e, config.outer) + config.score_class * p[c],
                        int(s),
                        int(e),
                    )
                    for s, e in edges.reshape(-1, 2)
                    if e - s >= config.shortest
                ]
            kept = []
            for score, s, e in sorted(found, reverse=True):
                shared = [max(0, min(e, f) - max(s, r) + more) for _, r, f in kept]
                if all(
                    both <= Fraction(config.nms) * (e - s + f - r + 2 * more - both)
                    for both, (_, r, f) in zip(shared, kept, strict=True)
                ):
                    kept.append((score, s, e))
            table += [
                (f"video {v}", "abcde"[c], s / k * 0.64, e / k * 0.64, score)
                for score, s, e in kept
            ]
    return table


def random_activation(seed: int, lengths=LENGTHS) -> Activation:
    rng = np.random.default_rng(seed)
    cas, scores = rng.random((1, sum(lengths), 5)), rng.random((1, len(lengths), 5)) ** 3
    return Activation(cas, scores, cas[..., 0], lengths)


def assert_found_by_hand(config: Config, seed: int):
    activation = random_activation(seed)
    found, expected = (
        localize(activation, scene_of(len(LENGTHS)), config),
        by_hand(activation, config),
    )
    assert found[["video", "label"]].values.tolist() == [list(row[:2]) for row in expected]
    np.testing.assert_allclose(
        found[["t_start", "t_end", "score"]], [row[2:] for row in expected], **EXACT
    )
    assert len(found) > 20


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"locnorm": "none"},
        {"upsampling": 1},
        {"outer": 0.4},
        {"nms": 0.1999},
        {"shortest": 30},
        {"class_threshold": 0.6},
        {"score_class": 1.0},
        {"nms_iou": "plus_one_seconds"},
    ],
)
def test_detections_are_those_of_plain_loops(changes, seed):
    """Just below a half, as IoUs of just a half are what the test after this one is about."""
    assert_found_by_hand(replace(OFFICIAL, **{"nms": 0.4999} | changes), seed)


@pytest.mark.parametrize("seed", range(3))
def test_runs_with_an_iou_of_just_the_limit_are_all_kept(seed):
    assert_found_by_hand(OFFICIAL, seed)


def plateaus(*places: tuple[int, int], p=0.8) -> Activation:
    """One video of 20 snippets whose class b is 0.9 there and 0.1 elsewhere."""
    cas, scores = np.full((1, 20, 5), 0.1), np.array([[[0.01, p, 0.01, 0.01, 0.01]]])
    for start, end in places:
        cas[0, start:end, 1] = 0.9
    return Activation(cas, scores, cas[..., 1], (20,))


def found_in(activation: Activation, **changes) -> list[list]:
    table = localize(
        activation,
        scene_of(len(activation.lengths)),
        replace(OFFICIAL, **{"thresholds": (0.5,)} | changes),
    )
    return table[["label", "t_start", "t_end", "score"]].values.tolist()


def test_a_plateau_is_found_at_its_borders():
    """Half of its height is reached midway between the centres of the snippets at its border, which
    is the border.
    """
    ((label, start, end, score),) = found_in(plateaus((8, 12)))
    assert label == "b" and [start, end] == pytest.approx([8 * 0.64, 12 * 0.64], abs=1e-9)
    fine = np.interp(
        (np.arange(480) + 0.5) / 24 - 0.5, np.arange(20), plateaus((8, 12)).cas[0, :, 1]
    )
    assert score == pytest.approx(confidence(fine, 192, 288, 0.25) + 0.25 * 0.8, abs=1e-9)


def test_the_outer_area_is_a_quarter_of_the_run_at_either_side():
    """Run of 96 points: its 12 outermost at either end lie on a ramp, mean 0.7. Outer, 24 a side: a
    ramp, mean 0.3, and 0.1.
    """
    ((*_, score),) = found_in(plateaus((8, 12)))
    assert score == pytest.approx(
        (24 * 0.7 + 72 * 0.9) / 96 - (24 * 0.3 + 24 * 0.1) / 48 + 0.25 * 0.8, abs=1e-9
    )


@pytest.mark.parametrize(
    ("p", "labels"), [(0.8, ["b"]), (0.1, ["b"]), (0.05, ["b"]), (0.001, ["a"])]
)
def test_without_a_class_at_the_threshold_the_best_one_is_taken(p, labels):
    activation = plateaus((8, 12), p=p)
    activation.cas[0, :, 0] = activation.cas[0, :, 1]
    assert [row[0] for row in found_in(activation)] == labels


def test_the_threshold_itself_suffices_and_several_classes_may_pass():
    activation = plateaus((8, 12))
    activation.cas[0, :, 3], activation.scores[0, 0, 3], activation.scores[0, 0, 4] = (
        activation.cas[0, :, 1],
        0.1,
        0.0999,
    )
    assert [row[0] for row in found_in(activation)] == ["b", "d"]


def test_runs_of_a_single_point_are_passed_over():
    activation = plateaus((3, 4), (10, 12))
    assert [row[1] for row in found_in(activation, upsampling=1)] == pytest.approx([10 * 0.64])
    assert len(found_in(activation, upsampling=1, shortest=1)) == len(found_in(activation)) == 2


@pytest.mark.parametrize(("inner", "kept"), [((9, 15), 1), ((10, 15), 2), ((11, 15), 2)])
def test_of_two_runs_that_overlap_by_more_than_half_the_better_one_is_kept(inner, kept):
    """[5, 15) has 10 points; 6 of them overlap it by 0.6, 5 by just 0.5."""
    activation = plateaus((5, 15))
    activation.cas[0, slice(*inner), 1] = 1.5
    assert len(found_in(activation, thresholds=(0.5, 0.95), upsampling=1)) == kept


@pytest.mark.parametrize("lengths", [(0,), (0, 0), (0, 1), (1, 0, 9)])
def test_videos_without_snippets_or_of_one_have_no_detections(lengths):
    table = localize(random_activation(0, lengths), scene_of(len(lengths)), OFFICIAL)
    assert list(table) == ["video", "label", "t_start", "t_end", "score"]
    assert set(table["video"]) == ({"video 2"} if 9 in lengths else set())
