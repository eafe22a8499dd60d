"""What lies in a folder of a user's features, and what the tables beside them say of the videos.

Only headers of features are read. A table may name a video with or without the ending of its file,
with or without `v_`; what it says of videos that are not there is refused, or left out if that is
asked for.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from wtal_core.data.dataset import CLICK_COLUMNS, SEGMENT_COLUMNS, empty_segments
from wtal_core.data.features import FeatureNames, stored_features
from wtal_core.data.lengths import LengthCheck, check_lengths
from wtal_core.data.own_files import SIDES, FeatureFiles, find_files
from wtal_core.data.problems import MissingData, WrongLength
from wtal_core.data.stored import Stored
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import refuse_special
from wtal_core.reading.text_tables import Row, read_rows
from wtal_core.timebase import Timebase

VIDEO_ENDINGS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".npy", ".npz", ".pt", ".h5")
SHOWN = 5  # videos in a message
FRAMES = 3.0  # times that end so many times after their videos are hardly seconds


@dataclass(frozen=True)
class Survey:
    """A user's data, checked; nothing of it is changed.

    features: of all videos, read when they are asked for. labels: of the videos that have some.
    segments: `video, label, t_start, t_end`. clicks: as `Dataset.clicks`. sides: video -> "train"
    or "test", where a table or folders say so. check: of lengths against stated durations. lacking:
    what is left out, in words. notes: what one should know.
    """

    files: FeatureFiles
    timebase: Timebase
    features: dict[str, Stored]
    labels: dict[str, tuple[str, ...]]
    segments: pd.DataFrame
    clicks: dict[str, pd.DataFrame]
    durations: dict[str, float]
    sides: dict[str, str]
    check: LengthCheck
    lacking: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """All labels, in the order of the alphabet."""
        of_segments = set(self.segments["label"])
        return tuple(sorted(of_segments.union(*self.labels.values())))

    def seconds(self, video: str) -> float:
        """How long a video lasts: as stated, else as its features last."""
        stated = self.durations.get(video)
        if stated is not None:
            return stated
        return self.timebase.seconds(float(self.features[video].shape[0]))


@dataclass
class _Names:
    """Resolves names of tables to videos, and remembers what it could not. thing: by which a video
    is there.
    """

    videos: frozenset[str]
    incomplete: bool
    lacking: list[str]
    thing: str = "features"

    def resolved(self, rows: list[Row]) -> list[tuple[str, Row]]:
        """The rows of videos that are there. Others are an error, unless that is allowed."""
        pairs = [(self.video(row.text("video")), row) for row in rows]
        absent = list(dict.fromkeys(row.text("video") for video, row in pairs if video is None))
        if absent:
            self.tell(
                f"{rows[0].path.name} names {len(absent)} videos without {self.thing}", absent
            )
        return [(video, row) for video, row in pairs if video is not None]

    def video(self, name: str) -> str | None:
        """The video that a table means; None where there is none."""
        if name in self.videos:
            return name
        plain = unicodedata.normalize("NFC", name)
        base = PurePosixPath(plain.replace("\\", "/")).name
        candidates = [plain, base]
        candidates += [base[: -len(end)] for end in VIDEO_ENDINGS if base.lower().endswith(end)]
        for candidate in candidates:
            for spelling in (candidate, f"v_{candidate}", candidate.removeprefix("v_")):
                if spelling in self.videos:
                    return spelling
        return None

    def tell(self, what: str, videos: Sequence[str]) -> None:
        """Refuse these videos, or remember that they are left out."""
        more = f" and {len(videos) - SHOWN} more" if len(videos) > SHOWN else ""
        text = f"{what}: {', '.join(videos[:SHOWN])}{more}"
        if not self.incomplete:
            raise WorkbookError(
                f"{text}; make names and files agree, or leave them out with --incomplete"
            )
        self.lacking.append(f"left out, {text}")


def survey(
    name: str,
    folder: Path,
    labels: Path,
    timebase: Timebase,
    streams: Sequence[str] = (),
    incomplete: bool = False,
) -> Survey:
    """Look through a folder of features and the tables.

    labels: the file `labels.csv`; the other tables are looked for beside it. incomplete: videos
    that lack features or a label are left out, in place of an error.
    """
    files = find_files(folder, streams)
    features, cut = _stored(name, files)
    names = _Names(frozenset(features), incomplete, [])
    if files.unnamed:
        names.tell(f"{len(files.unnamed)} files are called by what is no name", files.unnamed)
    place = labels.parent
    segments = _segments(place / "segments.csv", names)
    shown = _labels(labels, names, segments)
    sides = _sides(place / "split.csv", names) or files.sides
    tables = [where / "durations.csv" for where in (place, folder)]  # videos' own lie with features
    durations = _durations(next((path for path in tables if path.exists()), tables[0]), names)
    lengths = {video: own.shape[0] for video, own in features.items()}
    stated = {video: durations.get(video, np.nan) for video in lengths}
    check = check_lengths(lengths, stated, timebase)
    if check.is_another_timebase:
        raise WrongLength(f"{name}: {check.words()}; state the --fps and --stride of the features")
    _check_complete(names, shown, sides, features)
    result = Survey(
        files,
        timebase,
        features,
        shown,
        segments,
        _clicks(place / "clicks.csv", names),
        durations,
        sides,
        check,
        tuple(names.lacking),
        (),
    )
    notes = [check.words()] if check.misfits else []
    if cut:
        notes.append(f"{cut} videos have one snippet more in one stream, which is cut off")
    notes += _about_segments(result)
    return Survey(**{**vars(result), "notes": tuple(notes)})


@dataclass(frozen=True)
class Told:
    """What tables tell of videos whose features need not be there yet.

    labels: video -> its labels. sides: video -> "train" or "test". lacking: what is left out, in
    words.
    """

    labels: dict[str, tuple[str, ...]]
    sides: dict[str, str]
    lacking: tuple[str, ...]


def told_of_files(
    videos: Iterable[str], labels: Path, sides: Mapping[str, str], incomplete: bool = False
) -> Told:
    """What the file of labels, and the tables beside it, tell of video files; refused as `survey`
    refuses it. sides: of folders, which count where there is no `split.csv`.
    """
    names = _Names(frozenset(videos), incomplete, [], "a file")
    shown = _labels(labels, names, _segments(labels.parent / "segments.csv", names))
    split = _sides(labels.parent / "split.csv", names) or dict(sides)
    _check_complete(names, shown, split, names.videos)
    return Told(shown, split, tuple(names.lacking))


def _stored(name: str, files: FeatureFiles) -> tuple[dict[str, Stored], int]:
    """Features by video, and of how many a stream is cut by one snippet."""
    feature_names = FeatureNames(name, "", files.streams, files.size, {})
    features = {}
    cut = 0
    for video, arrays in files.arrays.items():
        features[video], is_cut = stored_features(video, arrays, feature_names)
        cut += is_cut
    return features, cut


def _table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a table that need not be there."""
    refuse_special(path)  # they are read again whenever the data set is opened
    return read_rows(path, columns) if path.exists() else []


def _labels(path: Path, names: _Names, segments: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Video -> labels, each once; without a table the classes of the segments."""
    pairs: Iterable[tuple[str, str]]
    refuse_special(path)
    if path.exists():
        rows = names.resolved(read_rows(path, ("video", "label")))
        pairs = [(video, row.name("label")) for video, row in rows]
    elif len(segments):
        pairs = zip(segments["video"], segments["label"], strict=True)
    else:
        raise MissingData(
            f"{path} is missing; write it with the first line video,label and a line per video and "
            "label"
        )
    labels: dict[str, dict[str, None]] = {}
    for video, label in pairs:
        labels.setdefault(video, {})[label] = None
    return {video: tuple(shown) for video, shown in labels.items()}


def _segments(path: Path, names: _Names) -> pd.DataFrame:
    rows = []
    for video, row in names.resolved(_table(path, SEGMENT_COLUMNS)):
        start, end = row.seconds("t_start"), row.seconds("t_end")
        if end < start:
            row.refuse(f"the segment ends at {end:g} s, before it starts at {start:g} s")
        rows.append((video, row.name("label"), start, end))
    return pd.DataFrame(rows, columns=SEGMENT_COLUMNS) if rows else empty_segments()


def _clicks(path: Path, names: _Names) -> dict[str, pd.DataFrame]:
    """Clicks by kind; those labelled "background" are of that kind."""
    rows = names.resolved(_table(path, CLICK_COLUMNS))
    values = [(video, row.name("label"), row.seconds("t")) for video, row in rows]
    table = pd.DataFrame(values, columns=CLICK_COLUMNS)
    is_background = table["label"] == "background"
    kinds = {"action": table[~is_background], "background": table[is_background]}
    return {kind: part.reset_index(drop=True) for kind, part in kinds.items() if len(part)}


def _sides(path: Path, names: _Names) -> dict[str, str]:
    sides: dict[str, str] = {}
    for video, row in names.resolved(_table(path, ("video", "subset"))):
        side = SIDES.get(row.text("subset").lower())
        if side is None:
            row.refuse(f"the split is {row.text('subset')!r}, expected train or test")
        elif sides.setdefault(video, side) != side:
            row.refuse(f"video {video} is a training and a test video; choose one")
    return sides


def _durations(path: Path, names: _Names) -> dict[str, float]:
    rows = names.resolved(_table(path, ("video", "duration")))
    return {video: row.seconds("duration") for video, row in rows}


def _check_complete(
    names: _Names,
    labels: dict[str, tuple[str, ...]],
    sides: dict[str, str],
    features: Collection[str],
) -> None:
    """A training video needs a label; where a split is given, every video is in it."""
    told = {*labels, *(video for video, side in sides.items() if side == "test")}
    bare = [video for video in sorted(features) if video not in told]
    if bare:
        names.tell(f"{len(bare)} videos have no label", bare)
    placed = {*sides, *bare}
    beside = [video for video in sorted(features) if sides and video not in placed]
    if beside:
        names.tell(f"{len(beside)} videos are in no split", beside)


def _about_segments(data: Survey) -> list[str]:
    """Segments that end after their video, and classes that a video's labels do not name."""
    segments = data.segments
    if not len(segments):
        return []
    last = segments["video"].map({video: data.seconds(video) for video in set(segments["video"])})
    late = segments["t_end"] > last + data.timebase.snippet_seconds
    notes = []
    if late.any():
        first = segments[late].iloc[0]
        text = (
            f"{int(late.sum())} of {len(segments)} segments end after their video, such as "
            f"{first['t_end']:g} s in {first['video']}, which lasts "
            f"{data.seconds(first['video']):g} s"
        )
        ratio = float((segments["t_end"] / last)[late].median())
        if 2 * late.sum() > len(segments) and ratio > FRAMES:
            raise WorkbookError(
                f"segments.csv: {text}; times look like frames, not seconds: divide them by the "
                "frame rate"
            )
        notes.append(text)
    pairs = zip(segments["video"], segments["label"], strict=True)
    beside = sum(label not in data.labels.get(video, ()) for video, label in pairs)
    if beside:
        notes.append(
            f"{beside} of {len(segments)} segments are of a class that the labels of "
            "their video do not name"
        )
    return notes
