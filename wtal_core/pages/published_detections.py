"""Published, real detections of an STPN network on THUMOS14 under every protocol, scored once.

The detections themselves are not ours to commit. `wtal statistics protocols FOLDER` computes the
file and its pictures anew: FOLDER holds `stpn/` (gt.json, results.json) and
`thumos14/Thumos14reduced-Annotations/`.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from wtal_core.data.annotations import read_wtalc
from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.manifests import load_manifest
from wtal_core.data.paths import COMMITTED, require
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.ladder import (
    ALL_TIOUS,
    AVERAGES,
    Setting,
    contributions,
    grid_halves,
    ladder,
    protocol_table,
)
from wtal_core.evaluation.mean_average_precision import evaluate, order_range
from wtal_core.evaluation.protocols import ACTIVITYNET, WTALC, WTALC_2019
from wtal_core.evaluation.tables import read_detections
from wtal_core.pictures import protocol_figures
from wtal_core.pictures.figures import save_figure

PATH = COMMITTED / "thumos14" / "stpn" / "protocols.csv"
ANNOTATIONS = "thumos14/Thumos14reduced-Annotations"
SOURCE = "bellos1203/STPN (Apache-2.0) code/ckpt/ckpt001/results.json"
TITLE = "Published STPN detections on THUMOS14 test (real data)"
LISTS = {"210": load_manifest("thumos14").left_out["activitynet"], "212": ()}
FIRST, LAST = Setting(ACTIVITYNET, LISTS["210"]), Setting(WTALC_2019)


def published(kind: str, path: Path = PATH) -> pd.DataFrame:
    """The rows of a kind, mAP in percent per tIoU, then averages. Kinds and their index:

    "protocol": test list, protocol. "tie": tie rule (activitynet, 210 videos). "ladder": detail,
    mAP after it changed. "contribution": way, detail; points of mAP. "time": see `grid_halves`.
    "order": scores, order of equal scores.
    """
    table = pd.read_csv(path, comment="#", dtype={"group": str, "row": str}).fillna({"group": ""})
    rows = table[table["kind"] == kind].drop(columns="kind")
    found = (
        rows.set_index("row") if (rows["group"] == "").all() else rows.set_index(["group", "row"])
    )
    return found if found.index.nlevels > 1 else found.drop(columns="group")


def about(path: Path = PATH) -> str:
    """The first line of the committed file: what was computed, from which files."""
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def write(folder: Path, path: Path = PATH) -> Path:
    """Compute the committed file, and the pictures of protocols and details beside it."""
    truth, detections = read(folder)
    tables = {
        "protocol": protocol_table(truth, detections, LISTS),
        "tie": _ties(truth, detections),
        "ladder": ladder(truth, detections, FIRST, LAST),
        "contribution": contributions(truth, detections, FIRST, LAST),
        "time": grid_halves(replace(truth, blocked=LISTS["210"]), detections, ACTIVITYNET),
        "order": _orders(truth, detections),
    }
    content = pd.concat([_flat(kind, table) for kind, table in tables.items()], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"# {_first_line(folder, truth, detections)}\n" + content.round(6).to_csv(index=False),
        encoding="utf-8",
    )
    caption = f"{TITLE}. One set of detections, no seeds"
    save_figure(
        protocol_figures.dots(published("protocol", path), ("210", "activitynet"), caption),
        path.with_suffix(".png"),
    )
    steps = (
        f"{caption}. From {FIRST.protocol.id}, 210 videos, to {LAST.protocol.id}, 212 "
        f"videos, in this order"
    )
    save_figure(
        protocol_figures.waterfall(published("ladder", path), steps),
        path.with_name("protocols_details.png"),
    )
    return path


def read(folder: Path) -> tuple[GroundTruth, pd.DataFrame]:
    """Ground truth of all 212 videos with the ambiguous intervals, and the detections."""
    annotations = read_wtalc(require(folder / ANNOTATIONS, "the folder of annotations", "thumos14"))
    videos = tuple(annotations.of_subset("test")["video"])
    segments = annotations.segments[annotations.segments["video"].isin(videos)].reset_index(
        drop=True
    )
    return (
        GroundTruth(segments, videos, annotations.classes, annotations.ambiguous),
        read_detections(folder / "stpn" / "results.json"),
    )


def _ties(truth: GroundTruth, detections: pd.DataFrame) -> pd.DataFrame:
    rows = {
        tie: Setting(replace(ACTIVITYNET, tie=tie), LISTS["210"]).scored(
            truth, detections, ALL_TIOUS
        )
        for tie in ("later", "earlier")
    }
    return _averaged(pd.DataFrame(rows).T.set_axis([f"{tiou:g}" for tiou in ALL_TIOUS], axis=1))


def _orders(truth: GroundTruth, detections: pd.DataFrame) -> pd.DataFrame:
    """Scores as published, and all equal, under three orders of equal ones.

    Smallest best tIoU first, as listed, largest best tIoU first.
    """
    truth = replace(truth, blocked=LISTS["210"])
    scored = {"as published": detections, "all equal": detections.assign(score=1.0)}
    rows = {}
    for scores, table in scored.items():
        low, high = order_range(truth, table, ACTIVITYNET, ALL_TIOUS)
        as_listed = evaluate(truth, table, ACTIVITYNET, ALL_TIOUS)
        rows[scores, "worst first"] = 100 * low.map
        rows[scores, "as listed"] = 100 * as_listed.map
        rows[scores, "best first"] = 100 * high.map
    return _averaged(pd.DataFrame(rows).T.set_axis([f"{tiou:g}" for tiou in ALL_TIOUS], axis=1))


def _averaged(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        **{
            name: table[[f"{tiou:g}" for tiou in tious]].mean(axis=1)
            for name, tious in AVERAGES.items()
        }
    )


def _flat(kind: str, table: pd.DataFrame) -> pd.DataFrame:
    """With the columns kind, group and row before the numbers."""
    index = table.index.to_frame(index=False).astype(str)
    names = pd.DataFrame(
        {
            "kind": kind,
            "group": index.iloc[:, 0] if index.shape[1] > 1 else "",
            "row": index.iloc[:, -1],
        }
    )
    return pd.concat([names, table.reset_index(drop=True)], axis=1)


def _first_line(folder: Path, truth: GroundTruth, detections: pd.DataFrame) -> str:
    counts = {one.id: evaluate(truth, detections, one).counts for one in (ACTIVITYNET, WTALC)}
    sums = ", ".join(
        f"{name} sha256 {sha256_of(folder / 'stpn' / name)}" for name in ("results.json", "gt.json")
    )
    return (
        f"THUMOS14 test (real data), real detections of STPN, source {SOURCE}: {sums}; gt.json "
        f"agrees with W-TALC's "
        f"annotations (sujoyp/wtalc-pytorch, MIT), which add the 212 list and the ambiguous "
        f"intervals. {len(detections)} "
        f"detections, {counts['activitynet']['tied_scores']} tied scores, "
        f"{counts['wtalc']['dropped_ambiguous']} meet an "
        f"ambiguous interval, {counts['wtalc']['instances_without_length']} instances are empty "
        f"on the snippet grid. "
        "Computed: mAP in percent (contribution: points of mAP) at tIoU 0.1 to 0.9 and averages; "
        "ladder and contribution "
        "from activitynet on 210 videos to wtalc-2019 on 212; one set of detections, no seeds, "
        "nothing selected; "
        "by `wtal statistics protocols FOLDER`"
    )
