"""Pseudo labels of all training videos in a few numbers: how much they say, and of what."""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from wtal_core.packed import Resident


def label_sums(made: Mapping[str, Tensor], videos: Resident, beside: str) -> pd.DataFrame:
    """One row per set of labels (M, J), the background last: their sum per 100 snippets; how much
    of it is for classes of the video and for the background (%); the highest label; and the
    correlation with the set `beside`, over all snippets and classes.
    """
    own = torch.cat([videos.labels, torch.zeros(len(videos), 1)], 1)
    right = own.repeat_interleave(torch.tensor(videos.lengths), 0)
    reference = made[beside].flatten()
    lines = {}
    for name, labels in made.items():
        total = float(labels.sum()) or 1.0
        pair = torch.stack([labels.flatten(), reference])
        lines[name] = {
            "sum per 100 snippets": float(100 * labels.sum(1).mean()),
            "for classes of the video (%)": float(100 * (labels * right).sum() / total),
            "for the background (%)": float(100 * labels[:, -1].sum() / total),
            "highest": float(labels.max()),
            f"correlation with {beside}": float(torch.corrcoef(pair)[0, 1]),
        }
    return pd.DataFrame(lines).T
