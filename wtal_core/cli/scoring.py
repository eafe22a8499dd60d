"""Scoring and diagnosing detections files of any method, and converting between their formats."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from wtal_core.cli.refusals import visible

if TYPE_CHECKING:
    from wtal_core.evaluation.ground_truth import Detections, GroundTruth
    from wtal_core.evaluation.hints import Measure
    from wtal_core.evaluation.protocols import Protocol


def evaluate(
    ground_truth: Positional[Path],
    detections: Positional[Path],
    protocol: str = "activitynet",
    tious: str | None = None,
    benchmark: Literal["thumos14", "activitynet"] | None = None,
    subset: str | None = None,
    classes: Path | None = None,
    class_list: Path | None = None,
    match_names: bool = False,
    reversed_: Annotated[Literal["refuse", "count"], tyro.conf.arg(name="reversed")] = "refuse",
    ambiguous: Path | None = None,
    blocked: Path | None = None,
    against: Path | None = None,
    operating: float | None = None,
    proposals: bool = False,
    per_class: bool = False,
    order_range: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Score a detections file of any method under a protocol of the field.

    Formats are known by content, compressed or not; docs/formats.md shows them. Nothing is dropped
    without being counted in the output. Files that cannot be scored give one line and exit status
    2; docs/inputs.md has the whole table. What is likely wrong (other units, names spelt otherwise,
    other subsets) is told on standard error and changes no score.

    Args:
        ground_truth: annotations in any known format; -: standard input.
        detections: detections in any known format; -: standard input.
        protocol: activitynet, opentad, actionformer, wtalc or wtalc-2019; or all, for one row per
            protocol.
        tious: thresholds as start:step:stop (stop included), such as 0.5:0.05:0.95, or a list,
            such as 0.5,0.75; without it those of the benchmark.
        benchmark: whose thresholds: thumos14 0.1:0.1:0.7 (the default), activitynet 0.5:0.05:0.95.
        subset: subset of the ground truth to score on, needed where the file holds several; all:
            every video.
        classes: score these classes alone, one per line or a JSON list: a split of the classes.
        class_list: names of classes that are written as numbers, lines such as 7 Jump.
        match_names: take videos and labels that differ in case, spaces, v_ or a file's ending, or
            are given by their number, as the same.
        reversed_: detections that end before they start: refuse, or count them as false positives,
            as the ActivityNet toolkit does.
        ambiguous: THUMOS14's Ambiguous_test.txt, where the ground truth does not hold these
            intervals; for the wtalc protocols.
        blocked: videos to leave out, one per line or a JSON list.
        against: another detections file: the difference of both, with a 95 % interval over videos.
        operating: a tIoU: also print precision, recall and F1 by score at it.
        proposals: score as proposals without classes (AR@AN), as files without labels are.
        per_class: also print AP of each class.
        order_range: also score under two other orders of equal scores; the range that all orders
            span is at least as wide.
        as_json: print everything as JSON.
    """
    from wtal_core.evaluation import accounting, comparison, hints, protocols

    names = protocols.PROTOCOLS if protocol == "all" else [protocol]
    chosen = [protocols.protocol(name) for name in names]
    levels = _levels(tious, benchmark)
    files = (ground_truth, detections)
    read, how = _readers(files, against, classes, class_list, reversed_)
    truth = how(subset, ambiguous, blocked)
    sound = _with_notes(truth, read(detections), files)
    if sound.unlabelled or proposals:
        _refuse_class_options(against, operating, per_class, order_range)
        return _print_proposals(truth, sound, files, match_names, levels, as_json)
    measure = hints.average_by(chosen[0], levels)
    with _advice(truth, sound, files, measure):
        sound = _names_matched(truth, sound, match_names, measure)
        options = (levels, order_range)
        statements = [accounting.statement(truth, sound, each, *options) for each in chosen]
    extra = {}
    if operating is not None:
        extra["operating"] = comparison.operating_values(truth, sound, chosen[0], operating)
    if against is not None:
        how_scored = (match_names, chosen[0], levels)
        others = (ground_truth, against)
        extra["against"] = _compared(truth, sound, read(against), others, *how_scored)
    _print_statements(statements, extra, protocol == "all", per_class, as_json)
    return 0


def _print_statements(
    statements: "list[dict[str, Any]]",
    extra: dict[str, Any],
    several: bool,
    per_class: bool,
    as_json: bool,
) -> None:
    """What was counted and scored, by one protocol or by several, as text or as JSON."""
    from wtal_core.evaluation import accounting

    content: dict[str, Any] = {**statements[0], **extra}
    if several:
        content = {"protocols": {each["protocol"]: each for each in statements}, **extra}
    if as_json:
        print(json.dumps(content, indent=1))
    else:
        parts = [accounting.as_text(statements, per_class), *_extras_as_text(extra)]
        print("\n\n".join(parts))


def _error() -> type[Exception]:
    from wtal_core.errors import WorkbookError

    return WorkbookError


def _levels(tious: str | None, benchmark: str | None) -> tuple[float, ...] | None:
    from wtal_core.evaluation.protocols import BENCHMARK_TIOUS
    from wtal_core.evaluation.thresholds import parse_tious

    if tious is not None and benchmark is not None:
        raise _error()("--tious and --benchmark both name thresholds; leave one of them out")
    if benchmark is not None:
        return BENCHMARK_TIOUS[benchmark]
    return None if tious is None else parse_tious(tious)


def _readers(
    files: tuple[Path, Path],
    against: Path | None,
    classes: Path | None,
    class_list: Path | None,
    reversed_: Literal["refuse", "count"],
) -> tuple[Any, Any]:
    """Functions that read detections of a path, and the ground truth with its lists."""
    from wtal_core.evaluation import tables
    from wtal_core.evaluation.formats.class_list import read_class_list
    from wtal_core.evaluation.formats.registry import is_standard_input

    if sum(map(is_standard_input, filter(None, (*files, against)))) > 1:
        raise _error()("standard input (-) can stand for one file only; name the other one")
    names = read_class_list(class_list) if class_list else {}
    split = tuple(tables.read_names(classes, "classes")) if classes else None

    def read(path: Path) -> "Detections":
        return tables.load_detections(path, names, reversed_)

    def read_truth(
        subset: str | None, ambiguous: Path | None, blocked: Path | None
    ) -> "GroundTruth":
        truth = tables.read_ground_truth(files[0], subset, names, split)
        return tables.with_lists(truth, ambiguous, blocked)

    return read, read_truth


def _with_notes(
    truth: "GroundTruth", sound: "Detections", files: tuple[Path, Path]
) -> "Detections":
    """The detections, after what the reader took how and what is likely wrong was told."""
    from wtal_core.evaluation import hints

    for line in (
        *truth.notes,
        *sound.notes,
        *hints.about_times(truth, sound, *files),
        *hints.about_subsets(truth, sound),
    ):
        _tell(line)
    return sound


def _tell(line: str) -> None:
    print(f"note: {visible(line)}", file=sys.stderr)


def _names_matched(
    truth: "GroundTruth",
    sound: "Detections",
    match_names: bool,
    measure: "Measure",
    about: str = "",
) -> "Detections":
    """The detections under the names of the ground truth, if that is asked for; else told."""
    from wtal_core.evaluation import hints, spelling

    near = spelling.near_misses(truth, sound)
    if not near:
        return sound
    if match_names:
        _tell(f"{about}{near.words()}; they are taken as the same")
        return spelling.respelt(sound, near)
    columns = [("video", truth.videos)]
    if not sound.unlabelled:
        columns.append(("label", truth.classes))
    if all(sound.table[column].isin(known).any() for column, known in columns):
        _tell(f"{about}{hints.about_names(truth, sound, near, measure)}")
    return sound


@contextmanager
def _advice(
    truth: "GroundTruth",
    sound: "Detections",
    files: tuple[Path, Path],
    measure: "Measure",
    about: str = "",
) -> Iterator[None]:
    """Adds to an error what is likely wrong about the names."""
    from wtal_core.errors import WorkbookError
    from wtal_core.evaluation import hints

    try:
        yield
    except WorkbookError as error:
        text = hints.with_advice(error, truth, sound, files, measure)
        raise WorkbookError(f"{about}{text}") from None


def _compared(
    truth: "GroundTruth",
    sound: "Detections",
    other: "Detections",
    files: tuple[Path, Path],
    match_names: bool,
    protocol: "Protocol",
    levels: tuple[float, ...] | None,
) -> dict[str, Any]:
    """What --against adds: the other detections are looked at as the first ones are.

    files: of the ground truth and of the others, which all that is told of them names.
    """
    from wtal_core.evaluation import comparison, hints

    if other.unlabelled:
        raise _error()(f"{files[1]}: its detections have no label; compare files of one kind")
    about = f"{files[1]}: "
    times = hints.about_detection_times(truth, other, *files)
    for line in (*times, *hints.about_subsets(truth, other)):
        _tell(f"{about}{line}")
    for line in other.notes:  # which name the file
        _tell(line)
    measure = hints.average_by(protocol, levels)
    with _advice(truth, other, files, measure, about):
        same = _names_matched(truth, other, match_names, measure, about)
        return comparison.paired_values(truth, sound, same, protocol, levels)


def _refuse_class_options(
    against: Path | None, operating: float | None, per_class: bool, order_range: bool
) -> None:
    """Options that mean nothing for proposals without classes are not ignored."""
    asked = {
        "--against": against is not None,
        "--operating": operating is not None,
        "--per-class": per_class,
        "--order-range": order_range,
    }
    given = [name for name, is_given in asked.items() if is_given]
    if given:
        raise _error()(f"proposals without classes have no {given[0]}; leave it out")


def _print_proposals(
    truth: "GroundTruth",
    sound: "Detections",
    files: tuple[Path, Path],
    match_names: bool,
    levels: tuple[float, ...] | None,
    as_json: bool,
) -> int:
    from dataclasses import replace

    from wtal_core.evaluation import average_recall, hints
    from wtal_core.evaluation.protocols import ACTIVITYNET_TIOUS

    tious = levels or ACTIVITYNET_TIOUS
    measure = hints.recall_at(tious)
    classless = replace(sound, table=sound.table.assign(label=""), unlabelled=True)
    with _advice(truth, classless, files, measure):
        classless = _names_matched(truth, classless, match_names, measure)
        result = average_recall.average_recall(truth, classless, tious)
    if as_json:
        print(json.dumps(average_recall.as_values(result), indent=1))
    else:
        print(average_recall.as_text(result))
    return 0


def _extras_as_text(extra: dict[str, Any]) -> list[str]:
    from wtal_core.evaluation import comparison

    texts = []
    if "operating" in extra:
        texts.append(comparison.operating_text(extra["operating"]))
    if "against" in extra:
        texts.append(comparison.paired_text(extra["against"]))
    return texts


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
    classes: Path | None = None,
    class_list: Path | None = None,
    match_names: bool = False,
    reversed_: Annotated[Literal["refuse", "count"], tyro.conf.arg(name="reversed")] = "refuse",
    as_published: bool = False,
    videos: Path | None = None,
    most: int = 40_000,
) -> int:
    """Show every error of one or several methods and what it costs: an HTML page, pictures, JSON.

    Args:
        ground_truth: annotations in any known format; with durations, for coverage.
        detections: detections in any known format, one file per method.
        names: names of the methods, in the order of their files; default: the files' names.
        out: folder to write into.
        title: data set and origin, for the captions; default: the name of the ground truth's file.
        tious: thresholds that the analyses are averaged over, such as 0.5 or 0.3:0.1:0.7.
        subset: subset of the ground truth, where the file holds several.
        durations: annotations with the videos' durations, where the ground truth has none.
        benchmark: whose buckets of coverage, length and number of instances, and whose mAP
            thresholds.
        classes: diagnose on these classes alone, one per line or a JSON list.
        class_list: names of classes that are written as numbers, lines such as 7 Jump.
        match_names: take names that differ in spelling only as the same, as `wtal evaluate` does.
        reversed_: detections that end before they start: refuse, or count as false positives.
        as_published: repeat the published tool's slip with videos that hold no instance.
        videos: folder of the video files, which the page plays and links to.
        most: how many detections the page holds, of all methods together; the most costly errors
            stay, and every number is of all detections.
    """
    from tqdm import tqdm

    from wtal_core.evaluation.case import Reading, read_cases
    from wtal_core.evaluation.formats.class_list import read_class_list
    from wtal_core.evaluation.tables import read_names
    from wtal_core.evaluation.thresholds import parse_tious
    from wtal_core.pages.diagnosis_page import findings, write_page
    from wtal_core.pages.timeline_page import find_videos

    levels = parse_tious(tious)
    reading = Reading(
        read_class_list(class_list) if class_list else {},
        tuple(read_names(classes, "classes")) if classes else None,
        reversed_,
        match_names,
    )
    cases = read_cases(ground_truth, detections, names, title, subset, durations, reading)
    for line in dict.fromkeys(note for case in cases for note in case.notes):
        _tell(line)
    shown = tqdm(cases, desc="diagnosis", unit="method", disable=None)
    found = [findings(case, levels, benchmark, as_published) for case in shown]
    files = {} if videos is None else find_videos(videos, cases[0].ground_truth.videos)
    for path in write_page(found, out, files, most):
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


def convert(
    source: Positional[Path],
    target: Positional[Path],
    to: str | None = None,
    kind: Literal["detections", "annotations", "clicks"] | None = None,
    class_list: Path | None = None,
    fps: float | None = None,
    fractions_of: Path | None = None,
) -> int:
    """Write detections, annotations or clicks in another format, and say what is lost.

    Args:
        source: a file or folder in any known format; -: standard input.
        target: file to write, compressed where its name ends in .gz.
        to: format: activitynet, bsn, multithumos, detad, csv, parquet, thumos14, clicks or sfnet;
            without it what the ending of the target says.
        kind: what the source holds, where that is not plain, such as detections without scores.
        class_list: names of classes that are written as numbers, lines such as 7 Jump. For
            thumos14 and multithumos the names are written as their numbers.
        fps: times of the source are frame numbers at so many per second (1000: milliseconds).
        fractions_of: times of the source are fractions of the durations in this file.
    """
    from wtal_core.evaluation.characteristics import read_durations
    from wtal_core.evaluation.formats import conversion, registry
    from wtal_core.evaluation.formats.class_list import read_class_list
    from wtal_core.evaluation.formats.opening import open_file

    names = read_class_list(class_list) if class_list else {}
    content = registry.read_content(open_file(source), kind, names)
    form = registry.written_format(target, content.kind, to)
    if fractions_of is not None:
        content = conversion.from_fractions(content, read_durations(fractions_of))
    content, notes = conversion.in_seconds(content, fps)
    if form.id in ("thumos14", "multithumos") and names:
        content = conversion.with_numbers(content, names)
    registry.write_content(content, target, form)
    print(f"wrote {target}: {len(content.table)} {content.kind}, {form.title}")
    for lost in registry.losses(content, form):
        print(f"lost: {lost}")
    for note in (*content.notes, *notes):
        _tell(note)
    return 0
