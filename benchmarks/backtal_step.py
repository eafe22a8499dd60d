"""A training step and an inference of BackTAL at THUMOS14's size against the plain form that
unfolds and passes twice.

Run: python -m benchmarks.backtal_step [cuda] [--small]. Four videos of T = 750, D = 2048, C = 20;
both layouts. Each form runs in a process of its own, one after the other, and prints the shortest
time of its rounds, on the clock and of the processor (to go by where the machine has other work;
OMP_NUM_THREADS=1 then keeps waiting threads out of it), and its peak memory beyond what it
had once torch was there: features, weights, gradients, the optimiser's state and all activations.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.plain.backtal import BackTAL, total_loss
from wtal_core.models import backtal
from wtal_core.packed import Packed

VIDEOS, LENGTH, SIZE, CLASSES, ROUNDS = 4, 750, 2048, 20, 3
FORMS, LAYOUTS, WORKS = ("plain", "packed"), ("official_groups", "paper_eq15"), ("train", "infer")


def config_of(layout: str, size: int) -> backtal.Config:
    return backtal.Config(layout=layout, width=size, filter_width=size // 4, emb_hidden=size // 4)


def plain_of(config: backtal.Config, size: int, classes: int) -> BackTAL:
    return BackTAL(
        size,
        classes,
        config.width,
        config.filter_width,
        config.emb_dim,
        config.window,
        config.layout,
        config.dropout,
    )


def plain_like(
    network: backtal.Network, config: backtal.Config, size: int, classes: int
) -> BackTAL:
    """The plain form with the same weights."""
    plain = plain_of(config, size, classes)
    for theirs, ours in zip(in_order(plain), in_order_packed(network, "data"), strict=True):
        theirs.data.copy_(ours.reshape(theirs.shape))
    return plain.to(network.filter_1.weight.dtype)


def in_order(plain: BackTAL) -> list[torch.Tensor]:
    """The weights in the order of the parts."""
    parts = (plain.filter, plain.embed, plain.conv_1, plain.conv_2, plain.classify)
    return [weight for part in parts for weight in part.parameters()]


def in_order_packed(network: backtal.Network, what: str) -> list[torch.Tensor]:
    """The "data" or the "grad" of the packed network's weights in the plain form's order, as (out,
    in, tap).
    """
    found = []
    for name in ("filter_1", "filter_2", "emb_1", "emb_2", "conv_1", "conv_2", "classify"):
        layer = getattr(network, name)
        found += [getattr(layer.weight, what).permute(2, 1, 0)] + (
            [] if layer.bias is None else [getattr(layer.bias, what)]
        )
    return found


def data(
    size: int, length: int, device: str, dtype: torch.dtype = torch.float32
) -> tuple[Packed, torch.Tensor, torch.Tensor]:
    """Four videos, packed and as (B, D, T) with the plain form's clicks: eleven of background in
    each, as annotators make.
    """
    draw = torch.Generator().manual_seed(0)
    features = torch.rand(2, VIDEOS * length, size // 2, generator=draw, dtype=dtype)
    labels = torch.eye(CLASSES, dtype=dtype)[:VIDEOS]
    labels[0, 5] = 1
    click = torch.full((VIDEOS, length), -100)
    click.scatter_(
        1, torch.rand(VIDEOS, length, generator=draw).topk(min(11, length)).indices, CLASSES
    )
    targets = (
        torch.nn.functional.one_hot(click.flatten().clamp_min(0), CLASSES + 1)
        * (click.flatten() >= 0)[:, None]
    )
    batch = Packed(
        features.to(device), (length,) * VIDEOS, labels.to(device), targets.to(device, dtype)
    )
    return batch, side_by_side(batch), click.to(device)


def side_by_side(batch: Packed) -> torch.Tensor:
    return (
        batch.features.transpose(0, 1)
        .flatten(1)
        .unflatten(0, (VIDEOS, -1))
        .transpose(1, 2)
        .contiguous()
    )


def gradient_difference(layout: str) -> float:
    """Largest difference of any gradient of any weight between both forms, float64, small, dropout
    off.
    """
    config = config_of(layout, 16)
    network = backtal.Network(config, 2, 8, CLASSES, torch.Generator().manual_seed(0)).double()
    batch, x, click = data(16, 40, "cpu", torch.float64)
    plain = plain_like(network, config, 16, CLASSES).eval()
    backtal.loss(network(batch), batch, config)["total"].mean().backward()
    total_loss(plain(x, 5), batch.labels, click, 5).backward()
    return max(
        float((ours - theirs.grad.reshape(ours.shape)).abs().max())
        for ours, theirs in zip(in_order_packed(network, "grad"), in_order(plain), strict=True)
    )


def make(
    form: str, layout: str, work: str, size: int, length: int, device: str
) -> Callable[[], None]:
    """One training step, or the inference, of a form."""
    config = config_of(layout, size)
    batch, x, click = data(size, length, device)
    generator, top = torch.Generator(device).manual_seed(0), int(length * config.top)
    if form == "plain":
        network = plain_of(config, size, CLASSES).to(device)
        optimizer = torch.optim.Adam(network.parameters(), 1e-4, weight_decay=5e-4)

        def loss() -> Tensor:
            return total_loss(network(x, top), batch.labels, click, top)
    else:
        network = backtal.Network(
            config, 2, size // 2, CLASSES, torch.Generator().manual_seed(0)
        ).to(device)
        optimizer = config.schedule.optimizer(network)

        def loss() -> Tensor:
            losses = backtal.loss(network(batch, generator), batch, config)
            return config.schedule.reduce(losses["total"])

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    @torch.no_grad()
    def infer() -> None:
        network.eval()(x, top) if form == "plain" else backtal.activate(
            network(batch), batch, config
        )

    return step if work == "train" else infer


def measure(
    form: str, layout: str, work: str, device: str, small: bool
) -> tuple[float, float, float]:
    """Fewest seconds of a call, on the clock and of the processor, and the peak in MiB above what
    there was at first.
    """
    size, length = (64, 80) if small else (SIZE, LENGTH)
    torch.rand(64, 64, device=device) @ torch.rand(64, 64, device=device)
    before = peak(device)
    call, times = make(form, layout, work, size, length, device), []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter(), time.process_time()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    clock, processor = (min(column) for column in zip(*times[1:], strict=True))
    return clock, processor, peak(device) - before


def peak(device: str) -> float:
    """MiB that this process has had at most. `resource` would count those of the parent before it
    started this one.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def matmul_rate(device: str, small: bool) -> float:
    """Floating-point operations a second of a product of the base module's size."""
    size = 64 if small else SIZE
    a, b, times = (
        torch.randn(2 * VIDEOS * LENGTH, size, device=device),
        torch.randn(size, size, device=device),
        [],
    )
    for _ in range(4):
        begin = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return 2 * len(a) * size * size / min(times[1:])


def main(device: str, small: bool) -> None:
    """Measure each form in a process of its own and print a line each."""
    options = [device, *(["--small"] if small else [])]
    print(
        f"{device}, {torch.get_num_threads()} threads; matrix product "
        f"{matmul_rate(device, small) / 1e9:.0f} GFLOP/s"
    )
    for layout in LAYOUTS:
        print(f"{layout}: largest gradient difference {gradient_difference(layout):.1e}")
        for work in WORKS:
            found = {}
            for form in FORMS:
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.backtal_step",
                    "--child",
                    form,
                    layout,
                    work,
                    *options,
                ]
                printed = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True
                ).stdout
                found[form] = [float(value) for value in printed.split()]
                clock, processor, memory = found[form]
                print(
                    f"  {work:5s} {form:6s} {clock:8.3f} s  {processor:8.3f} s processor  "
                    f"{memory:7.0f} MiB",
                    flush=True,
                )
            clock, processor, memory = (
                plain / packed
                for plain, packed in zip(found["plain"], found["packed"], strict=True)
            )
            print(
                f"  {work:5s} ratio  {clock:8.2f}    {processor:8.2f}              {memory:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    where, tiny = "cuda" if "cuda" in sys.argv else "cpu", "--small" in sys.argv
    if "--child" in sys.argv:
        print(*measure(*sys.argv[2:5], where, tiny))
    else:
        main(where, tiny)
