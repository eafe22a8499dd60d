"""A training step of each method: ours, and one video at a time; and where the time of a run goes.

Run: python -m benchmarks.training [--size quick|thumos14] [--steps N] [--methods facnet ten ...]

"quick" is the quick profile on simulated-2; "thumos14" is the official one on invented videos of
THUMOS14's size (two streams of 1024 channels, 20 classes, lengths as THUMOS14's), of which a few
steps are taken. Both forms take steps on the same batch in one process by turns, and the shortest
CPU time of each counts. One video at a time is the same code on batches of one video, whose
gradients are added before the optimiser's step; losses that compare the videos of a batch then have
nothing to compare. Rates count the floating-point work of matrix products; the machine's is of a
product of 1024 x 1024 matrices, taken beside each method's steps. What bounds a step, by PyTorch's
profiler: the share of its time that its products take, and the operation that takes most of the
rest; such passes over arrays are bound by memory. Operations are those that reach a kernel. Scoring
is to detect on the test set and to score that, as often as a run does so, with a network that was
trained for three seconds; at THUMOS14's size with one of these few steps, on four test videos,
scaled to 212.

Seeds are not trained together: with torch.func (`vmap` over the weights of four seeds, one batch,
no dropout, November 2026, one thread) four gradients took 0.81 times as long as one after another
for top-k MIL, 1.05 for FAC-Net, 1.04 for STPN and 1.01 for TEN. At `quick` size the time is that of
large kernels, not of their number.

The table goes to benchmarks/tables/training_steps_SIZE.md. Rows of methods that were not asked for
stay there; each says when and where it was measured.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.data import Size, make
from benchmarks.gpu.training import _added
from benchmarks.measured import TABLES, Measured, as_table, rows_of, where, write
from benchmarks.timing import seconds
from benchmarks.training_step import Counter
from wtal_core.data.dataset import Dataset
from wtal_core.models import method, method_names
from wtal_core.runs.memory import freed_memory_kept
from wtal_core.runs.sweep import opened
from wtal_core.runs.train import RUN_PROTOCOLS, Trainer, score

WIDTH = 1024  # of the matrices whose product says what the machine can do
THUMOS14 = Size(train=32, test=4)  # videos from which a few batches are drawn
WHOLE = {"train": 200, "test": 212}  # THUMOS14's own
TRAINED_SECONDS = 3.0
TIMES = 2  # of which the shorter one counts, at quick size
PRODUCTS = (
    "aten::mm",
    "aten::addmm",
    "aten::addmm_",
    "aten::bmm",
    "aten::baddbmm",
    "aten::mkldnn_convolution",
    "aten::convolution_backward",
    "aten::thnn_conv2d",
    "aten::slow_conv_dilated1d",
)
PART = "benchmark"  # name of the data set of these
PROFILES = {"quick": "quick", "thumos14": "official"}
TITLES = {
    "quick": "Training steps, quick profile",
    "thumos14": "Training steps, official profile at THUMOS14's size",
}
ABOUT = {
    "quick": "`simulated-2`.",
    "thumos14": (
        "invented videos of THUMOS14's size. Scoring was measured on a few test videos and scaled "
        "to all 212."
    ),
}

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


def in_turns(forms: dict[str, Step], batch: list[int], times_each: int) -> dict[str, float]:
    """The shortest time of a step of each form on this batch."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(times_each):
        for name, step in forms.items():
            times[name].append(seconds(partial(step, batch), 1, time.process_time)[0])
    return {name: min(of_form) for name, of_form in times.items()}


def matrix_rate() -> float:
    """Floating-point operations per second of a large product, float32, one thread."""
    a, b = torch.randn(2, WIDTH, WIDTH)
    return 2 * WIDTH**3 / seconds(lambda: torch.mm(a, b), 5, time.process_time)[0]


def counted(step: Step, batch: list[int]) -> tuple[int, int]:
    """Of a step: floating-point operations of its matrix products, and tensor operations."""
    mapping = {torch.ops.aten.addmm_: _added}
    with FlopCounterMode(display=False, custom_mapping=mapping) as products, Counter() as counter:
        step(batch)
    return products.get_total_flops(), counter.count


def bound(step: Step, batch: list[int]) -> tuple[float, str]:
    """What share of a step its matrix products take, in percent, and what else takes most of it."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step(batch)
    spent = {of.key: of.self_cpu_time_total for of in profiler.key_averages()}
    percent = {name: 100 * time / sum(spent.values()) for name, time in spent.items()}
    products = sum(percent.pop(name, 0.0) for name in PRODUCTS)
    largest = max(percent, key=lambda name: percent[name])
    return products, f"{largest.removeprefix('aten::')} {percent[largest]:.0f}"


def share_of_scoring(trainer: Trainer, of_step: float, losses: dict[str, float]) -> float:
    """What detecting and scoring take of a whole run, of its steps and of them.

    A run reads the network of the last epoch and that of the best one as it was when they were
    scored, see `Trainer.read`: only what was not scored then is added. losses: as an epoch ends.
    """
    schedule, dataset = trainer.config.schedule, trainer.dataset
    is_part = dataset.name == PART
    train = WHOLE["train"] if is_part else len(dataset.train)
    steps = -(-train // schedule.batch_size) * schedule.epochs
    times = 1 if is_part else TIMES
    detecting, detections = seconds(trainer.detect, times, time.process_time)
    of_protocol = {
        name: seconds(partial(score, dataset, detections, name), times, time.process_time)[0]
        for name in {*RUN_PROTOCOLS, dataset.default_protocol}
    }
    once = of_protocol.pop(dataset.default_protocol)
    judging, _ = seconds(partial(trainer.objective, [losses]), times, time.process_time)
    scoring = schedule.evaluations * (detecting + once) + 2 * sum(of_protocol.values())
    if is_part:
        scoring *= WHOLE["test"] / len(dataset.test)
        judging *= WHOLE["train"] / len(dataset.train)
    return (scoring + judging) / (scoring + judging + steps * of_step)


def row(name: str, dataset: Dataset, size: str, times_each: int) -> dict[str, Any]:
    """The measures of one method."""
    config = method(name).profiles[PROFILES[size]]
    trainer = Trainer(name, config, dataset, 1)
    batch = config.schedule.batches(trainer.train_videos.labels, trainer.order)[0]
    trainer.step(batch)  # warms up, and makes what the optimiser keeps
    work, count = counted(trainer.step, batch)
    products, other = bound(trainer.step, batch)
    rate = matrix_rate()
    forms = {"ours": trainer.step, "plain": one_at_a_time(trainer)}
    best = in_turns(forms, batch, times_each)
    losses = {name: float(value) / len(batch) for name, value in trainer.step(batch).items()}
    if size == "quick":
        end = time.process_time() + TRAINED_SECONDS
        while time.process_time() < end and trainer.progress.epoch < config.schedule.epochs:
            losses = trainer.epoch()
    scoring = share_of_scoring(trainer, best["ours"], losses)
    return {
        "method": name,
        "videos": config.schedule.batch_size,
        "snippets": sum(trainer.train_videos.lengths[video] for video in batch),
        "ms per step": f"{1e3 * best['ours']:.1f}",
        "one video at a time": f"{1e3 * best['plain']:.1f}",
        "ratio": f"{best['plain'] / best['ours']:.2f}",
        "operations": count,
        "GFLOP": f"{work / 1e9:.2f}",
        "of the product's rate %": f"{100 * work / best['ours'] / rate:.0f}",
        "products % of a step": f"{products:.0f}",
        "next, %": other,
        "scoring % of a run": f"{100 * scoring:.1f}",
        "measured": "{}, {}, load {}".format(*where()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(PROFILES), default="quick")
    parser.add_argument("--steps", type=int, default=3, help="steps of each form")
    parser.add_argument("--methods", nargs="+", choices=method_names(), default=method_names())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = opened("simulated-2") if arguments.size == "quick" else make(THUMOS14)
    rows = earlier(arguments.size)
    with freed_memory_kept():
        for name in arguments.methods:
            rows[name] = row(name, dataset, arguments.size, arguments.steps)
            print(rows[name], flush=True)
            keep(rows, arguments.size, arguments.steps)  # an interrupted run leaves these


BOUND_AT_SIZE = """What bounds a step, by PyTorch's profiler: the share of its time that its matrix
products take, and the operation that takes most of the rest (it was not asked for rows without
them). Where products take nine tenths of it and the rate stays below that, the products themselves
run slower than the one of 1024 x 1024."""
BOUND = """What bounds a quick step, by PyTorch's profiler (November 2026): matrix products are 42 %
of FAC-Net's step, 26 % of GauFuse's, 27 % of RSKP's and 20 % of BackTAL's. Most of the rest are
passes over arrays of a few hundred channels per snippet (products with dropout's mask, copies,
divisions, gradients of ReLU), which are bound by memory. So FAC-Net's step could not become three
times as fast if all but its products took no time at all. Found and kept, with the same bits:
memory that is not handed back between two steps (FAC-Net 1.35 times as fast), one fused step of
Adam, dropout by 16 random bits. Not kept: the seeds of a row together (torch.func: 0.81 to 1.05
times as long as one after another). `torch.compile`
with dynamic shapes does not pay: compiling took 13 s to 2 min, longer than a whole quick run, and
a step then took 1.7 times (FAC-Net), 1.3 times (BM) and 1.2 times (RSKP) as long as before."""


def earlier(size: str) -> dict[str, Any]:
    """What earlier runs have left, by method."""
    path = TABLES / f"training_steps_{size}.md"
    left = rows_of(path.read_text()) if path.exists() else []
    return {line["method"]: line for line in left}


def keep(rows: dict[str, dict[str, Any]], size: str, times_each: int) -> None:
    """Write the table of the methods so far."""
    about = (
        f"`python -m benchmarks.training --size {size} --steps {times_each}`: CPU time on one "
        f"thread, the shortest of the steps, both forms by turns; {ABOUT[size]} Rates are shares "
        f"of that of a product of {WIDTH} x {WIDTH} matrices, taken beside each method's steps."
    )
    if size == "thumos14":
        about += f" {BOUND_AT_SIZE}"
    body = as_table([rows[name] for name in method_names() if name in rows])
    left = sorted(set(method_names()) - set(rows))
    if left:
        body += f"\n\nNot measured yet: {', '.join(left)}."
    if size == "quick":
        body += f"\n\n{BOUND}"
    write(Measured(f"training_steps_{size}", TITLES[size], about, body))


if __name__ == "__main__":
    main()
