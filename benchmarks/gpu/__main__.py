"""All that a GPU is measured on, in less than ten minutes.

Run: python -m benchmarks.gpu [--minutes 9] [--out build/gpu] [--rehearse]

Each section runs in a process of its own, so that what one of them breaks, a device error included,
is one line of the report. Writes `gpu.json` and `gpu.md` into the folder. --rehearse: on the CPU,
at a tiny size, in seconds; its numbers say nothing, but that the script runs.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from benchmarks.gpu.sections import SECTIONS, Plan, Row

STARTING = 45.0  # seconds that a section's process may take beyond its share: imports, data
REHEARSAL = 600.0  # the same for a rehearsal, whose machine may be a slow one
ABSENT = (
    "no CUDA GPU was found; `python -m benchmarks.gpu --rehearse` runs the same on the CPU at a "
    "tiny size"
)

ABOUT = """`python -m benchmarks.gpu` measures on whatever GPU it finds, in less than ten minutes.
Where a training of THUMOS14's size does not fit, its first epochs are measured and scaled, and the
table says how many they were; labels that GauFuse makes later are timed once and counted in. Quick
trainings go side by side, each in a process of its own: one alone waits for the launches of its
kernels. Agreement is of the same weights on the GPU and on the CPU, in mAP (0 to 1) and in class
scores relative to the largest one: 0.001 at most; "so far" where the training did not come to its
end."""


def main(words: list[str] | None = None) -> int:
    """Exit status 0: measured, 1: something failed, 2: there is no GPU."""
    asked = _options().parse_args(words)
    if asked.section:
        return run_section(asked.section, asked.rows, asked.seconds, asked.rehearse)
    if not asked.rehearse and not torch.cuda.is_available():
        print(ABSENT, file=sys.stderr)
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    for report in measured(0 if asked.rehearse else 60 * asked.minutes, asked.rehearse):
        (asked.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
        (asked.out / "gpu.md").write_text(as_text(report))
    print(as_text(report))
    return int(any(failures(report)))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all sections")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="folder to write into")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, at a tiny size")
    parser.add_argument("--section", choices=[*SECTIONS], help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    return parser


def measured(
    seconds: float, rehearsal: bool, sections: Iterable[str] = SECTIONS
) -> Iterator[dict[str, Any]]:
    """The report after each section, one process after the other; what one leaves of its time is
    the next ones'. A machine that is taken away takes only what it has not finished.
    """
    end = time.monotonic() + seconds
    listed = list(sections)
    report: dict[str, Any] = {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "rehearsal": rehearsal,
        "sections": {},
    }
    for place, name in enumerate(listed):
        ahead = sum(SECTIONS[other][0] for other in listed[place:])
        share = max(0.0, end - time.monotonic()) * SECTIONS[name][0] / ahead
        print(f"{name}, {share:.0f} s …", file=sys.stderr, flush=True)
        report["sections"][name] = in_a_process(name, share, rehearsal)
        yield report


def in_a_process(name: str, seconds: float, rehearsal: bool) -> dict[str, Any]:
    """The rows of a section, as many as there are, and why there are no more, if there are not."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        words = ["--section", name, "--rows", str(rows), "--seconds", str(seconds)]
        words += ["--rehearse"] * rehearsal
        failed = ""
        longest = seconds + (REHEARSAL if rehearsal else STARTING)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.gpu", *words],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                timeout=longest,
            )
            if done.returncode:
                failed = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
                failed = f"exit status {done.returncode}: {failed}"
        except subprocess.TimeoutExpired:
            failed = f"stopped after {longest:.0f} s"
        lines = rows.read_text().splitlines() if rows.exists() else []
        return {"rows": [json.loads(line) for line in lines], "failed": failed}


def run_section(name: str, rows: Path, seconds: float, rehearsal: bool) -> int:
    """Write the rows of a section, each as soon as it is there."""
    plan = Plan("cpu" if rehearsal else "cuda", seconds, rehearsal)
    with rows.open("w") as stream:
        for row in SECTIONS[name][1](plan):
            print(json.dumps(row), file=stream, flush=True)
    return 0


def failures(report: dict[str, Any]) -> list[str]:
    """One line per thing that failed."""
    lines = []
    for name, section in report["sections"].items():
        if section["failed"]:
            lines.append(f"{name}: {section['failed']}")
        for row in section["rows"]:
            if "failed" in row:
                lines.append(f"{name}, {row['method']}: {row['failed']}")
            if row.get("agrees") == "NO":
                lines.append(f"{name}, {row['method']}: differs from the CPU")
    return lines


def as_text(report: dict[str, Any]) -> str:
    """The report as Markdown, a part of docs/performance.md: a table per section, then what
    failed.
    """
    parts = ["## GPU", ABOUT, f"Measured on {report['date']}, Python {report['python']}."]
    if report["rehearsal"]:
        parts.append("A rehearsal on a CPU at a tiny size: these numbers say nothing of a GPU.")
    for name, section in report["sections"].items():
        tables = [as_table(rows) for rows in by_columns(section["rows"])]
        parts += [f"### {name[0].upper()}{name[1:]}", *tables]
    parts.append("### What failed")
    parts.append("\n".join(f"* {line}" for line in failures(report)) or "Nothing.")
    return "\n\n".join(parts) + "\n"


def by_columns(rows: list[Row]) -> list[list[Row]]:
    """Rows of equal columns together, those that failed left out."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if "failed" not in row:
            groups.setdefault(tuple(row), []).append(row)
    return list(groups.values())


def as_table(rows: list[Row]) -> str:
    """A table in Markdown."""
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
