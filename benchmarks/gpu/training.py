"""A part of a training, timed: enough of it to say what the whole takes."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import peak_memory
from wtal_core.runs.train import Trainer

COUNTED = 3  # steps whose operations are counted, before the clock starts


def wait(device: torch.device | str) -> None:
    """Until the device has finished."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def memory(device: torch.device | str) -> float:
    """Peak so far, in GiB: of the GPU since `forget_memory`, on a CPU of the process."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return peak_memory()


def forget_memory(device: torch.device | str) -> None:
    """Give back what is free, and let the GPU's peak begin anew."""
    gc.collect()  # a timed trainer refers to itself
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def timed(work: Callable[[], object], device: torch.device | str) -> float:
    """Seconds until the device has finished."""
    wait(device)
    begin = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - begin


@dataclass
class Course:
    """How a training went. of: the epochs of the whole; operations: floating-point ones of matrix
    products and convolutions per epoch; seconds per epoch, of its steps, of what the method does
    between two epochs, and of each scoring of the test set. missed: how often the method makes
    labels anew in the epochs that were not trained; refresh: seconds of one such time.
    """

    of: int
    evaluations: int
    operations: float = 0.0
    steps: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    passes: list[float] = field(default_factory=list)
    missed: int = 0
    refresh: float = 0.0

    @property
    def epochs(self) -> int:
        """How many were trained."""
        return len(self.steps)

    @property
    def training(self) -> float:
        """Seconds of all epochs: measured where all were trained, else scaled from those that
        were.
        """
        measured = float(np.sum(self.steps)) + float(np.sum(self.pauses))
        return measured * self.of / self.epochs + self.missed * self.refresh

    @property
    def whole(self) -> float:
        """Seconds of the run with its scorings of the test set."""
        return self.training + self.evaluations * float(np.mean(self.passes))

    def row(self) -> dict[str, float | int | str]:
        """What the tables say."""
        return {
            "epochs": f"{self.epochs} of {self.of}",
            "ms per epoch": round(1e3 * float(np.mean(self.steps)), 2),
            "ms between epochs": round(1e3 * float(np.mean(self.pauses)), 2),
            "s of new labels": round(self.missed * self.refresh, 2),
            "test-set pass s": round(float(np.mean(self.passes)), 3),
            "training s": round(self.training, 2),
            "whole run s": round(self.whole, 2),
            "of it scoring %": round(100 * (1 - self.training / self.whole), 1),
        }


def count_operations(trainer: Trainer) -> float:
    """Floating-point operations of an epoch, from a few steps of it."""
    schedule = trainer.config.schedule
    batches = schedule.batches(trainer.train_videos.labels, trainer.order)
    some = batches[:COUNTED]
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _added}) as counter:
        for batch in some:
            trainer.step(batch)
    return counter.get_total_flops() * len(batches) / len(some)


def train_until(trainer: Trainer, end: float, fewest: int = 2) -> Course:
    """Train until this time of the monotonic clock, or until the training is over; at least so many
    epochs. The test set is scored where the schedule says, and once at the end if it never did.
    """
    schedule = trainer.config.schedule
    course = Course(schedule.epochs, max(1, schedule.evaluations))
    course.operations = count_operations(trainer)
    between, score = trainer._between_epochs, trainer._evaluate
    scores: list[float] = []
    trainer._between_epochs = lambda: course.pauses.append(timed(between, trainer.device))
    trainer._evaluate = lambda: _scored(score, course, scores, trainer)
    while course.epochs < schedule.epochs:
        if course.epochs >= fewest and time.monotonic() > end:
            break
        before = len(course.passes)
        whole = timed(trainer.epoch, trainer.device)
        course.steps.append(whole - course.pauses[-1] - sum(course.passes[before:]))
    if not course.passes:
        trainer._evaluate()
    _make_missed_labels(trainer, course, between)
    return course


def _make_missed_labels(trainer: Trainer, course: Course, between: Callable[[], None]) -> None:
    """Time one of the refreshes of pseudo labels (GauFuse) that the epochs left out would hold."""
    epochs = getattr(trainer.config, "refresh_epochs", ())
    missed = [epoch for epoch in epochs if epoch > course.epochs]
    if missed:
        trainer.progress.epoch = missed[0]
        course.missed, course.refresh = len(missed), timed(between, trainer.device)


def _scored(
    score: Callable[[], float], course: Course, scores: list[float], trainer: Trainer
) -> float:
    """The average mAP, with its seconds noted."""
    course.passes.append(timed(lambda: scores.append(score()), trainer.device))
    return scores[-1]


def _added(_: Any, a: torch.Size, b: torch.Size, **__: Any) -> int:
    """What torch's counter lacks: a product that is added to where it belongs."""
    return 2 * a[0] * a[1] * b[1]
