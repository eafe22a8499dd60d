"""Numbers behind the figures of the teaching notebooks."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.localization.proposals import ProposalRule
from wtal_core.pictures.teaching import proposals_at, ranked, spread_over
from wtal_core.timebase import Timebase

TRUTH = pd.DataFrame({"video": "v", "label": "run", "t_start": [0.0, 20.0], "t_end": [10.0, 30.0]})
FOUND = pd.DataFrame(
    {
        "video": "v",
        "label": "run",
        "t_start": [1.0, 0.0, 50.0, 21.0],
        "t_end": [10.0, 10.0, 60.0, 29.0],
        "score": [0.9, 0.8, 0.7, 0.6],
    }
)


def test_ranked_counts_an_instance_once_and_agrees_with_evaluate():
    table = ranked(FOUND.sample(frac=1, random_state=0), TRUTH, 0.5)
    assert table["true positive"].tolist() == [True, False, False, True]
    assert table["tIoU"].tolist() == pytest.approx([0.9, 1.0, 0.0, 0.8])
    envelope = table["precision"][::-1].cummax()[::-1]
    score = evaluate(GroundTruth(TRUTH, ("v",), ("run",)), FOUND, PROTOCOLS["activitynet"], [0.5])
    assert envelope[table["true positive"]].sum() / len(TRUTH) == pytest.approx(score.average)


def test_attention_spreads_over_as_many_snippets_as_are_equal():
    assert spread_over(np.full(8, 1 / 8)) == pytest.approx(8) and spread_over(
        np.eye(5)[2]
    ) == pytest.approx(1)


def test_proposals_of_one_sequence():
    sequence = np.array([0.0, 0.9, 0.9, 0.9, 0.0, 0.0])
    table = proposals_at(
        sequence, ProposalRule((0.5,), 2, 0.25, 1.0, 1.0), Timebase(fps=1.0, stride=1.0)
    )
    assert table[["t_start", "t_end"]].to_numpy().tolist() == [[1.0, 5.0]]
