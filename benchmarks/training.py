"""A training step of each method: ours, and one video at a time; and where the time of a run goes.

Run: python -m benchmarks.training [--size quick|thumos14] [--steps N] [--methods facnet ten ...]

"quick" is the quick profile on simulated-2; "thumos14" is the official one on invented videos of
THUMOS14's size (two streams of 1024 channels, 20 classes, lengths as THUMOS14's), of which a few
steps are taken. Both forms take steps on the same batch in one process by turns, and the shortest
CPU time of each counts. One video at a time is the same code on batches of one video, whose
gradients are added before the optimiser's step; losses that compare the videos of a batch then have
nothing to compare. Rates count the floating-point work of matrix products; the machine's is of a
product of 1024 x 1024 matrices, taken in the same process. Operations are those that reach a
kernel.

Seeds are not trained together: with torch.func (`vmap` over the weights of four seeds, one batch,
no dropout, November 2026, one thread) four gradients took 0.81 times as long as one after another
for top-k MIL, 1.05 for FAC-Net, 1.04 for STPN and 1.01 for TEN. At `quick` size the time is that of
large kernels, not of their number.

The table goes to benchmarks/tables/training_SIZE.md.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.data import Size, make
from benchmarks.gpu.training import _added
from benchmarks.measured import Measured, as_table, write
from benchmarks.training_step import Counter
from wtal_core.data.dataset import Dataset
from wtal_core.models import method, method_names
from wtal_core.runs.memory import freed_memory_kept
from wtal_core.runs.sweep import opened
from wtal_core.runs.train import RUN_PROTOCOLS, Trainer, score

WIDTH = 1024  # of the matrices whose product says what the machine can do
THUMOS14 = Size(train=40, test=4)  # videos from which a few batches are drawn
PROFILES = {"quick": "quick", "thumos14": "official"}

Step = Callable[[list[int]], Any]


def one_at_a_time(trainer: Trainer) -> Step:
    """A step whose videos go through network and losses one after another."""
    schedule, progress = trainer.config.schedule, trainer.progress

    def step(videos: list[int]) -> None:
        progress.optimizer.zero_grad()
        share = len(videos) if schedule.reduction == "mean" else 1
        for video in videos:
            batch = trainer.train_videos.batch([video])
            outputs = progress.network(batch, progress.generator)
            total = trainer.method.loss(outputs, batch, trainer.config)["total"]
            (schedule.reduce(total) / share).backward()
        progress.optimizer.step()

    return step


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of a call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def in_turns(forms: dict[str, Step], batch: list[int], times_each: int) -> dict[str, float]:
    """The shortest time of a step of each form on this batch."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(times_each):
        for name, step in forms.items():
            times[name].append(cpu_seconds(lambda step=step: step(batch)))
    return {name: min(seconds) for name, seconds in times.items()}


def matrix_rate() -> float:
    """Floating-point operations per second of a large product, float32, one thread."""
    a, b = torch.randn(2, WIDTH, WIDTH)
    return 2 * WIDTH**3 / min(cpu_seconds(lambda: torch.mm(a, b)) for _ in range(5))


def products(step: Step, batch: list[int]) -> float:
    """Floating-point operations of a step's matrix products."""
    mapping = {torch.ops.aten.addmm_: _added}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        step(batch)
    return float(counter.get_total_flops())


def operations(step: Step, batch: list[int]) -> int:
    """Number of tensor operations of a step."""
    with Counter() as counter:
        step(batch)
    return counter.count


def share_of_scoring(trainer: Trainer, of_step: float) -> float:
    """What detecting and scoring the test set take of a whole run, of its steps and of them."""
    schedule, dataset = trainer.config.schedule, trainer.dataset
    steps = -(-len(dataset.train) // schedule.batch_size) * schedule.epochs
    detecting = cpu_seconds(trainer.detect)
    detections = trainer.detect()
    once = cpu_seconds(lambda: score(dataset, detections, dataset.default_protocol))
    of_all = cpu_seconds(lambda: [score(dataset, detections, name) for name in RUN_PROTOCOLS])
    judging = cpu_seconds(lambda: trainer.objective(trainer.progress.history))
    scoring = schedule.evaluations * (detecting + once) + 2 * (detecting + of_all) + judging
    return scoring / (scoring + steps * of_step)


def row(name: str, dataset: Dataset, size: str, steps: int, rate: float) -> dict[str, Any]:
    """The measures of one method."""
    config = method(name).profiles[PROFILES[size]]
    trainer = Trainer(name, config, dataset, 1)
    batch = config.schedule.batches(trainer.train_videos.labels, trainer.order)[0]
    work = products(trainer.step, batch)  # also warms up
    count = operations(trainer.step, batch)
    forms = {"ours": trainer.step, "plain": one_at_a_time(trainer)}
    best = in_turns(forms, batch, steps)
    line = {
        "method": name,
        "videos": config.schedule.batch_size,
        "snippets": sum(trainer.train_videos.lengths[video] for video in batch),
        "ms per step": f"{1e3 * best['ours']:.1f}",
        "one video at a time": f"{1e3 * best['plain']:.1f}",
        "ratio": f"{best['plain'] / best['ours']:.2f}",
        "operations": count,
        "GFLOP": f"{work / 1e9:.2f}",
        "of the product's rate %": f"{100 * work / best['ours'] / rate:.0f}",
    }
    if size == "quick":
        trainer.progress.history = [trainer.epoch()]
        line["scoring % of a run"] = f"{100 * share_of_scoring(trainer, best['ours']):.1f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(PROFILES), default="quick")
    parser.add_argument("--steps", type=int, default=8, help="steps of each form")
    parser.add_argument("--methods", nargs="+", choices=method_names(), default=method_names())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = opened("simulated-2") if arguments.size == "quick" else make(THUMOS14)
    rate = matrix_rate()
    rows = []
    with freed_memory_kept():
        for name in arguments.methods:
            rows.append(row(name, dataset, arguments.size, arguments.steps, rate))
            print(rows[-1], flush=True)
            keep(rows, arguments.size, arguments.steps, rate)  # an interrupted run leaves these


def keep(rows: list[dict[str, Any]], size: str, steps: int, rate: float) -> None:
    """Write the table of the methods so far."""
    about = (
        f"`python -m benchmarks.training --size {size} --steps {steps}`: CPU time on one thread, "
        f"the shortest of the steps, both forms by turns. A matrix product of {WIDTH} x {WIDTH} "
        f"runs at {rate / 1e9:.0f} GFLOP/s in the same process."
    )
    title = f"Training steps, {PROFILES[size]} profile"
    write(Measured(f"training_{size}", title, about, as_table(rows)))


if __name__ == "__main__":
    main()
