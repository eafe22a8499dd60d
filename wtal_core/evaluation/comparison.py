"""Two methods beside each other, and one method at its operating points, as JSON and as text."""

from typing import Any

import numpy as np
from tabulate import tabulate

from wtal_core.evaluation.ground_truth import Detections, GroundTruth
from wtal_core.evaluation.mean_average_precision import thresholds
from wtal_core.evaluation.operating_point import operating_points, some_rows
from wtal_core.evaluation.protocols import Protocol
from wtal_core.evaluation.thresholds import tiou_name
from wtal_core.evaluation.video_bootstrap import paired_difference


def operating_values(
    ground_truth: GroundTruth, detections: Detections, protocol: Protocol, level: float
) -> dict[str, Any]:
    """Precision, recall and F1 of all classes together by score, in percent."""
    rows = some_rows(operating_points(ground_truth, detections, protocol, level))
    shares = {name: (100 * rows[name]).round(10) for name in ("precision", "recall", "f1")}
    return {
        "protocol": protocol.id,
        "tiou": level,
        "rows": rows.assign(**shares).to_dict("records"),
    }


def operating_text(values: dict[str, Any]) -> str:
    """The same as a table; the row of the best F1 is marked."""
    rows = [
        [
            f"{row['score']:.6g}",
            row["detections"],
            row["true_positives"],
            *(f"{row[name]:.2f}" for name in ("precision", "recall", "f1")),
            "best F1" if row["best"] else "",
        ]
        for row in values["rows"]
    ]
    head = ["score at least", "detections", "true positives", "precision", "recall", "F1", ""]
    return (
        f"Operating points in percent, all classes together, protocol {values['protocol']}, tIoU "
        f"{tiou_name(values['tiou'])}\n{tabulate(rows, head, disable_numparse=True)}"
    )


def paired_values(
    ground_truth: GroundTruth,
    detections: Detections,
    other: Detections,
    protocol: Protocol,
    tious: tuple[float, ...] | None,
) -> dict[str, Any]:
    """Difference of mAP in points at each tIoU and on average, with 95 % intervals."""
    paired = paired_difference(ground_truth, detections, other, protocol, tious)
    names = [*map(tiou_name, thresholds(protocol, tious)), "average"]
    columns = {"difference": paired.difference, "low": paired.low, "high": paired.high}
    rounded = {name: np.round(values, 10).tolist() for name, values in columns.items()}
    rows = {
        name: {
            **{column: values[place] for column, values in rounded.items()},
            "better_in": float(paired.share[place]),
        }
        for place, name in enumerate(names)
    }
    return {"protocol": protocol.id, "resamples": paired.resamples, "rows": rows}


def paired_text(values: dict[str, Any]) -> str:
    """The same as a table."""
    rows = [
        [
            name,
            f"{row['difference']:+.2f}",
            f"{row['low']:+.2f} to {row['high']:+.2f}",
            f"{100 * row['better_in']:.0f} %",
        ]
        for name, row in values["rows"].items()
    ]
    head = ["tIoU", "difference", "95 % interval", "better in"]
    return (
        f"mAP minus that of the other file, in points, protocol {values['protocol']}; "
        f"{values['resamples']} resamples of the videos\n"
        f"{tabulate(rows, head, disable_numparse=True)}"
    )
