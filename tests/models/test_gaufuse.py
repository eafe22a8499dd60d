"""GauFuse's settings beside those of its official code and paper, its loss epoch by epoch, its
hosts, and its detections.
"""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch

from tests.models.test_rskp import DETECTED, EXACT, assert_detections, detected
from tests.packed_samples import LENGTHS, random_batch
from wtal_core.errors import WorkbookError
from wtal_core.models import cw_plugin, facnet, gaufuse, method, method_names, rskp
from wtal_core.models.gaufuse import (
    OFFICIAL,
    PLAIN_NMS,
    QUICK,
    Config,
    Network,
    ablate,
    as_printed,
    longer,
    trained_as,
    wrap,
)
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed

SMALL = replace(OFFICIAL, base=replace(OFFICIAL.base, embedding=16))
FACNET = replace(facnet.OFFICIAL, embedding=16)
PRINTED = as_printed(OFFICIAL)


def network_of(config=SMALL, epoch=0) -> Network:
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()
    network.epoch.fill_(epoch)
    if config.host == "rskp":
        network.host.epoch.fill_(epoch)
    return network


def labelled_batch(streams=1) -> Packed:
    """With two sets of pseudo labels."""
    draw = torch.Generator().manual_seed(3)
    targets = torch.rand(2, streams, sum(LENGTHS), 6, generator=draw, dtype=torch.float64)
    return replace(random_batch(), targets=targets)


def plain_entropy(scores: torch.Tensor, labels: torch.Tensor, lengths) -> torch.Tensor:
    """-(1/T) Σ_t Σ_j ℓ_tj log softmax(s_t)_j of each video, snippet by snippet."""
    values, first = [], 0
    for length in lengths:
        rows = [
            (labels[t] * (scores[t].exp() / scores[t].exp().sum()).log()).sum()
            for t in range(first, first + length)
        ]
        values.append(-sum(rows) / length if length else torch.zeros(()).double())
        first += length
    return torch.stack(values)


# epoch: weight of the snippet loss, factors of the latest labels and of those before (the table of
# G3)
G3 = {
    0: (1.0, 0, 0),
    100: (1.0, 0, 0),
    101: (0.5, 0, 0),
    199: (0.5, 0, 0),
    200: (0.5, 0, 0),
    201: (1.0, 1, 0),
    250: (1.0, 1, 0),
    251: (1.0, 2, -2),
    300: (1.0, 2, -2),
    301: (1.0, 2.15, -2.15),
    349: (1.0, 2.15, -2.15),
}


@pytest.mark.parametrize("epoch", G3)
def test_the_loss_of_each_epoch_is_that_of_the_specification(epoch):
    spl, latest, before = G3[epoch]
    network, batch = network_of(epoch=epoch), labelled_batch()
    outputs = network(batch)
    found = gaufuse.loss(outputs, batch, SMALL)
    labels = latest * batch.targets[0, 0] + before * batch.targets[1, 0]
    original, refined = (
        plain_entropy(heads.s, labels, LENGTHS)
        for heads in (outputs.host.original, outputs.host.refined)
    )
    torch.testing.assert_close(found["labels"], 0.8 * original + 0.2 * refined, **EXACT)
    host = found["fore"] + 0.2 * found["back"] + 0.1 * found["att"] + spl * found["spl"]
    torch.testing.assert_close(
        found["total"], host + min(10 * 1.035 ** (epoch - 200), 50) * found["labels"], **EXACT
    )


@pytest.mark.parametrize(
    ("epoch", "weight"), [(201, 10.35), (246, 48.67), (247, 50.0), (349, 50.0)]
)
def test_weight_of_the_labels(epoch, weight):
    """Golden test (g) of the specification."""
    network, batch = network_of(epoch=epoch), labelled_batch()
    found, host = (
        gaufuse.loss(network(batch), b, SMALL) for b in (batch, replace(batch, targets=None))
    )
    torch.testing.assert_close(
        found["total"] - host["total"], weight * found["labels"], rtol=2e-4, atol=0
    )
    assert not host["labels"].any() and (found["labels"] != 0).tolist() == [
        length > 0 for length in LENGTHS
    ]


@pytest.mark.parametrize(
    ("epoch", "weight"),
    [(200, 1.0), (220, 1.035**20), (231, 1.035**31), (232, 50 / 17), (349, 50 / 17)],
)
def test_the_printed_form_learns_differences_from_the_first_labels_on(epoch, weight):
    config = as_printed(SMALL)
    network, batch = network_of(config, epoch), labelled_batch()
    outputs = network(batch)
    found, host = (gaufuse.loss(outputs, b, config) for b in (batch, replace(batch, targets=None)))
    labels = batch.targets[0, 0] - batch.targets[1, 0]
    original, refined = (
        plain_entropy(heads.s, labels, LENGTHS)
        for heads in (outputs.host.original, outputs.host.refined)
    )
    torch.testing.assert_close(
        found["total"] - host["total"], weight * (0.8 * original + 0.2 * refined), **EXACT
    )


def test_a_host_of_two_streams_learns_each_stream_s_labels():
    config = replace(
        wrap("facnet", FACNET), phases=((0, 1.0, -0.5),), refresh_epochs=(0,), temperatures=(0.1,)
    )
    network, batch = network_of(config), labelled_batch(streams=2)
    outputs = network(batch)
    labels = batch.targets[0] - 0.5 * batch.targets[1]
    expected = sum(plain_entropy(outputs.host.s_a[s], labels[s], LENGTHS) for s in range(2))
    torch.testing.assert_close(gaufuse.loss(outputs, batch, config)["labels"], expected, **EXACT)


DIFFERENCES = {  # item: (what it is, official code, paper)
    "refresh epochs": (
        lambda c: c.refresh_epochs,
        (200, 230, 245, 260, 275, 300),
        (200, 215, 230, 245, 270, 290),
    ),
    "delta from": (
        lambda c: c.phases,
        ((201, 1.0, 0.0), (251, 2.0, -2.0), (301, 2.15, -2.15)),
        ((200, 1.0, -1.0),),
    ),
    "temperature in training": (
        lambda c: c.temperatures,
        (0.02, 0.02, 0.02, 0.002, 0.002, 0.0016),
        (0.1,) * 6,
    ),
    "logit in training": (lambda c: c.train_fusion.logit, "inner", "score"),
    "temperature at test": (lambda c: c.test_fusion.temperature, 0.2, 0.03),
    "logit at test": (lambda c: c.test_fusion.logit, "inner", "score"),
    "rows": (lambda c: c.label_rule.rows, "pm1", "mean"),
    "uniformisation": (lambda c: c.label_rule.solver, "central_path", "central_path"),
    "infeasible": (lambda c: c.label_rule.infeasible, "zero", "zero"),
    "label margin": (
        lambda c: (c.label_rule.margin_scale, c.label_rule.margin_power),
        (0.0785, 0.9),
        (0.0785, 0.9),
    ),
    "teacher dropout": (lambda c: c.teacher_dropout, True, False),
    "memory": (lambda c: (c.base.memory_index, c.forget), ("slot0", True), ("label", False)),
    "memory read": (lambda c: c.base.memory_read, "sequential", "sequential"),
    "class filter": (
        lambda c: (c.label_classes, c.label_background),
        ("predicted", True),
        ("labels", False),
    ),
    "class threshold": (lambda c: c.base.class_threshold, 0.16, 0.16),
    "weight": (lambda c: (c.weight, c.growth, c.limit), (10.0, 1.035, 50.0), (1.0, 1.035, 50 / 17)),
    "rate": (
        lambda c: [
            c.schedule.learning_rate_at(e) for e in (0, 79, 80, 199, 200, 244, 245, 259, 260, 349)
        ],
        [5e-5, 5e-5, 4e-5, 4e-5, 2.048e-5, 2.048e-5, 5.12e-7, 5.12e-7, 2.56e-7, 2.56e-7],
        [5e-5] * 10,
    ),
    "epochs": (lambda c: c.schedule.epochs, 350, 350),
    "margin": (
        lambda c: (c.base.margin, c.base.margin_power, c.base.outer_weight),
        (0.0785, 0.9, 1.0),
        (0.0785, 0.9, 1.0),
    ),
    "h": (
        lambda c: (c.train_fusion.limit, c.test_fusion.limit, PLAIN_NMS.limit),
        (0.25, 0.25, 0.25),
        (0.25, 0.25, 0.25),
    ),
    "mix": (
        lambda c: (c.base.cas_mix, c.base.score_mix, c.label_settings),
        (0.85, 0.6, (("cas_mix", 0.8),)),
        (0.85, 0.6, (("cas_mix", 0.8),)),
    ),
    "overlap": (
        lambda c: (
            c.train_fusion.overlap,
            c.test_fusion.overlap,
            trained_as(c).test_fusion.overlap,
        ),
        ("own",) * 3,
        ("iou",) * 3,
    ),
    "upsampling": (lambda c: c.base.upsample, 1, 1),
    "bounds, by the specification both 0 and 1": (
        lambda c: hasattr(c.label_rule, "bounds"),
        False,
        False,
    ),
    "distribution": (
        lambda c: (c.train_fusion.distribution, c.test_fusion.distribution),
        ("gaussian",) * 2,
        ("gaussian",) * 2,
    ),
}


@pytest.mark.parametrize("item", DIFFERENCES)
def test_official_code_and_paper_differ_where_they_are_known_to(item):
    of, code, paper = DIFFERENCES[item]
    assert of(OFFICIAL) == pytest.approx(code) if item == "rate" else of(OFFICIAL) == code
    assert of(PRINTED) == paper


def test_only_what_differs_is_turned_to_the_paper():
    same = {"host", "label_settings", "growth", "negative"}
    assert {
        f.name for f in fields(Config) if getattr(OFFICIAL, f.name) == getattr(PRINTED, f.name)
    } == same
    assert replace(PRINTED.base, memory_index="slot0", schedule=OFFICIAL.schedule) == OFFICIAL.base
    host = wrap("facnet", FACNET)
    assert as_printed(host).base == FACNET and as_printed(host).refresh_epochs == (
        57,
        61,
        66,
        70,
        77,
        83,
    )


def test_the_host_of_the_paper_is_rskp_but_for_these():
    changed = {
        name
        for name in asdict(rskp.OFFICIAL)
        if getattr(rskp.OFFICIAL, name) != getattr(OFFICIAL.base, name)
    }
    assert changed == {
        "schedule",
        "spl_weights",
        "memory_index",
        "cas_mix",
        "class_threshold",
        "margin",
        "margin_power",
    }
    assert OFFICIAL.base.spl_weights == ((0, 1.0), (101, 0.5), (201, 1.0))
    assert (
        replace(OFFICIAL.schedule, steps=(), epochs=200, evaluations=40) == rskp.OFFICIAL.schedule
    )
    assert OFFICIAL.schedule.evaluations == 70  # every fifth epoch, as the official code
    assert gaufuse.PROFILES == {"official": OFFICIAL, "printed": PRINTED, "quick": QUICK}
    assert (
        QUICK.base.spl_weights == ((0, 1.0), (20, 0.5), (40, 1.0)) and QUICK.schedule.epochs == 70
    )
    assert QUICK.refresh_epochs == (40, 46, 49, 52, 55, 60) and [e for e, *_ in QUICK.phases] == [
        40,
        50,
        60,
    ]
    assert longer(rskp.OFFICIAL, 350) == OFFICIAL.base


@pytest.mark.parametrize("epochs", [350, 100, 35, 700])
def test_wrapping_keeps_the_shares_of_the_epochs(epochs):
    config = wrap("facnet", replace(FACNET, schedule=Schedule(epochs=epochs)), weight=3.0)
    scale = epochs / 350
    assert config.refresh_epochs == tuple(round(scale * e) for e in OFFICIAL.refresh_epochs)
    assert config.phases == tuple((round(scale * e), a, b) for e, a, b in OFFICIAL.phases)
    assert config.growth ** (46 * scale) == pytest.approx(1.035**46)
    changed = {"host", "base", "refresh_epochs", "growth", "phases", "weight", "label_settings"}
    assert all(
        getattr(config, f.name) == getattr(OFFICIAL, f.name)
        for f in fields(Config)
        if f.name not in changed
    )
    assert config.weight == 3.0 and config.schedule.epochs == epochs
    assert config.label_settings == (("trailing_scale", 1.0),)


def test_refreshes_of_one_epoch_are_one_refresh_with_the_last_temperature():
    config = wrap("facnet", replace(FACNET, schedule=Schedule(epochs=4)))
    assert config.refresh_epochs == (2, 3) and config.temperatures == (0.02, 0.0016)
    assert as_printed(config).refresh_epochs == (2, 3) and as_printed(config).temperatures == (
        0.1,
        0.1,
    )


def test_the_paper_s_form_of_a_row_is_that_row_of_the_paper_s_form():
    for there in ROWS.values():
        assert (
            as_printed(ablate(OFFICIAL, *there)).refresh_epochs
            == ablate(PRINTED, *there).refresh_epochs
        )
        assert as_printed(ablate(OFFICIAL, *there)).phases == ablate(PRINTED, *there).phases


ROWS = {
    "1": (False,) * 4,
    "2": (True, False, False, False),
    "3": (True, True, False, False),
    "4": (True, True, True, False),
    "5": (True,) * 4,
}


@pytest.mark.parametrize(
    "full",
    [OFFICIAL, PRINTED, QUICK, wrap("facnet", FACNET)],
    ids=["code", "paper", "quick", "facnet"],
)
def test_rows_of_table_4(full):
    rows, nms = (
        [ablate(full, *there) for there in ROWS.values()],
        replace(PLAIN_NMS, overlap=full.test_fusion.overlap),
    )
    assert rows[4] == full and rows[3] == replace(full, test_fusion=nms)
    assert rows[2] == replace(rows[3], phases=((full.phases[0][0], 1.0, 0.0),))
    assert rows[1] == replace(rows[2], train_fusion=nms)
    assert rows[0] == replace(rows[1], refresh_epochs=(), temperatures=())
    assert gaufuse.components(full) == dict(zip(gaufuse.COMPONENTS, rows[1:], strict=True))
    assert [trained_as(row) == trained_as(full) for row in rows] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert all(
        trained_as(trained_as(row)) == trained_as(row) and row.base == full.base for row in rows
    )


@pytest.mark.parametrize("full", [OFFICIAL, PRINTED], ids=["code", "paper"])
def test_rows_of_table_3(full):
    kinds = {"Uniform": "uniform", "Exponential": "laplace", "t": "t", "Gaussian": "gaussian"}
    training, testing = (gaufuse.distributions(full, where) for where in ("training", "testing"))
    assert list(training) == list(testing) == ["Baseline (NMS)", *kinds]
    for row, kind in kinds.items():
        assert training[row] == replace(
            ablate(full, *ROWS["3"]), train_fusion=replace(full.train_fusion, distribution=kind)
        )
        assert testing[row] == replace(
            ablate(full, *ROWS["1"]), test_fusion=replace(full.test_fusion, distribution=kind)
        )
    assert training["Baseline (NMS)"] == ablate(full, *ROWS["2"]) and testing[
        "Baseline (NMS)"
    ] == ablate(full, *ROWS["1"])
    assert (
        len({trained_as(c) for c in training.values()}) == 5
        and len({trained_as(c) for c in testing.values()}) == 1
    )


@pytest.mark.parametrize(
    ("fusion", "case"),
    [
        (OFFICIAL.test_fusion, "fusion_T0.2"),
        (PLAIN_NMS, "nms"),
        (replace(OFFICIAL.test_fusion, temperature=0.03), "fusion_T0.03"),
    ],
)
def test_detections_agree_with_the_official_code(fusion, case):
    activation, scene = detected()
    found = gaufuse.localize(activation, scene, replace(OFFICIAL, test_fusion=fusion))
    assert_detections(found, DETECTED["gaufuse"][case]["segments"])


def test_everything_else_is_the_host_s():
    network, batch = network_of(), random_batch()
    outputs = network(batch)
    host = rskp.activate(outputs.host, batch, SMALL.base)
    for name in ("cas", "scores", "attention"):
        np.testing.assert_array_equal(
            getattr(gaufuse.activate(outputs, batch, SMALL), name), getattr(host, name)
        )
    assert host.cas.shape[2] == host.scores.shape[2] == 5
    assert all(
        torch.equal(value, rskp.signals(outputs.host)[name])
        for name, value in gaufuse.signals(outputs).items()
    )
    assert sum(p.numel() for p in network.parameters()) == sum(
        p.numel() for p in network.host.parameters()
    )
    assert SMALL.inputs == Inputs() and SMALL.schedule is SMALL.base.schedule


def test_who_cannot_host():
    """Those that are put around others, and those whose labels could not follow."""
    able = [name for name in method_names() if gaufuse.can_host(name)]
    assert set(method_names()) - set(able) == {
        *("gaufuse", "cw_plugin"),
        *("a2clpt", "asmloc", "c3net", "emmil"),
    }
    assert not gaufuse.can_host("nothing")
    for name in able:
        config = wrap(name, method(name).profiles["quick"])
        assert config.schedule == method(name).profiles["quick"].schedule
        assert config.inputs == getattr(config.base, "inputs", Inputs())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Config("cw_plugin", cw_plugin.OFFICIAL),
            "cw_plugin cannot host GauFuse; choose one of backtal, basnet, bm, co2net",
        ),
        (lambda: Config("gaufuse", OFFICIAL), "gaufuse cannot host GauFuse"),
        (lambda: Config("nothing", OFFICIAL), "nothing cannot host GauFuse"),
        (
            lambda: Config("facnet", rskp.OFFICIAL),
            r"base of host facnet needs to be a models.facnet.Config, got Config\(embedding=20",
        ),
        (lambda: Config("facnet"), "base of host facnet needs to be a models.facnet.Config"),
        (lambda: Config(base=None), "gaufuse: base is None; expected a MethodConfig"),
        (
            lambda: replace(OFFICIAL, temperatures=(0.1,)),
            "1 temperatures for 6 refresh epochs; give one each",
        ),
        (lambda: replace(OFFICIAL, refresh_epochs=()), "6 temperatures for 0 refresh epochs"),
        (
            lambda: replace(OFFICIAL, refresh_epochs=(2, 3, 3), temperatures=(0.1,) * 3),
            r"\(2, 3, 3\) do not increase",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(WorkbookError, match=message):
        make()
