"""From class activations to instances: a scale moves scores only."""

import numpy as np
import pytest

from wtal_core.localization.fusion import LOCATIONS, FusionRule
from wtal_core.localization.instances import find_instances
from wtal_core.localization.proposals import ProposalRule

RULE = ProposalRule(tuple(i / 20 for i in range(1, 19)), 2, 0.25, 1.0, 1.0)


@pytest.mark.parametrize("distribution", LOCATIONS)
@pytest.mark.parametrize("logit", ["inner", "score"])
def test_a_scale_changes_scores_and_nothing_else(distribution, logit):
    """So that a stream which counts less beside another one is fused as if it stood alone. 1/8 is
    exact.
    """
    rng = np.random.default_rng(0)
    lengths, smooth = np.array([40, 0, 1, 25]), np.ones(5) / 5
    cas = np.column_stack([np.convolve(rng.random(66), smooth, "same") for _ in range(3)])
    rule = FusionRule(distribution, temperature=0.1, logit=logit, limit=0.3)
    shown = np.full((4, 3), 0.5)
    full, small = (
        find_instances(cas, shown, lengths, 0.1, RULE, rule, scale=s) for s in (1.0, 0.125)
    )
    assert (
        len(full.video) > 5
        and full.video.tolist() == small.video.tolist()
        and full.label.tolist() == small.label.tolist()
    )
    np.testing.assert_allclose(small.start, full.start, rtol=0, atol=1e-9)
    np.testing.assert_allclose(small.end, full.end, rtol=0, atol=1e-9)
    if distribution != "t":  # whose least variance is in units of the score
        np.testing.assert_allclose(small.score, 0.125 * full.score, rtol=0, atol=1e-9)
