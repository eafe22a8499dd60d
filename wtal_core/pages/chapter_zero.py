"""The figures of chapter zero that step: the cut, the ruler, and precision against recall."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.pages.step_figure import Axis, Layer, Panel, Slider, StepFigure
from wtal_core.pictures.teaching import cut_at, envelope
from wtal_core.segments import tiou
from wtal_core.timebase import Timebase

LANE = 24  # pixels of a panel of bars
WIDE, HIGH = 0.012, 0.03  # half of a point's width and height, of recall and precision
NO_ROWS = np.zeros((0, 4))


def cutting(
    sequence: Float[np.ndarray, " T"],
    thresholds: Sequence[float],
    truth: pd.DataFrame,
    timebase: Timebase,
    start: float,
    caption: str,
) -> StepFigure:
    """A slider over the threshold: what stays above it becomes a proposal."""
    cut = [cut_at(sequence, threshold, timebase) for threshold in thresholds]
    low, high = float(np.floor(sequence.min())), float(np.ceil(sequence.max()))
    step = float(timebase.seconds(1.0))
    activation = Layer("steps", [sequence], "activation", by=(), step=step)
    line = Layer("levels", [[t] for t in thresholds], "threshold θ", colour="orange", look="dashed")
    lanes = [Layer("boxes", [_lane(table) for table in cut], "proposal", colour="orange")]
    return StepFigure(
        title=caption,
        sliders=[Slider("θ", list(thresholds), start)],
        axes=[Axis("time (s)", 0.0, len(sequence) * step)],
        panels=[
            Panel("activation", low, high, [activation, line], height=150),
            Panel("proposals", 0.0, 1.0, lanes, height=LANE, ticks={}),
        ],
        readout=[_told_of_cut(table, truth) for table in cut],
        alt="A curve over time with a horizontal line at the threshold. Bars below the curve show "
        "the times during which it is above the line; the true times are shaded.",
        shaded=_spans(truth),
    )


def _told_of_cut(proposals: pd.DataFrame, truth: pd.DataFrame) -> str:
    """How many proposals, and the best tIoU of each instance with any of them."""
    best = _best(truth, proposals)
    words = ", ".join(f"{value:.2f}" for value in best)
    return f"{len(proposals)} proposals; best tIoU of the {len(truth)} instances: {words}"


def _best(truth: pd.DataFrame, proposals: pd.DataFrame) -> Float[np.ndarray, " N"]:
    if proposals.empty:
        return np.zeros(len(truth))
    overlap = tiou(
        truth["t_start"].to_numpy()[:, None],
        truth["t_end"].to_numpy()[:, None],
        proposals["t_start"].to_numpy(),
        proposals["t_end"].to_numpy(),
    )
    return overlap.max(axis=1)


def measuring(
    instance: tuple[float, float], starts: Sequence[float], lengths: Sequence[float]
) -> StepFigure:
    """Two sliders over start and length of a proposal: tIoU with a fixed instance."""
    spans, shared, told = [], [], []
    for start in starts:
        for length in lengths:
            end = start + length
            common = max(0.0, min(end, instance[1]) - max(start, instance[0]))
            either = length + (instance[1] - instance[0]) - common
            left = max(start, instance[0])
            spans.append([(start, end, 0.1, 0.9)])
            shared.append([(left, left + common, 0.1, 0.9)] if common else NO_ROWS)
            told.append(f"{common:g} s shared ÷ {either:g} s taken = tIoU {common / either:.2f}")
    both = (0, 1)
    fixed = Layer("boxes", [[(*instance, 0.1, 0.9)]], "instance", by=(), colour="green")
    proposal = Layer("boxes", spans, "proposal", by=both, colour="orange")
    common_part = Layer("boxes", shared, "shared", by=both, colour="ink")
    last = max(starts) + max(lengths)
    equal = instance[1] - instance[0]
    return StepFigure(
        title="tIoU is a ruler: move the proposal",
        sliders=[
            Slider("start (s)", list(starts), starts[len(starts) // 2]),
            Slider("length (s)", list(lengths), equal if equal in lengths else lengths[0]),
        ],
        axes=[Axis("time (s)", min(*starts, instance[0]) - 1, max(last, instance[1]) + 1)],
        panels=[
            Panel("instance", 0.0, 1.0, [fixed], height=LANE, ticks={}),
            Panel("proposal", 0.0, 1.0, [proposal], height=LANE, ticks={}),
            Panel("shared", 0.0, 1.0, [common_part], height=LANE, ticks={}),
        ],
        readout=told,
        read_by=both,
        alt="Three bars over time: an instance, a proposal that the sliders move, and the time "
        "that both share.",
    )


def growing(ranks: pd.DataFrame, truth: pd.DataFrame, end: float, caption: str) -> StepFigure:
    """A slider over the detections of `teaching.ranked`, the most confident first. end: of the
    video, in seconds.
    """
    steps = range(1, len(ranks) + 1)
    right = ranks["true positive"].to_numpy()
    curve = [_points(ranks.iloc[:k][right[:k]]) for k in steps]
    wrong = [_points(ranks.iloc[:k][~right[:k]]) for k in steps]
    taken = [_lane(ranks.iloc[:k]) for k in steps]
    areas = [_area(ranks.iloc[:k]) for k in steps]
    newest = [[(*_spans(ranks.iloc[k - 1 : k])[0], 0.1, 0.9)] for k in steps]
    return StepFigure(
        title=caption,
        sliders=[Slider("detections so far", list(steps), 3)],
        axes=[Axis("recall", 0.0, 1.05), Axis("time (s)", 0.0, end)],
        panels=[
            Panel(
                "precision",
                0.0,
                1.1,
                [
                    Layer("boxes", areas, "area that counts", look="light", ghost=False),
                    Layer("boxes", curve, "true positive", colour="green", ghost=False),
                    Layer("boxes", wrong, "false positive", colour="orange", ghost=False),
                ],
                height=190,
            ),
            Panel("truth", 0.0, 1.0, [_fixed(truth)], height=LANE, axis=1, ticks={}),
            Panel(
                "detections",
                0.0,
                1.0,
                [
                    Layer("boxes", taken, "taken before", colour="quiet", ghost=False),
                    Layer("boxes", newest, "the newest", colour="pink", ghost=False),
                ],
                height=LANE,
                axis=1,
                ticks={},
            ),
        ],
        readout=[_told_of_rank(ranks, truth, k) for k in steps],
        alt="Precision against recall, a point per detection, with the area under the curve; below "
        "it the instances, and the detections that were counted so far.",
    )


def _fixed(truth: pd.DataFrame) -> Layer:
    return Layer("boxes", [_lane(truth)], "instance", by=(), colour="green")


def _told_of_rank(ranks: pd.DataFrame, truth: pd.DataFrame, step: int) -> str:
    until = ranks.iloc[:step]
    newest = until.iloc[-1]
    right = int(until["true positive"].sum())
    kind = "true positive" if newest["true positive"] else "false positive"
    area = 100 * float(envelope(until)[until["true positive"]].sum()) / len(truth)
    return (
        f"detection {step} has score {newest['score']:.2f} and tIoU {newest['tIoU']:.2f}: {kind}. "
        f"Precision {right}/{step}, recall {right}/{len(truth)}, area so far {area:.0f} %"
    )


def _points(until: pd.DataFrame) -> Float[np.ndarray, "N 4"]:
    """A small box per detection, at its recall and precision."""
    recall, precision = until["recall"].to_numpy(), until["precision"].to_numpy()
    corners = [recall - WIDE, recall + WIDE, precision - HIGH, precision + HIGH]
    return np.stack(corners, axis=1) if len(until) else NO_ROWS


def _area(until: pd.DataFrame) -> Float[np.ndarray, "N 4"]:
    """A box per true positive, as wide as the recall that it adds."""
    right = until["true positive"].to_numpy()
    recall = until["recall"].to_numpy()[right]
    if not len(recall):
        return NO_ROWS
    before = np.concatenate([[0.0], recall[:-1]])
    heights = envelope(until)[right]
    return np.stack([before, recall, np.zeros_like(heights), heights], axis=1)


def _lane(table: pd.DataFrame) -> Float[np.ndarray, "N 4"]:
    """Start and end of each row, as boxes in a lane from 0 to 1."""
    if table.empty:
        return NO_ROWS
    rows = table[["t_start", "t_end"]].to_numpy()
    return np.hstack([rows, np.full((len(rows), 1), 0.1), np.full((len(rows), 1), 0.9)])


def _spans(table: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(table["t_start"].tolist(), table["t_end"].tolist(), strict=True))
