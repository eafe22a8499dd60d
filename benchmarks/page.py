"""docs/performance.md, of what the benchmarks have left in `benchmarks/tables`.

Run: python -m benchmarks.page. A part that has not been measured is named as such; one that `ORDER`
does not know comes last.
"""

from pathlib import Path

from benchmarks.goals import goals
from benchmarks.measured import DOCS, TABLES

ORDER = (
    "start_up",
    "evaluation_size",
    "training_steps_quick",
    "training_steps_thumos14",
    "scale",
    "growth",
    "gpu",
)
BEGINNING = """# Speed and memory

`make benchmarks` measures all of this and writes this page; under each part stand the date and the
machine of its run. What carries over to another machine are ratios, slopes and shares. A plain form
is ours too: the same, computed one video, one detection or one line at a time, as published code
does. Where the load is above the number of cores, other programs were at work: seconds are longer
there than anywhere else, and CPU seconds somewhat.
"""
GOALS = """## Goals

What was aimed at, and whether it is met, by the tables below.

"""
PEERS = """## Times of others

Neither the papers' texts nor the discussions of their code that we know of state a time together
with the machine that it was measured on. When the official codes were read for this workbook,
FAC-Net's evaluation of THUMOS14's test set took 7 s, that of GauFuse's code 7 to 20 s, 70 times per
training, and one linear programme of GauFuse about 60 ms (SciPy 1.8.1); the machine was not written
down. `python -m benchmarks.test_set_evaluation` measures ours. The code of the toolkits was not at
hand to be timed beside ours: a plain form of it stands for it, as the tables say.
"""
BEFORE = """## Before and after

Measured once, in November 2026, on a machine of two cores with a load of 11 to 17, so that seconds
are many times those of a quiet one; what is before and what is after stood under the same load.

| what                                                       | before  | after   |
|------------------------------------------------------------|---------|---------|
| a trivial run through the graph, ms (400 and 1,000 runs)   | 228     | 18      |
| one more run in a ledger of 640, CPU s                     | 0.271   | 0.001   |
| a notebook's imports, session and first table, CPU s       | 4.85    | 3.45    |
| four FAC-Net runs of 6 epochs on 2 workers, s, by turns    | 211 155 | 196 182 |
| the same, CPU s                                            | 30 34   | 46 43   |

Ten thousand trivial runs took 559 s under that load, in which each process had about a ninth of a
core: 67 CPU seconds of the client and 52 of two workers. Two minutes on a quiet machine follow from
these, but were not measured.

The last two rows compare the processes of before Dask with Dask's workers. Their results are equal.
Dask costs about 12 CPU seconds per command under that load, for its scheduler and the start of its
workers; which one is quicker cannot be told there. Of a notebook's 3.45 seconds the import of torch
takes about 1.6: the modules of the methods need it, and most notebooks name one in their first
cell, so that two seconds before the first table cannot be reached while they do.
"""
NO_GPU = """## GPU

No GPU has been at hand: every number about one would be an estimate, and there is none here.
`python -m benchmarks.gpu` measures on whatever GPU it finds, in less than ten minutes:

* every method's training of THUMOS14's size: seconds, memory, share of the matrix product's rate;
* a packed step against the plain form;
* every method at quick size, and how far its mAP is from the CPU's by the same weights: 0.001 at
  most;
* what products in TF32 and features kept in bfloat16 do to time, memory and mAP.

It writes `gpu.json` and `gpu.md` into `build/gpu`; `--minutes` sets its time, `--out` the folder.
Where a training does not fit, a part of it is measured and scaled, and the table says how large a
part. `tests/benchmarks/test_gpu.py` rehearses all of it on the CPU at a tiny size, as `--rehearse`
does. Goals on one H100 or H200: FAC-Net in 30 s, BackTAL in 3 min, GauFuse in 4 min.
"""
INSTEAD = {"gpu": NO_GPU}


def page(folder: Path = TABLES) -> str:
    """The text of the page."""
    parts = {path.stem: path.read_text() for path in sorted(folder.glob("*.md"))}
    names = [*ORDER, *(name for name in parts if name not in ORDER)]
    texts = [BEGINNING, GOALS + goals(parts) + "\n"]
    for name in names:
        missing = f"## {name.replace('_', ' ').capitalize()}\n\nNot measured yet.\n"
        texts.append(parts.get(name, INSTEAD.get(name, missing)))
    return "\n".join([*texts, BEFORE, PEERS])


def main() -> None:
    path = DOCS / "performance.md"
    path.write_text(page())
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
