"""Who computed a run, and on what: what a ledger's line says under `by`. Written once."""

import hashlib
import os
import platform
import re
import resource
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wtal_core.errors import WorkbookError
from wtal_core.runs.ledger import UNKNOWN

PACKAGE = Path(__file__).parents[1]
COMMIT = "WTAL_COMMIT"  # environment variable, see `code`


def provenance(device: str, behaviour: str) -> dict[str, Any]:
    """Commit, behaviour, environment and time of a run that finishes now."""
    return {
        **code(),
        "behaviour": behaviour,
        "environment": environment(device),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@lru_cache(maxsize=1)
def code() -> dict[str, Any]:
    """The commit that is checked out, and whether the package differs from it.

    A copy of a checkout that has left its git folder behind, as on a machine that only computes, is
    told its commit by the environment variable WTAL_COMMIT: 40 hexadecimal digits, with "-dirty"
    behind them where the package differs from it. In a checkout nobody reads that variable. Without
    both, such as in an installed wheel, the package's version stands for the commit.

    Raises WorkbookError where the variable holds something else.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--", str(PACKAGE)))}
    told = os.environ.get(COMMIT)
    if told is None:
        return {"commit": f"package {_version()}", "dirty": False}
    if not re.fullmatch(r"[0-9a-f]{40}(-dirty)?", told):
        raise WorkbookError(
            f"environment variable {COMMIT} is {told!r}; expected what `git rev-parse HEAD` "
            'prints, with "-dirty" behind it where the package differs from that commit'
        )
    return {"commit": told.removesuffix("-dirty"), "dirty": told.endswith("-dirty")}


@lru_cache(maxsize=1)
def source_hash() -> str:
    """A hash of the package's source, by which a client knows that a worker runs the same code."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _git(*arguments: str) -> str | None:
    """What a git command says of the package's checkout; None where there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version() -> str:
    try:
        return version("wtal-workbook")
    except PackageNotFoundError:
        return UNKNOWN


def environment(device: str) -> dict[str, Any]:
    """What the bits of a number may depend on besides what was asked for."""
    on_gpu = device.startswith("cuda")
    # On a CPU it changes nothing, so that only a GPU's lines say it.
    matmul = {"matmul": torch.get_float32_matmul_precision()} if on_gpu else {}
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
        "device_name": torch.cuda.get_device_name() if on_gpu else processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        **matmul,
    }


@lru_cache(maxsize=1)
def processor() -> str:
    """The CPU's model, as the system names it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1] if model else platform.machine()


def peak_memory_mb(device: str) -> int:
    """Peak of the process, or of the GPU, in MB."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10
