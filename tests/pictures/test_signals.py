"""What figures of single videos are made of."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.pictures import signals

ARRAYS = {
    "detections": np.array(
        [[0, 1.0, 2.0, 0.9], [1, 1.0, 2.0, 0.8], [0, 3.0, 4.0, 0.5], [0, 5.0, 6.0, -0.1]]
    )
}


@pytest.mark.parametrize(
    ("lowest", "starts"), [(None, [1, 3, 5]), (0.5, [1, 3]), (0.6, [1]), (1.0, []), (np.inf, [])]
)
def test_detections_of_a_class_from_a_score_on(lowest, starts):
    found = (
        signals.detections_of(ARRAYS, 0)
        if lowest is None
        else signals.detections_of(ARRAYS, 0, lowest)
    )
    assert found["t_start"].tolist() == starts and list(found) == ["t_start", "t_end", "score"]


def test_hits_count_each_segment_once():
    these = pd.DataFrame({"t_start": [0.0, 10.0], "t_end": [2.0, 12.0]})
    others = pd.DataFrame({"t_start": [0.0, 0.5], "t_end": [2.0, 2.0]})
    assert signals.hits(these, others, 0.5) == 1 and signals.hits(others, these, 0.5) == 2
    assert signals.hits(these, others.iloc[:0], 0.5) == 0


def test_what_is_drawn_is_counted_on_both_sides():
    truth = pd.DataFrame({"t_start": [0.0, 10.0, 20.0], "t_end": [4.0, 14.0, 24.0]})
    drawn = pd.DataFrame({"t_start": [0.0, 0.5, 30.0], "t_end": [4.0, 4.0, 31.0]})
    assert signals.counted(drawn, truth) == {
        "instances": 3,
        "drawn": 3,
        "of them tIoU ≥ 0.5": 2,
        "instances found": 1,
    }
