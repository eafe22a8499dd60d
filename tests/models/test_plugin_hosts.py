"""Every method as a host of the plug-ins: pseudo labels follow what training picks and crops, the
teacher sees whole videos, and what a host localizes is the same with GauFuse's suppression.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, random_batch
from tests.tiny_dataset import tiny_dataset
from wtal_core.data.dataset import empty_segments
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.models import (
    backtal,
    basnet,
    co2net,
    delu,
    gaufuse,
    hamnet,
    method,
    method_names,
    sfnet,
    ten,
)
from wtal_core.models.gaufuse import Config, Network, wrap
from wtal_core.models.shared.activation import Scene
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident
from wtal_core.runs.train import Trainer
from wtal_core.timebase import Timebase

SCHEDULE = Schedule(epochs=9, batch_size=4, learning_rate=1e-2, evaluations=1)
SMALL = {"width": 8, "filter_width": 8, "dropout": 0.3, "schedule": SCHEDULE}
# untrained networks give no class of six a quarter
LOW = {"class_threshold": 0.05}
HOSTS = {
    "basnet": replace(
        basnet.OFFICIAL, samples=10, rule=replace(basnet.OFFICIAL.rule, **LOW), **SMALL
    ),
    "backtal": replace(
        backtal.BASE,
        inputs=Inputs(),
        emb_hidden=8,
        emb_dim=4,
        rule=replace(backtal.BASE.rule, **LOW),
        **SMALL,
    ),
    "sfnet": replace(
        sfnet.OFFICIAL,
        hidden=8,
        crops=(6, 9),
        labels="video",
        inputs=Inputs(),
        expand_epoch=None,
        schedule=SCHEDULE,
    ),
    "ten": replace(ten.OFFICIAL, embedding=8, samples=10, schedule=SCHEDULE),
    "hamnet": replace(
        hamnet.OFFICIAL,
        samples=10,
        width=8,
        attention_width=8,
        schedule=SCHEDULE,
        rule=replace(hamnet.OFFICIAL.rule, **LOW),
    ),
    "co2net": replace(co2net.OFFICIAL, samples=10, width=8, attention_width=8, schedule=SCHEDULE),
    "delu": replace(delu.OFFICIAL, samples=10, width=8, attention_width=8, schedule=SCHEDULE),
}
TRUE_IOU = FusionRule("nms", limit=0.53, overlap="iou")  # which no two proposals meet exactly
PICKING = ("basnet", "sfnet", "ten", "hamnet", "co2net", "delu")
SOON = {
    "refresh_epochs": (4, 6),
    "temperatures": (0.02, 0.002),
    "phases": ((4, 1.0, 0.0), (7, 2.0, -2.0)),
}


def config_of(host: str, **changes) -> Config:
    return replace(wrap(host, HOSTS[host]), **SOON | changes)


def network_of(config: Config, epoch=5) -> Network:
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()
    network.epoch.fill_(epoch)
    return network


def numbered_batch() -> Packed:
    """Each snippet's pseudo label of class 0 is its number, which its first feature shows."""
    batch = random_batch()
    number = torch.arange(sum(LENGTHS), dtype=torch.float64)
    batch.features[:, :, 0] = number
    targets = torch.zeros(2, 1, sum(LENGTHS), 6, dtype=torch.float64)
    targets[:, 0, :, 0] = number
    return replace(batch, targets=targets)


def videos_of(lengths=LENGTHS) -> Resident:
    batch = random_batch(lengths)
    features = [of_video.numpy() for of_video in batch.features.split(batch.lengths, 1)]
    return Resident(features, batch.labels.numpy(), dtype=torch.float64)


@pytest.mark.parametrize("host", PICKING)
def test_labels_follow_what_training_picks(host):
    config = config_of(host)
    network = network_of(config)
    batch = numbered_batch()
    outputs = network(batch, torch.Generator().manual_seed(3))
    picked = method(host).host.snippets(outputs.host, batch)
    assert picked.lengths != batch.lengths
    assert torch.equal(picked.targets[0, 0, :, 0], picked.features[0, :, 0])

    (_, scores), *_ = method(host).host.snippet_scores(outputs.host)
    number = picked.features[0, :, 0]
    each = -(number * scores[0].log_softmax(-1)[:, 0])
    parts = [part.mean() if len(part) else part.sum() for part in each.split(picked.lengths)]
    labels = gaufuse.loss(outputs, batch, config)["labels"]
    torch.testing.assert_close(labels, torch.stack(parts), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("host", ["sfnet", "ten", "delu"])
def test_the_teacher_sees_whole_videos(host):
    """Labels are those of a host that never crops or draws, whatever training does."""
    config = config_of(host)
    setting = method(host).host.label_settings[0][0]
    whole = replace(config, base=replace(config.base, **{setting: None}))
    made = []
    for each in (config, whole):
        network = network_of(each)
        draw = torch.Generator().manual_seed(1)
        made.append(gaufuse.make_labels(network.host, videos_of(), each, 0.1, draw)[0])
    assert torch.equal(*made) and made[0].any()
    last = made[0][0].split(LENGTHS)[-1]
    assert len(torch.nonzero(last.any(1))) > 10  # more snippets than a crop has


def test_a_student_keeps_its_crops():
    config = config_of("sfnet", teacher_dropout=False)
    network = network_of(config, epoch=3)
    before = network.host.config
    gaufuse.between_epochs(network, videos_of(), config, 4, torch.Generator())
    assert network.host.config is before and before.crops == (6, 9)


def test_instances_move_to_another_grid():
    """Twice as long, as long as it was to the bit, and never behind the end."""
    start = np.array([1.0, 0.1, 3.0])
    end = np.array([2.5, 3.7, 11.0])
    there = Instances(np.arange(3), np.arange(3), start, end, start).rescaled(
        (10, 3, 10), (20, 3, 15)
    )
    assert there.start.tolist() == [2.0, 0.1, 4.5] and there.end.tolist() == [5.0, 3.7, 15.0]


def test_labels_of_a_picking_host_lie_where_the_picked_snippets_are():
    """One action of a video that is picked to ten snippets, at snippets 4 to 6 of them."""
    config = config_of("basnet", teacher_dropout=False)
    one = Instances(np.array([4]), np.array([2]), np.array([4.0]), np.array([6.0]), np.array([0.5]))
    host = replace(basnet.METHOD.host, instances=lambda *given: [one])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(basnet, "METHOD", replace(basnet.METHOD, host=host))
        labels, _ = gaufuse.make_labels(network_of(config).host, videos_of(), config, 0.1, None)
    of_video = labels[0].split(LENGTHS)[4]
    inside = torch.nonzero(of_video[:, 2] > 1e-6)[:, 0]
    assert inside.tolist() == list(range(13, 19))  # 4 and 6 tenths of 33 snippets, cut
    assert of_video[:, 2].sum().item() == pytest.approx(0.5, abs=1e-3)


def test_differences_below_zero_are_kept_or_cut():
    """Where a host's logits have no bound, those below zero would have no least loss."""
    batch = numbered_batch()
    config = config_of("basnet", phases=((0, 1.0, 0.0), (5, 1.0, -2.0)))
    cut = gaufuse.loss(network_of(config)(batch), batch, config)["labels"]
    kept = replace(config, negative="kept")
    as_is = gaufuse.loss(network_of(kept)(batch), batch, kept)["labels"]
    assert config.negative == "cut" and not cut.any() and as_is.min() < 0


def test_instances_without_a_snippet_teach_nothing():
    start = np.array([1.1, 2.9, 4.0])
    end = np.array([1.9, 3.1, 5.0])
    whole = gaufuse.with_snippets(Instances(np.arange(3), np.arange(3), start, end, start), 0.0)
    assert whole.video.tolist() == [1, 2] and whole.end.tolist() == [3.1, 5.0]


@pytest.mark.parametrize("host", HOSTS)
def test_labels_in_a_batch_are_those_of_one_video_at_a_time(host, monkeypatch):
    config = config_of(host, teacher_dropout=False)
    network = network_of(config)
    videos = videos_of()
    together, _ = gaufuse.make_labels(network.host, videos, config, 0.1, None)
    monkeypatch.setattr(gaufuse, "VIDEOS_AT_ONCE", 1)
    alone, _ = gaufuse.make_labels(network.host, videos, config, 0.1, None)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-7)
    assert together.shape == (1, sum(LENGTHS), 6) and together.any()
    for lengths in ((0,), (1,), (0, 1, 0)):
        few, _ = gaufuse.make_labels(network.host, videos_of(lengths), config, 0.1, None)
        assert few.shape == (1, sum(lengths), 6) and few.isfinite().all()


def scene_of(lengths) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(5)),
        Timebase(offset=8.0),
        empty_segments(),
        tuple(lengths),
    )


def by_true_iou(host: str):
    """A config of the host whose own NMS is that of `TRUE_IOU`."""
    base = HOSTS[host]
    if host == "ten":
        return replace(base, nms=TRUE_IOU.limit)
    return replace(base, rule=replace(base.rule, nms_iou="iou", nms=TRUE_IOU.limit))


@pytest.mark.parametrize("host", ["basnet", "backtal", "ten"])
def test_detections_with_a_rule_that_is_the_host_s_own_are_the_host_s_own(host):
    """Through instances in snippets, and straight in frames and seconds."""
    base = by_true_iou(host)
    network = method(host).Network(base, 2, 16, 5, torch.Generator().manual_seed(2)).double()
    batch = random_batch()
    with torch.no_grad():
        activation = method(host).activate(network(batch), batch, base)
    own = method(host).localize(activation, scene_of(LENGTHS), base)
    fused = method(host).host.localize(activation, scene_of(LENGTHS), base, TRUE_IOU)
    assert len(own) > 3
    assert own[["video", "label"]].equals(fused[["video", "label"]])
    times = ["t_start", "t_end", "score"]
    np.testing.assert_allclose(fused[times], own[times], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("host", HOSTS)
def test_fusion_at_test_time_leaves_fewer_detections_in_the_video(host):
    base = HOSTS[host]
    network = method(host).Network(base, 2, 16, 5, torch.Generator().manual_seed(2)).double()
    batch = random_batch()
    scene = scene_of(LENGTHS)
    with torch.no_grad():
        activation = method(host).activate(network(batch), batch, base)
    own = method(host).localize(activation, scene, base)
    fused = method(host).host.localize(activation, scene, base, gaufuse.AT_TEST_TIME)
    longest = float(scene.timebase.seconds(33.0))
    assert len(fused) and len(fused) <= len(own)
    assert fused["t_start"].min() >= 0.32 and fused["t_end"].max() <= longest + 1e-9
    assert own.equals(fused) == (host == "sfnet")  # whose runs never overlap


def test_the_background_has_a_column_where_a_host_localizes_by_logits():
    columns = {}
    for host, base in HOSTS.items():
        network = method(host).Network(base, 2, 16, 5, torch.Generator().manual_seed(2)).double()
        batch = random_batch()
        with torch.no_grad():
            outputs = network(batch)
            activation = method(host).host.activate(outputs, batch, base, True)
        columns[host] = (activation.cas.shape[2], activation.scores.shape[2])
    with_column = {host for host, shape in columns.items() if shape == (6, 6)}
    assert with_column == {"basnet", "backtal"}
    assert all(columns[host] == (5, 5) for host in set(HOSTS) - with_column)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("host", HOSTS)
def test_labels_come_into_play_at_their_epochs(host):
    run = Trainer("gaufuse", config_of(host), tiny_dataset(), 0)
    owed = [run.epoch()["labels"] for _ in range(9)]
    assert owed[:4] == [0] * 4 and all(owed[4:]) and run.progress.targets.any()


@pytest.mark.parametrize("name", [name for name in method_names() if method(name).host])
def test_every_host_shows_its_embedding_and_its_scores(name):
    """As FAC-Net's CW branch reads them: of the snippets picked, of all streams or of one."""
    pieces = method(name)
    config = pieces.profiles["quick"]
    network = pieces.Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()
    batch = random_batch()
    outputs = network(batch, torch.Generator().manual_seed(1))
    picked = pieces.host.snippets(outputs, batch) if pieces.host.snippets else batch
    signals = pieces.signals(outputs)
    snippets = sum(picked.lengths)
    assert signals["x"].shape[:2] in ((1, snippets), (2, snippets))
    assert signals["s_a"].shape[1] == snippets and signals["s_a"].shape[2] in (5, 6)
    assert len(signals["s_a"]) == 1 or len(signals["s_a"]) >= len(signals["x"])
    has_embedding = name not in ("stpn", "bm")  # these look at the features as they come
    assert signals["x"].requires_grad == has_embedding and signals["s_a"].requires_grad
