"""Parameters and FLOPs of networks, as they are and as counters that hook on `forward` see them
(BackTAL, Table 10).

The networks of the papers are built here once more from torch's own layers, as the official codes
have them, on a device without memory: only sizes count. `cost_of` measures them; `products_here`
measures what this workbook computes instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import Conv1d, Dropout, LeakyReLU, Linear, ReLU, Sequential, Sigmoid
from torch.nn.functional import conv1d, normalize
from torch.utils.flop_counter import FlopCounterMode

from wtal_core.models import method
from wtal_core.packed import Packed

SNIPPETS = 750  # T on THUMOS14
CLASSES = 20


@dataclass(frozen=True)
class Cost:
    """Of one video. One multiplication with its addition counts as 2 FLOPs."""

    # all of them
    parameters: int
    # `products`, and what the convention of the paper's counter has besides: 2 for each output of a
    # convolution with bias, and of a leaky ReLU
    flops: int
    # of the layers whose `forward` is called, which is all that hooks see
    seen_parameters: int
    seen_flops: int
    # matrix products and convolutions alone, by torch's FlopCounterMode
    products: int


def cost_of(build: Callable[[], nn.Module], size: int = 2048, snippets: int = SNIPPETS) -> Cost:
    """One forward pass over features (1, size, snippets)."""
    with torch.device("meta"):
        network = build().eval()
        features = torch.empty(1, size, snippets)
    called: list[nn.Module] = []
    extra: list[int] = []

    def note(layer: nn.Module, _: Any, out: Tensor) -> None:
        called.append(layer)
        extra.append(_extra(layer, out))

    names = {layer: name for name, layer in network.named_modules() if not list(layer.children())}
    for layer in names:
        layer.register_forward_hook(note)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(features)
    products = counter.get_total_flops()
    by_layer = _flops_by_layer(counter)
    seen = dict.fromkeys(called)
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        flops=products + sum(extra),
        seen_parameters=sum(p.numel() for layer in seen for p in layer.parameters()),
        seen_flops=sum(by_layer.get(names[layer], 0) for layer in seen) + sum(extra),
        products=products,
    )


def _flops_by_layer(counter: FlopCounterMode) -> dict[str, int]:
    """By the layer's name inside of the network."""
    counts = {}
    for name, operations in counter.get_flop_counts().items():
        inner = name.partition(".")[2]
        counts[inner] = sum(operations.values())
    return counts


def _extra(layer: nn.Module, out: Tensor) -> int:
    """What the convention counts beside products; ReLU, sigmoid, dropout and the bias of a Linear
    are free in it.
    """
    has_bias = isinstance(layer, Conv1d) and layer.bias is not None
    return 2 * out.numel() if has_bias or isinstance(layer, LeakyReLU) else 0


def products_here(
    method_name: str,
    config: Any = None,
    streams: int = 2,
    size: int = 1024,
    snippets: int = SNIPPETS,
) -> dict[str, int]:
    """Matrix products, in FLOPs, of this workbook's network on one video: "localize" (evaluation)
    and "train" (the forward pass with all that losses need), and its "parameters". config: None is
    the profile "official".
    """
    if config is None:
        config = method(method_name).profiles["official"]
    draw = torch.Generator().manual_seed(0)
    network = method(method_name).Network(config, streams, size, CLASSES, draw)
    batch = Packed(torch.zeros(streams, snippets, size), (snippets,), torch.zeros(1, CLASSES))
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "localize": _products(network, batch, gradients=False),
        "train": _products(network, batch, gradients=True),
    }


def _products(network: nn.Module, batch: Packed, gradients: bool) -> int:
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _in_place})
    with counter, torch.set_grad_enabled(gradients):
        network(batch)
    return counter.get_total_flops()


def _in_place(_: Any, a: torch.Size, b: torch.Size, **__: Any) -> int:
    """What torch's counter lacks: a product that is added to where it belongs."""
    return 2 * a[0] * a[1] * b[1]


class Uncalled(nn.Module):
    """BackTAL's modulated convolution: it takes the weights of a layer that it never calls. The
    official code multiplies unfolded neighbours by similarities before the product; no counter
    counts that, so it is left out.
    """

    def __init__(self, size: int):
        super().__init__()
        self.conv = Conv1d(size, size, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "B D T"]) -> Float[Tensor, "B D T"]:
        """The product alone."""
        return conv1d(x, self.conv.weight, padding=1)


class TwoPasses(nn.Module):
    """BaS-Net and BackTAL: attention, then base module and classifier on the features and on the
    weighted features. BackTAL has an embedding besides.
    """

    def __init__(self, classes: int, base: Sequential, embed: Sequential | None = None):
        super().__init__()
        self.filter = Sequential(Conv1d(2048, 512, 1), LeakyReLU(), Conv1d(512, 1, 1), Sigmoid())
        self.embed = embed
        self.base = base
        self.classify = Conv1d(2048, classes + 1, 1, bias=False)

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Logits of both passes; the embedding once, for both."""
        outputs = []
        if self.embed is not None:
            outputs.append(normalize(self.embed(x), dim=1))
        for features in (x, self.filter(x) * x):
            outputs.append(self.classify(self.base(features)))
        return outputs


def bas_net() -> nn.Module:
    """BaS-Net: plain convolutions."""
    base = Sequential(_conv(2048, 2048), LeakyReLU(), _conv(2048, 2048), LeakyReLU(), Dropout(0.7))
    return TwoPasses(CLASSES, base)


def backtal() -> nn.Module:
    """BackTAL: modulated convolutions, and the embedding that modulates them."""
    base = Sequential(Uncalled(2048), LeakyReLU(), Uncalled(2048), LeakyReLU(), Dropout(0.7))
    embed = Sequential(_conv(2048, 512), LeakyReLU(), _conv(512, 32))
    return TwoPasses(CLASSES, base, embed)


class SfNet(nn.Module):
    """Two streams of half the features each, and learned numbers that fuse them: classes and
    actionness.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.classes = nn.ModuleList([_classifier(classes + 1, 0.7) for _ in range(2)])
        self.actions = nn.ModuleList([self._action() for _ in range(2)])
        self.scores = nn.ModuleList([Linear(1024, 1) for _ in range(2)])
        class_weights = [torch.ones(classes + 1) for _ in range(2)]
        action_weights = [torch.zeros(1) for _ in range(2)]
        self.weights = nn.ParameterList(class_weights + action_weights)

    @staticmethod
    def _action() -> Sequential:
        return Sequential(_conv(1024, 1024), ReLU(), _conv(1024, 1024), ReLU())

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Outputs of both streams; the fusion is no product of matrices."""
        outputs = []
        for stream, half in enumerate(x.chunk(2, 1)):
            outputs.append(self.classes[stream](half.mT))
            outputs.append(self.scores[stream](self.actions[stream](half).mT))
        return outputs


def sf_net() -> nn.Module:
    """SF-Net with the classes of THUMOS14."""
    return SfNet(CLASSES)


class ThreeCNet(nn.Module):
    """3C-Net: two linear layers and a classifier for each stream."""

    def __init__(self, classes: int):
        super().__init__()
        self.streams = nn.ModuleList([_classifier(classes, 0.5) for _ in range(2)])

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Class activation of both streams."""
        return [stream(half.mT) for stream, half in zip(self.streams, x.chunk(2, 1), strict=True)]


def three_c_net() -> nn.Module:
    """3C-Net with the 101 classes of its own code."""
    return ThreeCNet(101)


class HamNet(nn.Module):
    """HAM-Net; the layers are inferred from its two counts, which they give to the last digit."""

    def __init__(self, classes: int):
        super().__init__()
        self.classify = Sequential(
            _conv(2048, 2048),
            LeakyReLU(),
            _conv(2048, 2048),
            LeakyReLU(),
            Conv1d(2048, classes + 1, 1),
        )
        self.attend = Sequential(
            _conv(2048, 512),
            LeakyReLU(),
            _conv(512, 512),
            LeakyReLU(),
            Conv1d(512, 1, 1),
            Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Class activation and attention."""
        return [self.classify(x), self.attend(x)]


def ham_net() -> nn.Module:
    """HAM-Net with the classes of THUMOS14."""
    return HamNet(CLASSES)


def um() -> nn.Module:
    """UM (Lee et al., AAAI 2021); the layers are inferred from its two counts, which they give to
    the last digit.
    """
    return Sequential(_conv(2048, 2048), ReLU(), Dropout(0.7), Conv1d(2048, CLASSES, 1, bias=False))


def _conv(size_in: int, size_out: int) -> Conv1d:
    return Conv1d(size_in, size_out, 3, padding=1)


def _classifier(size_out: int, dropout: float) -> Sequential:
    return Sequential(
        Linear(1024, 1024),
        ReLU(),
        Linear(1024, 1024),
        ReLU(),
        Dropout(dropout),
        Linear(1024, size_out),
    )


# as Table 10 lists them; and the baseline that the paper does not list
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "3C-Net [41]": three_c_net,
    "SF-Net [11]": sf_net,
    "UM [19]": um,
    "HAM-Net [34]": ham_net,
    "BackTAL": backtal,
    "BaS-Net": bas_net,
}


def billions(count: int) -> str:
    """With six decimals, halves rounded up."""
    return f"{(count + 500) // 1000 / 1e6:.6f}"
