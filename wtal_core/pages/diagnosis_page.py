"""The page that `wtal diagnose` writes.

One HTML file with everything in it, the pictures as PNG files, the numbers as JSON, and beside it
the timeline of each method, in which the errors of the lists are found by a link.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.accounting import MEANING, account
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.characteristics import (
    ACTIVITYNET_BUCKETS,
    CHARACTERISTICS,
    THUMOS14_BUCKETS,
)
from wtal_core.evaluation.diagnosis import Diagnosis, diagnose
from wtal_core.evaluation.error_types import ERROR_TYPES, outcomes
from wtal_core.evaluation.files import write_whole
from wtal_core.evaluation.mean_average_precision import Score, evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET, ACTIVITYNET_TIOUS
from wtal_core.evaluation.worst import (
    background_inside,
    missed_instances,
    own_class_ties,
    worst_errors,
)
from wtal_core.pages.timeline import timeline_of
from wtal_core.pages.timeline_page import timeline_page
from wtal_core.pictures import diagnosis_figures as figures
from wtal_core.pictures.error_timeline import View, error_timeline
from wtal_core.pictures.figures import plain_png

TEMPLATE = Path(__file__).with_suffix(".html")
WORST, VIDEOS = 15, 2  # rows of the lists of errors, and videos drawn, a method
DRAWN_AROUND = 45.0  # seconds on either side of the error that a drawn video is about
# buckets of the analyses, and thresholds of the mAP table
BENCHMARKS = {
    "thumos14": (THUMOS14_BUCKETS, tuple(k / 10 for k in range(1, 10))),
    "activitynet": (ACTIVITYNET_BUCKETS, ACTIVITYNET_TIOUS),
}


@dataclass(frozen=True)
class Findings:
    """All that a page shows of one method.

    outcomes: at the first tIoU of the diagnosis; errors, missed: lists made of them.
    """

    case: Case
    diagnosis: Diagnosis
    score: Score
    outcomes: pd.DataFrame
    errors: pd.DataFrame
    missed: pd.DataFrame


@dataclass(frozen=True)
class Table:
    """Cells as text. texts: how many columns, from the left, are words. links: where the first cell
    of each row leads, if anywhere.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    links: Sequence[str] = ()


def findings(
    case: Case,
    tious: Sequence[float] = (0.5,),
    benchmark: str = "thumos14",
    as_published: bool = False,
) -> Findings:
    """Diagnose and score one method.

    benchmark: whose buckets and mAP thresholds, a key of BENCHMARKS.

    tious, as_published: see `diagnose`.
    """
    buckets, map_tious = BENCHMARKS[benchmark]
    diagnosis = diagnose(
        case.ground_truth, case.detections, tious, case.traits(), buckets, as_published=as_published
    )
    score = evaluate(case.ground_truth, case.detections, ACTIVITYNET, map_tious)
    found = outcomes(case.ground_truth, case.detections, tious[0], as_published)
    return Findings(
        case,
        diagnosis,
        score,
        found,
        worst_errors(found, case.ground_truth),
        missed_instances(found, case.ground_truth),
    )


def write_page(
    found: Sequence[Findings], folder: Path, videos: Mapping[str, Path] | None = None
) -> list[Path]:
    """Write `index.html`, the PNG files, `diagnosis.json` and a timeline per method into `folder`;
    the paths written.

    videos: video -> its file, which the timelines play. Files are written whole.
    """
    pictures = draw(found)
    numbers = {f.case.name: as_values(f) for f in found}
    files = {f"{name}.png": data for name, data in pictures.items()}
    for number, f in enumerate(found):
        drawn = timeline_of(f.case, f.outcomes)
        files[timeline_name(number)] = timeline_page(drawn, folder, videos or {}).encode()
    files |= {
        "index.html": _page(found, pictures).encode(),
        "diagnosis.json": (json.dumps(numbers, indent=1) + "\n").encode(),
    }
    return [_write(folder / name, data) for name, data in files.items()]


def timeline_name(number: int) -> str:
    """The file of the timeline of a method, by its number among them from 0."""
    return "timeline.html" if number == 0 else f"timeline-{number + 1}.html"


def draw(found: Sequence[Findings]) -> dict[str, bytes]:
    """The figures of all analyses as PNG, by name."""
    diagnoses = {f.case.name: f.diagnosis for f in found}
    about = (
        f"{found[0].case.title}, protocol {found[0].score.protocol}, tIoU "
        f"{_listed(found[0].diagnosis.tious)}"
    )
    drawn = {
        "profile": lambda: figures.profile_figure(diagnoses, f"False positive profile: {about}"),
        "shares": lambda: figures.shares_figure(diagnoses, f"What false positives are: {about}"),
        "impact": lambda: figures.impact_figure(
            diagnoses, f"Impact of each kind of error: {about}"
        ),
        "sensitivity": lambda: figures.sensitivity_figure(
            diagnoses, f"Sensitivity to what an instance is like: {about}"
        ),
        "missed": lambda: figures.missed_figure(
            diagnoses, f"Instances that were not found: {about}"
        ),
    }
    return {name: plain_png(figure) for name, figure in drawn.items()}


def as_values(found: Findings) -> dict[str, Any]:
    """The numbers of one method as JSON values; NaN becomes null.

    mAP in percent, the rest as shares of 1.
    """
    d = found.diagnosis
    values = {
        "data": found.case.title,
        "source": found.case.source,
        "protocol": found.score.protocol,
        "mAP": {
            f"{t:.2f}": round(100 * float(v), 4)
            for t, v in zip(found.score.tious, found.score.map, strict=True)
        },
        "average_mAP": round(100 * found.score.average, 4),
        "tIoU": list(d.tious),
        "normalised_mAP": d.normalised_map,
        "left_out": list(d.left_out),
        "counts": counts_in_words(found).to_dict(),
        "outcomes": {f"{t:g}": row for t, row in d.outcome_counts.T.to_dict().items()},
        "error_shares": figures.error_shares(d).to_dict(),
        "own_class_ties": own_class_ties(found.outcomes, found.case.ground_truth),
        "instances_not_found": len(found.missed),
        "background_inside": background_inside(found.outcomes, found.case.ground_truth),
        "profile": d.profile.assign(detections=d.block_sizes).T.to_dict(),
        "impact": d.impact.to_dict(),
        "sensitivity": d.sensitivity.to_dict("records"),
        "relative_change": d.relative_change.T.to_dict(),
        "false_negatives": d.false_negatives.to_dict("records"),
    }
    return _plain(values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    return value


def _page(found: Sequence[Findings], pictures: dict[str, bytes]) -> str:
    methods = []
    for place, f in enumerate(found):
        drawn = {
            f"{f.case.name}, error {number}": data
            for number, data in enumerate(_timelines(f), start=1)
        }
        pictures = pictures | drawn
        methods.append(
            {
                "name": f.case.name,
                "timelines": list(drawn),
                "timeline": timeline_name(place),
                "worst": _worst(f, timeline_name(place)),
                "missed": _missed(f, timeline_name(place)),
            }
        )
    first = found[0].diagnosis
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=found[0].case.title,
        names=", ".join(f.case.name for f in found),
        notes=list(dict.fromkeys(note for f in found for note in f.case.notes_of_page())),
        tious=_listed(first.tious),
        methods=methods,
        first_tiou=f"{first.tious[0]:g}",
        no_coverage="coverage" not in set(first.sensitivity["characteristic"]),
        tables={
            "counts": _counts(found),
            "scores": _scores(found),
            "shares": _shares(found),
            "sensitivity": _changes(found),
        },
        pictures={name: base64.b64encode(data).decode() for name, data in pictures.items()},
    )


def _counts(found: Sequence[Findings]) -> Table:
    """The counts that are not 0 everywhere."""
    counts = pd.DataFrame({f.case.name: counts_in_words(f) for f in found})
    counts = counts[(counts > 0).any(axis=1)]
    rows = [
        [str(name), *map(str, row)]
        for name, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return Table(
        "Sources: "
        + "; ".join(f"{f.case.name}: {f.case.source}" for f in found)
        + ". Counts that are 0 are left out.",
        ["count", *counts.columns],
        rows,
    )


def counts_in_words(found: Findings) -> pd.Series:
    """What became of every detection and instance, as `account` counts it.

    With what the diagnosis leaves out besides.
    """
    told = account(found.case.ground_truth, found.case.detections, found.score, ACTIVITYNET)
    lines = {
        f"{section.replace('_', ' ')}: {MEANING[section][name]}": count
        for section, counts in told.items()
        for name, count in counts.items()
    }
    more = {
        f"without_{name}": f"diagnosis: instances without a bucket of {name}"
        for name in CHARACTERISTICS
        if f"without_{name}" in found.diagnosis.counts
    }
    more |= {
        "beyond_budget": "detections: beyond 10 times the instances of their class; not in the "
        "error profile",
        "instances_dropped_without_length": "diagnosis: instances without length, left out",
        "instances_dropped_longer_than_video": "diagnosis: instances longer than their video, "
        "left out",
    }
    return pd.Series(
        lines | {text: found.diagnosis.counts[name] for name, text in more.items()},
        name=found.case.name,
    )


def _scores(found: Sequence[Findings]) -> Table:
    first = found[0]
    columns = ["method", *(f"{t:g}" for t in first.score.tious), "average", "normalised mAP"]
    rows = [
        [
            f.case.name,
            *(f"{100 * v:.2f}" for v in f.score.map),
            f"{100 * f.score.average:.2f}",
            f"{100 * f.diagnosis.normalised_map:.2f}",
        ]
        for f in found
    ]
    return Table(
        f"mAP in percent at each tIoU, protocol {first.score.protocol}; normalised mAP at tIoU "
        f"{_listed(first.diagnosis.tious)}",
        columns,
        rows,
    )


def _shares(found: Sequence[Findings]) -> Table:
    rows = [
        [
            f.case.name,
            *(f"{100 * v:.1f}" for v in figures.error_shares(f.diagnosis)),
            *(
                str(count(f.outcomes, f.case.ground_truth))
                for count in (own_class_ties, background_inside)
            ),
        ]
        for f in found
    ]
    return Table(
        "share of the false positives among the first 10G, in percent. The last two columns count "
        "all detections at the "
        "first tIoU. Own class as well: wrong labels and confusions that overlap an instance of "
        "their own class just as "
        "much (the one listed first decides). Inside: background errors at least half inside an "
        "instance of their class",
        ["method", *ERROR_TYPES, "own class as well", "inside"],
        rows,
    )


def _changes(found: Sequence[Findings]) -> Table:
    rows = [
        [f.case.name, str(name), f"{change['smallest']:.2f}", f"{change['largest']:.2f}"]
        for f in found
        for name, change in f.diagnosis.relative_change.iterrows()
    ]
    return Table(
        "worst and best bucket, normalised mAP relative to that of all instances",
        ["method", "characteristic", "worst", "best"],
        rows,
        2,
    )


def _links(table: pd.DataFrame, page: str) -> list[str]:
    """Addresses of the rows of a table in the timeline."""
    names = {"video": "video", "t_start": "start", "t_end": "end", "label": "label"}
    rows = table[list(names)].round(3).rename(columns=names).to_dict("records")
    return [f"{page}#{urlencode(row)}" for row in rows]


def _worst(found: Findings, page: str) -> Table:
    errors = found.errors.head(WORST)
    rows = [
        [
            e.outcome,
            e.label,
            e.video,
            f"{e.t_start:.1f}",
            f"{e.t_end:.1f}",
            f"{e.score:.4g}",
            f"{e.overlap:.2f}",
            f"{100 * e.cost:.3f}",
        ]
        for e in errors.itertuples()
    ]
    columns = [
        "kind",
        "class",
        "video",
        "start (s)",
        "end (s)",
        "score",
        "tIoU",
        "cost (points of mAP)",
    ]
    return Table("false positives", columns, rows, 3, _links(errors, page))


def _missed(found: Findings, page: str) -> Table:
    longest = found.missed.head(WORST)
    rows = [
        [m.label, m.video, f"{m.t_start:.1f}", f"{m.t_end:.1f}", f"{m.best:.2f}"]
        for m in longest.itertuples()
    ]
    return Table(
        f"the longest of {len(found.missed)} instances that no detection matched",
        ["class", "video", "start (s)", "end (s)", "best tIoU"],
        rows,
        2,
        _links(longest, page),
    )


def _timelines(found: Findings) -> list[bytes]:
    """The videos of the first errors, one picture a video."""
    errors = found.errors.drop_duplicates("video").head(VIDEOS)
    views = [
        View(
            e.video,
            e.label,
            window=(max(0.0, e.t_start - DRAWN_AROUND), e.t_end + DRAWN_AROUND),
            marked=e.row,
        )
        for e in errors.itertuples()
    ]
    return [plain_png(partial(error_timeline, found.case, found.outcomes, view)) for view in views]


def _listed(tious: Sequence[float]) -> str:
    return ", ".join(f"{t:g}" for t in tious)


def _write(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda aside: aside.write_bytes(data))
    except OSError as error:
        raise WorkbookError(
            f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    return path
