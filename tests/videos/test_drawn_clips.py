"""Drawn clips: what they say is true of what they show."""

import numpy as np
import pytest

pytest.importorskip("av")

from wtal_core.videos.drawn_clips import MOTIONS, RATE, REST, draw_clips, planned


@pytest.mark.parametrize("number", range(8))
def test_the_disc_is_fast_where_an_action_is_and_nowhere_else(number):
    clip = planned(number)
    steps = np.linalg.norm(np.diff(clip.path, axis=0), axis=1)
    is_action = np.zeros(len(clip.path), dtype=bool)
    for label, start, end in clip.segments:
        assert label in MOTIONS and REST <= start < end <= len(clip.path) / RATE - REST
        is_action[round(start * RATE) : round(end * RATE)] = True
    inside = is_action[:-1]
    assert clip.segments and steps[inside].mean() > 4 * steps[~inside].mean()
    assert steps.max() < 15  # and it does not jump


def test_clips_are_those_of_their_seed_and_number():
    assert np.array_equal(planned(3, 1).path, planned(3, 1).path)
    assert planned(3, 1).segments != planned(3, 2).segments != planned(4, 2).segments


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    with pytest.raises(ValueError, match="is there already"):
        draw_clips(tmp_path)
    assert not list(tmp_path.iterdir())


def test_equal_seeds_give_equal_files_whatever_lies_in_memory(tmp_path):
    first, second = (draw_clips(tmp_path / name, count=2, seconds=6.0) for name in "ab")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
