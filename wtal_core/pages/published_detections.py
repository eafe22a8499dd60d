"""Published, real detections of trained networks on THUMOS14 and ActivityNet 1.2, scored once.

The detections themselves are not ours to commit. `wtal statistics protocols FOLDER` computes the
tables and their pictures anew: FOLDER holds a folder per detector and
`thumos14/Thumos14reduced-Annotations/`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from wtal_core.data.fingerprint import sha256_of
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
from wtal_core.evaluation.protocols import (
    ACTIONFORMER,
    ACTIVITYNET,
    ACTIVITYNET_TIOUS,
    OPENTAD,
    WTALC,
    WTALC_2019,
)
from wtal_core.evaluation.published import DETECTORS, LISTS, STPN, Detector, read
from wtal_core.evaluation.tables import read_detections, read_ground_truth
from wtal_core.pictures import protocol_figures
from wtal_core.pictures.figures import save_figure

PATH = STPN.path
TITLE = STPN.title
FIRST, LAST = Setting(ACTIVITYNET, LISTS["210"]), Setting(WTALC_2019)
ACTIVITYNET_TITLE = "Published AutoLoc detections on ActivityNet 1.2 validation (real data)"
ACTIVITYNET_PATH = COMMITTED / "activitynet1.2" / "autoloc" / "protocols.csv"


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


def beside(column: str = "0.5") -> pd.DataFrame:
    """mAP in percent of every detector at one tIoU or average, a column per detector.

    Index: test list, protocol.
    """
    columns = {
        detector.name: published("protocol", detector.path)[column]
        for detector in DETECTORS.values()
    }
    return pd.DataFrame(columns)


def write(folder: Path, path: Path = PATH, detector: Detector = STPN) -> Path:
    """Compute a committed file, and the pictures of protocols and details beside it."""
    truth, detections = read(folder, detector)
    tables = {
        "protocol": protocol_table(truth, detections, LISTS),
        "tie": _ties(truth, detections),
        "ladder": ladder(truth, detections, FIRST, LAST),
        "contribution": contributions(truth, detections, FIRST, LAST),
        "time": grid_halves(replace(truth, blocked=LISTS["210"]), detections, ACTIVITYNET),
        "order": _orders(truth, detections),
    }
    _write(tables, _first_line(folder, truth, detections, detector), path)
    caption = f"{detector.title}. One set of detections, no seeds"
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


def write_activitynet(folder: Path, path: Path = ACTIVITYNET_PATH) -> Path:
    """Compute the committed file of AutoLoc on ActivityNet 1.2: three protocols in seconds.

    The two on the snippet grid are of THUMOS14's codes only.
    """
    autoloc = folder / "autoloc"
    names = ("autoloc_activitynet12_val.parquet", "autoloc_activitynet12_gt.json")
    for name in names:
        require(autoloc / name, name, "autoloc")
    detections = read_detections(autoloc / names[0])
    truth = read_ground_truth(autoloc / names[1])
    rows = {}
    for protocol in (ACTIVITYNET, OPENTAD, ACTIONFORMER):
        score = evaluate(truth, detections, protocol, ACTIVITYNET_TIOUS)
        rows[protocol.id] = [*(100 * score.map), 100 * score.average]
    columns = [*(f"{tiou:g}" for tiou in ACTIVITYNET_TIOUS), "0.5:0.95"]
    table = pd.DataFrame(rows, index=columns).T
    about = (
        f"ActivityNet 1.2 validation (real data), real detections of AutoLoc, source "
        f"zhengshou/AutoLoc (MIT) exp/AN, as Parquet: {_sums(folder, 'autoloc', names)}. "
        f"{len(detections)} detections in {detections['video'].nunique()} of "
        f"{len(truth.videos)} videos with ground truth, {len(truth.segments)} instances. "
        "Computed: mAP in percent; one set of detections, no seeds, nothing selected; by "
        "`wtal statistics protocols FOLDER`"
    )
    return _write({"protocol": table}, about, path)


def _write(tables: Mapping[str, pd.DataFrame], first_line: str, path: Path) -> Path:
    content = pd.concat([_flat(kind, table) for kind, table in tables.items()], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {first_line}\n" + content.round(6).to_csv(index=False), encoding="utf-8")
    return path


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


def _sums(folder: Path, manifest: str, names: tuple[str, ...]) -> str:
    sums = [f"{name} sha256 {sha256_of(folder / manifest / name)}" for name in names]
    return ", ".join(sums)


def _first_line(
    folder: Path, truth: GroundTruth, detections: pd.DataFrame, detector: Detector
) -> str:
    counts = {one.id: evaluate(truth, detections, one).counts for one in (ACTIVITYNET, WTALC)}
    origin = (
        "gt.json agrees with W-TALC's annotations"
        if "gt.json" in detector.files
        else "ground truth: W-TALC's annotations"
    )
    return (
        f"THUMOS14 test (real data), real detections of {detector.name}, source "
        f"{detector.source}: {_sums(folder, detector.manifest, detector.files)}; {origin} "
        f"(sujoyp/wtalc-pytorch, MIT), which add the 212 list and the ambiguous "
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
