"""What a start costs: python -m benchmarks.start_up

Each command runs in a process of its own, twice: the first run compiles the modules, the second one
is timed. The evaluation is of 9,000 detections. The last rows are what a notebook does in
its kernel before its first table: imports, and opening the data set, which is drawn anew. On a
machine without other work the seconds are about the CPU seconds.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import evaluation_size
from benchmarks.measured import Measured, as_table, write
from wtal_core.evaluation.tables import write_detections, write_ground_truth

THUMOS = evaluation_size.Size("THUMOS14", 212, 3_358, 9_000, 20)
NOTEBOOK = """
from wtal_core import papers
from wtal_core.pictures import figures
from wtal_core.report import foreground, messages, side_by_side, tables
from wtal_core.study.session import open_session
{then}
"""
OPENED = 'open_session("facnet/table1", "simulated-2")'
TABLE = """
columns = papers.reported("facnet")["tables"]["table1"]["columns"]
tables.printed_table("facnet/table1", columns)
"""


def second_run(words: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU seconds and seconds of a process; it runs once before, to be compiled."""
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment)
        waited = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, waited


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "truth.json", Path(folder) / "found.json"
        truth, found = evaluation_size.simulate(THUMOS)
        write_ground_truth(truth, paths[0])
        write_detections(found, paths[1])
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder) / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        measured = {
            "python, nothing else": (["-c", "pass"], ""),
            "`wtal --help`": (["-m", "wtal_core", "--help"], "0.3"),
            "`wtal evaluate`": (["-m", "wtal_core", "evaluate", *map(str, paths)], "1"),
            "import torch, which every method needs": (["-c", "import torch"], ""),
            "a notebook's imports": (["-c", NOTEBOOK.format(then="")], ""),
            "and its session": (["-c", NOTEBOOK.format(then=OPENED)], ""),
            "and the first table": (["-c", NOTEBOOK.format(then=OPENED + TABLE)], "2"),
        }
        for name, (words, goal) in measured.items():
            cpu, waited = second_run(words, environment)
            rows.append({"start": name, "CPU s": f"{cpu:.2f}", "s": f"{waited:.2f}", "goal": goal})
            print(rows[-1], flush=True)
    about = str(__doc__).partition("\n\n")[2]
    write(Measured("start_up", "Start-up", about, as_table(rows)))


if __name__ == "__main__":
    main()
