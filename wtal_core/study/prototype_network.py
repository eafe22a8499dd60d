"""A network of RSKP whose weights are set by a rule, not trained.

For a lesson that steps through RSKP: training amplifies the last bits, in which processors differ,
and the few means that this network is made of do not. It is no model of a trained network.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.errors import WorkbookError
from wtal_core.models import rskp
from wtal_core.packed import Packed

# what every snippet has on the background's axis; a class's typical snippets have 1 on its own
BACKGROUND = 0.5


def prototype_network(config: rskp.Config, videos: Packed) -> rskp.Network:
    """RSKP, set from the features and video labels of training videos.

    The embedding has one axis per class and one for the background, repeated until it is
    `config.embedding` wide; see `class_axes`. The centre of a class is its axis less that of the
    background. The centre of the foreground is the sum of all classes' axes less that of the
    background, and the centre of the background is the opposite. The first prototypes stand in
    equal steps from the background to the direction between all classes.

    Of the dtype and on the device of the features, in evaluation, without gradients. A class
    without videos is seen nowhere; a video without snippets is passed over.
    Raises WorkbookError where the embedding is narrower than classes and background, and where no
    video has a snippet.
    """
    classes = videos.labels.shape[1]
    columns = classes + 1
    if config.embedding < columns:
        raise WorkbookError(
            f"an embedding of {config.embedding} has no axis for each of {classes} classes and the "
            f"background; choose an embedding of at least {columns}"
        )
    weight, bias = class_axes(videos, config.attention_fraction)
    identity = torch.eye(columns, dtype=weight.dtype, device=weight.device)
    own_class = identity[:-1]  # (C, J)
    background = identity[-1:]  # (1, J)
    foreground = own_class.sum(0, keepdim=True) - background
    between_classes = own_class.sum(0, keepdim=True) / classes**0.5
    steps = torch.linspace(0, 1, config.prototypes, dtype=weight.dtype, device=weight.device)
    action_share = steps[:, None]
    fan = action_share * between_classes + (1 - action_share) * background  # (K, J)

    # the copies of an axis together count as much as one axis
    copies = identity[torch.arange(config.embedding) % columns]  # (D, J)
    copies = copies / copies.sum(0).sqrt()
    streams, _, size_in = videos.features.shape
    unused = torch.Generator().manual_seed(0)  # every weight is overwritten
    network = rskp.Network(config, streams, size_in, classes, unused).to(weight)
    network.eval().requires_grad_(False)
    network.embed.weight.copy_((weight @ copies.T)[None])
    network.embed.bias.copy_((bias @ copies.T)[None, None])
    network.mu.copy_(fan @ copies.T)
    network.w_a.copy_(torch.cat([own_class - background, -foreground]) @ copies.T)
    network.w_f.copy_(foreground @ copies.T)
    return network


def class_axes(videos: Packed, fraction: int) -> tuple[Float[Tensor, "I J"], Float[Tensor, " J"]]:
    """Weight and bias of the map from features, streams side by side (I numbers), to one axis per
    class and the background's.

    A class's typical snippets are the max(1, T // fraction) of each of its videos that lie farthest
    in the direction from the mean of all videos to the mean of the class's videos. On the class's
    axis their mean is 1, and the mean of all videos is 0, below which the network cuts. On the
    background's axis every snippet has a half.
    """
    features = videos.features.transpose(0, 1).flatten(1)  # (M, I)
    present = [number for number, length in enumerate(videos.lengths) if length]
    if not present:
        raise WorkbookError("no video has a snippet to set a network from; give some that have")
    all_parts = features.split(videos.lengths)
    parts = [all_parts[number] for number in present]
    labels = videos.labels[present]
    means = torch.stack([part.mean(0) for part in parts])  # (B, I)
    common = means.mean(0)
    typical = torch.zeros(labels.shape[1], features.shape[1]).to(features)
    for number in torch.nonzero(labels.sum(0))[:, 0].tolist():
        owners = torch.nonzero(labels[:, number])[:, 0].tolist()
        direction = means[owners].mean(0) - common
        tops = [top_snippets(parts[owner], direction, fraction).mean(0) for owner in owners]
        typical[number] = torch.stack(tops).mean(0) - common
    squared = (typical**2).sum(1, keepdim=True)
    scaled = typical / squared.clamp_min(torch.finfo(squared.dtype).tiny)  # (C, I)
    weight = torch.cat([scaled, torch.zeros_like(scaled[:1])]).T
    bias = torch.cat([-scaled @ common, common.new_full((1,), BACKGROUND)])
    return weight, bias


def top_snippets(
    snippets: Float[Tensor, "T I"], direction: Float[Tensor, " I"], fraction: int
) -> Float[Tensor, "K I"]:
    """The max(1, T // fraction) that lie farthest in a direction."""
    count = max(1, len(snippets) // fraction)
    return snippets[(snippets @ direction).topk(count).indices]
