"""What is measured, each section by itself: a generator of rows. A method that fails gives a row
that says so, and the next one goes on.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from benchmarks import rskp_step, training_step
from benchmarks.gpu.data import TINY, Size, make
from benchmarks.gpu.training import Course, forget_memory, memory, timed, train_until
from wtal_core.data.dataset import Dataset
from wtal_core.data.opening import open_dataset
from wtal_core.models import method, method_names
from wtal_core.runs.train import Trainer, score

Row = dict[str, Any]
FIRST = ("facnet", "backtal", "gaufuse")
GOALS = {"facnet": 30, "backtal": 180, "gaufuse": 240}  # seconds of a training on an H100 or H200
AGREES = 1e-3  # of mAP, which goes from 0 to 1
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

    @cached_property
    def small(self) -> Dataset:
        """What quick trainings are of."""
        return make(TINY) if self.rehearsal else open_dataset("simulated-2")

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
    """Every method at quick size, and whether its network says the same on the CPU."""

    def measure(name: str, end: float) -> Iterator[Row]:
        config = method(name).profiles["quick"]
        trainer = Trainer(name, config, plan.small, 0, plan.device)
        course = plan.train(trainer, end)
        other = Trainer(name, config, plan.small, 0, "cpu")
        other.progress.network.load_state_dict(trainer.progress.network.state_dict())
        there, here = average(trainer), average(other)
        difference = abs(there - here)
        yield {
            "method": name,
            **course.row(),
            "mAP %": round(100 * there, 2),
            "mAP % on the CPU": round(100 * here, 2),
            "difference": f"{difference:.1e}",
            "agrees": "yes" if difference <= AGREES else "NO",
        }

    return plan.each(plan.methods, measure)


def precision(plan: Plan) -> Iterator[Row]:
    """Trainings with products in TF32, with features kept in bfloat16, and with both."""

    def measure(name: str, end: float) -> Iterator[Row]:
        exact = None
        for place, option in enumerate(OPTIONS):
            forget_memory(plan.device)
            each = (end - time.monotonic()) / (len(OPTIONS) - place)
            seconds, mean = with_option(plan, name, option, time.monotonic() + each)
            exact = mean if exact is None else exact
            yield {
                "method": name,
                "option": option,
                "training s": round(seconds, 2),
                "mAP %": round(100 * mean, 2),
                "against float32": f"{100 * (mean - exact):+.2f}",
                "GiB": round(memory(plan.device), 2),
            }

    return plan.each(SAMPLE, measure)


def with_option(plan: Plan, name: str, option: str, end: float) -> tuple[float, float]:
    """Seconds of a quick training, and average mAP after it."""
    config = method(name).profiles["quick"]
    with fast_products(option in ("TF32 products", "both")):
        trainer = Trainer(name, config, plan.small, 0, plan.device)
        if option in ("features in bfloat16", "both"):
            trainer.train_videos.keep_as(torch.bfloat16)
            trainer.test_videos.keep_as(torch.bfloat16)
        return plan.train(trainer, end).training, average(trainer)


def average(trainer: Trainer) -> float:
    """Mean average precision of the network of now, over the protocol's thresholds."""
    dataset = trainer.dataset
    return score(dataset, trainer.detect(), dataset.default_protocol).average


# name -> share of the time, what is measured
SECTIONS: dict[str, tuple[float, Callable[[Plan], Iterator[Row]]]] = {
    "machine": (0.05, machine),
    "packed against plain": (0.1, packed_against_plain),
    "trainings of THUMOS14's size": (0.45, trainings),
    "ladder, and agreement with the CPU": (0.25, ladder),
    "precision": (0.15, precision),
}
