"""The command `wtal`. Exit status 0: all well, 1: a check failed, 2: bad input, in one line."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tabulate import tabulate
from tqdm import tqdm
from tyro.conf import Positional

from wtal_core.errors import WorkbookError


def reproduce(
    artifacts: Positional[tuple[str, ...]] = (),
    dataset: str = "simulated",
    profile: Literal["quick", "paper"] = "quick",
    seeds: int = 5,
    device: str = "auto",
    jobs: int = 1,
    results: Path = Path("results"),
) -> int:
    """Regenerate tables and figures by executing their notebooks.

    Args:
        artifacts: papers or artifacts, such as facnet or facnet/table3; all if none is named.
        dataset: data set, see `wtal data list`.
        profile: quick (seconds a run) or paper (the paper's sizes and schedule).
        seeds: number of seeds, 0 .. n - 1.
        device: cpu, cuda or auto.
        jobs: runs at a time, as processes on the CPU.
        results: folder of finished runs, tables and figures; runs that are there are not computed
        again.
    """
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.workbook.reproduce import reproduce as run_notebooks

    parameters = {
        "dataset": dataset,
        "profile": profile,
        "seeds": seeds,
        "device": resolve_device(device),
        "jobs": jobs,
    }
    return int(run_notebooks(artifacts, results, parameters) > 0)


def list_artifacts() -> int:
    """Print the tables and figures that can be regenerated."""
    from wtal_core.workbook.execution import find_notebooks

    print(tabulate([(n.artifact, n.title) for n in find_notebooks()], ("artifact", "what")))
    return 0


def evaluate(
    ground_truth: Positional[Path],
    detections: Positional[Path],
    protocol: str = "activitynet",
    tious: str | None = None,
    subset: str | None = None,
    ambiguous: Path | None = None,
    blocked: Path | None = None,
    per_class: bool = False,
    order_range: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Score a detections file (ActivityNet JSON or Parquet) of any method under a protocol of the
    field.

    Nothing is dropped without being counted in the output. Files that cannot be scored give one
    line and exit status 2: times or scores that are NaN, times that are infinite or reversed
    (detections), names that are not text, videos listed twice, files cut short, and names of which
    the ground truth knows none. README.md has the whole table.

    Args:
        ground_truth: ActivityNet JSON or Parquet.
        detections: ActivityNet JSON or Parquet.
        protocol: activitynet, opentad, actionformer, wtalc or wtalc-2019; or all, for a row a
        protocol.
        tious: thresholds as start:step:stop (stop included), such as 0.5:0.05:0.95, or a list, such
        as 0.5,0.75;
            without it 0.1:0.1:0.7.
        subset: subset of the ground truth to score on, needed where the file holds several; all:
        every video.
        ambiguous: THUMOS14's Ambiguous_test.txt, where the ground truth does not hold these
        intervals; for the wtalc protocols.
        blocked: videos to leave out, one a line or a JSON list.
        per_class: also print AP of each class.
        order_range: also score under two other orders of equal scores; the range that all orders
        span is at least as wide.
        as_json: print everything as JSON.
    """
    from wtal_core.evaluation import accounting, protocols, tables, thresholds

    chosen = (
        list(protocols.PROTOCOLS.values()) if protocol == "all" else [protocols.protocol(protocol)]
    )
    levels = None if tious is None else thresholds.parse_tious(tious)
    truth = tables.with_lists(tables.read_ground_truth(ground_truth, subset), ambiguous, blocked)
    found = tables.load_detections(detections)
    statements = [accounting.statement(truth, found, one, levels, order_range) for one in chosen]
    content = (
        statements[0]
        if protocol != "all"
        else {"protocols": {one["protocol"]: one for one in statements}}
    )
    print(json.dumps(content, indent=1) if as_json else accounting.as_text(statements, per_class))
    return 0


def diagnose(
    ground_truth: Positional[Path],
    detections: Positional[tuple[Path, ...]],
    names: tuple[str, ...] = (),
    out: Path = Path("diagnosis"),
    title: str = "",
    tious: str = "0.5",
    subset: str | None = None,
    durations: Path | None = None,
    benchmark: Literal["thumos14", "activitynet"] = "thumos14",
    as_published: bool = False,
) -> int:
    """Say what the errors of one or several methods are: one HTML page with everything in it, PNG
    files, and JSON.

    Args:
        ground_truth: ActivityNet JSON (with `duration`, for coverage) or Parquet.
        detections: ActivityNet JSON or Parquet, a file a method.
        names: names of the methods, in the order of their files; default: the files' names.
        out: folder to write into.
        title: data set and origin, for the captions; default: the name of the ground truth's file.
        tious: thresholds that the analyses are averaged over, such as 0.5 or 0.3:0.1:0.7.
        subset: subset of the ground truth, where the file holds several.
        durations: ActivityNet JSON with the videos' durations, where the ground truth has none.
        benchmark: whose buckets of coverage, length and number of instances, and whose mAP
        thresholds.
        as_published: repeat the published tool's slip with videos that hold no instance.
    """
    from wtal_core.evaluation.case import read_cases
    from wtal_core.evaluation.thresholds import parse_tious
    from wtal_core.pages.diagnosis_page import findings, write_page

    levels = parse_tious(tious)
    cases = read_cases(ground_truth, detections, names, title, subset, durations)
    shown = tqdm(cases, desc="diagnosis", unit="method", disable=None)
    found = [findings(case, levels, benchmark, as_published) for case in shown]
    for path in write_page(found, out):
        print(f"wrote {path}")
    for name in found[0].diagnosis.left_out:
        print(
            f"{name} is left out: the ground truth does not tell how long the videos are; see "
            f"--durations"
        )
    if not title:
        print(
            f"captions name the data {cases[0].title!r}; say what it is and where from with --title"
        )
    return 0


def data_list() -> int:
    """Print the known data sets and their origin."""
    from wtal_core.data.manifests import dataset_names, load_manifest

    manifests = [load_manifest(name) for name in dataset_names()]
    counts = [
        ", ".join(f"{split} {c.videos}/{c.instances}" for split, c in m.splits.items())
        for m in manifests
    ]
    rows = [
        (m.name, m.title, m.origin, c, m.licence) for m, c in zip(manifests, counts, strict=True)
    ]
    print(
        tabulate(
            rows,
            ("name", "title", "origin", "videos/instances", "licence"),
            maxcolwidths=[None, 32, None, 28, 36],
        )
    )
    return 0


def data_verify(name: Positional[str], root: Path | None = None) -> int:
    """Check every file of a data set. Exit status 1 if one that is needed is missing or wrong.

    Args:
        name: data set.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
    """
    from wtal_core.data.verify import verify

    findings = verify(name, root)
    print(
        tabulate(
            [(f.status, f.file, f.expected, f.found) for f in findings],
            ("status", "file", "expected", "found"),
            maxcolwidths=[None, 46, 60, 40],
        )
    )
    bad = [f for f in findings if f.status != "ok" and f.needed]
    fine = sum(f.status == "ok" for f in findings)
    print(
        f"{name}: {fine} of {len(findings)} fine"
        + (f", {len(bad)} needed and not fine" if bad else "")
    )
    return int(bool(bad))


def data_fetch(name: Positional[str], root: Path | None = None, mirror: str | None = None) -> int:
    """Download a data set's files, checked by checksum; say what must be obtained by hand.

    Args:
        name: data set.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        mirror: a folder or an address laid out like the folder of the data sets.
    """
    from wtal_core.data.fetch import fetch

    outcome = fetch(name, root, mirror)
    lines = [("fetched", path, "") for path in outcome.fetched]
    lines += [("by hand", *item) for item in outcome.by_hand.items()]
    lines += [("failed", *item) for item in outcome.failed.items()]
    print(
        tabulate(lines, ("status", "file", "note"), maxcolwidths=[None, 50, 60])
        if lines
        else f"{name}: everything is there"
    )
    return int(bool(outcome.by_hand or outcome.failed))


def data_simulate(
    annotations: Path, root: Path | None = None, seed: int = 0, feature_size: int = 1024
) -> int:
    """Put simulated features under real THUMOS14 annotations, in the layout in which real features
    come.

    Args:
        annotations: folder `Thumos14reduced-Annotations`.
        root: folder of the data sets to write into; default $WTAL_DATA, else ./data of the
        checkout.
        seed: seed of the features.
        feature_size: D of each of the two streams.
    """
    from wtal_core.data.simulated_thumos14 import NAME, write_simulated

    path = write_simulated(annotations, root, seed, feature_size)
    print(f"wrote {path} ({path.stat().st_size / 2**30:.2f} GiB); use it with --dataset {NAME}")
    return 0


def results_check(results: Path = Path("results")) -> int:
    """Check that every record in a results folder is whole, and say which ones the code of today
    would compute anew.

    Args:
        results: folder of finished runs, tables and figures.
    """
    from wtal_core.runs.audit import audit

    findings = audit(results)
    print(tabulate(findings, headers="keys"))
    return int(any(row["damaged"] for row in findings))


def results_compare(fresh: Positional[Path], committed: Path = Path("results")) -> int:
    """Compare fresh tables with the committed ones, row by row. Exit status 1 if a row's intervals
    are apart.

    Args:
        fresh: results folder of a run on this machine.
        committed: results folder to compare with.
    """
    from wtal_core.runs.compare import compare

    table = compare(fresh, committed)
    print(tabulate(table, headers="keys", showindex=False))
    return int((table["agree"] < table["rows"]).any())


def refresh_notebooks(only: Positional[tuple[Path, ...]] = ()) -> int:
    """Execute the committed notebooks in place with their own parameters, and clean them (for
    members of the project).

    Args:
        only: notebook files; all if none is named.
    """
    from wtal_core.workbook.execution import FOLDER, refresh_all

    refresh_all(list(only) or sorted(FOLDER.glob("**/*.ipynb")))
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "reproduce": reproduce,
    "list": list_artifacts,
    "evaluate": evaluate,
    "diagnose": diagnose,
    "notebooks": refresh_notebooks,
}
GROUPS: dict[str, dict[str, Callable[..., int]]] = {
    "data": {
        "list": data_list,
        "verify": data_verify,
        "fetch": data_fetch,
        "simulate": data_simulate,
    },
    "results": {"check": results_check, "compare": results_compare},
}
ABOUT = "The WTAL Workbook. Groups of further commands: " + ", ".join(
    f"wtal {group} {'|'.join(commands)}" for group, commands in GROUPS.items()
)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    prog, commands = "wtal", COMMANDS
    if given and given[0] in GROUPS:
        prog, commands = f"wtal {given[0]}", GROUPS[given.pop(0)]
    sys.exit(
        _guarded(
            lambda: tyro.extras.subcommand_cli_from_dict(
                commands, prog=prog, args=given, description=ABOUT
            )
        )
    )


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except WorkbookError as error:
        print(f"wtal: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("wtal: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
