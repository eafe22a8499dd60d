"""Figures of an error diagnosis (DETAD, Alwassel et al.

2018): profile, impact, sensitivity, missed instances.

Each takes diagnoses by method name and returns a matplotlib Figure; several methods stand on one
axis.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wtal_core.evaluation.diagnosis import Diagnosis
from wtal_core.evaluation.error_types import ERROR_TYPES, OUTCOMES
from wtal_core.pictures.figures import COLOURS

# safe for colour-blind readers; what is right is green, what finds nothing is grey
OUTCOME_COLOURS = dict(
    zip(OUTCOMES, ("#009e73", "#56b4e9", "#cc79a7", "#0072b2", "#e69f00", "#8c8c8c"), strict=True)
)

CHARACTERISTIC_LABELS = {
    "coverage": "coverage, share of the video",
    "length": "length of the instance",
    "instances": "instances in the video",
}


def profile_figure(diagnoses: Mapping[str, Diagnosis], caption: str) -> Figure:
    """What the best-scored detections are, block by block.

    One stacked bar per block of as many detections as there are instances.
    """
    figure, row = plt.subplots(
        1,
        len(diagnoses),
        figsize=(2.2 + 4.6 * len(diagnoses), 4.2),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for axes, (name, diagnosis) in zip(row[0], diagnoses.items(), strict=True):
        _stack(axes, 100 * diagnosis.profile, diagnosis.block_sizes)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(
            "detections by score, in blocks of G instances\n(below: detections in the block)"
        )
    row[0, 0].set_ylabel("share of the block (%)")
    figure.legend(*row[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def shares_figure(diagnoses: Mapping[str, Diagnosis], caption: str) -> Figure:
    """Share of each kind of error among all false positives within the budget."""
    shares = {name: 100 * error_shares(diagnosis) for name, diagnosis in diagnoses.items()}
    return _grouped(pd.DataFrame(shares), caption, "kind of error", "share of false positives (%)")


def impact_figure(diagnoses: Mapping[str, Diagnosis], caption: str) -> Figure:
    """What normalised mAP would gain if all errors of one type were deleted."""
    gains = {name: 100 * diagnosis.impact for name, diagnosis in diagnoses.items()}
    return _grouped(
        pd.DataFrame(gains).loc[list(ERROR_TYPES)],
        caption,
        "kind of error that is removed",
        "gain of normalised mAP (points)",
    )


def sensitivity_figure(diagnoses: Mapping[str, Diagnosis], caption: str) -> Figure:
    """Normalised mAP of the instances of each bucket; dashed: of all instances."""
    figure = _by_bucket(
        {
            name: d.sensitivity.assign(value=100 * d.sensitivity["normalised_map"])
            for name, d in diagnoses.items()
        },
        caption,
        "normalised mAP (%)",
    )
    for axes in figure.axes:
        for (name, diagnosis), colour in zip(diagnoses.items(), COLOURS, strict=False):
            axes.axhline(
                100 * diagnosis.normalised_map_of_all,
                color=colour,
                ls="--",
                lw=1,
                label=f"{name}, all instances",
            )
    return _with_legend(figure)


def missed_figure(diagnoses: Mapping[str, Diagnosis], caption: str) -> Figure:
    """Share of the instances of each bucket that no detection found."""
    return _with_legend(
        _by_bucket(
            {
                name: d.false_negatives.assign(value=100 * d.false_negatives["rate"])
                for name, d in diagnoses.items()
            },
            caption,
            "instances not found (%)",
        )
    )


def error_shares(diagnosis: Diagnosis) -> pd.Series:
    """Share of each error type among the false positives within the budget, mean over tIoUs.

    NaN if there is none.
    """
    errors = diagnosis.outcome_counts[list(ERROR_TYPES)]
    return errors.div(errors.sum(axis=1).where(lambda total: total > 0), axis=0).mean()


def _stack(axes: Axes, shares: pd.DataFrame, sizes: pd.Series) -> None:
    place, bottom = np.arange(len(shares)), np.zeros(len(shares))
    for outcome in OUTCOMES:
        height = shares[outcome].fillna(0).to_numpy()
        axes.bar(
            place, height, bottom=bottom, color=OUTCOME_COLOURS[outcome], width=0.85, label=outcome
        )
        bottom += height
    axes.set_xticks(
        place,
        [f"{block}\n{size}" for block, size in zip(shares.index, sizes, strict=True)],
        fontsize=7,
    )
    axes.set_ylim(0, 100)


def _grouped(values: pd.DataFrame, caption: str, xlabel: str, ylabel: str) -> Figure:
    """A group a row, one bar per column."""
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    _bars(axes, values)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    figure.suptitle(caption, fontsize=9)
    return _with_legend(figure)


def _by_bucket(tables: Mapping[str, pd.DataFrame], caption: str, ylabel: str) -> Figure:
    """One panel per characteristic, one group per bucket, one bar per method.

    Below each bucket stands its number of instances.
    """
    first = next(iter(tables.values()))
    names = list(dict.fromkeys(first["characteristic"]))
    figure, row = plt.subplots(
        1,
        max(1, len(names)),
        figsize=(2 + 3.6 * len(names), 4.2),
        layout="constrained",
        sharey=True,
        squeeze=False,
    )
    for axes, name in zip(row[0], names, strict=False):
        part = {
            method: table[table["characteristic"] == name].set_index("bucket")
            for method, table in tables.items()
        }
        _bars(
            axes,
            pd.DataFrame({method: table["value"] for method, table in part.items()}).loc[
                part[next(iter(part))].index
            ],
        )
        shown = next(iter(part.values()))
        ticks = [
            f"{words}\n({count})"
            for words, count in zip(shown["range"], shown["instances"], strict=True)
        ]
        axes.set_xticks(range(len(shown)), ticks, fontsize=7, rotation=20)
        axes.set_xlim(-0.5, len(shown) - 0.5)
        axes.set_xlabel(
            f"{CHARACTERISTIC_LABELS.get(name, name)}\n(in brackets: how many instances)"
        )
    row[0, 0].set_ylabel(ylabel)
    figure.suptitle(caption, fontsize=9)
    return figure


def _bars(axes: Axes, values: pd.DataFrame) -> None:
    width = 0.8 / max(1, values.shape[1])
    for number, (name, colour) in enumerate(zip(values.columns, COLOURS, strict=False)):
        place = np.arange(len(values)) + (number - (values.shape[1] - 1) / 2) * width
        axes.bar(place, values[name], width, color=colour, label=name)
    axes.set_xticks(range(len(values)), _wrapped(values.index))
    axes.grid(axis="y", alpha=0.3)


def _wrapped(names: pd.Index) -> list[str]:
    return [str(name).replace(" ", "\n") for name in names]


def _with_legend(figure: Figure) -> Figure:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure
