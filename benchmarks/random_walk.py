"""The random walk in its low-rank form against the inverse of a T x T matrix: `python -m
benchmarks.random_walk [--small]`.

One video of THUMOS14's longest training length, T = 2200 snippets, with D = 2048 and K = 8
prototypes; forward alone, and forward and backward, as in a step of training. Each form runs in a
process of its own and prints the shortest time of its rounds and its peak memory beyond what it had
before, for T and for T / 2: where the dense form takes four times as much for its matrices, the
other takes twice. Results and gradients are compared in float64 at T = 300. It fails where the
low-rank form is not 6 times as fast, forward, or where its memory grows by more than 2.5 times from
T / 2 to T.
"""

import subprocess
import sys
from collections.abc import Callable

import torch

from benchmarks.backtal_step import peak
from benchmarks.plain.rskp import walk as dense_walk
from benchmarks.timing import seconds
from wtal_core.models.rskp import walk

LENGTH, SIZE, COUNT, REQUIRED, GROWTH = 2200, 2048, 8, 6.0, 2.5
FORMS, WORKS = {"dense": 4, "low rank": 20}, ("forward", "and backward")  # rounds of each


def data(
    length: int, size: int, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    """Snippets (T, D) and prototypes (K, D) as a network has them, that want gradients."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(length, size, generator=draw, dtype=dtype).relu()
    return x.requires_grad_(), torch.rand(COUNT, size, generator=draw, dtype=dtype).requires_grad_()


def form(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The walk of one video, in a form."""
    if name == "dense":
        return dense_walk
    return lambda x, y: walk(x[None], torch.ones(1, len(x), dtype=torch.bool), y[None], 0.5, 5.0)[0]


def differences() -> tuple[float, float]:
    """Largest difference of any result and of any gradient between both forms, float64."""
    found = []
    for name in FORMS:
        x, y = data(300, 64, torch.float64)
        refined = form(name)(x, y)
        (
            refined * torch.linspace(-1, 1, refined.numel(), dtype=torch.float64).view_as(refined)
        ).sum().backward()
        found.append((refined.detach(), x.grad, y.grad))
    apart = [float((a - b).abs().max()) for a, b in zip(*found, strict=True)]
    return apart[0], max(apart[1:])


def measure(name: str, work: str, length: int, size: int) -> tuple[float, float]:
    """Fewest seconds of a call, and the peak in MiB above what there was at first."""
    (x, y), call = data(length, size), form(name)
    form(name)(*data(16, size)).sum().backward()  # the libraries' own memory
    before = peak("cpu")

    def forward() -> None:
        with torch.no_grad():
            call(x, y)

    def both() -> None:
        x.grad = y.grad = None
        call(x, y).sum().backward()

    best, _ = seconds(forward if work == "forward" else both, FORMS[name])
    return best, peak("cpu") - before


def main(small: bool) -> None:
    """Measure each form in a process of its own and print a line each."""
    length, size = (220, 64) if small else (LENGTH, SIZE)
    result, gradient = differences()
    print(
        f"D = {size}, K = {COUNT}, {torch.get_num_threads()} threads; "
        f"largest difference {result:.1e}, of gradients {gradient:.1e}"
    )
    for work in WORKS:
        best, memory = {}, {}
        for name in FORMS:
            for t in (length // 2, length):
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.random_walk",
                    "--child",
                    name,
                    work,
                    str(t),
                    str(size),
                ]
                printed = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True
                ).stdout
                best[name], memory[name, t] = (float(value) for value in printed.split())
                print(
                    f"  {work:12s} {name:8s} T = {t:4d} {1e3 * best[name]:9.1f} ms "
                    f"{memory[name, t]:7.0f} MiB",
                    flush=True,
                )
        ratio = best["dense"] / best["low rank"]
        growth = memory["low rank", length] / max(1.0, memory["low rank", length // 2])
        print(
            f"  {work:12s} ratio at T = {length}: {ratio:.1f}; memory of the low rank grows "
            f"{growth:.1f} times",
            flush=True,
        )
        if not small and (growth > GROWTH or (work == "forward" and ratio < REQUIRED)):
            raise SystemExit(f"required are a ratio of {REQUIRED} and a growth of at most {GROWTH}")


if __name__ == "__main__":
    if "--child" in sys.argv:
        print(*measure(*sys.argv[2:4], *map(int, sys.argv[4:])))
    else:
        main("--small" in sys.argv)
