"""How time and memory grow: python -m benchmarks.growth [--quick]

Everything that a user may have many of, at sizes that quadruple. CPU seconds, the shorter of two;
memory is the peak of what Python and NumPy allocate in one further run (tracemalloc; what PyTorch
and Arrow allocate it does not see). The slope is that of the line through the last three points of
the double-logarithmic figure: 1 is proportional, 2 is quadratic. n log n has a slope of 1.1 at
these sizes. What is above 1.25 is named: short times are never measured to better than that.
"""

import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import evaluation_size
from benchmarks.measured import DOCS, Measured, as_table, write
from benchmarks.timing import seconds
from wtal_core.data.dataset import empty_segments
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET, ACTIVITYNET_TIOUS
from wtal_core.localization.suppression import suppress
from wtal_core.models import facnet
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.runs import ledger
from wtal_core.timebase import Timebase

NAMED = 1.25  # slope above which a growth is named
POINTS = 3  # through which the slope is drawn
SMALLEST = 1e-3  # seconds that are drawn
NOTES = """Above n log n by their algorithms, whatever was measured:

* **Proposals** of one video and class: each one that is kept is compared with all that are left, so
  that memory stays linear. It is quadratic in those of one video and class, and linear in videos.
"""
FIGURES = DOCS / "performance"
LINES = Path(__file__).parents[1] / "results" / "simulated-2" / "runs" / "facnet.jsonl"

Work = Callable[[], Any]


@dataclass(frozen=True)
class Subject:
    """Something that there may be many of. what: is done with them; prepare: its work at a size."""

    name: str
    what: str
    sizes: tuple[int, ...]
    prepare: Callable[[int, Path], Work]


def ledger_lines(n: int, folder: Path) -> Path:
    """A ledger's file of n runs, copies of a committed one with seeds and identities of their
    own.
    """
    line = json.loads(LINES.read_text().splitlines()[0])
    path = folder / "runs" / f"lines_{n}.jsonl"
    path.parent.mkdir(exist_ok=True)
    copies = [{**line, "seed": i, "id": f"{i:016x}"} for i in range(n)]
    path.write_text("".join(json.dumps(ledger.sealed(copy)) + "\n" for copy in copies))
    return path


def reading_runs(n: int, folder: Path) -> Work:
    path = ledger_lines(n, folder)
    return lambda: ledger._read(path)


def adding_a_run(n: int, folder: Path) -> Work:
    path = ledger_lines(n, folder)
    (first,) = ledger._read(ledger_lines(1, folder)).values()
    numbers = iter(range(10**9, 10**9 + 100))

    def add() -> None:
        line = {**first, "id": f"{next(numbers):016x}"}
        ledger.append(path, [ledger.sealed(line)])

    return add


def localizing(lengths: tuple[int, ...], classes: int = 5) -> Work:
    """FAC-Net's localization of videos of these lengths, 5 % of whose snippets stand out."""
    rng = np.random.default_rng(0)
    total = sum(lengths)
    cas = rng.uniform(0, 0.06, (2, total, classes))
    cas[:, rng.random(total) < 0.05] += 0.05
    scores = np.full((2, len(lengths), classes), 0.01)
    scores[:, np.arange(len(lengths)), np.arange(len(lengths)) % classes] = 0.8
    activation = Activation(cas, scores, np.zeros((2, total)), lengths)
    names = tuple(f"v{i}" for i in range(len(lengths)))
    labels = tuple(f"c{i}" for i in range(classes))
    scene = Scene(names, labels, Timebase(), empty_segments())
    return lambda: facnet.localize(activation, scene, facnet.OFFICIAL)


def scoring(**changes: int) -> Work:
    """The mAP of ActivityNet's protocol, 10 thresholds."""
    size = replace(evaluation_size.Size("", 1_000, 1_500, 100_000), **changes)
    truth, found = evaluation_size.simulate(size)
    return lambda: evaluate(truth, found, ACTIVITYNET, ACTIVITYNET_TIOUS)


def scoring_videos(n: int) -> Work:
    """So many videos with a hundred detections each."""
    return scoring(videos=n, instances=3 * n // 2, detections=100 * n)


def suppressing(n: int) -> Work:
    """Proposals of one video and class, 20 of which overlap on average."""
    rng = np.random.default_rng(0)
    start = rng.random(n) * n
    end = start + 10 * rng.random(n)
    sequence = np.zeros(n, dtype=np.int64)
    score = rng.random(n)
    return lambda: suppress(sequence, start, end, score, 0.5)


def fourfold(first: int, count: int) -> tuple[int, ...]:
    return tuple(first * 4**k for k in range(count))


SUBJECTS = (
    Subject("runs", "a ledger of n runs is read", fourfold(10, 4), reading_runs),
    Subject("one more run", "a run is added to a ledger of n", fourfold(10, 4), adding_a_run),
    Subject(
        "videos, localized",
        "n videos of 300 snippets are localized",
        fourfold(40, 4),
        lambda n, _: localizing((300,) * n),
    ),
    Subject(
        "snippets",
        "one video of n snippets is localized",
        fourfold(4_000, 4),
        lambda n, _: localizing((n,)),
    ),
    Subject(
        "proposals",
        "n proposals of one video and class are suppressed",
        fourfold(125, 4),
        lambda n, _: suppressing(n),
    ),
    Subject(
        "detections",
        "n detections of 1,000 videos are scored",
        fourfold(4_000, 4),
        lambda n, _: scoring(detections=n),
    ),
    Subject(
        "videos, scored",
        "n videos of 100 detections each are scored",
        fourfold(40, 4),
        lambda n, _: scoring_videos(n),
    ),
    Subject(
        "classes",
        "100,000 detections of n classes are scored",
        fourfold(10, 4),
        lambda n, _: scoring(classes=n),
    ),
)


@dataclass(frozen=True)
class Growth:
    """CPU seconds and bytes at each size."""

    subject: Subject
    sizes: tuple[int, ...]
    time: list[float]
    memory: list[float]

    def row(self) -> dict[str, str]:
        """What the table says."""
        slopes = {"time": slope(self.sizes, self.time), "memory": slope(self.sizes, self.memory)}
        above = [name for name, value in slopes.items() if value > NAMED]
        return {
            "n": self.subject.name,
            "what is done": self.subject.what,
            "from": f"{self.sizes[0]:,}",
            "to": f"{self.sizes[-1]:,}",
            "CPU s at the most": f"{self.time[-1]:.3f}",
            "MB at the most": f"{self.memory[-1] / 1e6:.1f}",
            "slope of time": f"{slopes['time']:.2f}",
            "slope of memory": f"{slopes['memory']:.2f}",
            "above n log n": " and ".join(above) or "no",
        }


def slope(sizes: tuple[int, ...], values: list[float]) -> float:
    """Of the line through the last points on logarithmic axes."""
    x = np.log(np.array(sizes[-POINTS:], dtype=np.float64))
    y = np.log(np.maximum(values[-POINTS:], 1e-9))
    return float(np.polyfit(x, y, 1)[0])


def measure(subject: Subject, sizes: tuple[int, ...]) -> Growth:
    """Time and memory at all sizes."""
    times, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            work = subject.prepare(size, Path(folder))
            work()
            times.append(seconds(work, 2, time.process_time)[0])
            tracemalloc.start()
            work()
            peaks.append(float(tracemalloc.get_traced_memory()[1]))
            tracemalloc.stop()
    return Growth(subject, sizes, times, peaks)


def draw(growths: list[Growth], folder: Path) -> None:
    """Both figures: PNG for pages, SVG for papers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    settings = {"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 8}
    with plt.rc_context(settings):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
        for growth, marker in zip(growths, "osv^DPX*", strict=True):
            label = f"{growth.subject.name}, {slope(growth.sizes, growth.time):.2f}"
            left.plot(growth.sizes, np.maximum(growth.time, SMALLEST), marker=marker, label=label)
            label = f"{growth.subject.name}, {slope(growth.sizes, growth.memory):.2f}"
            right.plot(growth.sizes, np.array(growth.memory) / 1e6, marker=marker, label=label)
        for axes, name in ((left, "CPU seconds"), (right, "peak memory, MB")):
            axes.set(xscale="log", yscale="log", xlabel="n", ylabel=name)
            axes.grid(alpha=0.3)
            axes.legend(title="n, slope", fontsize=6, title_fontsize=6)
        figure.savefig(folder / "growth.png", dpi=110)
        figure.savefig(folder / "growth.svg", metadata={"Date": None})
        plt.close(figure)


def main() -> None:
    is_quick = "--quick" in sys.argv
    growths = []
    for subject in SUBJECTS:
        sizes = subject.sizes[:3] if is_quick else subject.sizes
        growths.append(measure(subject, sizes))
        print(", ".join(f"{key} {value}" for key, value in growths[-1].row().items()), flush=True)
    if is_quick:
        return
    draw(growths, FIGURES)
    table = as_table([growth.row() for growth in growths])
    picture = "![Time and memory against size, on logarithmic axes](performance/growth.png)"
    about = str(__doc__).partition("\n\n")[2]
    write(Measured("growth", "Growth", about, f"{picture}\n\n{table}\n\n{NOTES}"))


if __name__ == "__main__":
    main()
