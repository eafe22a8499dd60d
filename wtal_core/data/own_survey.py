"""What lies in a folder of a user's features, and what the tables beside them say of the videos.

Only headers of features are read. A table may name a video with or without the ending of its file,
with or without `v_`; what it says of videos that are not there is refused, or left out if that is
asked for.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from wtal_core.data.dataset import CLICK_COLUMNS, SEGMENT_COLUMNS, empty_segments
from wtal_core.data.feature_spec import read_spec
from wtal_core.data.features import FeatureNames, stored_features
from wtal_core.data.lengths import LengthCheck, check_lengths
from wtal_core.data.own_files import SIDES, FeatureFiles, find_files
from wtal_core.data.own_times import BACKGROUND, CLICKS, SEGMENTS, about_classes, late_rows
from wtal_core.data.problems import MissingData, WrongLength
from wtal_core.data.stored import Stored
from wtal_core.errors import WorkbookError
from wtal_core.reading.near import alike, did_you_mean
from wtal_core.reading.places import refuse_special
from wtal_core.reading.text_tables import Row, read_rows
from wtal_core.timebase import Timebase

VIDEO_ENDINGS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".npy", ".npz", ".pt", ".h5")
SHOWN = 5  # videos in a message
AGREE = "make names and files agree"


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
    is there. notes: what one should know of the tables. is_lenient: what is likely wrong is told,
    and not refused.
    """

    videos: frozenset[str]
    incomplete: bool
    lacking: list[str]
    thing: str = "features"
    notes: list[str] = field(default_factory=list)
    is_lenient: bool = False

    def resolved(self, rows: list[Row]) -> list[tuple[str, Row]]:
        """The rows of videos that are there. Others are an error, unless that is allowed."""
        names = dict.fromkeys(row.text("video") for row in rows)
        absent = [name for name in names if self.video(name) is None]
        if absent:
            self.tell(
                f"{rows[0].path.name} names {len(absent)} videos without {self.thing}", absent
            )
        return self.there(rows)

    def there(self, rows: list[Row]) -> list[tuple[str, Row]]:
        """The rows of videos that are there; others are passed over."""
        pairs = [(self.video(row.text("video")), row) for row in rows]
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

    def tell(
        self, what: str, names: Sequence[str], remedy: str = AGREE, is_allowed: bool = False
    ) -> None:
        """Refuse these videos or classes, or remember that they are left out."""
        text = f"{what}: {_first(names)}"
        if not (self.incomplete or is_allowed):
            raise WorkbookError(f"{text}; {remedy}, or leave them out with --incomplete")
        self.lacking.append(f"left out, {text}")


def survey(
    name: str,
    folder: Path,
    labels: Path,
    timebase: Timebase,
    streams: Sequence[str] = (),
    incomplete: bool = False,
    only: Collection[str] | None = None,
    size: int = 0,
    is_known: bool = False,
) -> Survey:
    """Look through a folder of features and the tables.

    labels: the file `labels.csv`; the other tables are looked for beside it. incomplete: videos
    that lack features or a label are left out, in place of an error. only: the videos that are
    looked at; features of others are left alone. size: values per snippet, where it is known and
    the shape of the arrays leaves it open. is_known: the data set was added before; what is likely
    wrong in its tables is told, and not refused.
    """
    found = find_files(folder, streams)
    files = found if only is None else found.only(only)
    names = _Names(frozenset(files.arrays), incomplete, [], is_lenient=incomplete or is_known)
    if files.unnamed:
        names.tell(f"{len(files.unnamed)} files are called by what is no name", files.unnamed)
    names.notes += _beside(sorted(set(found.arrays) - set(files.arrays)))
    place = labels.parent
    spec = read_spec(folder)
    durations = _durations(place, folder, spec is not None, names)
    size = size if spec is None else spec.sizes[-1]
    files = _oriented(name, files, durations, timebase, size, names.notes)
    features, cut = _stored(name, files)
    if cut:
        names.notes.append(f"{cut} videos have one snippet more in one stream, which is cut off")
    segments = _segments(place / "segments.csv", names)
    shown = _labels(labels, names, segments)
    sides = _sides(place / "split.csv", names) or files.sides
    lengths = {video: own.shape[0] for video, own in features.items()}
    stated = {video: durations.get(video, np.nan) for video in lengths}
    check = check_lengths(lengths, stated, timebase)
    if check.is_another_timebase:
        raise WrongLength(f"{name}: {check.words()}; state the --fps and --stride of the features")
    _check_complete(names, shown, sides, features, files)
    lasting = {video: timebase.seconds(float(length)) for video, length in lengths.items()}
    seconds = lasting | durations
    names.notes += [check.words()] if check.misfits else []
    clicks = _clicks(place / "clicks.csv", names, _classes(shown, segments))
    clicks = _checked_times(segments, clicks, shown, seconds, timebase, names)
    return Survey(
        files,
        timebase,
        features,
        shown,
        segments,
        _by_kind(clicks),
        durations,
        sides,
        check,
        tuple(names.lacking),
        tuple(names.notes),
    )


def _first(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _beside(videos: Sequence[str]) -> list[str]:
    """What is said of features that nobody asked for."""
    if not videos:
        return []
    told = f"left alone, features of {len(videos)} videos that are not there now"
    return [f"{told}: {_first(videos)}"]


def _oriented(
    name: str,
    files: FeatureFiles,
    durations: Mapping[str, float],
    timebase: Timebase,
    size: int,
    notes: list[str],
) -> FeatureFiles:
    """Features that are all of one shape, [T, D] or [D, T] as durations tell, or as `size` does.
    Without either they are [T, D], and a note says so.
    """
    if not files.turned_size or size in (files.size, files.turned_size):
        return files.of_size(size)
    turned = files.turned()
    lengths = [next(iter(_stored(name, way)[0].values())).shape[0] for way in (files, turned)]
    rows, columns = lengths
    stated = [durations[video] for video in files.arrays if video in durations]
    text = f"all arrays have the shape {rows} x {columns}"
    if not stated:
        notes.append(
            f"{text}, which are taken for {rows} snippets ({timebase.seconds(float(rows)):.3g} s) "
            f"of {columns} values; if they are {columns} snippets, state the length of videos in "
            "durations.csv (video,duration), or save the arrays turned"
        )
        return files
    expected = float(np.median(timebase.snippets(np.array(stated))))
    is_turned = abs(columns - expected) < abs(rows - expected)
    length, width = (columns, rows) if is_turned else (rows, columns)
    notes.append(f"{text}: {length} snippets of {width} values, as the durations tell")
    return turned if is_turned else files


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
    segments = _segments(labels.parent / "segments.csv", names)
    shown = _labels(labels, names, segments)
    split = _sides(labels.parent / "split.csv", names) or dict(sides)
    _check_complete(names, shown, split, names.videos)
    _clicks(labels.parent / "clicks.csv", names, _classes(shown, segments))
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


def _classes(labels: Mapping[str, tuple[str, ...]], segments: pd.DataFrame) -> set[str]:
    return set(segments["label"]).union(*labels.values())


def _clicks(path: Path, names: _Names, classes: Collection[str]) -> pd.DataFrame:
    """All clicks. The label "background" may have capitals; one of no class is refused."""
    rows = names.resolved(_table(path, CLICK_COLUMNS))
    values = [(video, row.name("label"), row.seconds("t")) for video, row in rows]
    table = pd.DataFrame(values, columns=CLICK_COLUMNS)
    known = {BACKGROUND, *classes}
    other = (table["label"].astype(str).str.lower() == BACKGROUND) & ~table["label"].isin(known)
    if other.any():
        spelling = table["label"][other].iloc[0]
        names.notes.append(
            f"{int(other.sum())} clicks of the label {spelling!r} count as {BACKGROUND!r}"
        )
        table.loc[other, "label"] = BACKGROUND
    unknown = ~table["label"].isin(known)
    if unknown.any():
        of = sorted(set(table["label"][unknown]))
        names.tell(
            f"{path.name}: {int(unknown.sum())} of {len(table)} clicks are of classes that no "
            "label names",
            of,
            f"{did_you_mean(of[0], classes)}write them as the labels do, and {BACKGROUND!r} where "
            "no action is",
            names.is_lenient,
        )
    return table[~unknown].reset_index(drop=True)


def _by_kind(clicks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Clicks by kind; those labelled "background" are of that kind."""
    is_background = clicks["label"] == BACKGROUND
    kinds = {"action": clicks[~is_background], "background": clicks[is_background]}
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


def _durations(place: Path, folder: Path, is_noted: bool, names: _Names) -> dict[str, float]:
    """Of the table beside the labels, else of the one that lies with the features. If that was
    noted by `wtal features`, which takes no line out, videos that have gone are passed over.
    """
    tables = [where / "durations.csv" for where in (place, folder)]
    path = next((path for path in tables if path.exists()), tables[0])
    table = _table(path, ("video", "duration"))
    own = path.parent == folder
    rows = names.there(table) if own and is_noted else names.resolved(table)
    return {video: row.seconds("duration") for video, row in rows}


def _check_complete(
    names: _Names,
    labels: dict[str, tuple[str, ...]],
    sides: dict[str, str],
    features: Collection[str],
    files: FeatureFiles | None = None,
) -> None:
    """A training video needs a label; where a split is given, every video is in it."""
    told = {*labels, *(video for video, side in sides.items() if side == "test")}
    bare = [video for video in sorted(features) if video not in told]
    if bare:
        names.tell(f"{len(bare)} videos have no label", bare, _remedy(bare[0], files))
    placed = {*sides, *bare}
    beside = [video for video in sorted(features) if sides and video not in placed]
    if beside:
        names.tell(f"{len(beside)} videos are in no split", beside, _remedy(beside[0], files))


def _remedy(video: str, files: FeatureFiles | None) -> str:
    """What to do with a video that no table names; its features may have outlived it."""
    own = [] if files is None else files.own_paths(video)
    if not own:
        return AGREE
    return f"{AGREE} (if {video} is no video of yours any more, remove {', '.join(map(str, own))})"


def _checked_times(
    segments: pd.DataFrame,
    clicks: pd.DataFrame,
    labels: Mapping[str, tuple[str, ...]],
    seconds: Mapping[str, float],
    timebase: Timebase,
    names: _Names,
) -> pd.DataFrame:
    """The clicks that lie in their videos. Notes say what does not fit, and which classes are
    written nearly alike.
    """
    snippet, notes = timebase.snippet_seconds, names.notes
    notes += late_rows(segments, SEGMENTS, seconds, snippet, names.is_lenient)[1]
    notes += about_classes(segments, SEGMENTS, labels)
    late, found = late_rows(clicks, CLICKS, seconds, snippet, names.is_lenient)
    notes += [f"{text}; they are left out" if late.any() else text for text in found]
    on_actions = clicks[clicks["label"] != BACKGROUND]
    notes += about_classes(on_actions, CLICKS, labels)
    notes += [
        f"the classes {one!r} and {other!r} differ in capitals, spaces, '_' or '-' alone; write "
        "them alike if they are one"
        for one, other in alike(_classes(labels, segments))
    ]
    return clicks[~late].reset_index(drop=True)
