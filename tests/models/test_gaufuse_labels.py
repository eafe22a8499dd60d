"""Pseudo labels of GauFuse: when they are made, by whom, of what, and of what not."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, random_batch
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.localization.pseudo_labels import LabelRule, pseudo_labels
from wtal_core.models import facnet, gaufuse, rskp
from wtal_core.models.gaufuse import (
    OFFICIAL,
    Config,
    Network,
    between_epochs,
    of_labels,
    on_snippets,
    wrap,
)
from wtal_core.models.shared.inputs import Refreshed
from wtal_core.packed import Resident

HOSTS = {
    "rskp": replace(OFFICIAL.base, embedding=16, warm_up=2, class_threshold=0.03, delta=5.0),
    "facnet": replace(facnet.OFFICIAL, embedding=16, class_threshold=0.03),
}
SOON = {
    "refresh_epochs": (4, 6),
    "temperatures": (0.02, 0.002),
    "phases": ((4, 1.0, 0.0), (7, 2.0, -2.0)),
}


def config_of(host="rskp", **changes) -> Config:
    """GauFuse that makes labels without dropout after epochs 4 and 6."""
    changes = {
        "teacher_dropout": False,
        "label_settings": (("cas_mix", 0.8),) if host == "rskp" else (),
    } | changes
    return replace(wrap(host, HOSTS[host]), **SOON | changes)


def videos_of(lengths=LENGTHS, seed=0) -> Resident:
    batch = random_batch(lengths, seed=seed)
    return Resident(
        [f.numpy() for f in batch.features.split(batch.lengths, 1)],
        batch.labels.numpy(),
        dtype=torch.float64,
    )


def network_of(config: Config, done=3) -> Network:
    """After `done` epochs."""
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()
    network.epoch.fill_(done)
    if config.host == "rskp":
        network.host.epoch.fill_(done)
    return network


def made(
    config: Config,
    network: Network | None = None,
    done=4,
    videos: Resident | None = None,
    generator=None,
) -> torch.Tensor:
    """What `between_epochs` gives after `done` epochs."""
    found = between_epochs(
        network or network_of(config, done - 1),
        videos or videos_of(),
        config,
        done,
        generator or torch.Generator(),
    )
    return found.targets


def by_hand(config: Config, network: Network, videos: Resident, temperature: float) -> torch.Tensor:
    """One video, class and programme at a time; without dropout."""
    host = gaufuse.host_of(config.host)
    settings = replace(config.base, **dict(config.label_settings))
    rows = []
    for v in range(len(videos)):
        batch = videos.batch([v])
        activation = host.activate(network.host(batch), batch, settings, config.label_background)
        streams = host.instances(
            activation, 5, settings, replace(config.train_fusion, temperature=temperature)
        )
        dense = np.zeros((len(streams), *batch.lengths, 6))
        for stream, found in enumerate(streams):
            for c in np.unique(found.label):
                if config.label_classes == "labels" and (c == 5 or not batch.labels[0, c]):
                    continue
                of = found.label == c
                solved = pseudo_labels(
                    np.zeros(of.sum(), dtype=np.int64),
                    found.start[of],
                    found.end[of],
                    found.score[of],
                    np.array(batch.lengths),
                    config.label_rule,
                )
                dense[stream, :, c] = solved.values
        rows.append(dense)
    return torch.from_numpy(np.concatenate(rows, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"label_classes": "labels"},
        {"label_background": False},
        {"label_settings": ()},
        {"label_rule": LabelRule(rows="mean")},
        {"train_fusion": FusionRule("nms", limit=0.25)},
    ],
    ids=["code", "labels", "no background", "mix", "mean", "nms"],
)
@pytest.mark.parametrize("host", HOSTS)
def test_labels_are_those_of_one_video_and_class_at_a_time(host, changes, monkeypatch):
    monkeypatch.setattr(gaufuse, "VIDEOS_AT_ONCE", 2)
    config = config_of(host, **changes)
    for done, temperature in zip(config.refresh_epochs, config.temperatures, strict=True):
        network = network_of(config, done - 1)
        found = made(config, network, done)
        expected = by_hand(config, network, videos_of(), temperature)
        torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-7)
        assert (
            found.shape == (2, 2 if host == "facnet" else 1, sum(LENGTHS), 6)
            and (found[0] > 0).sum() > 5
        )
        assert found.min() >= 0 and found.max() <= 1


def test_labels_may_be_of_any_class_or_of_the_video_s_only():
    label, videos = videos_of().labels, videos_of()
    network = network_of(config_of())
    given = {}
    for name, changes in (
        ("code", {}),
        ("actions", {"label_background": False}),
        ("labels", {"label_classes": "labels"}),
    ):
        given[name] = made(config_of(**changes), deepcopy(network))[0, 0]
        foreign = torch.cat([label == 0, torch.ones(5, 1, dtype=torch.bool)], 1)[
            videos.batch(range(5)).video
        ]
        assert (given[name] * foreign).any() == (name != "labels") and given[name][:, 5].any() == (
            name == "code"
        )
    assert torch.equal(given["code"][:, :5], given["actions"][:, :5])
    assert torch.equal(given["labels"], torch.where(foreign, 0, given["code"]))


def test_instances_of_classes_that_are_shown():
    numbers = np.arange(6.0)
    found = Instances(
        np.array([0, 0, 1, 1, 2, 2]), np.array([0, 3, 0, 3, 1, 3]), numbers, numbers + 1, -numbers
    )
    kept = of_labels(found, np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 1]]))
    assert kept.video.tolist() == [0, 2] and kept.label.tolist() == [0, 1]
    assert (
        kept.start.tolist() == [0, 4]
        and kept.end.tolist() == [1, 5]
        and kept.score.tolist() == [0, -4]
    )


def test_a_video_shows_its_labels_on_its_own_snippets():
    """Two videos without instances, one of them without snippets; programmes come in any order of
    classes.
    """
    lengths = np.array([4, 0, 6, 3, 5])
    found = Instances(
        np.array([2, 4, 4]),
        np.array([5, 1, 0]),
        np.array([1.0, 0.0, 3.0]),
        np.array([3.0, 2.0, 4.0]),
        np.array([0.4, 0.6, 0.2]),
    )
    dense, infeasible = on_snippets(found, lengths, 6, LabelRule(margin_scale=0.0))
    assert infeasible.tolist() == [False] * 3
    expected = np.zeros((18, 6))
    expected[5:7, 5], expected[13:15, 1], expected[16, 0] = 0.2, 0.3, 0.2
    inner = expected > 0
    np.testing.assert_allclose(dense[inner], expected[inner], rtol=0, atol=1e-3)
    assert (
        dense.shape == (18, 6)
        and not dense[np.setdiff1d(np.arange(18), [5, 6, 7, 13, 14, 15, 16, 17])].any()
    )
    none = Instances(
        *(array[:0] for array in (found.video, found.label, found.start, found.end, found.score))
    )
    dense, infeasible = on_snippets(none, lengths, 6, LabelRule())
    assert not dense.any() and dense.shape == (18, 6) and infeasible.shape == (0,)


def test_labels_are_made_at_the_epochs_of_the_schedule_and_kept_with_those_before(monkeypatch):
    config, asked = replace(OFFICIAL, base=replace(OFFICIAL.base, embedding=8)), []
    network, videos, draw = network_of(config, 0), videos_of(), torch.Generator().manual_seed(1)

    def make(teacher, of, given, temperature, generator):
        assert (
            teacher is not network.host and of is videos and given is config and generator is draw
        )
        asked.append((int(network.epoch), temperature))
        return torch.full((1, 53, 6), float(len(asked)), dtype=torch.float64), 0.25

    monkeypatch.setattr(gaufuse, "make_labels", make)
    for done in range(1, 351):
        found = between_epochs(network, videos, config, done, draw)
        assert network.epoch == network.host.epoch == done
        assert (found is None) == (done not in config.refresh_epochs)
        if found is not None:
            videos.targets = found.targets
            assert [t.unique().tolist() for t in found.targets] == [
                [float(len(asked))],
                [float(len(asked) - 1)],
            ]
            assert (
                found.clicks is None
                and not found.restart
                and found.measures == {"infeasible": 0.25}
            )
    assert asked == [
        (200, 0.02),
        (230, 0.02),
        (245, 0.02),
        (260, 0.002),
        (275, 0.002),
        (300, 0.0016),
    ]


def test_programmes_without_solution_are_counted_and_leave_zeros(monkeypatch):
    """Of two instances of one video and class that are the same but for their scores no label keeps
    both.
    """
    twice = Instances(
        np.array([0, 0, 3]),
        np.array([3, 3, 1]),
        np.array([2.0, 2.0, 4.0]),
        np.array([6.0, 6.0, 8.0]),
        np.array([0.4, 0.2, 0.3]),
    )
    config, videos = config_of(), videos_of()
    host = replace(rskp.METHOD.host, instances=lambda *given: [twice])
    monkeypatch.setattr(rskp, "METHOD", replace(rskp.METHOD, host=host))
    labels, share = gaufuse.make_labels(network_of(config).host, videos, config, 0.1, None)
    assert share == 0.5 and not labels[0, :, 3].any() and labels[0, :, 1].any()


def test_what_the_host_has_found_itself_is_kept_beside_the_labels(monkeypatch):
    found = Refreshed(clicks=torch.ones(53, 6), restart=True)
    monkeypatch.setattr(rskp, "METHOD", replace(rskp.METHOD, between_epochs=lambda *given: found))
    config = config_of()
    for done in (3, 4):
        again = between_epochs(network_of(config), videos_of(), config, done, torch.Generator())
        assert (
            again.clicks is found.clicks
            and again.restart
            and (again.targets is None) == (done == 3)
        )


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("forget", [False, True])
def test_the_teacher_is_a_copy(forget, dropout):
    """With dropout on, its memory changes, and not the student's, which is only emptied if it is to
    forget.
    """
    config = config_of(forget=forget, teacher_dropout=dropout)
    network = network_of(config)
    network.host.bank.normal_(generator=torch.Generator().manual_seed(1))
    network.host.bank_scores.fill_(0.01)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made(config, network)
    for name, value in network.state_dict().items():
        if name.endswith("epoch"):
            assert value == 4
        else:
            assert torch.equal(value, before[name] * (not (forget and "bank" in name))), name
    assert all(p.grad is None for p in network.parameters())


def test_dropout_of_the_teacher_draws_from_the_training_s_generator():
    drawn = {}
    for dropout in (False, True):
        config, draw = config_of(teacher_dropout=dropout), torch.Generator().manual_seed(5)
        drawn[dropout] = [made(config, generator=draw)[0] for _ in range(2)]
        assert torch.equal(draw.get_state(), torch.Generator().manual_seed(5).get_state()) == (
            not dropout
        )
        assert torch.equal(*drawn[dropout]) == (not dropout)
        assert torch.equal(
            made(config, generator=torch.Generator().manual_seed(5))[0], drawn[dropout][0]
        )
    assert not torch.equal(drawn[False][0], drawn[True][0])


def test_streams_have_labels_of_their_own():
    """What the first stream sees changes nothing for the second."""
    config, videos, other = config_of("facnet"), videos_of(), videos_of()
    network = network_of(config)
    other.features[0] = other.features[0].flip(1)
    first, second = (made(config, network, videos=v)[0] for v in (videos, other))
    assert (
        torch.equal(first[1], second[1]) and not torch.equal(first[0], second[0]) and first[1].any()
    )


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("lengths", [LENGTHS, (0, 0), (0,), (1, 1)])
def test_where_no_class_passes_all_labels_are_zero(host, lengths):
    config = config_of(host)
    config = replace(config, base=replace(config.base, class_threshold=2.0))
    network, videos = network_of(config), videos_of(lengths)
    videos.targets = made(config, network, videos=videos)
    assert not videos.targets.any() and videos.targets.shape[2:] == (sum(lengths), 6)
    network.epoch.fill_(7)
    batch = videos.batch(range(len(lengths)))
    losses = gaufuse.loss(network(batch), batch, config)
    assert not losses["labels"].any() and all(value.isfinite().all() for value in losses.values())


@pytest.mark.parametrize("host", HOSTS)
def test_empty_videos_and_videos_without_labels_are_no_trouble(host):
    for classes in ("predicted", "labels"):
        config, videos = config_of(host, label_classes=classes), videos_of((0, 9, 0, 1, 20))
        videos.labels[4] = 0
        network = network_of(config)
        videos.targets = made(config, network, videos=videos)
        assert videos.targets.isfinite().all() and (
            videos.targets[0, :, 10:].any() == (classes == "predicted")
        )
        network.epoch.fill_(7)
        batch = videos.batch(range(5))
        loss = gaufuse.loss(network(batch, torch.Generator().manual_seed(0)), batch, config)[
            "total"
        ].sum()
        loss.backward()
        assert loss.isfinite() and all(p.grad.isfinite().all() for p in network.parameters())
