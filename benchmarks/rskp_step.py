"""A training step of RSKP on ten videos: packed, the walk in its low-rank form, against one video
and T x T inverse at a time.

Run: python -m benchmarks.rskp_step [cuda] [--small]. THUMOS14's size: T of mean 327, D = 2048, C =
20; during the warm-up, and with memory, when there are two walks a video. Rates are the
floating-point work of the embedding, forward and weight gradient (4 operations a weight and
snippet; it is the first layer), over the time; the matrix-product rate is of the same shapes,
measured in the same run. It fails where the packed step is not 1.4 times as fast as the plain form
on a CPU.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from benchmarks.plain.rskp import RSKP, Memory, step
from benchmarks.training_step import BATCH, VIDEOS, best_seconds, matmul_rate, operations
from wtal_core.models import rskp
from wtal_core.packed import Packed, Resident

SIZE, CLASSES, REQUIRED = 1024, 20, 1.4  # two streams of this size
NAMES = ("packed, low rank", "one video at a time, dense")


def in_plain_order(network: rskp.Network, what: str) -> list[torch.Tensor]:
    """The "data" or the "grad" of the packed network, in the order and shapes of the plain form's
    parameters.
    """
    value = {name: getattr(p, what) for name, p in network.named_parameters()}
    return [
        value["mu"],
        value["w_a"],
        value["w_f"],
        value["embed.weight"][0].T,
        value["embed.bias"][0, 0],
    ]


def side_by_side(batch: Packed) -> list[torch.Tensor]:
    """Each video as (T, S D)."""
    return list(batch.features.transpose(0, 1).flatten(1).split(batch.lengths))


def gradient_difference(memory: bool, batches: int = 2) -> float:
    """Largest difference of any gradient of any weight between both forms in `batches` steps,
    float64, small, dropout off.
    """
    generator = torch.Generator().manual_seed(0)
    config = replace(rskp.OFFICIAL, embedding=12, dropout=0.0, warm_up=0 if memory else 1)
    network = rskp.Network(config, 2, 8, 5, generator).double()
    plain = RSKP(16, 12, 5, 0.0).double()
    for target, source in zip(plain.parameters(), in_plain_order(network, "data"), strict=True):
        target.data.copy_(source)
    bank, worst = Memory(5, 12, plain.mu.detach()) if memory else None, 0.0
    rng = np.random.default_rng(0)
    labels = np.array([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=np.float64)
    for _ in range(batches):
        batch = Resident(
            [rng.standard_normal((2, t, 8)) for t in (1, 9, 30)], labels, dtype=torch.float64
        ).batch([0, 1, 2])
        network.zero_grad()
        rskp.loss(network(batch, generator), batch, config)["total"].sum().backward()
        step(
            plain, torch.optim.SGD(plain.parameters(), 0.0), side_by_side(batch), batch.labels, bank
        )
        worst = max(
            worst,
            *(
                float((ours - theirs.grad).abs().max())
                for ours, theirs in zip(
                    in_plain_order(network, "grad"), plain.parameters(), strict=True
                )
            ),
        )
    return worst


def make_steps(
    size: int, device: str, memory: bool
) -> tuple[Callable[[int], None], Callable[[int], None], int]:
    """A packed and a plain training step on the ten videos from number i on, and the mean number of
    snippets in ten videos.
    """
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(235), 0.81, VIDEOS), 20, 2200).astype(int)
    features = [rng.random((2, t, size), dtype=np.float32) for t in lengths]
    videos = Resident(
        features, np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=VIDEOS)], device
    )
    config = replace(rskp.OFFICIAL, embedding=2 * size, warm_up=0 if memory else 1)
    network = rskp.Network(config, 2, size, CLASSES, torch.Generator().manual_seed(0)).to(device)
    optimizer, draw = config.schedule.optimizer(network), torch.Generator(device).manual_seed(0)
    plain = RSKP(2 * size, 2 * size, CLASSES, config.dropout).to(device)
    other = torch.optim.Adam(plain.parameters(), 5e-5, (0.9, 0.99), weight_decay=5e-4)
    bank = Memory(CLASSES, 2 * size, plain.mu.detach()) if memory else None

    def packed_step(i: int) -> None:
        batch = videos.batch(range(i, i + BATCH))
        optimizer.zero_grad()
        config.schedule.reduce(rskp.loss(network(batch, draw), batch, config)["total"]).backward()
        optimizer.step()

    def plain_step(i: int) -> None:
        batch = videos.batch(range(i, i + BATCH))
        step(plain, other, side_by_side(batch), batch.labels, bank)

    return packed_step, plain_step, int(lengths.sum() * BATCH / VIDEOS)


def measure(size: int, device: str, memory: bool) -> float:
    """Print a line for each form; how many times as fast the packed one is."""
    *steps, snippets = make_steps(size, device, memory)
    rate = matmul_rate(snippets, 2 * size, device)
    print(
        f"{'with memory' if memory else 'warm-up'}: {snippets} snippets a step of {BATCH} videos, "
        f"D = {2 * size}; "
        f"matrix product {rate / 1e9:.0f} GFLOP/s; largest gradient difference "
        f"{gradient_difference(memory):.1e}",
        flush=True,
    )
    taken = []
    for name, work in zip(NAMES, steps, strict=True):
        work(0)
        count = operations(work)
        taken.append(best_seconds(work, device))
        achieved = 4 * snippets * (2 * size) ** 2 / taken[-1]
        print(
            f"  {name:26s} {taken[-1]:8.4f} s a step  {count:6d} operations  "
            f"{achieved / 1e9:7.1f} GFLOP/s  "
            f"{100 * achieved / rate:5.1f} % of the matrix product",
            flush=True,
        )
    return taken[1] / taken[0]


def main(device: str = "cpu", small: bool = False) -> None:
    """Measure both forms in both phases of a training."""
    print(f"{device}, {torch.get_num_threads()} threads")
    for memory in (False, True):
        ratio = measure(32 if small else SIZE, device, memory)
        print(f"  ratio {ratio:.2f}", flush=True)
        if device == "cpu" and not small and ratio < REQUIRED:
            raise SystemExit(
                f"a packed step is {ratio:.2f} times as fast as the plain one; required are "
                f"{REQUIRED}"
            )


if __name__ == "__main__":
    main("cuda" if "cuda" in sys.argv else "cpu", "--small" in sys.argv)
