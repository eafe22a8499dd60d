"""Losses of snippet logits that an attention weights: HAM-Net, CO2-Net, DELU.

Shapes: M snippets of a packed batch of B videos, C classes, K = C + 1 with the background last.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from wtal_core.losses.over_time import mean_over_time
from wtal_core.losses.video_labels import label_cross_entropy
from wtal_core.packed import Packed


def lifted(logits: Float[Tensor, "M K"], attention: Float[Tensor, " M"]) -> Float[Tensor, "M K"]:
    """a (s - min s) + min s, the least over the classes of each snippet: where the attention is 0,
    all classes are equal.
    """
    least = logits.amin(-1, keepdim=True)
    return attention[:, None] * (logits - least) + least


def top_label_loss(
    logits: Float[Tensor, "M K"], batch: Packed, fraction: int, background: float
) -> Float[Tensor, " B"]:
    """Cross entropy of the mean of the max(1, T // fraction) largest logits of each class with the
    label set, the background's label given.

    Source of the 1e-4: CO2-Net, `model.py:179-180`; HAM-Net, `system/system_th.py`.
    """
    labels = pad(batch.labels, (0, 1), value=background)
    return label_cross_entropy(batch.top_mean(logits[None], fraction)[0], labels, extra=1e-4)


def guide_distance(
    logits: Float[Tensor, "M K"], attention: Float[Tensor, "*N M"]
) -> Float[Tensor, "*N M"]:
    """How far 1 - a is from the background's probability, of each snippet."""
    return (1 - attention - logits.softmax(-1)[:, -1]).abs()


def guide_loss(
    logits: Float[Tensor, "M K"], attention: Float[Tensor, " M"], batch: Packed
) -> Float[Tensor, " B"]:
    """Mean of `guide_distance` over each video's snippets."""
    return mean_over_time(guide_distance(logits, attention), batch)
