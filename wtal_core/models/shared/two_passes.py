"""What BaS-Net and BackTAL share: snippets are classified twice by the same weights, as they are
("base") and weighted by an attention ("supp").
"""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.models.shared.activation import Activation, as_array
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Least,
    binary_entropy,
    entropy,
    learnt_labels,
    one_prediction,
    with_background,
)

PASSES = ("base", "supp")
LEAST: dict[str, Least] = {"ce": entropy, "bce_on_softmax": binary_entropy}  # by `LABEL_LOSSES`


@runtime_checkable
class TwoPasses(Protocol):
    """Logits of the passes at hand, "supp" last. cas: of snippets; s: of videos.

    w: attention logits. feature: first hidden layer of the supp pass.
    """

    @property
    def cas(self) -> Float[Tensor, "P M K"]: ...

    @property
    def s(self) -> Float[Tensor, "P B K"]: ...

    @property
    def w(self) -> Float[Tensor, " M"]: ...

    @property
    def feature(self) -> Float[Tensor, "M D"]: ...


def pass_weights(attention: Float[Tensor, " M"], both: bool | None = None) -> Float[Tensor, "P M"]:
    """How each pass weights the snippets: by 1 in base, by the attention in supp.

    both: False leaves base out, which only losses need; None leaves it out where no gradients are
    recorded.
    """
    with_base = torch.is_grad_enabled() if both is None else both
    if with_base:
        return torch.stack([torch.ones_like(attention), attention])
    return attention[None]


def supp_scores(outputs: TwoPasses) -> list[tuple[float, Float[Tensor, "1 M K"]]]:
    """What pseudo labels of snippets are compared with, and its share: the supp pass, by which
    actions are localized.
    """
    return [(1.0, outputs.cas[-1:])]


def activation_of(
    outputs: TwoPasses, lengths: tuple[int, ...], background: bool = False
) -> Activation:
    """What the supp pass says: class activation sequences = its logits; class scores = softmax of
    its video logits; attention = w; magnitude = length of its first hidden layer.

    background: with its column, the last one.
    """
    columns = outputs.cas.shape[-1] - 1 + background
    magnitude = torch.linalg.vector_norm(outputs.feature, dim=-1)
    return Activation(
        cas=as_array(outputs.cas[-1:, :, :columns]),
        scores=as_array(outputs.s[-1:].softmax(-1)[..., :columns]),
        attention=as_array(outputs.w.sigmoid()[None]),
        lengths=lengths,
        magnitude=as_array(magnitude[None]),
    )


def learnt_passes(labels: Float[np.ndarray, "B C"], cls: str) -> Bound:
    """Both passes tell the labels of the videos, were it by one prediction for both. cls: their
    loss, as in `LABEL_LOSSES`.
    """
    targets = targets_of_passes(labels)
    return Bound(PASSES, learnt_labels(*targets, least=LEAST[cls]), LABELS)


def blind_passes(labels: Float[np.ndarray, "B C"], cls: str) -> Bound:
    """What both passes reach with an attention that tells nothing: they are asked for the labels
    with and without the background, and can only make one prediction for both. Left out is that a
    constant attention scales the features, by which a network with biases could tell the passes.
    """
    limit = one_prediction(*targets_of_passes(labels), least=LEAST[cls])
    return Bound(PASSES, limit, "an attention that takes the background out of the video scores")


def targets_of_passes(
    labels: Float[np.ndarray, "B C"],
) -> tuple[Float[np.ndarray, "B K"], Float[np.ndarray, "B K"]]:
    """The background is in every video for "base", and in none for "supp"."""
    return with_background(labels, 1.0), with_background(labels, 0.0)
