"""Figures of the teaching notebooks.

Ground truth of several videos, features as an image, histograms, attention, proposals, ranked
detections.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.matching import Intervals, edges, in_order_of_preference, match
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.localization.detections import to_table
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.pictures.figures import COLOURS, barcode
from wtal_core.segments import tiou
from wtal_core.timebase import Timebase


def gallery(dataset: Dataset, videos: Sequence[str], stream: str, caption: str) -> Figure:
    """The length of each snippet's feature vector, and the ground truth as a barcode by class.

    Videos stand below each other against time.
    """
    figure, panels = plt.subplots(
        len(videos), figsize=(10, 1.6 * len(videos) + 0.8), layout="constrained", squeeze=False
    )
    segments = dataset.segments[dataset.segments["video"].isin(videos)]
    labels = sorted(set(segments["label"]))
    many_colours = [plt.get_cmap("tab20")(number % 20) for number in range(len(labels))]
    colours = COLOURS if len(labels) <= len(COLOURS) else many_colours
    colour = dict(zip(labels, colours, strict=False))
    for axes, video in zip(panels[:, 0], videos, strict=True):
        energy = np.linalg.norm(dataset.video(video).features[stream], axis=1)
        axes.stairs(
            energy,
            dataset.timebase.seconds(np.arange(len(energy) + 1)),
            color="#555555",
            baseline=None,
        )
        axes.set_ylabel("length\n(no unit)", fontsize=8)
        axes.set_title(video, fontsize=8, loc="left")
        axes.set_ylim(energy.min() - 0.4 * np.ptp(energy), None)  # leaves room for the barcode
        for label, rows in segments[segments["video"] == video].groupby("label"):
            spans = np.column_stack([rows["t_start"], rows["t_end"] - rows["t_start"]])
            axes.broken_barh(
                spans.tolist(),
                (0.02, 0.2),
                transform=axes.get_xaxis_transform(),
                color=colour[label],
            )
    panels[-1, 0].set_xlabel("time (s)")
    figure.legend(
        handles=[Patch(color=c, label=label) for label, c in colour.items()],
        loc="outside lower center",
        fontsize=8,
        ncols=5,
        title="ground truth",
        title_fontsize=8,
    )
    figure.suptitle(caption, fontsize=9)
    return figure


def feature_images(dataset: Dataset, video: str, caption: str) -> Figure:
    """The features of one video as one image per stream, with its ground truth below.

    Snippets run to the right.
    """
    streams, seconds = dataset.video(video).features, dataset.timebase.seconds
    figure, panels = plt.subplots(
        len(streams) + 1,
        figsize=(10, 1.9 * len(streams) + 1),
        sharex=True,
        layout="constrained",
        height_ratios=[1.0] * len(streams) + [0.2],
    )
    for axes, (stream, features) in zip(panels, streams.items(), strict=False):
        length, size = features.shape
        image = axes.imshow(
            features.T,
            aspect="auto",
            cmap="viridis",
            interpolation="nearest",
            extent=(float(seconds(0)), float(seconds(length)), size, 0),
        )
        axes.set_ylabel(f"{stream}\ndimension")
        figure.colorbar(image, ax=axes, label="value (no unit)", pad=0.01)
    barcode(panels[-1], dataset.segments[dataset.segments["video"] == video], {})
    panels[-1].set_xlabel("time (s)")
    figure.suptitle(caption, fontsize=9)
    return figure


def histograms(shares: Mapping[str, pd.DataFrame], caption: str) -> Figure:
    """One panel per quantity: shares drawn as steps.

    Columns: low, high (bin borders) and one share per data set.
    """
    figure, panels = plt.subplots(
        1, len(shares), figsize=(11, 3.2), layout="constrained", squeeze=False
    )
    for axes, (quantity, table) in zip(panels[0], shares.items(), strict=True):
        borders = np.append(table["low"], table["high"].iloc[-1])
        for name, colour in zip(
            table.columns.drop(["quantity", "low", "high"]), COLOURS, strict=False
        ):
            dashed = "--" if "THUMOS14" in name else "-"
            axes.stairs(100 * table[name], borders, color=colour, lw=1.8, ls=dashed, label=name)
        axes.set(xlabel=quantity, ylabel="share (%)", ylim=(0, None))
        if borders[-1] > 1:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    figure.suptitle(caption, fontsize=9)
    return figure


def spread_over(attention: Float[np.ndarray, " T"]) -> float:
    """exp(entropy) of weights that sum to 1."""
    positive = attention[attention > 0]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def proposals_at(
    sequence: Float[np.ndarray, " T"], rule: ProposalRule, timebase: Timebase
) -> pd.DataFrame:
    """All proposals of one class activation sequence before suppression.

    Columns: `t_start, t_end, score`.
    """
    found = propose(sequence, np.array([len(sequence)]), rule)
    table = to_table(
        found.sequence,
        found.sequence,
        found.start,
        found.end,
        found.score,
        ["video"],
        ["class"],
        timebase,
    )
    return table[["t_start", "t_end", "score"]]


def cut_at(sequence: Float[np.ndarray, " T"], threshold: float, timebase: Timebase) -> pd.DataFrame:
    """`proposals_at` of one threshold: runs of two snippets or more, margins of a quarter of their
    length.
    """
    rule = ProposalRule((threshold,), 2, 0.25, 1.0, 1.0)
    return proposals_at(sequence, rule, timebase)


def ranked(detections: pd.DataFrame, truth: pd.DataFrame, level: float) -> pd.DataFrame:
    """Detections of one class and video by decreasing score.

    tIoU with the nearest instance, whether each is a true positive at this level (an instance
    counts once, ActivityNet matching), precision and recall down to it.
    """
    order = detections.sort_values("score", ascending=False, kind="stable")
    found, instances = _intervals(order), _intervals(truth)
    overlap = tiou(found.start[:, None], found.end[:, None], instances.start, instances.end)
    pairs = in_order_of_preference(
        edges(found, instances, level), ACTIVITYNET.matching, ACTIVITYNET.tie
    )
    right = np.isin(np.arange(len(order)), match(pairs, np.array([level]), len(truth)).detection)
    rank = np.arange(1, len(order) + 1)
    return pd.DataFrame(
        {
            "t_start": order["t_start"].to_numpy(),
            "t_end": order["t_end"].to_numpy(),
            "score": order["score"].to_numpy(),
            "tIoU": overlap.max(axis=1, initial=0.0),
            "true positive": right,
            "precision": right.cumsum() / rank,
            "recall": right.cumsum() / max(1, len(truth)),
        },
        index=pd.Index(rank, name="rank"),
    )


def envelope(ranks: pd.DataFrame) -> Float[np.ndarray, " N"]:
    """Of the ranks of `ranked`: the best precision at each rank or a later one."""
    return np.maximum.accumulate(ranks["precision"].to_numpy()[::-1])[::-1]


def _intervals(table: pd.DataFrame) -> Intervals:
    return Intervals(
        np.zeros(len(table), dtype=np.int64), table["t_start"].to_numpy(), table["t_end"].to_numpy()
    )
