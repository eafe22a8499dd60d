"""What is measured, each section by itself: a generator of rows. A method that fails gives a row
that says so, and the next one goes on.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from benchmarks import rskp_step, training_step
from benchmarks.gpu.data import TINY, Size, make
from benchmarks.gpu.training import Course, forget_memory, memory, timed, train_until
from wtal_core.data.dataset import Dataset
from wtal_core.data.opening import open_dataset
from wtal_core.models import method, method_names
from wtal_core.runs.train import Trainer

Row = dict[str, Any]
FIRST = ("facnet", "backtal", "gaufuse")
GOALS = {"facnet": 30, "backtal": 180, "gaufuse": 240}  # seconds of a training on an H100 or H200
AGREES = 1e-3  # of mAP, which goes from 0 to 1, and of class scores, relative to the largest one
SMALLEST = 1e-12  # of the largest class score
ABREAST = max(1, (os.cpu_count() or 1) // 2)  # quick trainings at a time
SAMPLE = ("facnet", "rskp", "backtal", "gaufuse")  # methods whose precision is looked at
OPTIONS = ("float32", "TF32 products", "features in bfloat16", "both")
SQUARE = 8192  # rows of the matrices whose product is the yardstick


@dataclass
class Plan:
    """Where, for how long, and whether it is a rehearsal at tiny size."""

    device: str
    seconds: float
    rehearsal: bool = False

    def __post_init__(self) -> None:
        self.begin = time.monotonic()

    def left(self) -> float:
        """Seconds of the section that are left."""
        return self.seconds - (time.monotonic() - self.begin)

    @property
    def profile(self) -> str:
        """Of the trainings at THUMOS14's size."""
        return "quick" if self.rehearsal else "official"

    @property
    def methods(self) -> list[str]:
        """Those with goals first."""
        return [*FIRST, *(name for name in method_names() if name not in FIRST)]

    @cached_property
    def large(self) -> Dataset:
        """Of THUMOS14's size."""
        return make(TINY if self.rehearsal else Size())

    @property
    def small(self) -> Dataset:
        """What quick trainings are of."""
        return small(self.rehearsal)

    def train(self, trainer: Trainer, end: float) -> Course:
        """Until this time of the monotonic clock; in a rehearsal one epoch is enough."""
        return train_until(trainer, end, 1 if self.rehearsal else 2)

    def each(
        self, names: Iterable[str], measure: Callable[[str, float], Iterable[Row]]
    ) -> Iterator[Row]:
        """The rows of every name. `measure` is told by when it should have ended: each name has an
        equal share of what is left.
        """
        listed = list(names)
        for place, name in enumerate(listed):
            end = time.monotonic() + self.left() / (len(listed) - place)
            forget_memory(self.device)
            try:
                yield from measure(name, end)
            except Exception as error:  # the others are measured all the same
                yield {"method": name, "failed": f"{type(error).__name__}: {error}"[:300]}


@cache
def small(is_rehearsal: bool) -> Dataset:
    """What quick trainings are of, once per process."""
    return make(TINY) if is_rehearsal else open_dataset("simulated-2")


def machine(plan: Plan) -> Iterator[Row]:
    """The device, and the rates of its matrix products."""
    size = 128 if plan.rehearsal else SQUARE
    on_gpu = plan.device == "cuda"
    yield {
        "device": torch.cuda.get_device_name() if on_gpu else "CPU, a rehearsal",
        "torch": torch.__version__,
        "CUDA": torch.version.cuda or "none",
        "GiB": round(torch.cuda.mem_get_info()[1] / 2**30, 1) if on_gpu else "",
    }
    for name, dtype, is_fast in (
        ("float32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        with fast_products(is_fast):
            yield {
                "product": f"{name}, {size} x {size}",
                "TFLOP/s": round(product_rate(size, plan.device, dtype) / 1e12, 3),
            }


def product_rate(size: int, device: str, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations per second of a square matrix product, the best of five."""
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    torch.mm(a, b)
    return 2 * size**3 / min(timed(lambda: torch.mm(a, b), device) for _ in range(5))


@contextmanager
def fast_products(is_fast: bool) -> Iterator[None]:
    """Products of float32 matrices in TF32, if that is asked for and the device has it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if is_fast else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def packed_against_plain(plan: Plan) -> Iterator[Row]:
    """A training step on the same ten videos, packed, and one video and stream at a time."""
    size = 8 if plan.rehearsal else training_step.SIZE
    times = 1 if plan.rehearsal else 9
    made = {
        "facnet": lambda: training_step.make_steps(size, plan.device),
        "rskp": lambda: rskp_step.make_steps(size, plan.device, False),
        "rskp, with memory": lambda: rskp_step.make_steps(size, plan.device, True),
    }

    def measure(name: str, end: float) -> Iterator[Row]:
        packed, plain, snippets = made[name]()
        for work in (packed, plain):
            work(0)
        ours = min(timed(lambda: packed(0), plan.device) for _ in range(times))
        theirs = min(timed(lambda: plain(0), plan.device) for _ in range(times))
        yield {
            "method": name,
            "snippets per step": snippets,
            "packed ms": round(1e3 * ours, 2),
            "plain ms": round(1e3 * theirs, 2),
            "ratio": round(theirs / ours, 2),
            "packed operations": training_step.operations(packed),
            "plain operations": training_step.operations(plain),
        }

    return plan.each(made, measure)


def trainings(plan: Plan) -> Iterator[Row]:
    """Every method's training of THUMOS14's size, with its authors' settings."""
    rate = product_rate(128 if plan.rehearsal else SQUARE, plan.device)

    def measure(name: str, end: float) -> Iterator[Row]:
        config = method(name).profiles[plan.profile]
        trainer = Trainer(name, config, plan.large, 0, plan.device)
        course = plan.train(trainer, end)
        per_second = course.operations * course.epochs / sum(course.steps)
        yield {
            "method": name,
            **course.row(),
            "goal s": GOALS.get(name, ""),
            "TFLOP/s": round(per_second / 1e12, 3),
            "of the float32 product %": round(100 * per_second / rate, 1),
            "GiB": round(memory(plan.device), 2),
        }

    return plan.each(plan.methods, measure)


def ladder(plan: Plan) -> Iterator[Row]:
    """Every method at quick size, trained to its end if the time allows, and whether its network
    says the same on the CPU.
    """
    begin = time.monotonic()
    yield from side_by_side(plan, compared, [(name,) for name in plan.methods])
    seconds = round(time.monotonic() - begin, 1)
    yield {"trainings": len(plan.methods), "at a time": ABREAST, "s altogether": seconds}


def precision(plan: Plan) -> Iterator[Row]:
    """Trainings with products in TF32, with features kept in bfloat16, and with both."""
    exact: dict[str, float] = {}
    orders = [(name, option) for name in SAMPLE for option in OPTIONS]
    for row in side_by_side(plan, with_option, orders):
        if "failed" not in row:
            mean = row["mAP %"]
            row["against float32"] = f"{mean - exact.setdefault(row['method'], mean):+.2f}"
        yield row


def side_by_side(
    plan: Plan, work: Callable[..., Row], orders: Sequence[tuple[str, ...]]
) -> Iterator[Row]:
    """The rows of trainings in processes of their own, several at a time: one alone waits for the
    launches of its kernels, and leaves most of a GPU idle. In the order of `orders`.
    """
    end = time.monotonic() + 0.9 * plan.left()
    with ProcessPoolExecutor(
        min(len(orders), ABREAST), get_context("spawn"), torch.set_num_threads, (2,)
    ) as pool:
        given = [pool.submit(work, plan.device, plan.rehearsal, end, *order) for order in orders]
        for order, result in zip(orders, given, strict=True):
            try:
                yield result.result()
            except Exception as error:  # the others are measured all the same
                yield {"method": order[0], "failed": f"{type(error).__name__}: {error}"[:300]}


def compared(device: str, rehearsal: bool, end: float, name: str) -> Row:
    """A quick training, and how far the CPU is from what its network says on the device."""
    plan = Plan(device, 0, rehearsal)
    config = method(name).profiles["quick"]
    trainer = Trainer(name, config, plan.small, 0, device)
    course = plan.train(trainer, end)
    other = Trainer(name, config, plan.small, 0, "cpu")
    other.progress.network.load_state_dict(trainer.progress.network.state_dict())
    there, here = trainer._reading(), other._reading()
    exact = here.activation.scores
    scores = np.abs(there.activation.scores - exact).max() / max(np.abs(exact).max(), SMALLEST)
    means = [reading.score(plan.small.default_protocol).average for reading in (there, here)]
    difference = abs(means[0] - means[1])
    agrees = "yes" if course.epochs == course.of else "so far"
    return {
        "method": name,
        **course.row(),
        "mAP %": round(100 * means[0], 2),
        "difference": f"{difference:.1e}",
        "of scores, relative": f"{scores:.1e}",
        "agrees": agrees if max(difference, scores) <= AGREES else "NO",
    }


def with_option(device: str, rehearsal: bool, end: float, name: str, option: str) -> Row:
    """A quick training with this option, and average mAP after it."""
    plan = Plan(device, 0, rehearsal)
    forget_memory(device)
    with fast_products(option in ("TF32 products", "both")):
        trainer = Trainer(name, method(name).profiles["quick"], plan.small, 0, device)
        if option in ("features in bfloat16", "both"):
            trainer.train_videos.keep_as(torch.bfloat16)
            trainer.test_videos.keep_as(torch.bfloat16)
        course = plan.train(trainer, end)
        average = trainer._reading().score(plan.small.default_protocol).average
    return {
        "method": name,
        "option": option,
        "epochs": course.row()["epochs"],
        "training s": round(course.training, 2),
        "mAP %": round(100 * average, 2),
        "GiB": round(memory(device), 2),
    }


# name -> share of the time, what is measured
SECTIONS: dict[str, tuple[float, Callable[[Plan], Iterator[Row]]]] = {
    "machine": (0.05, machine),
    "packed against plain": (0.1, packed_against_plain),
    "trainings of THUMOS14's size": (0.45, trainings),
    "ladder, and agreement with the CPU": (0.25, ladder),
    "precision": (0.15, precision),
}
