"""Scoring and diagnosing detections files of any method."""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm
from tyro.conf import Positional


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
    """Score a detections file of any method under a protocol of the field.

    Nothing is dropped without being counted in the output. Files that cannot be scored give one
    line and exit status 2: times or scores that are NaN, times that are infinite or reversed
    (detections), names that are not text, videos listed twice, files cut short, and names of which
    the ground truth knows none. docs/inputs.md has the whole table.

    Args:
        ground_truth: ActivityNet JSON or Parquet.
        detections: ActivityNet JSON or Parquet.
        protocol: activitynet, opentad, actionformer, wtalc or wtalc-2019; or all, for one row per
            protocol.
        tious: thresholds as start:step:stop (stop included), such as 0.5:0.05:0.95, or a list,
            such as 0.5,0.75; without it 0.1:0.1:0.7.
        subset: subset of the ground truth to score on, needed where the file holds several; all:
            every video.
        ambiguous: THUMOS14's Ambiguous_test.txt, where the ground truth does not hold these
            intervals; for the wtalc protocols.
        blocked: videos to leave out, one per line or a JSON list.
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
    """Say what the errors of one or several methods are: an HTML page, pictures, and JSON.

    Args:
        ground_truth: ActivityNet JSON (with `duration`, for coverage) or Parquet.
        detections: ActivityNet JSON or Parquet, one file per method.
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
