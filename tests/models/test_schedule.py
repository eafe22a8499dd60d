"""Schedules with a rate that falls at half time, and how the trainer goes by them; TEN's profiles
and rows of its tables.
"""

from dataclasses import replace

import pytest
import torch

from tests.tiny_dataset import tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.models import facnet, method, method_names, ten, topk_mil
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs.train import SELECTING, Trainer, score

SMALL = replace(ten.QUICK, embedding=8, schedule=ten.averaged(4, 4, 5e-3, evaluations=1))


def trainer(decay: float, epochs=4, name="ten", config=SMALL) -> Trainer:
    schedule = replace(SMALL.schedule, steps=((0.5, decay),), epochs=epochs)
    return Trainer(name, replace(config, schedule=schedule), tiny_dataset(train=5, test=1), 0)


def weights(run: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.progress.network.state_dict().items()}


def rate(run: Trainer) -> float:
    (group,) = run.progress.optimizer.param_groups
    return group["lr"]


@pytest.mark.parametrize(
    ("epochs", "whole"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (66, 33), (385, 193)]
)
def test_the_learning_rate_falls_once_half_of_the_epochs_are_over(epochs, whole):
    schedule = Schedule(epochs=epochs, learning_rate=0.5, steps=((0.5, 0.1),))
    rates = [schedule.learning_rate_at(epoch) for epoch in range(epochs)]
    assert rates == pytest.approx([0.5] * whole + [0.05] * (epochs - whole), rel=1e-12)


@pytest.mark.parametrize("epochs", [1, 4, 5])
def test_unless_asked_for_it_does_not_fall(epochs):
    schedule = Schedule(epochs=epochs, learning_rate=0.3)
    assert schedule.steps == () and {
        schedule.learning_rate_at(epoch) for epoch in range(epochs)
    } == {0.3}


def test_of_several_steps_the_last_one_reached_counts():
    """GauFuse's 350 epochs, whose steps stand after 80, 200, 245 and 260 of them."""
    steps = ((80 / 350, 0.8), (200 / 350, 0.4096), (245 / 350, 0.01024), (260 / 350, 0.00512))
    schedule = Schedule(epochs=350, learning_rate=5e-5, steps=steps)
    expected = [5e-5] * 80 + [4e-5] * 120 + [2.048e-5] * 45 + [5.12e-7] * 15 + [2.56e-7] * 90
    assert [schedule.learning_rate_at(epoch) for epoch in range(350)] == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("name", ["facnet", "basnet", "backtal", "sfnet", "topk_mil"])
def test_the_authors_of_these_methods_ask_for_no_steps(name):
    published = [config for title, config in method(name).profiles.items() if title != "quick"]
    assert {config.schedule.steps for config in published} == {()}


@pytest.mark.parametrize("name", [name for name in method_names() if name != "emmil"])
def test_the_rate_of_every_quick_profile_is_lower_in_the_end(name):
    """So that a short training settles. EM-MIL keeps the step upwards of its code."""
    schedule = method(name).profiles["quick"].schedule
    assert schedule.learning_rate_at(schedule.epochs - 1) < schedule.learning_rate


def test_ten_asks_for_a_tenth():
    assert ten.PROFILES["official"].schedule.steps == ((0.5, 0.1),)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_each_epoch_is_trained_at_its_rate(epochs):
    run = trainer(0.1, epochs)
    found = []
    for _ in range(epochs):
        run.epoch()
        found.append(rate(run))
    assert found == [run.config.schedule.learning_rate_at(epoch) for epoch in range(epochs)]


def test_a_rate_of_nothing_leaves_the_weights_of_the_first_half():
    run, after = trainer(0.0), []
    start = weights(run)
    for _ in range(4):
        run.epoch()
        after.append(weights(run))
    assert all(torch.equal(after[1][name], after[3][name]) for name in start)
    assert any(not torch.equal(after[0][name], start[name]) for name in start)
    assert any(not torch.equal(after[1][name], after[0][name]) for name in start)


@pytest.mark.parametrize("name", ["ten", "facnet"])
def test_a_decay_of_one_trains_as_without_any(name, monkeypatch):
    """As if the trainer never touched the optimiser's rate."""
    config = SMALL if name == "ten" else replace(facnet.QUICK, embedding=8)
    histories = []
    for untouched in (False, True):
        run = trainer(1.0, name=name, config=config)
        if untouched:
            monkeypatch.setattr(
                Schedule, "learning_rate_at", lambda self, epoch: self.learning_rate
            )
        for _ in range(4):
            run.epoch()
        histories.append((run.progress.history, weights(run)))
    assert histories[0][0] == histories[1][0]
    torch.testing.assert_close(histories[0][1], histories[1][1], rtol=0, atol=0)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_run_goes_on_at_the_rate_it_would_have_had(done, tmp_path):
    whole, first, second = trainer(0.1), trainer(0.1), trainer(0.1)
    expected = whole.run()
    for _ in range(done):
        first.epoch()
    first.save(tmp_path / "checkpoint.pt")
    found = second.run(tmp_path / "checkpoint.pt")
    torch.testing.assert_close(found.weights["last"], expected.weights["last"], rtol=0, atol=0)
    assert found.history == expected.history and rate(second) == pytest.approx(5e-4)


@pytest.mark.parametrize(
    "config",
    [ten.OFFICIAL, ten.ACTIVITYNET12, ten.QUICK],
    ids=["paper", "ActivityNet 1.2", "quick"],
)
def test_the_optimiser_is_adam_with_decay_of_a_thousandth(config):
    """Of the mean of a batch: weight decay and epsilon are those of torch's Adam, whatever the
    batch.
    """
    optimizer = config.schedule.optimizer(torch.nn.Linear(2, 1))
    (group,) = optimizer.param_groups
    assert type(optimizer) is torch.optim.Adam and config.schedule.reduction == "mean"
    assert (group["weight_decay"], group["eps"], group["betas"]) == (
        pytest.approx(1e-3),
        pytest.approx(1e-8),
        (0.9, 0.999),
    )
    assert group["lr"] == config.schedule.learning_rate


@pytest.mark.parametrize(
    ("config", "videos", "low", "high"),
    [(ten.OFFICIAL, 200, 4990, 5010), (ten.ACTIVITYNET12, 4819, 19_900, 20_100)],
)
def test_steps_of_the_paper_s_data_sets(config, videos, low, high):
    schedule = config.schedule
    batches = schedule.batches(torch.ones(videos, 1), torch.Generator())
    assert sorted(v for batch in batches for v in batch) == list(range(videos))
    assert low <= schedule.epochs * len(batches) <= high
    assert (schedule.batch_size, schedule.learning_rate, schedule.steps) == (
        16,
        1e-3,
        ((0.5, 0.1),),
    )


def test_settings_of_the_paper():
    paper = ten.OFFICIAL
    assert (paper.lambda_bg, paper.interval, paper.beta_att, paper.beta_cas, paper.gamma) == (
        0.1,
        4,
        0.1,
        0.1,
        0.5,
    )
    assert (paper.nms, paper.class_threshold, paper.samples, paper.background) == (
        0.5,
        0.1,
        500,
        "bges",
    )
    assert (paper.reading, paper.embedding, paper.kernel, paper.dropout, paper.sigma) == (
        "A",
        1024,
        3,
        0.5,
        1.0,
    )
    assert (paper.upsampling, paper.shortest, paper.outer, paper.score_class, paper.locnorm) == (
        24,
        2,
        0.25,
        0.25,
        "minmax",
    )
    assert paper.thresholds == pytest.approx([0.1 + 0.05 * k for k in range(17)])
    assert list(ten.PROFILES.items()) == [("official", paper), ("quick", ten.QUICK)]
    assert paper == ten.FULL == ten.Config()
    assert replace(ten.ACTIVITYNET12, schedule=paper.schedule) == replace(
        paper, lambda_bg=0.02, samples=100
    )


BL, TEN = {"tcb": False, "background": "plain"}, {"background": "plain"}
ONE = {"att": "none", "cas": "none"}
ROWS = {
    0: {f"λ = 0.{k}": BL | {"lambda_bg": k / 10} for k in range(6)},
    3: {"BL": BL, "BL+BGES": {"tcb": False}, "TEN": TEN, "TEN+BGES": {}},
    4: {
        "BL": BL,
        "TEN": TEN,
        "BL+GRL": {"tcb": False, "background": "grl"},
        "TEN+GRL": {"background": "grl"},
        "BL+BVL": BL | {"lambda_bvl": 0.1},
        "TEN+BVL": TEN | {"lambda_bvl": 0.1},
        "TEN+BVL+BGES": {"lambda_bvl": 0.1},
    },
    5: {
        "ATT MAE": ONE | {"att": "mae"},
        "ATT MSE": ONE | {"att": "mse"},
        "CAS MAE": ONE | {"cas": "mae"},
        "CAS MSE": ONE | {"cas": "mse"},
        "CAS KL": ONE | {"cas": "kl"},
    },
    6: {f"interval={k}": {"interval": k} for k in (2, 3, 4, 5)},
}
TABLES = {
    0: ten.figure4_rows,
    3: ten.table3_rows,
    4: ten.table4_rows,
    5: ten.table5_rows,
    6: ten.table6_rows,
}


@pytest.mark.parametrize("full", [ten.OFFICIAL, ten.QUICK], ids=["paper", "quick"])
@pytest.mark.parametrize("table", ROWS)
def test_rows_of_the_tables_by_their_printed_names(table, full):
    found = TABLES[table](full)
    assert list(found) == list(ROWS[table])
    for name, changes in ROWS[table].items():
        assert found[name] == replace(full, **changes), name
    assert len(set(found.values())) == len(found)


def test_rows_that_are_the_same_run_are_equal():
    figure_4 = ten.figure4_rows(ten.FULL)
    table_3 = ten.table3_rows(ten.FULL)
    table_4 = ten.table4_rows(ten.FULL)
    table_6 = ten.table6_rows(ten.FULL)
    assert table_3["BL"] == table_4["BL"] == figure_4["λ = 0.1"] == ten.baseline(ten.FULL)
    assert (
        table_3["TEN+BGES"] == table_6["interval=4"] == ten.FULL
        and table_3["TEN"] == table_4["TEN"]
    )


@pytest.mark.parametrize("repeat", [False, True])
def test_paired_batches_lead_with_videos_that_share_a_class(repeat):
    labels = torch.zeros(40, 6)
    labels[torch.arange(40), torch.arange(40) % 5] = 1  # the sixth class is in no video
    schedule = Schedule(batch_size=10, pairs=3, repeat=repeat)
    for batch in schedule.batches(labels, torch.Generator().manual_seed(3)):
        assert len(batch) == 10
        classes = labels[batch[:6]].argmax(1)
        assert (classes[::2] == classes[1::2]).all() and len(set(classes[::2].tolist())) == 3
        if not repeat:
            assert all(batch[i] != batch[i + 1] for i in (0, 2, 4))
        assert len(set(batch[6:])) == 4


def test_a_class_of_one_video_makes_no_pair_without_repeat():
    labels = torch.eye(6)
    alone = Schedule(batch_size=4, pairs=2).paired_batch(labels, torch.Generator())
    twice = Schedule(batch_size=4, pairs=2, repeat=True).paired_batch(labels, torch.Generator())
    assert len(set(alone)) == 4 and twice[0] == twice[1] and twice[2] == twice[3]


def test_pairs_that_do_not_fit_in_a_batch_are_refused():
    with pytest.raises(WorkbookError, match="3 pairs do not fit in a batch of 5 videos"):
        Schedule(batch_size=5, pairs=3)


def test_the_best_epoch_is_chosen_by_what_the_schedule_selects():
    """With a selection that no epoch changes the first evaluated one is the best."""
    dataset = tiny_dataset()
    found = {}
    for select in ("average", "map50", "activitynet"):
        schedule = Schedule(epochs=6, batch_size=4, learning_rate=0.05, evaluations=6)
        config = replace(topk_mil.QUICK, schedule=replace(schedule, select=select), class_ratio=0.5)
        train = Trainer("topk_mil", config, dataset, 0)
        values = []
        for _ in range(6):
            train.epoch()
            tious = SELECTING.get(select)
            protocol = "activitynet" if tious else dataset.default_protocol
            values.append(score(dataset, train.detect(), protocol, tious).average)
        best = train.progress.best
        assert best["selected"] == max(values) and best["epoch"] == values.index(max(values))
        found[select] = values
    assert found["average"] != found["map50"] != found["activitynet"]


def test_repeated_batches_are_drawn_with_replacement_and_whole_batches_leave_out_the_rest():
    labels = torch.ones(20, 1)
    draw = torch.Generator().manual_seed(0)
    repeated = Schedule(batch_size=15, order="repeated").batches(labels, draw)
    assert [len(batch) for batch in repeated] == [15, 15]
    assert any(len(set(batch)) < 15 for batch in repeated)
    whole = Schedule(batch_size=8, whole_batches=True).batches(labels, draw)
    assert [len(batch) for batch in whole] == [8, 8] and len({*whole[0], *whole[1]}) == 16
    few = Schedule(batch_size=32, whole_batches=True).batches(labels, draw)
    assert [len(batch) for batch in few] == [20]
