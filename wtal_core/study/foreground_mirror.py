"""A world in which the two sides of FAC-Net's foreground are exact mirrors, and what each of its
losses says of them.
"""

from dataclasses import replace

import torch

from wtal_core.models import facnet
from wtal_core.packed import Packed

SNIPPETS = 100  # of each video


def mirrored_losses(
    config: facnet.Config, share: float, classes: int = 4
) -> dict[str, tuple[float, float]]:
    """Loss of each branch, and "total", (as it is meant, in the mirror), mean over the videos.

    One video per class; the first snippets, a `share` of them in (0, 1), are its action, the others
    a background that all videos share. All of one kind are equal. As it is meant, W_c is like its
    own action, unlike the others, and W_f like all actions and unlike the background. In the mirror
    W_a and W_f have the other sign.
    """
    kinds = classes + 1
    config = replace(config, embedding=kinds, dropout=0.0, kernel=1)
    network = facnet.Network(config, 1, kinds, classes, torch.Generator().manual_seed(0))
    _lets_features_through(network)
    w_a, w_f = as_meant(classes)
    batch = two_kinds(share, classes)
    losses = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            network.w_a.copy_(sign * w_a[:, : network.w_a.shape[1]])
            network.w_f.copy_(sign * w_f)
            losses.append(facnet.loss(network(batch), batch, config))
    meant, mirror = losses
    return {name: (float(meant[name].mean()), float(mirror[name].mean())) for name in meant}


def two_kinds(share: float, classes: int) -> Packed:
    """One video per class: one-hot snippets of its action, then of the background (last kind)."""
    action = round(share * SNIPPETS)
    kind = torch.full((classes, SNIPPETS), classes)
    kind[:, :action] = torch.arange(classes)[:, None]
    features = torch.eye(classes + 1)[kind.flatten()]
    return Packed(features[None], (SNIPPETS,) * classes, torch.eye(classes))


def as_meant(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """W_a (1, C + 1, C + 1), the background's centre last, and W_f (1, 1, C + 1)."""
    foreground = torch.ones(1, classes + 1)
    foreground[0, -1] = -1
    actions = torch.zeros(classes, classes + 1)
    actions[:, :-1] = 2 * torch.eye(classes) - 1
    return torch.cat([actions, -foreground])[None], foreground[None]


def _lets_features_through(network: facnet.Network) -> None:
    for layer in (network.embed_1, network.embed_2):
        with torch.no_grad():
            layer.weight.copy_(torch.eye(layer.weight.shape[-1])[None])
            layer.bias.zero_()
