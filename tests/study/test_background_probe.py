"""What a linear classifier can tell from background alone, by hand and on both simulators."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny_dataset import tiny_dataset
from wtal_core.data.opening import open_dataset
from wtal_core.study.background_probe import accuracy, probe


def test_by_hand_only_actions_tell_the_class():
    data = tiny_dataset(train=12, test=9)
    assert accuracy(data, ("rgb",), "action") == 1
    assert accuracy(data, ("rgb", "flow"), "whole video") == 1
    assert accuracy(data, ("rgb",), "background") < 0.8


def test_a_part_that_no_video_has_is_not_judged():
    data = tiny_dataset()
    assert np.isnan(accuracy(replace(data, segments=data.segments[:0]), ("rgb",), "action"))


@pytest.mark.slow
def test_the_background_of_version_2_does_not_give_the_class_away():
    first = probe(open_dataset("simulated"))["all streams"]
    second = probe(open_dataset("simulated-2"))["all streams"]
    assert first["background"] > 0.85  # what version 2 was made to end
    assert second["background"] < 0.4
    assert second["background"] < second["whole video"] - 0.2 < second["action"] - 0.2
