"""A training step of FAC-Net on ten videos: packed, both streams at once, against one video and stream at a time.

Run: python -m benchmarks.training_step [cuda]. THUMOS14's size: T of mean 327, D = 1024, C = 20, two streams. Rates are
the floating-point work of the two embedding layers, forward and backward (6 multiply-adds a weight and snippet less the first
layer's input gradient), over the time; the matrix-product rate is of the same shapes, measured in the same run.
"""

import sys
import time
from collections.abc import Callable

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


def copy_weights(packed: facnet.Network, plain: list[OneStream]) -> None:
    """The plain networks get the packed network's weights."""
    for s, network in enumerate(plain):
        first, second = network.embed[0], network.embed[3]
        pairs = ((first.weight, packed.embed_1.weight[s].T), (first.bias, packed.embed_1.bias[s, 0]),
                 (second.weight, packed.embed_2.weight[s].T), (second.bias, packed.embed_2.bias[s, 0]),
                 (network.w_a, packed.w_a[s]), (network.w_f, packed.w_f[s]))
        for target, source in pairs:
            target.data.copy_(source.data)


def gradient_difference() -> float:
    """Largest difference of any gradient between both forms, float64, small, dropout off."""
    generator = torch.Generator().manual_seed(0)
    config = facnet.Config(embedding=12, dropout=0.0)
    network = facnet.Network(config, 2, 8, 5, generator).double()
    plain = [OneStream(8, 12, 5, 0.0, config.taus).double() for _ in range(2)]
    copy_weights(network, plain)
    features = [np.random.default_rng(t).standard_normal((2, t, 8)) for t in (1, 7, 30)]
    videos = Resident(features, np.eye(5)[:3], dtype=torch.float64)
    batch = videos.batch([0, 1, 2])
    facnet.loss(network(batch), batch, config)["total"].sum().backward()
    step(plain, [torch.optim.SGD(p.parameters(), 0.0) for p in plain], list(batch.features.split(batch.lengths, 1)), batch.labels)
    return max(float((network.w_a.grad[s] - p.w_a.grad).abs().max().maximum(
        (network.embed_1.weight.grad[s].T - p.embed[0].weight.grad).abs().max())) for s, p in enumerate(plain))


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


def matmul_rate(rows: int, device: str) -> float:
    """Floating-point operations a second of (rows, D) @ (D, D), float32."""
    a, b = torch.randn(rows, SIZE, device=device), torch.randn(SIZE, SIZE, device=device)
    seconds = best_seconds(lambda _: torch.mm(a, b), device)
    return 2 * rows * SIZE * SIZE / seconds


def main(device: str) -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(235), 0.81, VIDEOS), 20, 2200).astype(int)
    features = [rng.random((2, t, SIZE), dtype=np.float32) for t in lengths]
    videos = Resident(features, np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=VIDEOS)], device)
    generator, config = torch.Generator().manual_seed(0), facnet.PAPER
    network = facnet.Network(config, 2, SIZE, CLASSES, generator).to(device)
    optimizer = config.schedule.optimizer(network)
    plain = [OneStream(SIZE, SIZE, CLASSES, config.dropout, config.taus).to(device) for _ in range(2)]
    optimizers = [torch.optim.Adam(p.parameters(), 1e-4, (0.9, 0.99), weight_decay=0.005) for p in plain]
    draw = torch.Generator(device).manual_seed(0)

    def packed_step(i: int) -> None:
        batch = videos.batch(range(i, i + BATCH))
        optimizer.zero_grad()
        config.schedule.reduce(facnet.loss(network(batch, draw), batch, config)["total"]).backward()
        optimizer.step()

    def plain_step(i: int) -> None:
        batch = videos.batch(range(i, i + BATCH))
        step(plain, optimizers, list(batch.features.split(batch.lengths, 1)), batch.labels)

    report(packed_step, plain_step, int(lengths.sum() * BATCH / VIDEOS), device)


def report(packed_step: Callable[[int], None], plain_step: Callable[[int], None], snippets: int, device: str) -> None:
    """Measure both and print a line each."""
    rate = matmul_rate(snippets, device)
    flops = 2 * snippets * SIZE * SIZE * 2 * 5          # two streams; 2 forward, 2 weight and 1 input product
    print(f"{device}, {torch.get_num_threads()} threads; {snippets} snippets a step of {BATCH} videos, D = {SIZE}; "
          f"matrix product {rate / 1e9:.0f} GFLOP/s; largest gradient difference {gradient_difference():.1e}")
    seconds = {}
    for name, work in (("packed, both streams", packed_step), ("one video at a time", plain_step)):
        work(0)
        with Counter() as counter:
            work(0)
        seconds[name] = best_seconds(work, device)
        share = 100 * flops / seconds[name] / rate
        print(f"{name:22s} {seconds[name]:8.4f} s a step  {counter.count:6d} operations  {share:5.1f} % of the matrix product")
    print(f"ratio {seconds['one video at a time'] / seconds['packed, both streams']:.2f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
