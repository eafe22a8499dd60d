"""The page that `wtal diagnose` writes: an app in one HTML file, with everything in it.

Beside it lie the pictures as PNG files and the numbers as JSON. Video files stay where they are and
are named by a path relative to the page.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.accounting import MEANING, account
from wtal_core.evaluation.by_class import class_table
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.characteristics import (
    ACTIVITYNET_BUCKETS,
    CHARACTERISTICS,
    THUMOS14_BUCKETS,
)
from wtal_core.evaluation.diagnosis import diagnose
from wtal_core.evaluation.error_types import outcomes
from wtal_core.evaluation.files import write_whole
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET, ACTIVITYNET_TIOUS
from wtal_core.evaluation.worst import (
    background_inside,
    missed_instances,
    own_class_ties,
    worst_errors,
)
from wtal_core.pages.diagnosis_content import MOST_DETECTIONS, Findings, averages, content_of, plain
from wtal_core.pages.timeline import SCRIPT as TIMELINE_SCRIPT
from wtal_core.pages.timeline import STYLE as TIMELINE_STYLE
from wtal_core.pages.timeline import as_script
from wtal_core.pictures import diagnosis_figures as figures
from wtal_core.pictures.figures import plain_png

APP = Path(__file__).with_name("diagnosis")
# one file per concern, in the order in which they need each other
SCRIPTS = ("tables.js", "scores.js", "classes.js", "curves.js", "errors.js", "page.js")
# buckets of the analyses, and thresholds of the mAP table
BENCHMARKS = {
    "thumos14": (THUMOS14_BUCKETS, tuple(k / 10 for k in range(1, 10))),
    "activitynet": (ACTIVITYNET_BUCKETS, ACTIVITYNET_TIOUS),
}


@dataclass(frozen=True)
class Table:
    """Cells as text. texts: how many columns, from the left, are words."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


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
    judged = outcomes(case.ground_truth, case.detections, tious[0], as_published)
    return Findings(
        case,
        diagnosis,
        score,
        judged,
        worst_errors(judged, case.ground_truth),
        missed_instances(judged, case.ground_truth),
        class_table(judged, case.ground_truth, case.detections, tious[0], map_tious),
        benchmark,
    )


def write_page(
    found: Sequence[Findings],
    folder: str | Path,
    videos: Mapping[str, Path] | None = None,
    most: int = MOST_DETECTIONS,
) -> list[Path]:
    """Write `index.html`, the PNG files and `diagnosis.json` into `folder`; the paths written.

    videos: video -> its file, which the page plays and links to. most: how many detections the page
    holds, of all methods together; the most costly errors stay. Files are written whole.
    """
    pictures = draw(found)
    numbers = {one.case.name: as_values(one) for one in found}
    place = Path(folder)
    page = _page(found, pictures, content_of(found, place, videos or {}, most))
    files = {f"{name}.png": data for name, data in pictures.items()}
    files |= {
        "index.html": page.encode(),
        "diagnosis.json": (json.dumps(numbers, indent=1) + "\n").encode(),
    }
    return [_write(place / name, data) for name, data in files.items()]


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
        "averages": {words: round(value, 4) for words, value in averages(found).items()},
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
    return plain(values)


def _page(
    found: Sequence[Findings], pictures: Mapping[str, bytes], content: Mapping[str, Any]
) -> str:
    first = found[0].diagnosis
    scripts = [TIMELINE_SCRIPT, *(APP / name for name in SCRIPTS)]
    script = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    styles = [TIMELINE_STYLE, APP / "page.css"]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = (APP / "page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=found[0].case.title,
        names=", ".join(one.case.name for one in found),
        several=len(found) > 1,
        notes=list(dict.fromkeys(note for one in found for note in one.case.notes_of_page())),
        cut=[
            f"{one.case.name}: {kept['kept']:,} of {kept['all']:,} detections"
            for one, kept in zip(found, content["kept"], strict=True)
            if kept["kept"] < kept["all"]
        ],
        tious=_listed(first.tious),
        first_tiou=f"{first.tious[0]:g}",
        protocol=found[0].score.protocol,
        no_coverage="coverage" not in set(first.sensitivity["characteristic"]),
        tables={
            "counts": _counts(found),
            "ties": _ties(found),
            "sensitivity": _changes(found),
        },
        pictures={name: base64.b64encode(data).decode() for name, data in pictures.items()},
        style="\n".join(path.read_text(encoding="utf-8") for path in styles),
        script=script,
        # the browser runs this script and no other, whatever a name may hold
        checksum=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        content=as_script(content),
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


def _ties(found: Sequence[Findings]) -> Table:
    rows = [
        [
            one.case.name,
            *(
                str(count(one.outcomes, one.case.ground_truth))
                for count in (own_class_ties, background_inside)
            ),
        ]
        for one in found
    ]
    return Table(
        "Two counts over all detections at the first tIoU. The first: wrong labels and confusions "
        "that overlap an instance of their own class just as much; the instance that is listed "
        "first decides. The second: background errors of which at least half lies inside an "
        "instance of their class.",
        ["method", "as close to their own class", "background inside an instance"],
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
