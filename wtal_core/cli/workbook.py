"""Tables and figures: list them, regenerate them, execute notebooks in place."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from wtal_core.cli.extras import require
from wtal_core.cli.printed import tabulate


def reproduce(
    artifacts: Positional[tuple[str, ...]] = (),
    dataset: str = "",
    profile: Literal["quick", "official", "printed"] = "quick",
    seeds: int = 5,
    device: str = "auto",
    jobs: int = 1,
    scheduler: str = "",
    cluster: Literal["", "cuda", "slurm", "pbs", "kubernetes"] = "",
    workers: int = 1,
    settings: Path | None = None,
    results: Path = Path("results"),
) -> int:
    """Regenerate tables and figures by executing their notebooks.

    Args:
        artifacts: papers or artifacts, such as facnet or facnet/table3; all if none is named.
        dataset: data set, see `wtal data list`; each notebook's own if none is named.
        profile: quick (seconds per run), official (sizes and schedule of the authors' code), or
            printed (what the paper says, where that differs).
        seeds: number of seeds, 0 .. n - 1.
        device: cpu, cuda or auto.
        jobs: runs at a time, as processes of this machine on the CPU.
        scheduler: send runs to an existing Dask scheduler, such as tcp://10.0.0.1:8786.
        cluster: have workers started by slurm, pbs or kubernetes, or (cuda) one for each GPU of
            this machine; see docs/scale.md.
        workers: how many workers the cluster starts.
        settings: YAML file of the cluster's settings, such as queue and memory.
        results: folder of finished runs, tables and figures; runs that are there are not
            computed again.
    """
    require("notebooks")
    from wtal_core.runs.cluster import Place
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.workbook.reproduce import reproduce as run_notebooks

    place = Place(jobs, scheduler, cluster, workers, settings)
    parameters = {
        "dataset": dataset,
        "profile": profile,
        "seeds": seeds,
        "device": _device_elsewhere(device) if place.is_elsewhere else resolve_device(device),
        "jobs": jobs,
    }
    return int(run_notebooks(artifacts, results, parameters, place=place) > 0)


def _device_elsewhere(device: str) -> str:
    """Each worker looks for a GPU of its own; so does the kernel of a notebook here."""
    return "cpu" if device == "cpu" else "auto"


def ladder(
    dataset: str = "simulated-2",
    profile: Literal["quick", "official", "printed"] = "quick",
    seeds: int = 5,
    device: str = "auto",
    jobs: int = 1,
    results: Path = Path("results"),
) -> int:
    """Train every method on a data set and print them in the order of the literature.

    Args:
        dataset: data set, see `wtal data list`.
        profile: quick, official or printed, see `wtal reproduce`.
        seeds: number of seeds, 0 .. n - 1.
        device: cpu, cuda or auto.
        jobs: runs at a time, as processes on the CPU.
        results: folder of finished runs, tables and figures; runs that are there are not
            computed again.
    """
    ladder_of_all = ("ladder/ladder",)
    status = reproduce(ladder_of_all, dataset, profile, seeds, device, jobs, results=results)
    if status == 0:
        from wtal_core.report.artifacts import read_table

        file = results / dataset / "ladder" / "ladder.csv"
        for name in ("ladder", "ladder_order"):
            print(tabulate(read_table(file, name), headers="keys", disable_numparse=True))
    return status


def predictions(device: str = "auto", jobs: int = 1, results: Path = Path("results")) -> int:
    """Print the registered predictions about simulated-2 with what came out, pass or FAIL.

    A prediction that fails is an outcome like any other: the exit status is 0.

    Args:
        device: cpu, cuda or auto.
        jobs: runs at a time, as processes on the CPU.
        results: folder of finished runs; those that are missing are computed, which takes minutes.
    """
    from wtal_core.report.predictions import counts, table
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.study.session import open_session
    from wtal_core.workbook import predictions as registered

    session = open_session(
        registered.ARTIFACT,
        registered.DATASET,
        registered.PROFILE,
        len(registered.SEEDS),
        resolve_device(device),
        str(results),
        jobs,
    )
    outcomes = registered.evaluated(session)
    lines = table(outcomes).drop(columns="statement")
    widths = [None] * lines.shape[1] + [60]
    print(tabulate(lines, headers="keys", disable_numparse=True, maxcolwidths=widths))
    print()
    print(tabulate(counts(outcomes), headers="keys"))
    return 0


def list_artifacts(rows: str = "", results: Path = Path("results")) -> int:
    """Print the tables and figures that can be regenerated, and how many printed rows they hold.

    Args:
        rows: a paper or table, such as facnet or facnet/table1, whose printed rows are told one by
            one: trained, recounted, quoted or not yet, and why.
        results: folder of tables in which rows of ours are looked for.
    """
    from wtal_core.cli import rows as printed

    if rows:
        print(printed.one_by_one(rows, results))
    else:
        print(printed.overview(results))
    return 0


def lab(notebook: Positional[str] = "start_here") -> int:
    """Start JupyterLab in the browser, at a notebook of the workbook.

    Args:
        notebook: its name, such as start_here, facnet/method or facnet/table3.
    """
    require("notebooks")
    from wtal_core.workbook.lab import start

    return start(notebook)


def refresh_notebooks(only: Positional[tuple[Path, ...]] = ()) -> int:
    """Execute notebooks in place with their own parameters, and clean them.

    Args:
        only: notebook files; all if none is named.
    """
    require("notebooks")
    from wtal_core.workbook.artifacts import FOLDER
    from wtal_core.workbook.execution import refresh_all

    refresh_all(list(only) or sorted(FOLDER.glob("**/*.ipynb")))
    return 0
