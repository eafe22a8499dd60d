"""Data sets of a user's own: `wtal data add` writes their manifest, which this module opens.

The manifest lies in the folder of the data sets, `<root>/<name>/<name>.yaml`. Features and tables
stay where they are, and are read there whenever the data set is opened; the manifest holds which
video is for training and which for testing.
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wtal_core.data.dataset import Dataset, Video, check_dataset, empty_segments
from wtal_core.data.feature_spec import read_spec
from wtal_core.data.features import FeatureNames, stored_features
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import DatasetManifest, dataset_names, load_manifest, own_manifest
from wtal_core.data.own_files import find_files
from wtal_core.data.own_split import split_by_seed
from wtal_core.data.own_survey import SHOWN, Survey, survey
from wtal_core.data.probes import probe_videos
from wtal_core.data.problems import MissingData
from wtal_core.data.stored import AT_ONCE, Stored, bytes_of, in_memory
from wtal_core.data.video_data import titled
from wtal_core.errors import WorkbookError
from wtal_core.reading.commands import command
from wtal_core.reading.near import did_you_mean
from wtal_core.reading.places import is_special, written_place
from wtal_core.reading.refusal import shown
from wtal_core.reading.values import is_file_name
from wtal_core.timebase import Timebase

ORIGIN = "own"
PROTOCOL = "activitynet"
TEST_SHARE = 0.25
# protocols by which nothing is scored in test videos without segments
PROTOCOLS = ("activitynet", "opentad", "actionformer", "wtalc", "wtalc-2019")
DUMPER: type = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's, where it is there
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Added:
    """What `add` has found and decided. split_by: in words."""

    manifest: Path
    survey: Survey
    train: tuple[str, ...]
    test: tuple[str, ...]
    split_by: str

    def lines(self) -> list[str]:
        """What is said of it, one fact a line."""
        data = self.survey
        seconds = [data.seconds(video) for video in (*self.train, *self.test)]
        per_class = [
            f"{name} {sum(name in shown for shown in data.labels.values())}"
            for name in data.classes
        ]
        base = data.timebase
        clicks = {kind: len(table) for kind, table in data.clicks.items()}
        return [
            f"videos: {len(self.train)} for training, {len(self.test)} for testing, "
            f"by {self.split_by}",
            f"streams: {', '.join(data.files.streams)} ({data.files.size} values per snippet each; "
            "the last one leads)",
            f"labels: {len(data.classes)} classes ({', '.join(per_class)} videos)",
            f"time base: {base.fps:g} frames per second, stride {base.stride:g}: a snippet lasts "
            f"{base.snippet_seconds:.3g} s, the videos {min(seconds):.3g} to {max(seconds):.3g} s, "
            f"{sum(seconds) / 3600:.3g} h in all",
            self._about_durations(),
            self._about_segments(),
            f"clicks: {clicks.get('action', 0)} on actions, {clicks.get('background', 0)} on "
            "background",
            *data.lacking,
            *data.notes,
            *_beside(data.files.left_alone),
        ]

    def _about_durations(self) -> str:
        number = len(self.survey.durations)
        if not number:
            return "durations: none stated, so nothing tells whether fps and stride are right"
        return f"durations: {number} stated, compared with the features' lengths"

    def _about_segments(self) -> str:
        annotated = set(self.survey.segments["video"])
        train, test = (len(annotated.intersection(side)) for side in (self.train, self.test))
        text = f"segments: {len(self.survey.segments)}, in {train} training and {test} test videos"
        return text if test else f"{text}; without any in test videos there is no mAP"


def _beside(left_alone: Sequence[str]) -> list[str]:
    if not left_alone:
        return []
    more = f" and {len(left_alone) - SHOWN} more" if len(left_alone) > SHOWN else ""
    return [f"left alone, no features: {', '.join(left_alone[:SHOWN])}{more}"]


def add(
    name: str,
    folder: Path,
    timebase: Timebase,
    labels: Path | None = None,
    streams: Sequence[str] = (),
    seed: int = 0,
    test_share: float = TEST_SHARE,
    incomplete: bool = False,
    replace: bool = False,
    root: str | Path | None = None,
    only: Collection[str] | None = None,
) -> Added:
    """Check a folder of features and write the manifest of a data set of that name.

    labels: the file of labels, beside which the other tables lie; default `labels.csv` in the
    folder. seed, test_share: of the split, where neither `split.csv` nor folders give one. only:
    the videos that it is of, whatever else the folder holds. Raises WorkbookError, and writes
    nothing, for all that would later be wrong.
    """
    _check_request(name, timebase, test_share, replace, root)
    folder = Path(os.path.abspath(folder))
    table = folder / "labels.csv" if labels is None else Path(os.path.abspath(labels))
    if labels is not None and not (table.is_file() or is_special(table)):
        raise MissingData(f"{labels} is missing; name the file of labels")
    data = survey(name, folder, table, timebase, streams, incomplete, only)
    train, test, split_by = _split(data, seed, test_share)
    check_sides(name, data.classes, data.labels, train, test)
    content = {
        "name": name,
        "title": name,
        "origin": ORIGIN,
        "folder": name,
        "classes": len(data.classes),
        "fps": timebase.fps,
        "stride": timebase.stride,
        "streams": list(data.files.streams),
        "feature_size": data.files.size,
        "default_protocol": PROTOCOL,
        "splits": {
            "train": _counts(data, train),
            "test": _counts(data, test),
        },
        "own": {
            "features": str(folder),
            "labels": str(table),
            "streams": list(streams),
            "incomplete": incomplete,
            "seed": seed,
            "test_share": test_share,
            "only_listed": only is not None,
            "split": {"by": split_by, "train": train, "test": test},
        },
    }
    path = own_manifest(name, root)
    _write(path, content)
    return Added(path, data, tuple(train), tuple(test), split_by)


def _check_request(
    name: str, timebase: Timebase, test_share: float, replace: bool, root: str | Path | None
) -> None:
    if not (NAME.fullmatch(name) and is_file_name(name)):
        raise WorkbookError(
            f"{shown(name)} cannot name a data set; use letters, digits, '-', '_' and '.', such as "
            "my-videos"
        )
    for what, value in (("--fps", timebase.fps), ("--stride", timebase.stride)):
        if not 0 < value < float("inf"):
            raise WorkbookError(f"{what} is {value:g}; expected a number larger than 0")
    if not 0 < test_share < 1:
        raise WorkbookError(f"--test-share is {test_share:g}; expected a number between 0 and 1")
    if own_manifest(name, root).exists():
        if not replace:
            raise WorkbookError(f"data set {name} is there already; write it anew with --replace")
    elif name in dataset_names(root):
        raise WorkbookError(f"{name} is a data set of the workbook; choose another name")


def _split(data: Survey, seed: int, share: float) -> tuple[list[str], list[str], str]:
    train, test = split_of(data.labels, data.sides, seed, share)
    if not data.sides:
        return train, test, f"seed {seed}, {share:.0%} of each label for testing"
    return train, test, "folders" if data.sides is data.files.sides else "split.csv"


def split_of(
    labels: Mapping[str, tuple[str, ...]], sides: Mapping[str, str], seed: int, share: float
) -> tuple[list[str], list[str]]:
    """Training and test videos: as `sides` says, else by the seed."""
    if not sides:
        return split_by_seed(labels, seed, share)
    train = [video for video, side in sides.items() if side == "train" and video in labels]
    test = [video for video, side in sides.items() if side == "test"]
    return sorted(train), sorted(test)


def check_sides(
    name: str,
    classes: Sequence[str],
    labels: Mapping[str, tuple[str, ...]],
    train: Sequence[str],
    test: Sequence[str],
) -> None:
    """Refuse a split that lacks a side, or of which a class is never trained. labels: by video."""
    for side, videos in (("training", train), ("test", test)):
        if not videos:
            raise WorkbookError(
                f"{name} has no {side} video; say in split.csv (video,split) which ones are"
            )
    untrained = set(classes).difference(*(labels[video] for video in train))
    if untrained:
        raise WorkbookError(
            f"{name}: no training video shows {min(untrained)!r}; "
            f"{did_you_mean(min(untrained), set(classes) - untrained)}label one, or move one of "
            "the test videos that show it to training in split.csv"
        )


def _counts(data: Survey, videos: Sequence[str]) -> dict[str, int]:
    return {"videos": len(videos), "instances": int(data.segments["video"].isin(videos).sum())}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    text = yaml.dump(dict(content), Dumper=DUMPER, sort_keys=False, allow_unicode=True)
    target = written_place(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise WorkbookError(
            f"{path} cannot be written ({error.strerror}); choose another folder by WTAL_DATA"
        ) from error


def again(manifest: DatasetManifest, root: str | Path | None = None) -> str:
    """The command that writes the manifest anew, with all that was given the first time."""
    own = manifest.own
    if own.get("only_listed"):
        return "`wtal try`, given again,"
    folder, base = Path(own["features"]), manifest.timebase()
    words: list[object] = ["data", "add", manifest.name, folder]
    if not folder.is_dir() or read_spec(folder) is None:
        words += ["--fps", f"{base.fps!r}", "--stride", f"{base.stride!r}"]
    if Path(own["labels"]) != folder / "labels.csv":
        words += ["--labels", own["labels"]]
    words += ["--streams", *own["streams"]] if own["streams"] else []
    words += ["--seed", own["seed"]] if own.get("seed") else []
    share = own.get("test_share", TEST_SHARE)
    words += ["--test-share", share] if share != TEST_SHARE else []
    words += ["--incomplete"] if own["incomplete"] else []
    words += ["--root", root] if root is not None else []
    return command(*words, "--replace")


def clicks_table(name: str) -> Path | None:
    """The table of clicks of an added data set, whether or not it is there; None for others."""
    if not own_manifest(name).exists():
        return None
    labels = load_manifest(name).own.get("labels")
    return Path(labels).with_name("clicks.csv") if labels else None


def survey_of(manifest: DatasetManifest, root: str | Path | None = None) -> Survey:
    """The data of a manifest as they are now; videos that have gone are an error. root: the folder
    of data sets that was named, if one was.
    """
    own = manifest.own
    try:
        folder, labels = Path(own["features"]), Path(own["labels"])
        listed = [*own["split"]["train"], *own["split"]["test"]]
        streams, incomplete = own["streams"], bool(own["incomplete"])
    except (KeyError, TypeError) as error:
        raise WorkbookError(
            f"manifest {manifest.name} is damaged, it lacks {error}; write it anew with "
            + command("data", "add", manifest.name, "FOLDER", "--replace")
        ) from error
    only = listed if own.get("only_listed") else None
    base, size = manifest.timebase(), manifest.feature_size or 0
    data = survey(
        manifest.name, folder, labels, base, streams, incomplete, only, size, is_known=True
    )
    gone = [video for video in listed if video not in data.features]
    come = sorted(set(data.labels) - set(listed))
    for what, videos in (("without features now", gone), ("new", come)):
        if videos:
            raise WorkbookError(
                f"{manifest.name}: {len(videos)} videos are {what}, such as {videos[0]}; "
                f"{again(manifest, root)} takes stock again"
            )
    return data


def open_own(manifest: DatasetManifest, root: str | Path | None = None) -> Dataset:
    """Open a data set that was added by `wtal data add`.

    Test videos without any segment are left out of scores, where others have some.
    """
    data = survey_of(manifest, root)
    split = manifest.own["split"]
    features = data.features
    held: Mapping[str, Any] = features
    if sum(bytes_of(stored) for stored in features.values()) <= AT_ONCE:
        listed = (*split["train"], *split["test"])
        held = {video: in_memory(features[video]) for video in listed}
    videos = {
        side: tuple(Video(v, held[v], data.labels.get(v, ())) for v in split[side])
        for side in ("train", "test")
    }
    annotated = set(data.segments["video"])
    bare = tuple(video for video in split["test"] if video not in annotated)
    notes = []
    left_out = {}
    if bare and len(bare) < len(split["test"]):
        notes.append(f"{len(bare)} of {len(split['test'])} test videos have no segments")
        left_out = dict.fromkeys(PROTOCOLS, bare)
    return check_dataset(
        Dataset(
            name=manifest.name,
            title=titled(manifest.title, notes),
            origin=manifest.origin,
            classes=data.classes,
            streams=manifest.streams,
            timebase=data.timebase,
            train=videos["train"],
            test=videos["test"],
            segments=data.segments,
            default_protocol=manifest.default_protocol,
            fingerprint=_fingerprint(data, split),
            clicks=data.clicks,
            left_out=left_out,
            probes=probe_videos(split["test"], data.segments) or tuple(split["test"][:2]),
        )
    )


def _fingerprint(data: Survey, split: Mapping[str, Any]) -> str:
    """Of all that decides the content; neither where the files lie, nor how tables are written."""
    labels = sorted(data.labels.items())
    clicks = {kind: table.to_csv(index=False) for kind, table in sorted(data.clicks.items())}
    tables = (labels, data.segments.to_csv(index=False), clicks, split["train"], split["test"])
    streams = data.files.streams
    files = data.files
    return fingerprint(files.folder, [], data.timebase, streams, *tables, features=files.paths)


def features_of(folder: Path, streams: Sequence[str], size: int, timebase: Timebase) -> Dataset:
    """The videos of a folder, without labels, to detect in; nothing needs to be added before.

    streams, size: those that a network was trained on; other features are refused.
    """
    files = find_files(folder, streams if len(streams) > 1 else ()).of_size(size)
    if len(files.streams) != len(streams) or files.size != size:
        raise WorkbookError(
            f"{folder}: streams {', '.join(files.streams)} of {files.size} values, the network was "
            f"trained on {', '.join(streams)} of {size}; give features of the same kind"
        )
    if files.unnamed:
        raise WorkbookError(f"{files.unnamed[0]} is called by what is no name; rename it")
    names = FeatureNames(folder.name, "", files.streams, size, {})
    stored: dict[str, Stored] = {}
    for video, arrays in files.arrays.items():
        features, _ = stored_features(video, arrays, names)
        stored[video] = features
    videos = tuple(Video(video, stored[video], ()) for video in sorted(stored))
    identity = fingerprint(folder, [], timebase, features=files.paths)
    return Dataset(
        name=folder.name,
        title=folder.name,
        origin=ORIGIN,
        classes=(),
        streams=files.streams,
        timebase=timebase,
        train=(),
        test=videos,
        segments=empty_segments(),
        default_protocol=PROTOCOL,
        fingerprint=identity,
    )
