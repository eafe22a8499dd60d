"""What figures against time share: the axis in seconds, the grid of snippets, spans of tables."""

from typing import TypedDict

import numpy as np
import pandas as pd
from jaxtyping import Float, Num

from wtal_core.pages.step_figure import Axis, Number
from wtal_core.timebase import Timebase


class Grid(TypedDict):
    """Where the values of a layer stand."""

    first: float
    step: float


def time_axis(timebase: Timebase, length: int, first: int = 0) -> Axis:
    """The seconds of the snippets from `first` to `length`."""
    return Axis("time (s)", timebase.seconds(float(first)), timebase.seconds(float(length)))


def snippet_grid(timebase: Timebase, first: int = 0) -> Grid:
    """One value per snippet, from snippet `first` on."""
    return {"first": timebase.seconds(float(first)), "step": timebase.snippet_seconds}


def spans(table: pd.DataFrame) -> list[tuple[float, float]]:
    """`t_start, t_end` of each row."""
    return list(zip(table["t_start"].tolist(), table["t_end"].tolist(), strict=True))


def boxes(
    left: Num[np.ndarray, " N"],
    right: Num[np.ndarray, " N"],
    low: Number | Num[np.ndarray, " N"],
    high: Number | Num[np.ndarray, " N"],
    opacity: Number | Num[np.ndarray, " N"] = 1.0,
) -> Float[np.ndarray, "N 5"]:
    """Rows of a layer of boxes."""
    columns = np.broadcast_arrays(left, right, low, high, opacity)
    return np.stack([column.astype(np.float64) for column in columns], axis=-1)
