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
    w_a, w_f = as_meant(classes)
    meant = losses_with(config, share, w_a, w_f)
    mirror = losses_with(config, share, -w_a, -w_f)
    return {name: (meant[name], mirror[name]) for name in meant}


def losses_with(
    config: facnet.Config, share: float, w_a: torch.Tensor, w_f: torch.Tensor
) -> dict[str, float]:
    """Loss of each branch, and "total", in the world of `mirrored_losses`, mean over the videos.

    w_a (1, C + 1, C + 1), w_f (1, 1, C + 1): centres of the classes, the background's last, and of
    the foreground, as `as_meant` gives them.
    """
    kinds = w_a.shape[2]
    classes = kinds - 1
    config = replace(config, embedding=kinds, dropout=0.0, kernel=1)
    network = facnet.Network(config, 1, kinds, classes, torch.Generator().manual_seed(0))
    _lets_features_through(network)
    batch = two_kinds(share, classes)
    with torch.no_grad():
        network.w_a.copy_(w_a[:, : network.w_a.shape[1]])
        network.w_f.copy_(w_f)
        losses = facnet.loss(network(batch), batch, config)
    return {name: float(values.mean()) for name, values in losses.items()}


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
