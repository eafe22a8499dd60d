"""The simulator beside reality.

Timeline statistics of any annotations, those of THUMOS14 from a committed file, projections.

THUMOS14's numbers are shown without its data: `wtal statistics timelines` computes
`STATISTICS` from the annotations below the data root, everything else only reads it.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.annotations import read_wtalc
from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest, manifest_path
from wtal_core.data.paths import COMMITTED, require
from wtal_core.data.simulator_2 import NAME, STREAMS, constants_of, draw_directions

STATISTICS = COMMITTED / "thumos14" / "annotation_statistics.csv"
ANNOTATIONS = "thumos14/Thumos14reduced-Annotations"
# headings of the manifest's `simulator` part -> what the constants below it are set from
SET_FROM = {
    "Timelines": "THUMOS14's annotations",
    "Geometry": "a published STPN",
    "Unknowns": "unknown, never tuned",
    "Strengths": "calibrated",
}
CLASS_STATISTICS = (
    "length median (s)",
    "length log deviation",
    "gap median (s)",
    "gap log deviation",
)
SHORTEST_GAP = 0.1  # s; annotations are rounded to it, and overlaps count as that
BINS = {
    "instance length (s)": 2.0 ** np.arange(-2, 8),
    "gap (s)": 2.0 ** np.arange(-3, 10),
    "coverage of a video (share)": np.arange(11) / 10,
}


def timeline_statistics(segments: pd.DataFrame, durations: pd.Series) -> dict[str, float]:
    """What decides how hard a timeline is. durations: video -> seconds, of all videos that count.

    Medians are those of all instances together; log deviations are of natural logarithms. A gap
    lies between an instance and the latest end before it in the same video, whatever their classes.
    Lead-in and lead-out: share of a video before its first and after its last instance.
    """
    values = measured(segments, durations)
    length, gap = values["instance length (s)"], values["gap (s)"]
    ends = segments.groupby("video").agg(first=("t_start", "min"), last=("t_end", "max"))
    seconds = durations.loc[ends.index]
    found = {
        "videos": len(durations),
        "instances": len(segments),
        "instances per video": len(segments) / len(durations),
        "length median (s)": np.median(length),
        "length log deviation": _log_normal(length[length > 0])[1],
        "gap median (s)": np.median(gap),
        "gap log deviation": _log_normal(gap[gap > 0])[1],
        "share of gaps ≤ 0": np.mean(gap <= 0),
        "coverage (mean share)": values["coverage of a video (share)"].mean(),
        "duration median (s)": durations.median(),
        "duration log deviation": _log_normal(durations.to_numpy())[1],
        "share longer than 240 s": np.mean(durations > 240),
        "lead-in (mean share)": (ends["first"] / seconds).mean(),
        "lead-out (mean share)": (1 - ends["last"] / seconds).mean(),
    }
    return {name: float(value) for name, value in found.items()}


def measured(segments: pd.DataFrame, durations: pd.Series) -> dict[str, Float[np.ndarray, " N"]]:
    """The quantities of `BINS`.

    Length of each instance, of each gap, and each video's share of time inside instances.
    """
    ordered = segments.sort_values(["video", "t_start"], kind="stable")
    reached = ordered.groupby("video")["t_end"].cummax().groupby(ordered["video"]).shift()
    inside = ordered["t_end"] - np.fmax(ordered["t_start"], reached)
    covered = (
        inside.clip(lower=0)
        .groupby(ordered["video"])
        .sum()
        .reindex(durations.index, fill_value=0.0)
    )
    values = (
        ordered["t_end"] - ordered["t_start"],
        (ordered["t_start"] - reached).dropna(),
        covered / durations,
    )
    return {name: np.round(value.to_numpy(), 6) for name, value in zip(BINS, values, strict=True)}


def bin_shares(segments: pd.DataFrame, durations: pd.Series) -> dict[str, Float[np.ndarray, " N"]]:
    """Share of the values of each quantity in each of its bins.

    What lies outside is counted to the outermost ones.
    """
    found = {
        name: np.histogram(value.clip(BINS[name][0], BINS[name][-1]), BINS[name])[0]
        for name, value in measured(segments, durations).items()
    }
    return {name: counts / counts.sum() for name, counts in found.items()}


def class_timelines(segments: pd.DataFrame) -> dict[str, tuple[float, float, float, float]]:
    """Class -> `CLASS_STATISTICS` of log-normal fits, as the simulator takes them.

    The median is the exponential of the mean logarithm.

    Gaps are those between instances of the class in a video, at least `SHORTEST_GAP`; NaN where
    there is none.
    """
    found = {}
    for label, rows in segments.sort_values(["video", "t_start"], kind="stable").groupby("label"):
        gap = (
            (rows["t_start"] - rows.groupby("video")["t_end"].shift())
            .dropna()
            .clip(lower=SHORTEST_GAP)
        )
        found[label] = (
            *_log_normal((rows["t_end"] - rows["t_start"]).to_numpy()),
            *_log_normal(gap.to_numpy()),
        )
    return found


def _log_normal(values: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """Median and log deviation of the log-normal fit of positive values; NaN for none."""
    return (
        (float(np.exp(np.log(values).mean())), float(np.log(values).std()))
        if len(values)
        else (np.nan, np.nan)
    )


def of_subset(dataset: Dataset, subset: str) -> tuple[pd.DataFrame, pd.Series]:
    """(segments, durations) of the "train" or "test" videos.

    A duration is the number of whole snippets, in seconds.
    """
    videos = getattr(dataset, subset)
    seconds = [video.length * dataset.timebase.snippet_seconds for video in videos]
    return dataset.segments_of(subset), pd.Series(seconds, index=[video.id for video in videos])


def real_statistics(kind: str) -> pd.DataFrame:
    """THUMOS14's numbers of a kind from the committed file.

    kind: "statistic" (one column per subset), "timeline" (one row per class) or "share" (columns
    quantity, low, high, and one per subset).
    """
    table = pd.read_csv(STATISTICS, comment="#")
    rows = table[table["kind"] == kind]
    index = ["quantity", "low", "high"] if kind == "share" else ["quantity"]
    wide = rows.pivot(index=index, columns="subset", values="value")
    wide = wide.reindex(
        index=rows.set_index(index).index.unique(), columns=rows["subset"].unique()
    )  # as in the file
    wide.columns.name = wide.index.name = None
    return wide.reset_index() if kind == "share" else wide


def write_real_statistics(folder: Path, path: Path = STATISTICS) -> Path:
    """Compute the committed file from W-TALC's annotation arrays."""
    annotations = read_wtalc(require(folder, "the folder of annotations", "thumos14"))
    rows: list[tuple] = []
    for name, subset in (("THUMOS14 train", "validation"), ("THUMOS14 test", "test")):
        videos = annotations.of_subset(subset)
        segments = annotations.segments[annotations.segments["video"].isin(videos["video"])]
        videos = videos[videos["video"].isin(segments["video"])]
        rows += _rows(name, segments, videos.set_index("video")["duration"])
        if subset == "validation":
            rows += [
                ("timeline", column, label, "", "", value)
                for label, values in class_timelines(segments).items()
                for column, value in zip(CLASS_STATISTICS, values, strict=True)
            ]
    table = pd.DataFrame(rows, columns=["kind", "subset", "quantity", "low", "high", "value"])
    path.parent.mkdir(parents=True, exist_ok=True)
    note = (
        "# THUMOS14 (real annotations): statistics only. From W-TALC's arrays "
        "(sujoyp/wtalc-pytorch, MIT) by "
        "`wtal statistics timelines`; train = the 200 validation videos, test = 212 "
        "test videos\n"
    )
    path.write_text(note + table.round(5).to_csv(index=False))
    return path


def _rows(name: str, segments: pd.DataFrame, durations: pd.Series) -> list[tuple]:
    rows = [
        ("statistic", name, quantity, "", "", value)
        for quantity, value in timeline_statistics(segments, durations).items()
    ]
    for quantity, shares in bin_shares(segments, durations).items():
        edges = BINS[quantity]
        rows += [
            ("share", name, quantity, *bin_)
            for bin_ in zip(edges[:-1], edges[1:], shares, strict=True)
        ]
    return rows


def constants_table(name: str = NAME) -> pd.DataFrame:
    """The constants of the simulator, version 2, with what the manifest says about each.

    The classes' timelines and cosines are left out. set from: what the number is known by, see
    `SET_FROM`; a constant of a teaching world or a variant is shown as it is there.
    """
    text = manifest_path(NAME).read_text().split("\nsimulator:\n")[1]
    values = load_manifest(name).simulator
    lines = re.finditer(r"^  (\w+): [^#\n]*?(?: *# (.*))?$", text, re.M)
    rows = [
        {
            "constant": line[1],
            "value": values[line[1]],
            "set from": _origin(text[: line.start()]),
            "what it is": line[2] or "see the line above",
        }
        for line in lines
        if line[1] not in ("seed", "timelines", "cosines")
    ]
    return pd.DataFrame(rows).set_index("constant")


def _origin(before: str) -> str:
    """Of a constant, by the last heading of the manifest before it."""
    heading = max(SET_FROM, key=lambda heading: before.rfind(f"  # {heading}"))
    return SET_FROM[heading]


def projections(
    dataset: Dataset, video: str, stream: str, label: str
) -> dict[str, Float[np.ndarray, " T"]]:
    """The features of a video of `simulated-2`, channels at equal strength, along what they were
    made of: the class, its scene, and the motion that all actions share.
    """
    manifest = load_manifest(dataset.name)
    drawn = draw_directions(constants_of(manifest), manifest.channels())[stream]
    column = dataset.classes.index(label)
    features = dataset.video(video).features[stream] / drawn.gain
    return {
        "class": features @ drawn.action[column],
        "scene of the class": features @ drawn.scene[column],
        "motion of all actions": features @ drawn.motion,
    }


def nearest_classes(count: int = 5) -> pd.DataFrame:
    """The pairs of classes whose directions are most alike: index "pair", the cosine per stream."""
    constants = constants_of(load_manifest(NAME))
    first, second = np.tril_indices(len(constants.classes), -1)
    cosines = {stream: constants.gram(stream)[first, second] for stream in STREAMS}
    pairs = [
        f"{constants.classes[b]} and {constants.classes[a]}"
        for a, b in zip(first, second, strict=True)
    ]
    table = pd.DataFrame(cosines, index=pd.Index(pairs, name="pair"))
    order = table.mean(axis=1).sort_values(ascending=False, kind="stable").index
    return table.loc[order[:count]]
