"""Test videos that the figures of single videos show."""

import pandas as pd


def probe_videos(test_ids: list[str], segments: pd.DataFrame) -> tuple[str, ...]:
    """Two test videos, chosen without looking at any result.

    The one with most segments, and the median one.
    Ties go to the first id in order, so the choice is the same on every machine.
    """
    counts = segments["video"].value_counts().reindex(test_ids, fill_value=0)
    counts = counts[counts > 0].sort_index().sort_values(ascending=False, kind="stable")
    if not len(counts):
        return ()
    return tuple(dict.fromkeys((counts.index[0], counts.index[len(counts) // 2])))
