"""Readers of the layouts in which I3D features circulate, THUMOS14's above all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num

from wtal_core.data.npz import read_npz
from wtal_core.data.paths import inside
from wtal_core.data.problems import MissingData, NotFinite, WrongShape
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.errors import WorkbookError

JOINT_FILE = "Thumos14reduced-I3D-JOINTFeatures.npy"
PLACES = (".", "Thumos14reduced", "features")
# BackTAL, lib/dataset/dataset.py: spatial, temporal
BACKTAL_KEYS = {"rgb": "feat_spa", "flow": "feat_tem"}
JOINT_KEYS = ("feature", "features")

FeaturesByVideo = dict[str, dict[str, Float[np.ndarray, "T D"]]]  # video -> stream -> [T, D]


@dataclass(frozen=True)
class FeatureSource:
    """Features found on disk.

    layout: "joint", "per video" or "npz";
    path: the file, or the folder that holds them.
    """

    layout: str
    path: Path

    def files(self) -> list[Path]:
        """All feature files, sorted."""
        pattern = {"per video": "*/*/*.npy", "npz": "*/*.npz"}.get(self.layout)
        return sorted(self.path.glob(pattern)) if pattern else [self.path]


def find_features(root: Path) -> FeatureSource | None:
    """The first layout found below `root`, None if there is none.

    Looked for in `root`, `root/Thumos14reduced` and `root/features`: W-TALC's joint file (also
    FAC-Net, RSKP, CO2-Net), `{train,test}/{rgb,flow}/<video>.npy` (BaS-Net, UM, CoLA),
    `{val,test}/<video>.npz` (BackTAL).
    """
    for name in PLACES:
        place = root / name
        if (place / JOINT_FILE).exists():
            return FeatureSource("joint", place / JOINT_FILE)
        if next(place.glob("test/rgb/*.npy"), None) or next(place.glob("train/rgb/*.npy"), None):
            return FeatureSource("per video", place)
        if next(place.glob("test/*.npz"), None) or next(place.glob("val/*.npz"), None):
            return FeatureSource("npz", place)
    return None


def require_features(root: Path) -> FeatureSource:
    """As `find_features`, but nothing found is an error.

    It says what was looked for, and where.
    """
    source = find_features(root)
    if source is not None:
        return source
    raise MissingData(
        f"thumos14: no features in {root}, looked there and in its folders "
        f"{', '.join(PLACES[1:])} for {JOINT_FILE}, "
        "{train,test}/{rgb,flow}/<video>.npy and {val,test}/<video>.npz; they must be obtained by "
        "hand: `wtal data verify thumos14` says where from"
    )


def read_features(
    source: FeatureSource,
    videos: Sequence[str],
    trained: Sequence[bool],
    streams: tuple[str, ...],
    size: int,
    optional: frozenset[str] = frozenset(),
) -> FeaturesByVideo:
    """Features `[T, size]`, float32, per video and stream.

    videos: in the order of the annotation arrays, which is that of the joint file. trained: whether
    a video belongs to the training side, hence to which folder. optional: videos that may be
    missing from a layout of single files.
    """
    if source.layout == "joint":
        return read_joint(source.path, videos, streams, size)
    reader = _read_streams if source.layout == "per video" else _read_npz
    features = {}
    for video, train in zip(videos, trained, strict=True):
        by_stream = reader(source.path, video, train, streams, size)
        if by_stream is not None:
            features[video] = by_stream
        elif video not in optional:
            raise MissingData(
                f"thumos14: features of video {video} are missing in {source.path} (layout "
                f"{source.layout}); `wtal data verify thumos14` lists all missing files"
            )
    return features


def read_joint(
    path: Path,
    videos: Sequence[str],
    streams: tuple[str, ...],
    size: int,
    name: str = "thumos14",
) -> dict[str, dict[str, Float[np.ndarray, "T D"]]]:
    """Features of a joint file of data set `name`.

    An object array with one array `[T, size * streams]` per video, in order.
    """
    rows = load_object_array(path)
    if rows.shape[:1] != (len(videos),):
        raise WrongShape(
            f"{path} has shape {rows.shape}, expected ({len(videos)},) as the annotations have; "
            "features and annotations belong to different lists of videos"
        )
    return {
        video: split_streams(row, streams, size, video, name)
        for video, row in zip(videos, rows, strict=True)
    }


def _read_streams(
    root: Path, video: str, train: bool, streams: tuple[str, ...], size: int
) -> dict[str, np.ndarray] | None:
    side = root / ("train" if train else "test")
    files = [inside(side / stream, f"{video}.npy") for stream in streams]
    if not all(file.exists() for file in files):
        return None
    return {
        stream: check_features(load_object_array(file), size, f"{video} ({stream})")
        for stream, file in zip(streams, files, strict=True)
    }


def _read_npz(
    root: Path, video: str, train: bool, streams: tuple[str, ...], size: int
) -> dict[str, np.ndarray] | None:
    path = inside(root / ("val" if train else "test"), f"{video}.npz")
    return read_npz_streams(path, video, streams, size) if path.exists() else None


def read_npz_streams(
    path: Path,
    video: str,
    streams: tuple[str, ...],
    size: int,
    name: str = "thumos14",
) -> dict[str, Float[np.ndarray, "T D"]]:
    """Features of one video from an .npz of data set `name`.

    It holds BackTAL's keys, one key per stream, or one joint array.
    """
    arrays = read_npz(path, name, {*BACKTAL_KEYS, *BACKTAL_KEYS.values(), *JOINT_KEYS})
    plain_keys = {stream: stream for stream in streams}
    for keys in (plain_keys, BACKTAL_KEYS):
        if not all(keys.get(stream) in arrays for stream in streams):
            continue
        features = {}
        for stream in streams:
            array = _time_first(arrays[keys[stream]], size)
            features[stream] = check_features(array, size, f"{video} ({stream})", name)
        return features
    for key in JOINT_KEYS:
        if key in arrays:
            joint = _time_first(arrays[key], size * len(streams))
            return split_streams(joint, streams, size, video, name)
    raise WorkbookError(
        f"{path} holds {sorted(arrays)}, expected {' and '.join(BACKTAL_KEYS.values())}, "
        f"{' and '.join(streams)}, or one of {', '.join(JOINT_KEYS)}"
    )


def _time_first(array: np.ndarray, size: int) -> np.ndarray:
    """BackTAL stores `[D, T]`; everything else `[T, D]`.

    Told apart by D; `[D, D]` is taken as `[T, D]`.
    """
    return array.T if array.ndim == 2 and array.shape[0] == size != array.shape[1] else array


def split_streams(
    joint: object,
    streams: tuple[str, ...],
    size: int,
    video: str,
    name: str = "thumos14",
) -> dict[str, Float[np.ndarray, "T D"]]:
    """Columns of one video's joint features `[T, size * streams]`.

    The first stream comes first (rgb 0:1024, flow 1024:2048).
    """
    checked = check_features(joint, size * len(streams), video, name)
    return {stream: checked[:, i * size : (i + 1) * size] for i, stream in enumerate(streams)}


def check_features(
    array: object, size: int, video: str, name: str = "thumos14"
) -> Float[np.ndarray, "T D"]:
    """The array as float32 `[T, size]`, T >= 0.

    Anything else, NaN and infinite values are errors that name the video.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise WorkbookError(
            f"{name}: features of video {video} are not an array of numbers; run `wtal data "
            f"verify {name}`"
        )
    if array.ndim != 2 or array.shape[1] != size:
        raise WrongShape(
            f"{name}: features of video {video} have shape {array.shape}, expected (T, {size}); "
            f"these are other features than the manifest describes: run `wtal data verify {name}`"
        )
    if not np.isfinite(array).all():
        raise NotFinite(
            f"{name}: features of video {video} hold NaN or infinite values; get the file again "
            f"and run `wtal data verify {name}`"
        )
    return array.astype(np.float32, copy=False)


def common_length(features: dict[str, dict[str, np.ndarray]]) -> int | None:
    """T if all videos (at least three) share one, else None.

    Features that were rescaled do (BackTAL: 750).
    """
    lengths = {len(array) for streams in features.values() for array in streams.values()}
    if len(features) < 3 or len(lengths) != 1:
        return None
    common = lengths.pop()
    return common if common > 1 else None


def to_grid(array: Num[np.ndarray, "S D"], snippets: int) -> Float[np.ndarray, "T D"]:
    """Linear interpolation in time from S to `snippets` equal cells.

    Values are those at cell centres; edges are repeated.
    """
    centre = (np.arange(snippets) + 0.5) * len(array) / max(snippets, 1) - 0.5
    low = np.clip(np.floor(centre).astype(int), 0, len(array) - 1)
    high = np.minimum(low + 1, len(array) - 1)
    weight = np.clip(centre - low, 0, 1)[:, None]
    return ((1 - weight) * array[low] + weight * array[high]).astype(np.float32)


def resample_videos(
    features: dict[str, dict[str, np.ndarray]],
    snippets: Callable[[str], int],
) -> dict[str, dict[str, Float[np.ndarray, "T D"]]]:
    """Bring features of one common length back to the snippet grid. `snippets`: video -> T."""
    return {
        video: {stream: to_grid(array, snippets(video)) for stream, array in streams.items()}
        for video, streams in features.items()
    }
