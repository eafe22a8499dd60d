"""The rate of frames is guessed from what there is: times in seconds, or ends inside videos."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.evaluation import frame_rate
from wtal_core.evaluation.frame_rate import MILLISECONDS, guessed_rate


def table(rows, rate: float = 1.0, score: bool = False) -> pd.DataFrame:
    times = pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"])
    times[["t_start", "t_end"]] = times[["t_start", "t_end"]].astype(float) * rate
    return times.assign(score=1.0) if score else times


INSTANCES = [("a", "Jump", 10, 20), ("a", "Throw", 50, 58), ("b", "Jump", 33, 40)]


@pytest.mark.parametrize(
    ("latest", "rate", "others"),
    [
        (17.5, 25, (30, 24)),
        (25.0, 25, (30, 50)),
        (25.2, 25, (30, 50)),  # within the rounding of a duration
        (27.0, 30, (50, 60)),
        (300.0, MILLISECONDS, ()),
        (5000.0, MILLISECONDS, ()),
    ],
)
def test_without_times_in_seconds_the_most_usual_that_fits(latest, rate, others):
    guess = guessed_rate(table(INSTANCES, 25), None, np.array([3.0, latest]))
    assert (guess.rate, guess.others, guess.agrees) == (rate, others, False)


@pytest.mark.parametrize("rate", [10, 12, 15, 20, 23.976, 24, 25, 30, 50, 60, 120, 1000])
def test_the_agreeing_rate(rate):
    ratio = np.array([0.5 * rate])
    guess = guessed_rate(table(INSTANCES, rate, score=True), table(INSTANCES), ratio)
    assert guess.rate == pytest.approx(rate, rel=0.002) and guess.agrees


def test_false_detections_and_ends_past_the_video_do_not_hide_the_rate():
    rng = np.random.default_rng(0)
    begin = rng.uniform(0, 80, 60)
    noise = [("a", "Jump", s, s + 5) for s in begin] + [("b", "Throw", s, s + 9) for s in begin]
    found = table([*INSTANCES, *noise], 30, score=True)
    ratio = found["t_end"].to_numpy() / 90
    ratio[-1] = 70  # one in a hundred runs far beyond its video
    assert guessed_rate(found, table(INSTANCES), ratio).rate == 30


def test_classes_that_nobody_shares_and_videos_that_nobody_shares():
    ratio = np.array([17.0])
    numbered = [(video, "7", s, e) for video, _, s, e in INSTANCES]
    guess = guessed_rate(table(numbered, 24, score=True), table(INSTANCES), ratio)
    assert (guess.rate, guess.agrees) == (24, True)
    elsewhere = [(f"x{video}", *rest) for video, *rest in INSTANCES]
    guess = guessed_rate(table(elsewhere, 24, score=True), table(INSTANCES), ratio)
    assert (guess.rate, guess.agrees) == (25, False)


def test_very_many_rows_are_judged_by_those_of_the_best_scores(monkeypatch):
    monkeypatch.setattr(frame_rate, "MOST_ROWS", 3)
    found = pd.concat(
        [table(INSTANCES, 25, score=True).assign(score=0.1), table(INSTANCES, 30, score=True)]
    )
    assert guessed_rate(found, table(INSTANCES), np.array([20.0])).rate == 30
