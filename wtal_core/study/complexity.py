"""Parameters and FLOPs of networks, as they are and as counters that hook on `forward` see them
(BackTAL, Table 10).

The networks of the papers are built here once more from torch's own layers, as the official codes
have them, on a device
without memory: only sizes count. `cost_of` measures them; `products_here` measures what this
workbook computes instead.
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
    """Of one video. FLOPs are 2 a multiplication with addition.

    parameters, flops: true. seen_parameters, seen_flops: of the layers whose `forward` is called,
    all that hooks see.
    products: matrix products and convolutions alone, by torch's FlopCounterMode. `flops` adds what
    the convention of the paper's counter has besides: 2 for each output of a convolution with bias,
    and of a leaky ReLU.
    """

    parameters: int
    flops: int
    seen_parameters: int
    seen_flops: int
    products: int


def cost_of(build: Callable[[], nn.Module], size: int = 2048, snippets: int = SNIPPETS) -> Cost:
    """One forward pass over features (1, size, snippets)."""
    with torch.device("meta"):
        network, features = build().eval(), torch.empty(1, size, snippets)
    called: list[tuple[nn.Module, Tensor]] = []
    names = {layer: name for name, layer in network.named_modules() if not list(layer.children())}
    for layer in names:
        layer.register_forward_hook(lambda layer, _, out: called.append((layer, out)))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(features)
    products, extra = counter.get_total_flops(), sum(_extra(layer, out) for layer, out in called)
    by_layer = {
        name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()
    }
    seen = dict.fromkeys(layer for layer, _ in called)
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        flops=products + extra,
        seen_parameters=sum(p.numel() for layer in seen for p in layer.parameters()),
        seen_flops=sum(by_layer.get(names[layer], 0) for layer in seen) + extra,
        products=products,
    )


def _extra(layer: nn.Module, out: Tensor) -> int:
    """What the convention counts beside products; ReLU, sigmoid, dropout and the bias of a Linear
    are free in it.
    """
    counted = isinstance(layer, LeakyReLU) or (isinstance(layer, Conv1d) and layer.bias is not None)
    return 2 * out.numel() if counted else 0


def products_here(
    method_name: str,
    config: Any = None,
    streams: int = 2,
    size: int = 1024,
    snippets: int = SNIPPETS,
) -> dict[str, int]:
    """Matrix products, in FLOPs, of this workbook's network on one video: "localize" (evaluation)
    and "train" (the forward pass with all that losses need), and its "parameters". config: None is
    the profile "paper".
    """
    config = method(method_name).profiles["paper"] if config is None else config
    draw = torch.Generator().manual_seed(0)
    network = method(method_name).Network(config, streams, size, CLASSES, draw)
    batch = Packed(torch.zeros(streams, snippets, size), (snippets,), torch.zeros(1, CLASSES))
    counts = {"parameters": sum(p.numel() for p in network.parameters())}
    for name, gradients in (("localize", False), ("train", True)):
        counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _in_place})
        with counter, torch.set_grad_enabled(gradients):
            network(batch)
        counts[name] = counter.get_total_flops()
    return counts


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
    weighted features.
    """

    def __init__(self, classes: int, affinity: bool):
        super().__init__()
        self.filter = Sequential(Conv1d(2048, 512, 1), LeakyReLU(), Conv1d(512, 1, 1), Sigmoid())
        self.embed = Sequential(_conv(2048, 512), LeakyReLU(), _conv(512, 32)) if affinity else None
        self.base = Sequential(
            *(
                layer
                for _ in range(2)
                for layer in (Uncalled(2048) if affinity else _conv(2048, 2048), LeakyReLU())
            ),
            Dropout(0.7),
        )
        self.classify = Conv1d(2048, classes + 1, 1, bias=False)

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Logits of both passes; the embedding once, for both."""
        found = [] if self.embed is None else [normalize(self.embed(x), dim=1)]
        return [*found, *(self.classify(self.base(one)) for one in (x, self.filter(x) * x))]


class SfNet(nn.Module):
    """Two streams of half the features each, and learned numbers that fuse them: classes and
    actionness.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.classes, self.actions = (
            [make() for _ in range(2)]
            for make in (
                lambda: Sequential(
                    Linear(1024, 1024),
                    ReLU(),
                    Linear(1024, 1024),
                    ReLU(),
                    Dropout(0.7),
                    Linear(1024, classes + 1),
                ),
                lambda: Sequential(_conv(1024, 1024), ReLU(), _conv(1024, 1024), ReLU()),
            )
        )
        self.scores = [Linear(1024, 1) for _ in range(2)]
        self.layers = nn.ModuleList([*self.classes, *self.actions, *self.scores])
        self.weights = nn.ParameterList(
            [torch.ones(classes + 1) for _ in range(2)] + [torch.zeros(1) for _ in range(2)]
        )

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Outputs of both streams; the fusion is no product of matrices."""
        halves = x.chunk(2, 1)
        return [classify(half.mT) for classify, half in zip(self.classes, halves, strict=True)] + [
            score(act(half).mT)
            for act, score, half in zip(self.actions, self.scores, halves, strict=True)
        ]


class ThreeCNet(nn.Module):
    """3C-Net: two linear layers and a classifier for each stream."""

    def __init__(self, classes: int):
        super().__init__()
        self.streams = nn.ModuleList(
            [
                Sequential(
                    Linear(1024, 1024),
                    ReLU(),
                    Linear(1024, 1024),
                    ReLU(),
                    Dropout(0.5),
                    Linear(1024, classes),
                )
                for _ in range(2)
            ]
        )

    def forward(self, x: Float[Tensor, "B D T"]) -> list[Tensor]:
        """Class activation of both streams."""
        return [stream(half.mT) for stream, half in zip(self.streams, x.chunk(2, 1), strict=True)]


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


def um() -> nn.Module:
    """UM (Lee et al., AAAI 2021); the layers are inferred from its two counts, which they give to
    the last digit.
    """
    return Sequential(_conv(2048, 2048), ReLU(), Dropout(0.7), Conv1d(2048, CLASSES, 1, bias=False))


def _conv(size_in: int, size_out: int) -> Conv1d:
    return Conv1d(size_in, size_out, 3, padding=1)


# as Table 10 lists them, 3C-Net with the 101 classes of its own code; and the baseline that the
# paper does not list
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "3C-Net [41]": lambda: ThreeCNet(101),
    "SF-Net [11]": lambda: SfNet(CLASSES),
    "UM [19]": um,
    "HAM-Net [34]": lambda: HamNet(CLASSES),
    "BackTAL": lambda: TwoPasses(CLASSES, affinity=True),
    "BaS-Net": lambda: TwoPasses(CLASSES, affinity=False),
}


def billions(count: int) -> str:
    """With six decimals, halves rounded up."""
    return f"{(count + 500) // 1000 / 1e6:.6f}"
