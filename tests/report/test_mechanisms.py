"""A mechanism in several worlds: differences, verdicts and pictures, on made-up records."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from wtal_core.data.opening import open_dataset
from wtal_core.pictures.forest import COLOUR_OF
from wtal_core.pictures.mechanisms import (
    STRIPS,
    borders_inside,
    by_what_goes_on,
    seeds_figure,
    what_goes_on,
    world_figure,
)
from wtal_core.report.mechanisms import (
    Mechanism,
    classified,
    judge_in_worlds,
    levels,
    objectives,
)
from wtal_core.runs.ledger import Record
from wtal_core.runs.results import Results

SEEDS = (0, 1, 2, 3, 4)


def record(seed: int, average: float, met: bool = True) -> Record:
    bound = {"terms": ["a", "b"], "loss": 0.5, "limit": 1.0, "without": "learning"}
    line = {
        "id": f"{seed}{average}",
        "dataset": "somewhere",
        "method": "some",
        "seed": seed,
        "by": {"behaviour": "some-1"},
        "metrics": {"last": {"wtalc": {"average": average / 100}}},
        "objective": {"met": met, "total": 1.0, "bounds": [bound]},
        "classified": {"last": 0.75},
    }
    return Record(line, ())


def results(differences: list[float], untrained: int = 0) -> Results:
    """Rows "without" at 50 and "with" so much above it; the first seeds of "with" are untrained."""
    rows = {
        "without": [record(seed, 50.0) for seed in SEEDS],
        "with": [
            record(seed, 50.0 + difference, seed >= untrained)
            for seed, difference in zip(SEEDS, differences, strict=True)
        ],
    }
    return Results(rows, SEEDS, "Somewhere", "simulated", "quick", "wtalc")


@pytest.fixture
def worlds() -> dict[str, Results]:
    return {
        "made for": results([4.0, 5.0, 6.0, 5.0, 5.0]),
        "plain": results([0.1, -0.1, 0.2, 0.0, -0.2]),
        "wrong": results([-4.0, -5.0, -6.0, -5.0, -5.0]),
        "noisy": results([-9.0, 9.0, 5.0, -5.0, 1.0]),
        "starved": results([4.0, 5.0, 6.0, 5.0, 5.0], untrained=2),
    }


@pytest.fixture
def mechanisms(worlds) -> dict[str, Mechanism]:
    return {"it": Mechanism("with", "without", dict.fromkeys(worlds, "holds"))}


def test_verdicts_are_those_of_all_tables(worlds, mechanisms):
    judged = judge_in_worlds(worlds, mechanisms).loc["it"]
    assert judged["verdict"].to_dict() == {
        "made for": "holds",
        "plain": "no difference",
        "wrong": "reversed",
        "noisy": "cannot tell",
        "starved": "not trained",
    }
    assert (judged["predicted"] == "holds").all()
    assert judged.loc["made for", "difference"] == "+5.0"
    assert judged.loc["starved", "trained"] == "3 and 5 of 5"


def test_tables_of_worlds(worlds):
    assert levels(worlds).loc["without", "plain"] == "50.0 ± 0.0"
    assert levels(worlds).loc["with", "made for"] == "55.0 ± 0.7"
    assert (classified(worlds) == "75.0 ± 0.0").all(axis=None)
    line = objectives(worlds).loc[("starved", "with")]
    assert line["trained"] == "3 of 5" and line["loss"] == "a + b"
    assert line["ends at"] == 0.5 and line["limit"] == 1.0


def test_the_figure_shows_every_seed_and_the_interval_of_the_trained(worlds, mechanisms):
    judged = judge_in_worlds(worlds, mechanisms)
    figure = seeds_figure(worlds, judged, mechanisms, "about")
    left, right = figure.axes
    pairs = [line for line in left.lines if line.get_marker() == "None"]
    assert len(pairs) == len(worlds) * len(SEEDS)
    dots = [line for line in right.lines if line.get_markersize() == 4]
    assert sum(len(line.get_xdata()) for line in dots) == len(worlds) * len(SEEDS)
    hollow = [line for line in dots if line.get_markerfacecolor() == "none"]
    assert sum(len(line.get_xdata()) for line in hollow) == 2
    means = {
        round(float(line.get_xdata()[0]), 6): to_hex(line.get_color())
        for line in right.lines
        if line.get_markersize() == 7
    }
    colours = {5.0: "holds", 0.0: "no difference", -5.0: "reversed", 0.2: "cannot tell"}
    assert means == {mean: to_hex(COLOUR_OF[name]) for mean, name in colours.items()}
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names[-1] == "starved\nnot trained"


def test_what_goes_on_says_what_is_switched_on():
    context, weak = open_dataset("teaching-2-context"), open_dataset("teaching-2-weak")
    video = context.probes[0]
    assert list(what_goes_on(context, video)) == list(STRIPS)
    assert what_goes_on(context, video)["scene of its class"].max() == pytest.approx(1)
    assert what_goes_on(weak, video)["scene of its class"].max() == 0
    lookalikes = what_goes_on(open_dataset("simulated-2"), "sim2_test_0004")
    assert lookalikes["looks like its class"].any() and lookalikes["looks like another"].any()


def test_scores_are_averaged_over_what_goes_on():
    dataset = open_dataset("teaching-2-weak")
    videos = [video.id for video in dataset.test[:4]]
    own = {video: 3.0 * what_goes_on(dataset, video)["plain part"] for video in videos}
    means = by_what_goes_on(dataset, own)
    assert means["plain part"] > 0.7 > 0.1 > means["elsewhere"]
    assert np.isnan(means["scene of its class"])
    assert set(means) == {*STRIPS, "elsewhere"}


def test_the_world_is_drawn_beside_the_plain_one():
    world, plain = open_dataset("teaching-2-weak"), open_dataset("teaching-2-plain")
    figure = world_figure(world, plain, world.probes[0], "about")
    assert len(figure.axes) == 3  # what goes on, and the class in both streams
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["plain part", "rest of the action"]
    here, there = (patch.get_data().values for patch in reversed(figure.axes[1].patches))
    assert len(here) == world.video(world.probes[0]).length
    changed = pd.Series(here != there)
    rest = what_goes_on(world, world.probes[0])["rest of the action"] > 0
    assert (changed.to_numpy() == rest).all()


def test_a_scene_is_drawn_where_the_world_has_one():
    world, plain = open_dataset("teaching-2-context"), open_dataset("teaching-2-plain")
    figure = world_figure(world, plain, world.probes[0], "about")
    assert len(figure.axes) == 5
    assert figure.axes[2].get_ylabel() == "rgb:\nits scene"


def test_borders_are_counted_from_the_instance_that_a_candidate_overlaps_most():
    truth = pd.DataFrame({"t_start": [0.0, 20.0], "t_end": [10.0, 30.0]})
    candidates = pd.DataFrame({"t_start": [1.0, 18.0, 12.0], "t_end": [8.0, 31.0, 14.0]})
    assert borders_inside(candidates, truth).tolist() == [1.0, -2.0, 2.0, -1.0]
    assert len(borders_inside(candidates[:0], truth)) == 0
    assert len(borders_inside(candidates, truth[:0])) == 0
