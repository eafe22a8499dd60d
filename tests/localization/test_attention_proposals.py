"""From attention to instances: by hand, thresholds, ties, one by one."""

import numpy as np
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.localization.attention_proposals import AttentionRule, attention_instances
from wtal_core.localization.fusion import FusionRule

RULE = AttentionRule(thresholds=(0.5,), gamma=0.0, sigma=0.3, extra=0.0)
LENGTHS = np.array([12, 0, 1, 30])


def invented(seed=0):
    """Class activations, class scores and attention of four videos and three classes."""
    rng = np.random.default_rng(seed)
    total = int(LENGTHS.sum())
    return rng.normal(size=(total, 3)), rng.random((len(LENGTHS), 3)) / 2, rng.random(total)


def one_video(attention, cas, rule=RULE, suppression=None):
    attention = np.array(attention, dtype=float)
    length = np.array([len(attention)])
    return attention_instances(
        np.array(cas, dtype=float)[:, None], np.ones((1, 1)), attention, length, rule, suppression
    )


def test_one_proposal_by_hand():
    """Snippets 4 to 7 of eleven: one on either side counts as outside."""
    attention = [0, 0, 0, 0, 0.9, 0.9, 0.9, 0.9, 0, 0, 0]
    cas = [9, 9, 9, 2, 3, 5, 3, 5, 1, 9, 9]
    found = one_video(attention, cas)
    assert (found.start.tolist(), found.end.tolist()) == ([4], [8])
    assert found.score.tolist() == pytest.approx([4 - 1.5])
    with_class = one_video(attention, cas, AttentionRule(thresholds=(0.5,)))
    assert with_class.score.tolist() == pytest.approx([4 - 1.5 + 0.2])


def test_attention_of_a_threshold_is_not_above_it():
    assert one_video([0, 0.5, 0.5, 0], [1, 1, 1, 1]).start.tolist() == []
    found = one_video([0, 0.5, np.nextafter(0.5, 1), 0], [1, 1, 1, 1])
    assert (found.start.tolist(), found.end.tolist()) == ([2], [3])
    everything = AttentionRule(thresholds=(0.0,))
    assert one_video([0, 0.5, 0, 0], [1, 1, 1, 1], everything).start.tolist() == [1]


@pytest.mark.parametrize(("attention", "lost"), [([0.9, 0, 0], True), ([0.9, 0, 0.9], False)])
def test_a_first_snippet_alone_is_lost_until_fixed(attention, lost):
    fixed = AttentionRule(thresholds=(0.5,), fix_any=True)
    assert (0 in one_video(attention, [1, 1, 1]).start) != lost
    assert 0 in one_video(attention, [1, 1, 1], fixed).start


def test_equal_scores_are_settled_by_threshold_then_start():
    """[0, 4) and [0, 2) score alike, as neither has an outer snippet; the wider one comes from the
    lower threshold.
    """
    rule = AttentionRule(thresholds=(0.2, 0.5), gamma=0.0, extra=0.0)
    found = one_video([0.9, 0.9, 0.3, 0.3], [1, 1, 1, 1], rule)
    overlap = 2 / 4
    assert found.end.tolist() == [4, 2]
    assert found.score.tolist() == pytest.approx([1.0, np.exp(-(overlap**2) / 0.3)])
    twice = one_video([0.9, 0.9], [1, 1], rule)
    assert twice.score.tolist() == pytest.approx([1.0, np.exp(-1 / 0.3)])


@pytest.mark.parametrize("suppression", [None, FusionRule("gaussian", overlap="iou")])
def test_a_batch_is_its_videos_one_by_one(suppression):
    cas, scores, attention = invented()
    rule = AttentionRule(class_threshold=0.3)
    together = attention_instances(cas, scores, attention, LENGTHS, rule, suppression)
    assert len(together.start) > 10
    first = np.cumsum(LENGTHS) - LENGTHS
    for v, length in enumerate(LENGTHS):
        part = slice(first[v], first[v] + length)
        alone = attention_instances(
            cas[part], scores[v : v + 1], attention[part], LENGTHS[v : v + 1], rule, suppression
        )
        own = together.video == v
        for name in ("label", "start", "end", "score"):
            assert getattr(alone, name).tolist() == getattr(together, name)[own].tolist()


def test_what_is_too_short_has_suppressed_others_before_it_goes():
    attention = [0, 0.3, 0.9, 0.3, 0]
    rule = AttentionRule(thresholds=(0.2, 0.5), gamma=0.0)
    cas = [0, 1, 8, 1, 0]
    every = one_video(attention, cas, rule)
    longer = AttentionRule(thresholds=(0.2, 0.5), gamma=0.0, longer_than=1.0)
    kept = one_video(attention, cas, longer)
    assert every.end.tolist() == [3, 4] and kept.end.tolist() == [4]
    assert kept.score.tolist() == every.score[1:].tolist()
    assert kept.score[0] < 10 / 3


def test_a_video_without_a_class_above_the_threshold_has_its_best_one_or_none():
    cas, scores, attention = invented()
    best = AttentionRule(class_threshold=0.9)
    found = attention_instances(cas, scores, attention, LENGTHS, best)
    assert set(zip(found.video, found.label, strict=True)) <= set(enumerate(scores.argmax(1)))
    assert len(found.start)
    none = AttentionRule(class_threshold=0.9, at_least_one=False)
    assert not len(attention_instances(cas, scores, attention, LENGTHS, none).start)


@pytest.mark.parametrize("which", ["class activation", "video-level score", "attention"])
def test_what_is_no_number_is_refused(which):
    cas, scores, attention = invented()
    arrays = {"class activation": cas, "video-level score": scores, "attention": attention}
    arrays[which].flat[0] = np.nan
    with pytest.raises(WorkbookError, match=f"a {which} is not finite"):
        attention_instances(cas, scores, attention, LENGTHS, RULE)


def test_a_threshold_beyond_one_is_refused():
    with pytest.raises(WorkbookError, match="thresholds"):
        AttentionRule(thresholds=(1.5,))
