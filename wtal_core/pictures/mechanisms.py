"""A mechanism seen to work, or not to: a video of a teaching world, and seeds with and without."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.data.simulator_2 import Directions, constants_of, draw_directions, states_of
from wtal_core.evaluation.statistics import paired_difference
from wtal_core.pictures.figures import COLOURS, QUIET, unit_range
from wtal_core.pictures.forest import COLOUR_OF
from wtal_core.report.mechanisms import Mechanism
from wtal_core.report.messages import MARGIN_OF_OURS
from wtal_core.runs.results import Results
from wtal_core.segments import tiou

STRIPS = {  # what goes on in a video -> its colour
    "plain part": COLOURS[2],
    "rest of the action": "#8fd3bd",
    "looks like its class": COLOURS[1],
    "looks like another": COLOURS[4],
    "scene of its class": COLOURS[3],
}


def what_goes_on(dataset: Dataset, video: str) -> dict[str, Float[np.ndarray, " T"]]:
    """The share of each snippet that each of `STRIPS` fills, 0 to 1; no method is told.

    The scene is 0 in a world whose scenes have no strength.
    """
    states = states_of(dataset.name, video)
    constants = constants_of(load_manifest(dataset.name))
    own = [dataset.classes.index(label) for label in dataset.video(video).labels]
    lookalike = states.lookalike[:, own].sum(1)
    shares = (
        states.plain.sum(1),
        states.weak.sum(1),
        lookalike,
        states.lookalike.sum(1) - lookalike,
        states.scene.sum(1) * any(constants.scene),
    )
    return dict(zip(STRIPS, shares, strict=True))


def by_what_goes_on(
    dataset: Dataset, scores: Mapping[str, Float[np.ndarray, " T"]]
) -> dict[str, float]:
    """The mean score of the snippets that each of `STRIPS` fills, weighted by how much of them it
    fills, and of the background with none of them ("elsewhere"). Each video's scores are brought
    to 0 at its lowest and 1 at its highest snippet first.

    scores: test video -> of its snippets. What none of these videos has is NaN.
    """
    values = np.concatenate([unit_range(score) for score in scores.values()])
    videos = [what_goes_on(dataset, video) for video in scores]
    shares = {name: np.concatenate([shares[name] for shares in videos]) for name in STRIPS}
    action = shares["plain part"] + shares["rest of the action"]
    shares["scene of its class"] = shares["scene of its class"] * (1 - np.minimum(action, 1))
    shares["elsewhere"] = np.maximum(1 - sum(shares.values()), 0)
    return {
        name: float(share @ values / share.sum()) if share.any() else float("nan")
        for name, share in shares.items()
    }


def borders_inside(
    candidates: pd.DataFrame, truth: pd.DataFrame, limit: float = 0.25
) -> Float[np.ndarray, " N"]:
    """How far both borders of each candidate lie inside the instance that it overlaps most, in
    seconds; below 0: outside. Candidates that overlap none by more than `limit` (tIoU) are left
    out.

    candidates, truth: tables with `t_start, t_end` in seconds, of one video and class.
    """
    start, end = (candidates[name].to_numpy() for name in ("t_start", "t_end"))
    first, last = (truth[name].to_numpy() for name in ("t_start", "t_end"))
    overlap = tiou(start[:, None], end[:, None], first, last)
    near = np.flatnonzero(overlap.max(axis=1, initial=0.0) > limit)
    instance = overlap[near].argmax(axis=1) if len(near) else near
    return np.concatenate([start[near] - first[instance], last[instance] - end[near]])


def directions_of(dataset: Dataset) -> dict[str, Directions]:
    """What the features of a teaching world are made along, per stream."""
    manifest = load_manifest(dataset.name)
    return draw_directions(constants_of(manifest), manifest.channels())


def world_figure(world: Dataset, plain: Dataset, video: str, caption: str) -> Figure:
    """One video: what goes on in it, as strips of colour, and below them its features along the
    direction of its class, and of its scene where the world has any, in this world and in the one
    without any difficulty.

    Both worlds share timelines and random numbers, so that their lines differ by the difficulty.
    """
    (label,) = world.video(video).labels
    column = world.classes.index(label)
    directions = directions_of(world)
    strips = {name: share for name, share in what_goes_on(world, video).items() if share.any()}
    drawn = ["class", "its scene"] if "scene of its class" in strips else ["class"]
    lines = len(drawn) * len(directions)
    figure, panels = plt.subplots(
        1 + lines,
        figsize=(11, 1.7 + 1.35 * lines),
        sharex=True,
        layout="constrained",
        height_ratios=[0.3 + 0.2 * len(strips)] + [1.0] * lines,
    )
    seconds = world.timebase.seconds(np.arange(world.video(video).length + 1))
    _draw_strips(panels[0], strips, (float(seconds[0]), float(seconds[-1])))
    places = iter(panels[1:])
    for stream, along in directions.items():
        direction_of = {"class": along.action[column], "its scene": along.scene[column]}
        for what in drawn:
            axes = next(places)
            for data, colour, name in (
                (plain, QUIET, "in the plain world"),
                (world, COLOURS[0], "here"),
            ):
                values = data.video(video).features[stream] @ direction_of[what]
                axes.stairs(values, seconds, color=colour, baseline=None, label=name)
            axes.set_ylabel(f"{stream}:\n{what}")
    panels[1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    panels[-1].set_xlabel("time (s)")
    figure.suptitle(caption, fontsize=9)
    return figure


def _draw_strips(
    axes: Axes, strips: Mapping[str, Float[np.ndarray, " T"]], ends: tuple[float, float]
) -> None:
    """One strip per name, first on top; the more of a snippet it fills, the fuller its colour."""
    rows = []
    for name, share in strips.items():
        filled = np.clip(share, 0, 1)[:, None]
        rows.append(filled * to_rgb(STRIPS[name]) + (1 - filled) * to_rgb("#f4f4f4"))
    image = np.stack(rows)
    axes.imshow(image, aspect="auto", interpolation="nearest", extent=(*ends, len(rows), 0))
    axes.set_yticks(np.arange(len(rows)) + 0.5, list(strips), fontsize=8)
    for border in range(1, len(rows)):
        axes.axhline(border, color="white", lw=2)


def seeds_figure(
    results: Mapping[str, Results],
    judged: pd.DataFrame,
    mechanisms: Mapping[str, Mechanism],
    caption: str,
) -> Figure:
    """One line of two panels per mechanism. Left: average mAP of each seed without and with it, in
    each world, one line per seed. Right: the paired differences, one dot per seed, hollow where a
    row is not trained, and the mean of the others with its 95 % interval, coloured by verdict;
    within the grey band there is no difference.

    results: world -> the rows in it. judged: of `judge_in_worlds`.
    """
    figure, grid = plt.subplots(
        len(mechanisms),
        2,
        figsize=(11, 3.2 * len(mechanisms) + 0.6),
        squeeze=False,
        width_ratios=(1.25, 1),
        layout="constrained",
    )
    for (left, right), (name, mechanism) in zip(grid, mechanisms.items(), strict=True):
        for place, world in enumerate(mechanism.predicted):
            pair = [mechanism.absent, mechanism.present]
            absent, present = results[world].values().loc[pair].to_numpy(dtype=float)
            trained = results[world].trained().loc[pair].to_numpy(dtype=bool).all(0)
            _draw_pairs(left, place, absent, present)
            verdict = str(judged.loc[(name, world), "verdict"])
            _draw_differences(right, -place, present - absent, trained, verdict)
        worlds = list(mechanism.predicted)
        left.set_xticks(range(len(worlds)), worlds, fontsize=8)
        left.set_xlim(-0.5, len(worlds) - 0.5)
        left.set_title(f"{name}\nwithout (left) and with it (right)", fontsize=9)
        left.set_ylabel("average mAP (%)")
        left.grid(axis="y", alpha=0.3)
        right.axvspan(-MARGIN_OF_OURS, MARGIN_OF_OURS, color="#eeeeee", lw=0)
        right.axvline(0, color="black", lw=0.8)
        verdicts = [f"{world}\n{judged.loc[(name, world), 'verdict']}" for world in worlds]
        right.set_yticks([-place for place in range(len(worlds))], verdicts, fontsize=8)
        right.set_ylim(-len(worlds) + 0.4, 0.6)
        right.set_xlabel("with minus without (points)")
        right.grid(axis="x", alpha=0.3)
    figure.suptitle(caption, fontsize=9)
    return figure


def _draw_pairs(
    axes: Axes,
    place: int,
    absent: Float[np.ndarray, " N"],
    present: Float[np.ndarray, " N"],
) -> None:
    ends = np.array([place - 0.2, place + 0.2])
    for pair in zip(absent, present, strict=True):
        axes.plot(ends, pair, "-", color=QUIET, lw=1)
    axes.plot(np.full(len(absent), ends[0]), absent, "o", color=COLOURS[6], markersize=4)
    axes.plot(np.full(len(present), ends[1]), present, "o", color=COLOURS[0], markersize=4)


def _draw_differences(
    axes: Axes,
    place: int,
    differences: Float[np.ndarray, " N"],
    trained: Bool[np.ndarray, " N"],
    verdict: str,
) -> None:
    """trained: which seeds are, in both rows."""
    for seeds, face in ((trained, "#777777"), (~trained, "none")):
        height = np.full(seeds.sum(), place - 0.14)
        axes.plot(
            differences[seeds], height, "o", color="#777777", markerfacecolor=face, markersize=4
        )
    if verdict == "not trained":
        return
    used = differences[trained]
    here = paired_difference(used, np.zeros_like(used))
    colour = COLOUR_OF[verdict]
    if here.interval is not None:
        axes.plot(here.interval, (place + 0.1, place + 0.1), "-", color=colour, lw=2)
    axes.plot(here.mean, place + 0.1, "o", color=colour, markersize=7)
