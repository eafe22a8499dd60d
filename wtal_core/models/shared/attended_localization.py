"""Localization of one joint stream by an attention: of HAM-Net, CO2-Net and DELU.

Shapes: N snippets of B videos, K = C + 1 classes with the background last.
"""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from wtal_core.localization.attention_proposals import AttentionRule, attention_instances
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.models.shared.activation import Activation, as_array
from wtal_core.packed import Packed


def attended_activation(
    logits: Float[Tensor, "N K"], attention: Float[Tensor, " N"], snippets: Packed, fraction: int
) -> Activation:
    """Class activation sequences = logits times attention; class scores = softmax of the means of
    their T // fraction largest. The background has no column: proposals by attention are of
    actions.
    """
    attended = attention[:, None] * logits
    scores = snippets.top_mean(attended[None], fraction).softmax(-1)
    return Activation(
        cas=as_array(attended[None, :, :-1]),
        scores=as_array(scores[..., :-1]),
        attention=as_array(attention[None]),
        lengths=snippets.lengths,
    )


def joint_instances(
    activation: Activation, rule: AttentionRule, suppression: FusionRule | None
) -> Instances:
    """Instances of the joint stream, overlapping ones settled by `suppression` (None: soft
    suppression).
    """
    return attention_instances(
        activation.cas[0],
        activation.scores[0],
        activation.attention[0],
        np.asarray(activation.lengths, dtype=np.int64),
        activation.scaled(rule),
        suppression,
    )
