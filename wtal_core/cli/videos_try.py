"""`wtal try`: from a folder of videos and a table of labels to a page, in one command.

It does what `wtal features`, `wtal data add`, `wtal train`, `wtal detect` and `wtal timeline` do,
one after the other, and everything that they would refuse is refused before the first of them.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import Positional

from wtal_core.errors import WorkbookError
from wtal_core.reading.commands import command, option
from wtal_core.reading.places import resolved

if TYPE_CHECKING:
    from wtal_core.runs.ledger import Record
    from wtal_core.videos.extraction import Extracted
    from wtal_core.videos.listing import VideoFile, Videos

TEST_SHARE = 0.25
FEW = 100  # training videos
METHOD = "basnet"
PAGE = "timeline.html"


@dataclass(frozen=True)
class Plan:
    """What the files and tables say, before anything is computed. train, test: names of videos."""

    name: str
    labels: Path
    files: dict[str, Path]
    classes: dict[str, int]  # class -> number of videos
    train: tuple[str, ...]
    test: tuple[str, ...]
    notes: tuple[str, ...]


def try_videos(
    videos: Positional[Path],
    labels: Path,
    method: str = METHOD,
    backbone: str = "lite0-flow",
    out: Path | None = None,
    name: str = "",
    settings: Annotated[tuple[str, ...], tyro.conf.arg(name="set"), tyro.conf.UseAppendAction] = (),
    seed: int = 0,
    weights: Path | None = None,
    python: Path | None = None,
    incomplete: bool = False,
    device: str = "auto",
    results: Path | None = None,
) -> int:
    """Find actions in a folder of your videos: features, training, detections, a page to look at.

    The labels say which actions each video shows, not when. The same command goes on where it
    stopped, and after a change of the labels it trains again. Expect a demonstration of a few
    videos, and more of hundreds.

    Args:
        videos: folder of video files; a video is called as its file.
        labels: table of labels (video,label), one line per video and action. Beside it may lie
            segments.csv, clicks.csv and split.csv: docs/data.md says what they hold.
        method: such as basnet or facnet.
        backbone: what makes features of the videos, see `wtal features`.
        out: folder to write: features, detections and the page; default: the videos' folder's name
            with -try, in the folder where the command is given.
        name: what the data set shall be called; default: as the folder of the videos.
        settings: a setting of the method, such as schedule.epochs=20; may be given again.
        seed: of the split into training and test videos, and of the training.
        weights: file of the backbone's weights, or the folder of i3d's two, where it takes any.
        python: the Python that has mediapipe, for the backbone mediapipe-hands.
        incomplete: leave out videos without a label, labels without a video, and files that cannot
            be read, in place of an error.
        device: cpu, cuda or auto.
        results: folder of finished runs; default $WTAL_RESULTS, else ./reproduced.
    """
    from wtal_core.cli.extras import require
    from wtal_core.cli.try_folder import check_owner, owned
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.videos.backbones import find_backbone
    from wtal_core.videos.extraction import extract

    require("video")
    device = resolve_device(device)
    plan = _planned(videos, labels, name, seed, incomplete)
    out = out or Path(f"{plan.name}-try")
    check_owner(out, videos, _other_place(plan))
    _check_request(plan, method, settings, seed, out)
    network = find_backbone(backbone, device, weights, python)
    _step(1, f"videos of {videos} and labels of {labels}")
    _found(plan_lines(plan))
    _step(2, f"features by {backbone}; videos that are finished are not read again")
    with owned(out, videos):
        extracted = extract(videos, network, out / "features", None, incomplete)
    _found(feature_lines(plan, extracted))
    _step(3, f"data set {plan.name}")
    _found(_add(plan, extracted.folder, seed, incomplete))
    _step(4, f"training {method} on {len(plan.train)} videos")
    record, lines = _trained(plan.name, method, settings, seed, device, results)
    _found(lines)
    _step(5, "detections and page")
    _found(_written(plan, record, out, device, results))
    return 0


def _step(number: int, what: str) -> None:
    print(f"{number}/5 {what}", flush=True)


def _found(lines: list[str]) -> None:
    for line in lines:
        print(f"    {line}")


def _planned(videos: Path, labels: Path, name: str, seed: int, incomplete: bool) -> Plan:
    """The videos and what tables say of them; refused here is what would be refused later on."""
    from wtal_core.data.own_data import check_sides, split_of
    from wtal_core.data.own_survey import told_of_files
    from wtal_core.videos.listing import find_videos

    if not videos.is_dir():
        raise WorkbookError(f"{videos} is no folder; name the folder of your videos")
    if not labels.is_file():
        raise WorkbookError(
            f"--labels {labels} is no file; write it with the first line video,label and one line "
            "per video and action"
        )
    listed = find_videos(videos)
    usable, unusable = _readable(listed.files, incomplete)
    name = name or _plain(videos)
    sides = {file.name: file.side for file in usable if file.side}
    told = told_of_files([file.name for file in usable], labels, sides, incomplete)
    classes = Counter(label for own in told.labels.values() for label in own)
    if len(classes) < 2:
        raise WorkbookError(
            f"{labels} has one class only ({', '.join(classes)}): labels of videos that are all "
            "the same do not tell an action from its surroundings; add videos of another class"
        )
    train, test = split_of(told.labels, told.sides, seed, TEST_SHARE)
    check_sides(name, tuple(classes), told.labels, train, test)
    files = {file.name: file.path for file in usable}
    notes = (*unusable, *told.lacking, *_beside(listed, labels))
    return Plan(name, labels, files, dict(classes), tuple(train), tuple(test), notes)


def _readable(
    files: "tuple[VideoFile, ...]", incomplete: bool
) -> "tuple[list[VideoFile], list[str]]":
    """Files that have a frame, and what is said of the others. A frame of each is decoded."""
    from wtal_core.videos.decoding import probe

    usable = []
    notes = []
    for file in files:
        try:
            probe(file.path)
        except WorkbookError as error:
            if not incomplete:
                raise WorkbookError(
                    f"{error}; or leave such files out with --incomplete"
                ) from error
            notes.append(f"left out {file.path.name}: {error}")
        else:
            usable.append(file)
    return usable, notes


def _plain(folder: Path) -> str:
    """A data set's name of a folder's name."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", resolved(folder).name).strip("-.")
    return plain or "videos"


def _beside(listed: "Videos", labels: Path) -> list[str]:
    from wtal_core.data.own_files import TABLES

    others = [path.name for path in listed.left_alone if path.name not in (*TABLES, labels.name)]
    return [f"not read, because they are no videos: {', '.join(others[:3])}"] if others else []


def _other_place(plan: Plan) -> str:
    """What keeps videos apart from others whose folder has the same name."""
    from wtal_core.data.manifests import dataset_names

    names = "--out and another --name" if plan.name in dataset_names() else "--out"
    return f"give another {names}"


def _check_request(
    plan: Plan, method: str, settings: tuple[str, ...], seed: int, out: Path
) -> None:
    """Refuse what only later steps would refuse."""
    from wtal_core.data.manifests import dataset_names, load_manifest, own_manifest
    from wtal_core.runs.inputs import KINDS, inputs_of
    from wtal_core.runs.settings import configured_run

    run, _ = configured_run(method, "quick", plan.name, seed, settings)
    clicks = plan.labels.parent / "clicks.csv"
    if KINDS[inputs_of(run.config).clicks] and not clicks.exists():
        raise WorkbookError(
            f"{method} trains with clicks, and {clicks} is missing; try another --method first and "
            "mark clicks in its page"
        )
    if out.exists() and not out.is_dir():
        raise WorkbookError(f"--out {out} is a file; name a folder")
    if plan.name not in dataset_names():
        return
    features = str((out / "features").absolute())
    is_own = own_manifest(plan.name).exists()
    if not is_own or load_manifest(plan.name).own.get("features") != features:
        raise WorkbookError(
            f"data set {plan.name} is there already, and is not of {features}; give another --name"
        )


def plan_lines(plan: Plan) -> list[str]:
    """What was found, and what can be expected of it."""
    counts = ", ".join(f"{name} {count}" for name, count in sorted(plan.classes.items()))
    lines = [
        f"{len(plan.files)} videos of {len(plan.classes)} classes ({counts}); "
        f"{len(plan.train)} to train on, {len(plan.test)} kept for testing",
        *plan.notes,
    ]
    rarest = min(plan.classes.values())
    if len(plan.train) < FEW:
        lines.append(
            f"what to expect: the papers train on about ten videos per class and more, here the "
            f"rarest class has {rarest}; look at where the activation is high, and take no score "
            f"of {len(plan.test)} test videos for a result"
        )
    return lines


def feature_lines(plan: Plan, extracted: "Extracted") -> list[str]:
    """What was computed, and what was wrong with single videos."""
    spec = extracted.spec
    sizes = ", ".join(f"{n} {size}" for n, size in zip(spec.streams, spec.sizes, strict=True))
    kept = f", {len(extracted.kept)} were there already" if extracted.kept else ""
    lines = [
        f"{len(extracted.videos)} videos read{kept}; {sizes} values per snippet of "
        f"{spec.timebase.snippet_seconds:.3g} s"
    ]
    known = set(plan.files.values())  # of the others it has been said already
    lines += [
        f"left out {path.name}: {why}" for path, why in extracted.unusable.items() if path in known
    ]
    for video, report in extracted.videos.items():
        lines += [f"{video}: {note}" for note in report.notes()]
    return lines


def _add(plan: Plan, folder: Path, seed: int, incomplete: bool) -> list[str]:
    """Make the features of the plan's videos a data set, and say what is in it. Features of videos
    that have gone may lie beside them.
    """
    from wtal_core.data.feature_spec import stated_timebase
    from wtal_core.data.manifests import own_manifest
    from wtal_core.data.own_data import add

    is_there = own_manifest(plan.name).exists()
    base = stated_timebase(folder, None, None)
    added = add(
        plan.name,
        folder,
        base,
        plan.labels,
        (),
        seed,
        TEST_SHARE,
        incomplete,
        replace=is_there,
        only=set(plan.files),
    )
    survey = added.survey
    clicks = sum(map(len, survey.clicks.values()))
    known = f"known besides the labels: {len(survey.segments)} segments, {clicks} clicks"
    return [*survey.notes, f"{known}; wrote {added.manifest}"]


def _trained(
    name: str,
    method: str,
    settings: tuple[str, ...],
    seed: int,
    device: str,
    results: Path | None,
) -> "tuple[Record, list[str]]":
    """The run, and what is said of it."""
    from wtal_core.runs.ledger import Ledger
    from wtal_core.runs.settings import check_trainable, configured_run
    from wtal_core.runs.sweep import ensure
    from wtal_core.study.session import user_results

    run, note = configured_run(method, "quick", name, seed, settings)
    check_trainable(run)
    (record,) = ensure([run], Ledger(results or user_results()), device)
    line = record.line
    scored = (
        "no mAP, because " + line["unscored"]
        if "unscored" in line
        else (f"average mAP {record.average_map('activitynet'):.1f} by the protocol activitynet")
    )
    lines = [f"run {line['id']}, {line['epochs']} epochs; {scored}"]
    if note:
        lines.append(note)
    if not line["objective"]["met"]:
        lines.append(
            "the training has not met its own objective; give it longer, such as --set "
            f"schedule.epochs={2 * line['epochs']}"
        )
    return record, lines


def _written(
    plan: Plan, record: "Record", out: Path, device: str, results: Path | None
) -> list[str]:
    """Detect in all videos, write the files, and say what is there."""
    from wtal_core.cli.own import trained_run
    from wtal_core.evaluation.signals import write_signals
    from wtal_core.evaluation.tables import write_detections
    from wtal_core.pages.own_videos import timeline_of_videos, whole
    from wtal_core.pages.timeline_page import write_timeline
    from wtal_core.study.portable import detect_with_signals, model_of

    run = record.line["id"]
    trained = trained_run(run, results, device)
    videos = whole(trained.dataset)
    detections, signals = detect_with_signals(model_of(trained), videos, device)
    write_detections(detections, out / "detections.json")
    write_signals(signals, out / "signals.npz")
    drawn = timeline_of_videos(trained.dataset, detections, signals, f"run {run}", "wtal try")
    write_timeline(drawn, out / PAGE, {video.id: plan.files[video.id] for video in videos.test})
    counts = detections["label"].value_counts()
    per_class = ", ".join(f"{name} {counts.get(name, 0)}" for name in trained.dataset.classes)
    exporting = command("export", run, *option("--results", results))
    lines = [f"{len(detections)} detections in {len(videos.test)} videos ({per_class})"]
    if not len(detections):
        lines.append("nothing passes the thresholds: look at the activation in the page")
    return [
        *lines,
        f"wrote {out / PAGE}, to be opened in a browser; beside it detections.json, signals.npz",
        "next: mark clicks in the page and save them beside the table of labels, then train with "
        f"them by --method sfnet; {exporting} makes a network to take along",
    ]
