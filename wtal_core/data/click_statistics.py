"""What clicks are like, measured against the ground truth.

Where they lie, what they miss, how uniform they are.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import kstest

from wtal_core.segments import pairs_by_key

# s from a boundary of the action that holds a click: half a step of the frames that were shown
NEAR = 0.5
LONG = 2.0  # s; background segments that everybody can click, four shown frames
DECILES = 10


def action_runs(segments: pd.DataFrame) -> pd.DataFrame:
    """Union of all instances of a video, of any class, as maximal runs `video, t_start, t_end`.

    Touching ones are one run.
    By video in the order of `segments`, then by time. An instance without length makes no run of
    its own.
    """
    code, videos = pd.factorize(segments["video"])
    order = np.lexsort((segments["t_start"], code))
    code = code[order]
    start = segments["t_start"].to_numpy()[order]
    end = segments["t_end"].to_numpy()[order]
    reached = pd.Series(end).groupby(code).cummax().to_numpy()
    begins = np.ones(len(code), dtype=bool)
    begins[1:] = (code[1:] != code[:-1]) | (start[1:] > reached[:-1])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(code)) - 1 if len(first) else first
    runs = pd.DataFrame(
        {"video": videos.to_numpy()[code[first]], "t_start": start[first], "t_end": reached[last]}
    )
    return runs[runs["t_end"] > runs["t_start"]].reset_index(drop=True)


def background_segments(segments: pd.DataFrame, durations: pd.Series) -> pd.DataFrame:
    """Maximal intervals of [0, duration) outside every instance.

    `video, t_start, t_end`, by video as in `durations`.
    durations: seconds, one row per video. A video without instances is one background segment.
    """
    runs = action_runs(segments[segments["video"].isin(durations.index)])
    marks = pd.DataFrame(
        {
            "video": [*runs["video"], *durations.index],
            "begin": [*runs["t_end"], *np.zeros(len(durations))],
        }
    )
    marks["place"] = durations.index.get_indexer(pd.Index(marks["video"]))
    marks = marks.sort_values(["place", "begin"], kind="stable").reset_index(drop=True)
    seconds = durations.to_numpy(dtype=np.float64)
    places = durations.index.get_indexer(pd.Index(runs["video"]))
    ends = pd.DataFrame(
        {
            "place": np.append(places, np.arange(len(durations))),
            "end": np.append(runs["t_start"].to_numpy(), seconds),
        }
    )
    ends = ends.sort_values(["place", "end"], kind="stable").reset_index(drop=True)
    end = np.minimum(ends["end"], seconds[ends["place"]])
    # the k-th begin and the k-th end of a video belong together, as its runs are apart
    gaps = pd.DataFrame({"video": marks["video"], "t_start": marks["begin"], "t_end": end})
    return gaps[gaps["t_end"] > gaps["t_start"]].reset_index(drop=True)


def held(
    clicks: pd.DataFrame, intervals: pd.DataFrame
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """Pairs (click, interval) of one video in which the interval holds the click's time.

    Row numbers. The interval is [t_start, t_end).
    """
    names = pd.Index(pd.unique(intervals["video"]))
    clicked = names.get_indexer(pd.Index(clicks["video"]))
    i, j = pairs_by_key(clicked, names.get_indexer(pd.Index(intervals["video"])))
    t = clicks["t"].to_numpy()[i]
    start = intervals["t_start"].to_numpy()[j]
    end = intervals["t_end"].to_numpy()[j]
    inside = (start <= t) & (t < end)
    return i[inside], j[inside]


def relative_positions(clicks: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """`video, t, length` (s) and `position` (0 begin, 1 end) of the clicks that an interval holds.

    Of several, the first one.
    BackTAL's Fig. 7 for background segments. Clicks outside every interval are left out.
    """
    i, j = held(clicks, intervals)
    order = np.lexsort((intervals["t_start"].to_numpy()[j], i))
    first = order[np.unique(i[order], return_index=True)[1]]
    click = clicks.iloc[i[first]]
    interval = intervals.iloc[j[first]]
    t = click["t"].to_numpy()
    start = interval["t_start"].to_numpy()
    length = interval["t_end"].to_numpy() - start
    return pd.DataFrame(
        {
            "video": click["video"].to_numpy(),
            "t": t,
            "length": length.round(9),
            "position": (t - start) / length,
        }
    )


def decile_shares(position: Float[np.ndarray, " N"]) -> Float[np.ndarray, " 10"]:
    """Percent of the positions in each tenth of [0, 1]; NaN where there are none.

    A position on a border belongs to the upper tenth, whatever the last bits of its number say:
    times have few decimals, so that 7 % of the published background clicks lie on one.
    """
    tenth = np.clip(np.floor(np.round(DECILES * position, 9)), 0, DECILES - 1).astype(np.int64)
    counts = np.bincount(tenth, minlength=DECILES)
    return 100 * counts / counts.sum() if counts.sum() else np.full(DECILES, np.nan)


def uniformity(position: Float[np.ndarray, " N"]) -> float:
    """p value of the Kolmogorov-Smirnov test against the uniform distribution on [0, 1].

    NaN without positions.
    """
    return float(kstest(position, "uniform").pvalue) if len(position) else float("nan")


def background_statistics(
    clicks: pd.DataFrame, segments: pd.DataFrame, durations: pd.Series
) -> dict[str, Any]:
    """Counts of one annotator's background clicks.

    segments: of the videos in `durations` (s), all classes.
    "near a boundary": clicks in action at most 0.5 s inside. "segments": background segments, with
    those that hold a click.
    """
    background = background_segments(segments, durations)
    runs = action_runs(segments)
    counts = clicks.groupby("video").size()
    click, run = held(clicks, runs)
    t = clicks["t"].to_numpy()[click]
    depth = np.minimum(t - runs["t_start"].to_numpy()[run], runs["t_end"].to_numpy()[run] - t)
    in_segment = np.bincount(held(clicks, background)[1], minlength=len(background))
    long = (background["t_end"] - background["t_start"]).to_numpy() >= LONG
    return {
        "clicks": len(clicks),
        "videos": len(counts),
        "mean of a video": counts.mean(),
        "median of a video": counts.median(),
        "most in a video": counts.max(),
        "in background": len(clicks) - len(np.unique(click)),
        "in action": len(np.unique(click)),
        "near a boundary": int((depth <= NEAR).sum()),
        "segments": len(background),
        "segments clicked": int((in_segment > 0).sum()),
        "of those ≥ 2 s (%)": 100 * (in_segment[long] > 0).mean(),
        "clicked more than once": int((in_segment > 1).sum()),
        "most in a segment": int(in_segment.max(initial=0)),
    }


def errors_by_video(clicks: pd.DataFrame, segments: pd.DataFrame) -> pd.Series:
    """Clicks that lie in an action: video -> how many, from the most down."""
    wrong = np.unique(held(clicks, action_runs(segments))[0])
    return (
        clicks.iloc[wrong]["video"]
        .value_counts()
        .sort_index()
        .sort_values(ascending=False, kind="stable")
    )


def grid_statistics(
    clicks: pd.DataFrame, segments: pd.DataFrame, durations: pd.Series, length: int
) -> dict[str, Any]:
    """The clicks on a grid of `length` snippets per video, as BackTAL maps them.

    A click lies in snippet ⌊t / duration · length⌋.
    "collisions": clicks that fall on a snippet which another one has. Then percent of the clicked
    snippets whose centre, and whose whole, is background.
    """
    seconds = clicks["video"].map(durations).to_numpy() / length
    place = np.clip(np.floor(clicks["t"].to_numpy() / seconds), 0, length - 1)
    snippets = pd.DataFrame(
        {"video": clicks["video"].to_numpy(), "place": place, "seconds": seconds}
    )
    once = snippets.drop_duplicates(["video", "place"])
    begin = (once["place"] * once["seconds"]).to_numpy()
    background = background_segments(segments, durations)
    width = once["seconds"].to_numpy()
    i, j = held(pd.DataFrame({"video": once["video"], "t": begin + width / 2}), background)
    start = background["t_start"].to_numpy()[j]
    end = background["t_end"].to_numpy()[j]
    # with a slack, as both are sums of seconds
    whole = (start <= begin[i] + 1e-9) & (begin[i] + width[i] <= end + 1e-9)
    return {
        "collisions": len(snippets) - len(once),
        "centre in background (%)": 100 * len(i) / len(once),
        "whole snippet in background (%)": 100 * whole.sum() / len(once),
    }


def action_statistics(
    clicks: pd.DataFrame, segments: pd.DataFrame, videos: pd.Series
) -> dict[str, Any]:
    """Counts of one annotator's action clicks, and their positions inside instances.

    Instances are of the click's class; of several, the first one counts.
    videos: ids of the training videos; clicks on others (a misspelt id) are counted in "rows" only.
    """
    known = clicks[clicks["video"].isin(videos)].reset_index(drop=True)
    i, j = held(known, segments)
    same = known["label"].to_numpy()[i] == segments["label"].to_numpy()[j]
    in_class = len(np.unique(i[same]))
    shown = segments.drop_duplicates(["video", "label"])[["video", "label"]].assign(there=True)
    class_in_video = known.merge(shown, on=["video", "label"], how="left")["there"].notna()
    position = class_positions(known, segments)["position"].to_numpy()
    return {
        "rows": len(clicks),
        "on known videos": len(known),
        "videos": known["video"].nunique(),
        "in their class": in_class,
        "in background": len(known) - len(np.unique(i)),
        "instances": len(segments),
        "instances clicked": len(np.unique(j[same])),
        "class not in video": int((~class_in_video).sum()),
        "mean position": position.mean(),
        "median position": np.median(position),
    }


def class_positions(clicks: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """`relative_positions` of action clicks inside the instances of their own class."""

    def keyed(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(video=table["video"] + "\t" + table["label"])

    with_length = segments[segments["t_end"] > segments["t_start"]]
    positions = relative_positions(keyed(clicks), keyed(with_length))
    return positions.assign(video=positions["video"].str.split("\t").str[0])
