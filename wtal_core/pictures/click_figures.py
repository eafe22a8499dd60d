"""Real clicks on THUMOS14: where annotators click (BackTAL, Fig.

7), how well, and what clicks cost and gain (Fig. 8, Table 5).

The clicks need no features, so these are real results. `wtal statistics clicks` computes the
committed tables and pictures from the annotations below the data root; everything else reads them.
Only statistics are committed, no clicks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binom

from wtal_core.data import paths
from wtal_core.data.annotations import read_wtalc
from wtal_core.data.click_statistics import (
    DECILES,
    action_statistics,
    background_segments,
    background_statistics,
    class_positions,
    decile_shares,
    errors_by_video,
    grid_statistics,
    relative_positions,
    uniformity,
)
from wtal_core.data.clicks import read_annotators
from wtal_core.data.paths import data_root
from wtal_core.data.thumos14 import ANNOTATIONS, CLICKS
from wtal_core.pictures.figures import COLOURS, QUIET, save_figure
from wtal_core.report.artifacts import read_table, save_table

COMMITTED = paths.COMMITTED / "thumos14" / "backtal"
SPLIT = 4.0  # s: eight frames that an annotator was shown
GRID = 750  # snippets to which BackTAL brings a THUMOS14 video
TENTHS = [f"{10 * i}–{10 * i + 10} %" for i in range(DECILES)]
SOURCE = (
    "THUMOS14 (real annotations, real clicks; no features, no training, so no protocol, seeds or "
    "selection rule): 200 "
    "validation videos, W-TALC's annotations"
)
TITLE = (
    "BackTAL Figure 7: where annotators click in a background segment\n"
    "THUMOS14, 200 validation videos (real data, real clicks)"
)
CAPTIONS = {
    "figure7": f"Where annotators click inside a background segment. {SOURCE}, background clicks "
    f"of VividLe/BackTAL, A1 to A3. "
    "Percent of the clicks in each tenth of their segment; p: Kolmogorov-Smirnov test against the "
    "uniform "
    "distribution",
    "figure7_clicks": f"Background clicks. {SOURCE}, background clicks of VividLe/BackTAL, A1 to "
    f"A3",
    "figure7_action": f"Action clicks. {SOURCE}, action clicks of Flowerfan/SF-Net, THUMOS1 to 4. "
    f"Percent of the clicks in each "
    "tenth of their instance; p as in Figure 7",
}


@dataclass(frozen=True)
class Published:
    """The published clicks and what they are measured against.

    clicks: kind -> name of an annotator -> table.

    segments: of the training videos. durations: video -> seconds.
    """

    clicks: dict[str, dict[str, pd.DataFrame]]
    segments: pd.DataFrame
    durations: pd.Series


def published(root: str | Path | None = None) -> Published | None:
    """The clicks and annotations below the data root; None if a file is missing."""
    folder = data_root(root) / "thumos14"
    files = {
        kind: {number: folder / file for number, file in numbered.items()}
        for kind, numbered in CLICKS.items()
    }
    needed = [folder / ANNOTATIONS]
    for numbered in files.values():
        needed += numbered.values()
    if not all(path.exists() for path in needed):
        return None
    annotations = read_wtalc(folder / ANNOTATIONS)
    durations = annotations.of_subset("validation").set_index("video")["duration"]
    segments = annotations.segments[
        annotations.segments["video"].isin(durations.index)
    ].reset_index(drop=True)
    clicks = {kind: _by_annotator(numbered, kind) for kind, numbered in files.items()}
    return Published(clicks, segments, durations)


def _by_annotator(files: Mapping[int, Path], kind: str) -> dict[str, pd.DataFrame]:
    """The clicks of each annotator, named as the papers name them. files: all are there."""
    clicks = read_annotators(files, kind)
    assert clicks is not None
    names = {"background": "A{}", "action": "THUMOS{}"}
    return {
        names[kind].format(number): table.reset_index(drop=True)
        for number, table in clicks.groupby("annotator")
    }


def position_table(
    positions: Mapping[str, pd.DataFrame], split: float | None = SPLIT
) -> pd.DataFrame:
    """Percent of the clicks in each tenth of their segment, and p, as texts.

    One row per annotator and length of the segments, the annotators together last.

    positions: name -> `relative_positions`. split: seconds; None shows segments of all lengths
    only.
    """
    bounds = {"all": (0.0, np.inf)}
    if split is not None:
        bounds[f"< {split:g} s"] = (0.0, split)
        bounds[f"≥ {split:g} s"] = (split, np.inf)
    by_name = dict(positions)
    if len(positions) > 1:
        by_name["together"] = pd.concat(positions.values())
    rows = []
    for length, (low, high) in bounds.items():
        for name, table in by_name.items():
            place = table["position"][
                (table["length"] >= low) & (table["length"] < high)
            ].to_numpy()
            shares = {
                tenth: f"{share:.1f}"
                for tenth, share in zip(TENTHS, decile_shares(place), strict=True)
            }
            rows.append(
                {
                    "annotator": name,
                    "segments": length,
                    "clicks": str(len(place)),
                    **shares,
                    "p": f"{uniformity(place):.2g}",
                }
            )
    return pd.DataFrame(rows).set_index(["annotator", "segments"])


def background_table(found: Published) -> pd.DataFrame:
    """Counts of the background clicks, what the grid of 750 snippets does, the worst videos.

    One column per annotator.
    """
    columns = {}
    for name, clicks in found.clicks["background"].items():
        counts = background_statistics(clicks, found.segments, found.durations)
        grid = grid_statistics(clicks, found.segments, found.durations, GRID)
        worst = ", ".join(
            f"{video[-7:]} ({count})"
            for video, count in errors_by_video(clicks, found.segments).head(2).items()
        )
        columns[name] = {
            **{key: number(value) for key, value in counts.items()},
            "in action (%)": number(100 * counts["in action"] / counts["clicks"]),
            "clicks per minute of video": number(60 * len(clicks) / found.durations.sum()),
            **{f"on {GRID} snippets: {key}": number(value) for key, value in grid.items()},
            "videos with most clicks in action": worst,
        }
    return pd.DataFrame(columns).rename_axis("what")


def action_table(found: Published) -> pd.DataFrame:
    """Counts of the action clicks, percent in each tenth of the instance, and p.

    One row per annotator.
    """
    videos = found.durations.index.to_series()
    rows = {}
    for name, clicks in found.clicks["action"].items():
        place = class_positions(clicks, found.segments)
        counts = action_statistics(clicks, found.segments, videos)
        shares = position_table({name: place}, None).reset_index().iloc[0]
        rows[name] = {
            **{key: number(value) for key, value in counts.items()},
            **shares[[*TENTHS, "p"]],
        }
    return pd.DataFrame(rows).T.rename_axis("annotator")


def number(value: Any) -> str:
    """A whole number as it is, others with two decimals."""
    return str(int(value)) if float(value).is_integer() else f"{value:.2f}"


def real_tables(root: str | Path | None = None) -> dict[str, pd.DataFrame] | None:
    """The tables of `CAPTIONS` from the files below the data root; None if one is missing."""
    found = published(root)
    if found is None:
        return None
    background = background_segments(found.segments, found.durations)
    positions = {
        name: relative_positions(clicks, background)
        for name, clicks in found.clicks["background"].items()
    }
    return {
        "figure7": position_table(positions),
        "figure7_clicks": background_table(found),
        "figure7_action": action_table(found),
    }


def committed_table(name: str, folder: Path = COMMITTED) -> pd.DataFrame:
    """A table of `CAPTIONS` as it is committed. All texts, as `real_tables` makes them."""
    table = read_table(folder / "figure7.csv", name)
    return table.set_index("segments", append=True) if name == "figure7" else table


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """A table with one index column, to be written and shown."""
    return table.reset_index("segments") if "segments" in table.index.names else table


def write_results(folder: Path = COMMITTED, root: str | Path | None = None) -> list[Path]:
    """Compute tables and the picture from the files below the data root.

    Returns what was written; nothing without files.
    """
    tables = real_tables(root)
    if tables is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        save_table(flat(table), folder / f"{name}.csv", CAPTIONS[name])
    save_figure(position_figure(tables["figure7"], TITLE), folder / "figure7.png")
    return sorted(folder.glob("figure7*"))


def position_figure(table: pd.DataFrame, caption: str) -> Figure:
    """Percent of the clicks in each tenth.

    One panel per annotator and length of segments. Grey: where 95 % of uniform clicks would lie.

    table: of `position_table`.
    """
    lengths, names = (
        table.index.get_level_values(level).unique() for level in ("segments", "annotator")
    )
    figure, panels = plt.subplots(
        len(lengths),
        len(names),
        figsize=(2.6 * len(names) + 1, 2.1 * len(lengths) + 1),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes_row, length in zip(panels, lengths, strict=True):
        for axes, name in zip(axes_row, names, strict=True):
            row = table.loc[(name, length)]
            low, high = (
                100 * binom.ppf(q, int(row["clicks"]), 1 / DECILES) / int(row["clicks"])
                for q in (0.025, 0.975)
            )
            axes.axhspan(low, high, color=QUIET, alpha=0.5, lw=0, label="95 % of uniform clicks")
            axes.bar(
                np.arange(DECILES) + 0.5,
                row[TENTHS].astype(float),
                0.9,
                color=COLOURS[5],
                label="clicks",
            )
            axes.set_title(
                f"{name}, segments: {length}\n{row['clicks']} clicks, p = {row['p']}", fontsize=8
            )
        axes_row[0].set_ylabel("clicks (%)")
    for axes in panels[-1]:
        axes.set(
            xlabel="position in the segment (%)", xticks=[0, 5, 10], xticklabels=["0", "50", "100"]
        )
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8
    )
    figure.suptitle(caption, fontsize=9)
    return figure


def cost_figure(points: pd.DataFrame, caption: str) -> Figure:
    """Cost of the annotation against accuracy (Fig.

    8), one point per method. points: `method, x` (s per minute), `y` (%), `supervision`.
    """
    figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    groups = points.groupby("supervision", sort=False)
    for (name, rows), marker, colour in zip(groups, "osD^", COLOURS, strict=False):
        axes.plot(rows["x"], rows["y"], marker, color=colour, markersize=8, label=name)
    for row in points.itertuples():
        axes.annotate(
            row.method, (row.x, row.y), xytext=(8, -3), textcoords="offset points", fontsize=8
        )
    axes.set_xscale("log")
    axes.set_xticks([40, 50, 100, 200, 300], ["40", "50", "100", "200", "300"])
    axes.minorticks_off()
    axes.set(
        xlabel="annotation (s for one minute of video, log scale)",
        ylabel="mAP at tIoU 0.5 (%)",
        xlim=(38, 480),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center", title="training with")
    figure.suptitle(caption, fontsize=9)
    return figure


def relative_changes(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Table 5: each printed percentage beside (click / state of the art − 1).

    And what the rounding of the two allows.
    """
    lines = []
    for row in rows:
        before, after, printed = row["v"]
        half = [0.5 * 10.0 ** -(len(str(value).partition(".")[2])) for value in (before, after)]
        low, high = ((after + sign * half[1]) / (before - sign * half[0]) - 1 for sign in (-1, 1))
        lines.append(
            {
                "what": row["method"],
                "state of the art": f"{before:g}",
                "clicks": f"{after:g}",
                "printed (%)": f"{printed:.1f}",
                "recomputed (%)": f"{100 * (after / before - 1):.2f}",
                "rounding allows (%)": f"{100 * low:.1f} to {100 * high:.1f}",
            }
        )
    return pd.DataFrame(lines).set_index("what")


def change_figure(table: pd.DataFrame, caption: str) -> Figure:
    """Bars of `relative_changes`, with what rounding allows as a line."""
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    place, value = -np.arange(len(table)), table["recomputed (%)"].astype(float).to_numpy()
    bounds = np.array(
        [[float(text) for text in row.split(" to ")] for row in table["rounding allows (%)"]]
    )
    cost = table.index.str.contains("cost")
    axes.barh(place, value, color=np.where(cost, COLOURS[1], COLOURS[2]))
    axes.errorbar(
        value,
        place,
        xerr=np.abs(bounds.T - value),
        fmt="none",
        ecolor="black",
        capsize=4,
        label="what rounding allows",
    )
    axes.set_yticks(place, table.index)
    axes.set(xlabel="with clicks, more than the state of the art (%)", ylabel="")
    axes.legend(fontsize=8, loc="lower right")
    figure.suptitle(caption, fontsize=9)
    return figure
