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
    "reading_files",
    "own_data",
    "video_features",
    "hacs_size",
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

Measured once, in November 2026. Before is the state of the first round (commit efb698dd2), after is
today's. The first three rows were measured on a machine of two cores with a load of 11 to 17, both
under the same load; the others on a quiet one, by turns, in processes of their own.

| what                                                         | before         | after           |
|--------------------------------------------------------------|----------------|-----------------|
| a trivial run through the graph, ms (400 and 1,000 runs)     | 228            | 18              |
| one more run in a ledger of 640, CPU s                       | 0.271          | 0.001           |
| a notebook's imports, session and first table, CPU s         | 4.85           | 3.45            |
| `wtal reproduce facnet/table3 --seeds 1`, 20 runs, 1 job, s  | 145 136        | 139 137         |
| the same, 2 jobs, s                                          | 91 92          | 95 97           |
| the same, 2 jobs, CPU s                                      | 151 155        | 166 175         |

The last rows train the same networks by the first round's profile. With one process today's command
takes 0.98 times as long, where 1.5 times as fast was aimed at: it is bound by the steps, and those
by large kernels (above). With two it takes 1.05 times as long: five seconds more per command, not
per run. Before it sends the first run, the command trains a tiny network to say which behaviour
computes it, for which torch loads its compiler (4 s together), and starts Dask's workers (1 s).

Of a notebook's 3.45 seconds the import of torch takes about 1.6: the modules of the methods need
it, and most notebooks name one in their first cell, so that two seconds before the first table
cannot be reached while they do.
"""
NO_GPU = """## GPU

No GPU has been at hand: every number about one would be an estimate, and there is none here.
`python -m benchmarks.gpu` measures on whatever GPU it finds, in less than ten minutes.
"""
GPU = """
It writes `gpu.json` and `gpu.md` into `build/gpu`; `--minutes` sets its time, `--out` the folder.
`gpu.md`, laid into `benchmarks/tables`, is the part of this page. `tests/benchmarks/test_gpu.py`
rehearses all of it on the CPU at a tiny size, as `--rehearse` does.
"""
INSTEAD = {"gpu": NO_GPU}
AFTER = {"gpu": GPU}


def page(folder: Path = TABLES) -> str:
    """The text of the page."""
    parts = {path.stem: path.read_text() for path in sorted(folder.glob("*.md"))}
    names = [*ORDER, *(name for name in parts if name not in ORDER)]
    texts = [BEGINNING, GOALS + goals(parts) + "\n"]
    for name in names:
        missing = f"## {name.replace('_', ' ').capitalize()}\n\nNot measured yet.\n"
        texts.append(parts.get(name, INSTEAD.get(name, missing)) + AFTER.get(name, ""))
    return "\n".join([*texts, BEFORE, PEERS])


def main() -> None:
    path = DOCS / "performance.md"
    path.write_text(page())
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
