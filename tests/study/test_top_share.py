"""The share of the highest snippets that lie in an instance, where the answer is known."""

import numpy as np
import pytest

from tests.tiny_dataset import tiny_dataset
from wtal_core.data.grid import inside
from wtal_core.study.top_share import top_share, top_share_bounds


def test_top_share_of_the_truth_is_the_oracle():
    data = tiny_dataset()
    columns = [
        np.column_stack([inside(data, v.id, label) for label in data.classes]) for v in data.test
    ]
    truth = np.concatenate(columns).astype(float)
    for fraction in (8, 2):
        oracle = top_share_bounds(data, fraction)[1]
        assert top_share(data, truth, fraction) == pytest.approx(oracle)
        assert top_share(data, -truth, fraction) < oracle


def test_top_share_at_random_is_the_share_of_action():
    data = tiny_dataset()
    chance, _ = top_share_bounds(data, 1)
    snippets = sum(v.length for v in data.test)
    assert chance == pytest.approx(5 * len(data.test) / snippets)
