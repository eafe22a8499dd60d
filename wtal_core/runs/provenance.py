"""Who computed a run, and on what: what a ledger's line says under `by`. Written once."""

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

from wtal_core.runs.ledger import UNKNOWN

PACKAGE = Path(__file__).parents[1]


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

    Outside a checkout, such as in an installed wheel, the package's version stands for the commit.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": f"package {_version()}", "dirty": False}
    return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--", str(PACKAGE)))}


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
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
        "device_name": torch.cuda.get_device_name() if on_gpu else processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
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
