"""What was odd in the input of an evaluation, and the statement of one, as JSON or as text.

`preparation.prepare` counts what becomes of each detection and instance; here is counted what they
were like. Nothing that is counted here is dropped here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Bool
from tabulate import tabulate

from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, Detections, GroundTruth, checked
from wtal_core.evaluation.mean_average_precision import Score, evaluate, order_range
from wtal_core.evaluation.preparation import kept_instances
from wtal_core.evaluation.protocols import ACTIVITYNET, OPENTAD, Protocol
from wtal_core.evaluation.thresholds import tiou_name
from wtal_core.timebase import Timebase

# Counts of the text form, in its order. Those of `prepare` and those of this file, with what they
# mean.
MEANING = {
    "detections": {
        "given": "detections in the file",
        "used": "detections that are scored",
        "dropped_blocked_video": "dropped: in a blocked video",
        "dropped_video_without_ground_truth": "dropped: in a video without instances, or in an "
        "unknown one",
        "dropped_ambiguous": "dropped: meet an ambiguous interval",
        "dropped_class_without_ground_truth": "dropped: of a class without instances, or of an "
        "unknown one",
        "outside_ground_truth": "of those scored: in videos without instances, or in unknown "
        "ones; false positives",
        "tied_scores": "of those scored: as good as another one of the class; their order in the "
        "file decides",
        "unknown_video": "of those in the file: the ground truth does not list the video",
        "other_subset": "of those in the file: in videos of other subsets",
        "unknown_label": "of those in the file: the ground truth does not list the label",
        "infinite_score": "of those in the file: score plus or minus infinity; ranked first or "
        "last",
        "zero_length": "of those in the file: start equals end; never a match",
        "reversed": "of those in the file: end before they start; false positives",
        "past_end": "of those in the file: end after their video's end",
        "empty_on_grid": "of those in the file: no whole snippet long on the protocol's grid; "
        "never a match",
        "repeated": "of those in the file: equal to an earlier one in everything; kept",
    },
    "ground_truth": {
        "instances": "instances in the file",
        "used": "instances that are scored",
        "dropped_blocked_video": "dropped: in a blocked video",
        "dropped_too_short": "dropped: shorter than the protocol allows",
        "dropped_duplicate": "dropped: within 0.001 s of an earlier one of its video and class",
        "without_length": "of those scored: no length in the protocol's unit; never matched, "
        "counted as missed",
        "reversed": "of those in the file: end before they start",
        "zero_length": "of those in the file: start equals end",
        "past_end": "of those in the file: end after their video's end",
        "after_end": "of those in the file: begin after their video's end, too",
        "duplicate": "of those in the file: within 0.001 s of an earlier one of their video and "
        "class",
        "videos": "videos",
        "videos_without_instances": "videos without instances",
        "videos_without_detections": "videos with instances and without detections",
        "classes": "classes",
        "classes_without_instances": "classes without instances; not part of the mean",
        "classes_without_detections": "classes with instances and without detections; AP 0",
        "blocked_unknown": "blocked videos that the ground truth does not list",
        "ambiguous": "ambiguous intervals",
        "ambiguous_unknown_video": "ambiguous intervals of videos that the ground truth does not "
        "list",
    },
}
ROUNDING = 1e-3  # seconds by which a time may lie past the end of its video
ORDERS = {"low": "equal scores worst first", "high": "equal scores best first"}
# lines of the text form also where all are 0
ALWAYS = {"given", "used", "instances", "videos", "classes"}


def account(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    score: Score,
    protocol: Protocol,
) -> dict[str, dict[str, int]]:
    """Counts of detections and of the ground truth under the names of MEANING.

    score: of these detections under this protocol.
    """
    counts = score.counts
    sound = checked(detections)
    table = sound.table
    of_detections = {
        "given": counts["detections"],
        **{name: counts[name] for name in MEANING["detections"] if name in counts},
        **_account_detections(ground_truth, sound, protocol),
    }
    of_truth = {
        "instances": counts["instances"],
        "used": counts["instances_used"],
        "without_length": counts["instances_without_length"],
        "classes_without_detections": counts["classes_without_detections"],
        **_account_instances(ground_truth, protocol),
        **_account_lists(ground_truth, table),
    }
    return {
        "detections": {name: of_detections[name] for name in MEANING["detections"]},
        "ground_truth": {name: of_truth[name] for name in MEANING["ground_truth"]},
    }


def _account_detections(
    ground_truth: GroundTruth, sound: Detections, protocol: Protocol
) -> dict[str, int]:
    detections = sound.table
    start, end = _times(detections)
    known = (*ground_truth.videos, *ground_truth.elsewhere)
    on_grid = protocol.unit == "snippets"
    return {
        "unknown_video": _number_unknown(detections["video"], known),
        "other_subset": int(detections["video"].isin(list(ground_truth.elsewhere)).sum()),
        "unknown_label": _number_unknown(detections["label"], ground_truth.classes),
        "infinite_score": int(np.isinf(detections["score"].to_numpy(dtype=np.float64)).sum()),
        "zero_length": int((end == start).sum()) - sound.reversed,
        "reversed": sound.reversed,
        "past_end": int(past_end(detections, ground_truth.durations).sum()),
        "empty_on_grid": _empty_on_grid(start, end, ground_truth.timebase) if on_grid else 0,
        "repeated": _number_repeated(detections),
    }


def _account_instances(ground_truth: GroundTruth, protocol: Protocol) -> dict[str, int]:
    """What is odd about the instances, and how many the protocol drops for it.

    An instance is counted once: as blocked first, then as too short, then as a duplicate.
    """
    start, end = _times(ground_truth.segments)
    with_duplicates = replace(protocol, duplicates=None)
    all_kept = replace(with_duplicates, shortest=-np.inf)
    not_blocked = int(kept_instances(ground_truth, all_kept).sum())
    long_enough = int(kept_instances(ground_truth, with_duplicates).sum())
    used = int(kept_instances(ground_truth, protocol).sum())
    unblocked = replace(ground_truth, blocked=())
    twice = ~kept_instances(unblocked, replace(ACTIVITYNET, duplicates=OPENTAD.duplicates))
    return {
        "reversed": int((end < start).sum()),
        "zero_length": int((end == start).sum()),
        "past_end": int(past_end(ground_truth.segments, ground_truth.durations).sum()),
        "after_end": int(past_end(ground_truth.segments, ground_truth.durations, "t_start").sum()),
        "duplicate": int(twice.sum()),
        "dropped_blocked_video": len(start) - not_blocked,
        "dropped_too_short": not_blocked - long_enough,
        "dropped_duplicate": long_enough - used,
    }


def _account_lists(ground_truth: GroundTruth, detections: pd.DataFrame) -> dict[str, int]:
    annotated = set(ground_truth.segments["video"])
    videos = set(ground_truth.videos)
    return {
        "videos": len(videos),
        "videos_without_instances": len(videos - annotated),
        "videos_without_detections": len(annotated - set(detections["video"])),
        "classes": len(ground_truth.classes),
        "classes_without_instances": len(
            set(ground_truth.classes) - set(ground_truth.segments["label"])
        ),
        "blocked_unknown": len(set(ground_truth.blocked) - videos),
        "ambiguous": len(ground_truth.ambiguous),
        "ambiguous_unknown_video": _number_unknown(
            ground_truth.ambiguous["video"], ground_truth.videos
        ),
    }


def _times(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["t_start"].to_numpy(dtype=np.float64), table["t_end"].to_numpy(dtype=np.float64)


def past_end(
    table: pd.DataFrame, durations: Mapping[str, float], time: str = "t_end"
) -> Bool[np.ndarray, " N"]:
    """Whether `time` of each row lies past the end of its video, by more than rounding.

    durations: seconds by video; a row of a video without one is not.
    """
    code, videos = pd.factorize(table["video"])
    latest = np.array([durations.get(video, np.nan) for video in videos], dtype=np.float64)
    return table[time].to_numpy(dtype=np.float64) > latest[code] + ROUNDING


def _number_repeated(detections: pd.DataFrame) -> int:
    """How many rows are equal to an earlier one. Only rows that share their numbers with others are
    compared as a whole, which takes a fraction of the memory.
    """
    left = np.arange(len(detections))
    for name in ("score", "t_start", "t_end"):
        values = detections[name].iloc[left]
        left = left[values.duplicated(keep=False).to_numpy()]
    return int(detections.iloc[left].duplicated(DETECTION_COLUMNS).sum())


def _number_unknown(column: pd.Series, known: tuple[str, ...]) -> int:
    return int((~column.isin(known)).sum())


def _empty_on_grid(start: np.ndarray, end: np.ndarray, timebase: Timebase) -> int:
    return int(((end > start) & (timebase.truncated(start) == timebase.truncated(end))).sum())


def statement(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    protocol: Protocol,
    tious: Sequence[float] | None = None,
    with_order_range: bool = False,
) -> dict:
    """Everything about one evaluation, ready for JSON.

    mAP and AP are in percent, thresholds are names (`tiou_name`).
    detections: where several statements are made of one table, `checked` spares repeated checks.
    with_order_range: also the scores under two other orders of equal scores (`order_range`), three
    evaluations in all.
    """
    sound = checked(detections)
    score = evaluate(ground_truth, sound, protocol, tious)
    grid = f"on a grid of {ground_truth.timebase.snippet_seconds:g} s"
    content = {
        "protocol": protocol.id,
        "title": protocol.title,
        "rules_as_in": protocol.source,
        "times": grid if protocol.unit == "snippets" else "in seconds",
        "ambiguity_filter": _ambiguity_filter(ground_truth, protocol),
        "tious": list(score.tious),
        **_percent(score),
        "ap": {
            name: _row(score.tious, 100 * score.ap[:, number])
            for number, name in enumerate(score.classes)
        },
        "counts": account(ground_truth, sound, score, protocol),
        "examples": _examples(ground_truth, sound.table),
    }
    if with_order_range:
        low, high = order_range(ground_truth, sound, protocol, tious)
        content["order_range"] = {"low": _percent(low), "high": _percent(high)}
    return content


def _percent(score: Score) -> dict:
    return {
        "mAP": _row(score.tious, 100 * score.map),
        "average": round(100 * float(score.average), 10),
    }


def _row(tious: Sequence[float], values: np.ndarray) -> dict[str, float]:
    """{threshold: value}; ten decimals, so that rounding errors of the machine are not printed."""
    return {
        tiou_name(tiou): round(float(value), 10) for tiou, value in zip(tious, values, strict=True)
    }


def _ambiguity_filter(ground_truth: GroundTruth, protocol: Protocol) -> str:
    if not protocol.ambiguity_filter:
        return "not part of this protocol"
    return (
        f"on, {len(ground_truth.ambiguous)} intervals"
        if len(ground_truth.ambiguous)
        else "off, no intervals given"
    )


def _examples(ground_truth: GroundTruth, detections: pd.DataFrame) -> dict[str, list[str]]:
    """The first three names of each kind that the ground truth does not list."""
    known = {
        "video": (*ground_truth.videos, *ground_truth.elsewhere),
        "label": ground_truth.classes,
    }
    examples = {}
    elsewhere = detections["video"][detections["video"].isin(list(ground_truth.elsewhere))].unique()
    if len(elsewhere):
        examples["other_subset"] = [str(name) for name in elsewhere[:3]]
    for column, listed in known.items():
        unknown = detections[column][~detections[column].isin(listed)].unique()
        if len(unknown):
            examples[f"unknown_{column}"] = [str(name) for name in unknown[:3]]
    return examples


def as_text(statements: Sequence[dict], per_class: bool = False) -> str:
    """Statements of the same input under one protocol or several, as tables to read."""
    lines = []
    rows = []
    for content in statements:
        lines.append(
            f"mAP in percent, protocol {content['protocol']}: {content['title']}; times "
            f"{content['times']}, ambiguity filter {content['ambiguity_filter']}"
        )
        rows.append(_map_row(content["protocol"], content))
        for order, values in content.get("order_range", {}).items():
            rows.append(_map_row(f"{content['protocol']}, {ORDERS[order]}", values))
    parts = ["\n".join(lines), tabulate(rows, headers="keys", floatfmt=".2f")]
    if per_class:
        parts += [
            f"AP in percent of each class, protocol {content['protocol']}\n{_class_table(content)}"
            for content in statements
        ]
    return "\n\n".join([*parts, _count_table(statements), *_strangers(statements[0])])


def _map_row(name: str, values: dict) -> dict:
    return {"protocol": name, **values["mAP"], "average": values["average"]}


def _class_table(content: dict) -> str:
    rows = [
        {"class": name, **values, "average": sum(values.values()) / len(values)}
        for name, values in content["ap"].items()
    ]
    return tabulate(rows, headers="keys", floatfmt=".2f")


def _count_table(statements: Sequence[dict]) -> str:
    """One column per protocol; counts of 0 are left out, but for the main ones."""
    rows = []
    for kind, meaning in MEANING.items():
        rows.append([kind.replace("_", " ").upper()])
        for name, text in meaning.items():
            values = [content["counts"][kind][name] for content in statements]
            if any(values) or name in ALWAYS:
                rows.append([text, *values])
    protocols = [content["protocol"] for content in statements]
    alignment = ["left"] + ["right"] * len(statements)
    return tabulate(rows, ["counts (those of 0 left out)", *protocols], colalign=alignment)


def _strangers(content: dict) -> list[str]:
    return [
        f"{name.replace('_', ' ')}, such as: " + ", ".join(map(repr, names))
        for name, names in content["examples"].items()
    ]
