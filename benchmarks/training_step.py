"""A training step of FAC-Net on ten videos: packed, both streams at once, against one video and
stream at a time.

Run: python -m benchmarks.training_step [cuda] [--small]. THUMOS14's size: T of mean 327, D = 1024,
C = 20, two streams. Rates are the floating-point work of the two embedding layers, forward and
backward (6 multiply-adds a weight and snippet less the first layer's input gradient), over the
time; the matrix-product rate is of the same shapes, measured in the same run.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.plain.facnet import OneStream, step
from wtal_core.models import facnet
from wtal_core.packed import Resident

VIDEOS, SIZE, CLASSES, BATCH, ROUNDS = 40, 1024, 20, 10, 3


class Counter(TorchDispatchMode):
    """Counts tensor operations that reach a kernel; views are not counted."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def in_plain_order(packed: facnet.Network, stream: int, what: str) -> list[torch.Tensor]:
    """The "data" or the "grad" of one stream of the packed network, in the order and shapes of
    `OneStream.parameters()`.
    """
    value = {name: getattr(p, what)[stream] for name, p in packed.named_parameters()}
    return [
        value["w_a"],
        value["w_f"],
        value["embed_1.weight"].T,
        value["embed_1.bias"][0],
        value["embed_2.weight"].T,
        value["embed_2.bias"][0],
    ]


def copy_weights(packed: facnet.Network, plain: list[OneStream]) -> None:
    """The plain networks get the packed network's weights."""
    for stream, network in enumerate(plain):
        for target, source in zip(
            network.parameters(), in_plain_order(packed, stream, "data"), strict=True
        ):
            target.data.copy_(source)


def gradient_difference() -> float:
    """Largest difference of any gradient of any weight between both forms, float64, small, dropout
    off.
    """
    generator = torch.Generator().manual_seed(0)
    config = facnet.Config(embedding=12, dropout=0.0)
    network = facnet.Network(config, 2, 8, 5, generator).double()
    plain = [OneStream(8, 12, 5, 0.0, config.taus).double() for _ in range(2)]
    copy_weights(network, plain)
    features = [np.random.default_rng(t).standard_normal((2, t, 8)) for t in (1, 7, 30)]
    videos = Resident(features, np.eye(5)[:3], dtype=torch.float64)
    batch = videos.batch([0, 1, 2])
    facnet.loss(network(batch), batch, config)["total"].sum().backward()
    step(
        plain,
        [torch.optim.SGD(p.parameters(), 0.0) for p in plain],
        list(batch.features.split(batch.lengths, 1)),
        batch.labels,
    )
    return max(
        float((ours - theirs.grad).abs().max())
        for stream, single in enumerate(plain)
        for ours, theirs in zip(
            in_plain_order(network, stream, "grad"), single.parameters(), strict=True
        )
    )


def best_seconds(work: Callable[[int], None], device: str) -> float:
    """Shortest mean time a call over a pass through the batches."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for i in range(0, VIDEOS, BATCH):
            work(i)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) * BATCH / VIDEOS)
    return min(times)


def matmul_rate(rows: int, size: int, device: str) -> float:
    """Floating-point operations a second of (rows, D) @ (D, D), float32."""
    a, b = torch.randn(rows, size, device=device), torch.randn(size, size, device=device)
    seconds = best_seconds(lambda _: torch.mm(a, b), device)
    return 2 * rows * size * size / seconds


def make_steps(size: int, device: str) -> tuple[Callable[[int], None], Callable[[int], None], int]:
    """A packed and a plain training step on the ten videos from number i on, and the mean number of
    snippets in ten videos.
    """
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(235), 0.81, VIDEOS), 20, 2200).astype(int)
    features = [rng.random((2, t, size), dtype=np.float32) for t in lengths]
    videos = Resident(
        features, np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=VIDEOS)], device
    )
    config = replace(facnet.OFFICIAL, embedding=size)
    network = facnet.Network(config, 2, size, CLASSES, torch.Generator().manual_seed(0)).to(device)
    optimizer = config.schedule.optimizer(network)
    plain = [
        OneStream(size, size, CLASSES, config.dropout, config.taus).to(device) for _ in range(2)
    ]
    optimizers = [
        torch.optim.Adam(p.parameters(), 1e-4, (0.9, 0.99), weight_decay=0.005) for p in plain
    ]
    draw = torch.Generator(device).manual_seed(0)

    def packed_step(i: int) -> None:
        batch = videos.batch(range(i, i + BATCH))
        optimizer.zero_grad()
        config.schedule.reduce(facnet.loss(network(batch, draw), batch, config)["total"]).backward()
        optimizer.step()

    def plain_step(i: int) -> None:
        batch = videos.batch(range(i, i + BATCH))
        step(plain, optimizers, list(batch.features.split(batch.lengths, 1)), batch.labels)

    return packed_step, plain_step, int(lengths.sum() * BATCH / VIDEOS)


def operations(work: Callable[[int], None]) -> int:
    """Number of tensor operations of one call."""
    with Counter() as counter:
        work(0)
    return counter.count


def main(device: str = "cpu", small: bool = False) -> None:
    """Measure both forms and print a line each."""
    size = 64 if small else SIZE
    packed_step, plain_step, snippets = make_steps(size, device)
    rate = matmul_rate(snippets, size, device)
    flops = (
        2 * snippets * size * size * 2 * 5
    )  # two streams; 2 forward, 2 weight and 1 input product
    print(
        f"{device}, {torch.get_num_threads()} threads; {snippets} snippets a step of {BATCH} "
        f"videos, D = {size}; "
        f"matrix product {rate / 1e9:.0f} GFLOP/s; largest gradient difference "
        f"{gradient_difference():.1e}"
    )
    seconds = {}
    for name, work in (("packed, both streams", packed_step), ("one video at a time", plain_step)):
        work(0)
        count = operations(work)
        seconds[name] = best_seconds(work, device)
        achieved = flops / seconds[name]
        print(
            f"{name:22s} {seconds[name]:8.4f} s a step  {count:6d} operations  "
            f"{achieved / 1e9:7.1f} GFLOP/s  "
            f"{100 * achieved / rate:5.1f} % of the matrix product"
        )
    print(f"ratio {seconds['one video at a time'] / seconds['packed, both streams']:.2f}")


if __name__ == "__main__":
    main("cuda" if "cuda" in sys.argv else "cpu", "--small" in sys.argv)
