"""The public readers of every format, each on a small valid folder that the test writes."""

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.numpy import save_file

from tests.data.test_click_datasets import write_sfnet
from tests.data.test_feature_layouts import write_all, write_backtal, write_npy
from tests.data_samples import write_annotations, write_joint
from tests.hand_samples import moving_hand, write_sfinge3d, write_sfinge3d_texts, write_shrec21
from tests.runs.test_ledger import HISTORY, line_of
from wtal_core.data import activitynet, annotations, clicks, hapt, manifests, paths
from wtal_core.data.dataset import Dataset
from wtal_core.data.features import read_timebase
from wtal_core.data.opening import open_dataset
from wtal_core.data.thumos14 import read_origin
from wtal_core.data.verify import Finding, verify
from wtal_core.evaluation.case import read_cases
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.evaluation.tables import load_detections, read_ground_truth, with_lists
from wtal_core.report.artifacts import read_tables, save_table
from wtal_core.report.compare import compare
from wtal_core.report.predictions import read_registered
from wtal_core.runs import check, export
from wtal_core.runs.behaviour import versions
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.train import read_checkpoint
from wtal_core.timebase import Timebase

WTALC = ("videoname", "subset", "duration", "labels_all", "labels", "segments", "classlist")
WTALC_FILES = {f"{name}.npy": "npy" for name in WTALC} | {"Ambiguous_test.txt": "table"}


@dataclass(frozen=True)
class Reader:
    """write: makes valid files in a folder. files: path in it -> format, those that are damaged.
    read: reads them as users do. check: says what is wrong with what was read.
    """

    name: str
    write: Callable[[Path], object]
    files: Mapping[str, str]
    read: Callable[[Path], Any]
    check: Callable[[Any], list[str]] = field(default=lambda content: [])


def wrong_segments(table: pd.DataFrame) -> list[str]:
    """What no table of instances, detections or clicks may hold."""
    problems = []
    for name in table.columns:
        column = table[name]
        if name in ("video", "label"):
            problems += [f"{name} {value!r}" for value in column.unique() if not is_name(value)]
        elif name != "score" and not np.isfinite(column.to_numpy(float)).all():
            problems.append(f"{name} is not finite")
        elif name.startswith("t") and not (column.to_numpy(float) < 1e13).all():
            problems.append(f"{name} is beyond all seconds")
    return problems


def is_name(value: object) -> bool:
    """A text that can be written, printed and kept in one line."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return not any(ord(c) < 32 or ord(c) == 127 for c in value)


def wrong_annotations(content: annotations.Annotations) -> list[str]:
    videos = content.videos
    problems = wrong_segments(content.segments) + wrong_segments(content.ambiguous)
    problems += [f"video {name!r}" for name in videos["video"] if not is_name(name)]
    problems += [f"subset {name!r}" for name in videos["subset"] if not isinstance(name, str)]
    problems += [f"class {name!r}" for name in content.classes if not is_name(name)]
    duration = videos["duration"].to_numpy(float)
    if not ((duration >= 0) & (duration < 1e13) | np.isnan(duration)).all():
        problems.append(f"durations {duration}")
    return problems


def wrong_dataset(dataset: Dataset) -> list[str]:
    problems = wrong_segments(dataset.segments)
    for table in dataset.clicks.values():
        problems += wrong_segments(table)
    for video in (*dataset.train, *dataset.test):
        if not is_name(video.id):
            problems.append(f"video {video.id!r}")
        for stream in dataset.streams:
            values = video.features[stream]
            if values.dtype != np.float32 or not np.isfinite(values).all():
                problems.append(f"features of {video.id}")
    return problems


def wrong_findings(findings: list[Finding]) -> list[str]:
    return [] if findings else ["nothing was said"]


def wrong_score(average: float) -> list[str]:
    return [] if 0 <= average <= 1 or np.isnan(average) else [f"mAP {average}"]


# ---- data sets


def opened(name: str) -> Callable[[Path], Dataset]:
    return lambda folder: open_dataset(name, folder)


def verified(name: str) -> Callable[[Path], list[Finding]]:
    return lambda folder: verify(name, folder)


def write_thumos14(folder: Path) -> None:
    write_annotations(folder / "thumos14")
    write_joint(folder / "thumos14")
    for number, path in ((1, "action_clicks/THUMOS1.txt"),):
        file = folder / "thumos14" / path
        file.parent.mkdir()
        file.write_text(
            f"video_validation_0000001,{number}.5,Diving\n\nvideo_test_0000004,1,Diving\n"
        )


def write_bsn(folder: Path) -> None:
    database = {
        "v_a": {"duration_second": 32.0, "annotations": [{"label": "Jump", "segment": [1, 2.5]}]},
        "v_b": {"duration_second": 20, "annotations": []},
    }
    (folder / "v1-3_anet_anno_action.json").write_text(json.dumps(database))
    (folder / "v1-3_video_info_new.csv").write_text(
        "video,fps,subset\nv_a,25,training\nv_b,30,validation\n"
    )


def write_hapt_tables(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = [
        "WALKING",
        "UPSTAIRS",
        "DOWNSTAIRS",
        "SITTING",
        "STANDING",
        "LAYING",
        *hapt.TRANSITIONS,
    ]
    lines = "".join(f"{number} {name}\n" for number, name in enumerate(names, 1))
    (folder / "activity_labels.txt").write_text(lines)
    (folder / "labels.txt").write_text("1 1 5 10 300\n1 1 7 301 400\n2 2 1 1 350\n2 2 5 351 600\n")
    (folder / "subject_id_train.txt").write_text("1\n1\n")
    (folder / "subject_id_test.txt").write_text("2\n2\n")


def signals(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1700, 6)).astype(np.float32)


def write_hapt_packed(folder: Path) -> None:
    write_hapt_tables(folder / "hapt")
    np.savez_compressed(
        folder / "hapt/hapt_raw_f32.npz", exp01_user01=signals(0), exp02_user02=signals(1)
    )


def write_hapt_texts(folder: Path) -> None:
    write_hapt_tables(folder / "hapt")
    (folder / "hapt/RawData").mkdir()
    for seed, name in enumerate(("exp01_user01", "exp02_user02")):
        values = signals(seed)
        np.savetxt(folder / f"hapt/RawData/acc_{name}.txt", values[:, :3], fmt="%.1f")
        np.savetxt(folder / f"hapt/RawData/gyro_{name}.txt", values[:, 3:], fmt="%.1f")


def write_salads50(folder: Path) -> None:
    folder = folder / "salads50"
    (folder / "labels").mkdir(parents=True)
    (folder / "labels/eval_actions.txt").write_text("cut\npeel\nmix\n")
    split = folder / "splits/50Salads/Split_1"
    split.mkdir(parents=True)
    (split / "train.txt").write_text("01-1\n")
    (split / "test.txt").write_text("02-1\n")
    draw = np.random.default_rng(0)
    arrays = {}
    for name in ("01-1", "02-1"):
        arrays[f"{name}/acc"] = draw.normal(size=(310, 30)).astype(np.float32)
        arrays[f"{name}/label"] = np.repeat([0, 1, 2, 0, 3], 62).astype(np.int64)
    np.savez_compressed(folder / "acc_eval_5fps.npz", **arrays)


ROWS = [(1, 1, 5, 60), (1, 3, 70, 110), (2, 2, 20, 50), (3, 4, 3, 100)]


def hands() -> dict[int, np.ndarray]:
    return {number: moving_hand(120, number) for number in (1, 2, 3)}


def write_shrec(folder: Path) -> None:
    sequences = {f"{side}_{n:03d}": moving_hand(120, n) for n, side in ((1, "train"), (2, "test"))}
    rows = [("train_001", "TAP", 11, 60, 239), ("test_002", "V", 30, 90, 239)]
    write_shrec21(folder / "shrec21", sequences, rows, [row[:4] for row in rows])


def write_clicks(folder: Path) -> None:
    (folder / "action.txt").write_text("a,1.5,Diving\r\n\r\nb, 2 ,Shotput\r\n")
    header = ",".join(clicks.HEADER)
    rows = "a,a.mp4,20,background_background,1.5,1.5,1,1\nb,b.mp4,20,background_background,2,3,1,1"
    (folder / "background.txt").write_text(f"{header}\n{rows}", encoding="utf-8-sig")


def read_clicks(folder: Path) -> list[pd.DataFrame]:
    return [
        clicks.read_action_clicks(folder / "action.txt"),
        clicks.read_background_clicks(folder / "background.txt"),
    ]


# ---- manifests and other YAML

MANIFEST = {
    "name": "small",
    "title": "Small",
    "origin": "real",
    "folder": "small",
    "classes": 3,
    "fps": 25,
    "stride": 16.0,
    "feature_size": 4,
    "streams": ["rgb", "flow"],
    "splits": {"train": {"videos": 2, "instances": 3}, "test": {"videos": 1, "instances": None}},
    "files": [
        {"path": "a/b.npy", "urls": ["https://example.org/b"], "sha256": "0" * 64, "shape": [2]}
    ],
    "archives": [{"url": "https://example.org/a.zip", "members": {"*.txt": "."}}],
    "left_out": {"activitynet": ["v1"]},
    "simulator": {"a": 1.0, "b": [1, 2]},
    "variants": {"hard": {"a": 2.0}},
    "notes": ["a note"],
}
REGISTERED = {
    "date": "2026-01-01",
    "datasets": {"simulated": "abc"},
    "rows": {"facnet": {"method": "facnet"}},
    "predictions": [
        {
            "id": "p1",
            "statement": "more is more",
            "kind": "difference",
            "dataset": "simulated",
            "rows": ["a", "b"],
            "bound": {"min": 0.0},
        }
    ],
}


def write_yaml(folder: Path) -> None:
    (folder / "small.yaml").write_text(yaml.safe_dump(MANIFEST))
    (folder / "origin.yaml").write_text("name: x\ntitle: X\norigin: simulated\n")
    (folder / "timebase.yaml").write_text("fps: 30\nstride: 16\n")
    registered = (paths.MANIFESTS / "predictions.yaml").read_text(encoding="utf-8")
    (folder / "predictions.yaml").write_text(registered)


def wrong_manifest(manifest: manifests.DatasetManifest) -> list[str]:
    problems = []
    for key in ("name", "title", "origin", "licence", "folder", "default_protocol"):
        if not isinstance(vars(manifest)[key], str):
            problems.append(key)
    for entry in manifest.files:
        if not all(isinstance(url, str) for url in entry.urls):
            problems.append("urls")
        if entry.shape is not None and not all(type(size) is int for size in entry.shape):
            problems.append("shape")
    for archive in manifest.archives:
        if not all(isinstance(part, str) for pair in archive.members.items() for part in pair):
            problems.append("members")
    for key in ("streams", "notes"):
        if not all(isinstance(name, str) for name in vars(manifest)[key]):
            problems.append(key)
    for videos in manifest.left_out.values():
        if not all(isinstance(video, str) for video in videos):
            problems.append("left_out")
    for key in ("fps", "stride"):
        value = vars(manifest)[key]
        if value is not None and not 0 < value < np.inf:
            problems.append(f"{key} {value}")
    if manifest.folds < 1:
        problems.append(f"folds {manifest.folds}")
    return problems


def wrong_timebase(timebase: Timebase) -> list[str]:
    within = all(1e-6 < value < 1e9 for value in (timebase.fps, timebase.stride))
    return [] if within else [str(timebase)]


# ---- evaluation

TRUTH = {
    "database": {
        "vid_a": {
            "subset": "test",
            "duration": 100.0,
            "annotations": [
                {"label": "Jump", "segment": [5, 15.0]},
                {"label": "Throw", "segment": ["60", 70]},
            ],
        },
        "vid_b": {
            "subset": "test",
            "duration": "80",
            "annotations": [{"label": "Throw", "segment": [0, 9]}],
        },
        "vid_c": {"subset": "test", "annotations": []},
    },
    "classes": ["Jump", "Throw"],
    "blocked": [],
    "ambiguous": [["vid_a", "Ambiguous", 20, 30]],
    "timebase": {"fps": 25.0, "stride": 16.0, "offset": 0.0},
}
FOUND = {
    "version": "VERSION 1.3",
    "results": {
        "vid_a": [
            {"label": "Jump", "segment": [5, 14], "score": 0.9},
            {"label": "Throw", "segment": [61, 70], "score": "0.8"},
        ],
        "vid_b": [{"label": "Throw", "segment": [0, 5], "score": 0.5}],
    },
    "external_data": {},
}


def write_detections(folder: Path) -> None:
    (folder / "gt.json").write_text(json.dumps(TRUTH))
    plain = {key: value for key, value in TRUTH.items() if key != "ambiguous"}
    (folder / "plain.json").write_text(json.dumps(plain))
    (folder / "det.json").write_text(json.dumps(FOUND))
    (folder / "blocked.json").write_text('["vid_c"]')
    (folder / "blocked.txt").write_text("vid_c\nvid_d\n")
    (folder / "ambiguous.txt").write_text("vid_a 20.0 30.0\nvid_b 1 2\n")
    truth = read_ground_truth(folder / "gt.json")
    table = truth.segments.copy()
    table.to_parquet(folder / "gt.parquet", index=False)
    load_detections(folder / "det.json").table.to_parquet(folder / "det.parquet", index=False)


def score(truth: str, found: str, ambiguous: str | None = None, blocked: str | None = None):
    def read(folder: Path) -> float:
        lists = [None if name is None else folder / name for name in (ambiguous, blocked)]
        known = with_lists(read_ground_truth(folder / truth), *lists)
        return evaluate(known, load_detections(folder / found), PROTOCOLS["wtalc"]).average

    return read


def wrong_cases(cases) -> list[str]:
    problems = []
    for case in cases:
        problems += wrong_segments(case.ground_truth.segments) + wrong_segments(case.detections)
        problems += [f"{s} s" for s in case.durations.values() if not 0 < s < 1e13]
        case.traits()
    return problems


# ---- results


def write_results(folder: Path) -> None:
    for root in ("fresh", "committed"):
        ledger = Ledger(folder / root)
        for seed in range(2):
            record = ledger.append(line_of(seed), HISTORY)
        record.keep_facts({"share": 0.5, "list": [1, 2]})
        record.keep_arrays("figure", {"a": np.arange(3.0)})
        record.working_folder.mkdir(parents=True)
        save_file({"w": np.ones(3, np.float32)}, record.working_folder / "weights_last.safetensors")
        place = folder / root / "simulated" / "facnet"
        place.mkdir()
        rows = {"a": ("10.0", "9.0 to 11.0"), "b": ("20.0", "19.0 to 21.0")}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["here", "95 % interval"])
        table["±"] = "1.0"
        save_table(table.rename_axis("row"), place / "table1.csv", "Where from.")
        (place / "det.parquet").unlink(missing_ok=True)
    names = ("", ".facts", ".history")
    for name in names:
        (folder / "fresh/simulated/runs" / f"facnet{name}.jsonl").touch()


def read_results(folder: Path) -> object:
    """What `wtal results check`, `export` and the tables read."""
    lines = check.census(folder / "fresh")
    export.table(folder / "fresh")
    for record in Ledger(folder / "fresh").records("simulated", "facnet"):
        _ = (record.history, record.facts(), record.arrays("figure"), record.average_map("wtalc"))
        _ = (record.config, record.map("wtalc"), record.objective, record.start, record.key)
    Ledger(folder / "fresh").newest("simulated", "facnet")
    return lines


def compared(folder: Path) -> object:
    read_tables(folder / "fresh/simulated/facnet/table1.csv")
    return compare(folder / "fresh", folder / "committed")


def write_checkpoint(folder: Path) -> None:
    torch.save({"network": {"w": torch.ones(3)}, "epoch": 2}, folder / "checkpoint.pt")


def write_version(folder: Path) -> None:
    version = versions.opened(None, "first", {"a": 1.0}, {"map": [0.5, 1.0]})
    versions.write("facnet", version, folder)


JSON12 = activitynet.FILES["activitynet1.2"]
FEATURES = {"activitynet1.2/features/training/v_a.npz": "npz"}
HAPT_TABLES = {f"hapt/{name}": "table" for name in hapt.TABLES}
PACKED = {"hapt/hapt_raw_f32.npz": "npz"}
SALADS = {
    "salads50/acc_eval_5fps.npz": "npz",
    "salads50/labels/eval_actions.txt": "table",
    "salads50/splits/50Salads/Split_1/train.txt": "table",
}
THUMOS = {f"thumos14/Thumos14reduced-Annotations/{k}": v for k, v in WTALC_FILES.items()}
THUMOS |= {
    "thumos14/Thumos14reduced-I3D-JOINTFeatures.npy": "npy",
    "thumos14/action_clicks/THUMOS1.txt": "table",
}
BEOID = {f"beoid/BEOID-Annotations/{k}": v for k, v in WTALC_FILES.items()}
BEOID |= {"beoid/BEOID-Annotations/single_frames/BEOID1.txt": "table"}
SFINGE = {"sfinge3d/hands_20hz.npz": "npz", "sfinge3d/segments.csv": "table"}
SHREC = {
    "shrec21/hands_25hz.npz": "npz",
    "shrec21/segments.csv": "table",
}
SFINGE_TEXTS = {"sfinge3d/Sequences/1.txt": "table", "sfinge3d/Sequences/sequencesGT.csv": "table"}
HAPT_TEXTS = {f"hapt/RawData/{kind}_exp01_user01.txt": "table" for kind in ("acc", "gyro")}
BSN = {"v1-3_anet_anno_action.json": "json", "v1-3_video_info_new.csv": "table"}
RUNS = "fresh/simulated/runs/facnet"
LEDGER = {f"{RUNS}{kind}.jsonl": "jsonl" for kind in ("", ".history", ".facts")}
TABLES = {
    "fresh/simulated/facnet/table1.csv": "table",
    "committed/simulated/facnet/table1.csv": "table",
}
ACTIVITYNET = activitynet.activitynet12_without_features


def layout(write) -> Callable[[Path], object]:
    return lambda folder: write_all(folder, "activitynet1.2", write)


def annotated(folder: Path) -> annotations.Annotations:
    return ACTIVITYNET(folder / "activitynet1.2").published


def wtalc(folder: Path) -> annotations.Annotations:
    return annotations.read_wtalc(folder / "Thumos14reduced-Annotations")


def detections_files(*names: str) -> dict[str, str]:
    forms = {"txt": "table", "json": "json", "parquet": "parquet"}
    return {name: forms[name.rpartition(".")[2]] for name in names}


READERS = (
    Reader(
        "W-TALC's arrays",
        write_annotations,
        {f"Thumos14reduced-Annotations/{k}": v for k, v in WTALC_FILES.items()},
        wtalc,
        wrong_annotations,
    ),
    Reader("THUMOS14", write_thumos14, THUMOS, opened("thumos14"), wrong_dataset),
    Reader("verify THUMOS14", write_thumos14, THUMOS, verified("thumos14"), wrong_findings),
    Reader("BEOID", write_sfnet, BEOID, opened("beoid"), wrong_dataset),
    Reader(
        "ActivityNet",
        layout(write_backtal),
        {f"activitynet1.2/{JSON12}": "json"},
        annotated,
        wrong_annotations,
    ),
    Reader(
        "BackTAL's features",
        layout(write_backtal),
        {"activitynet1.2/features/train/v_a.npz": "npz"},
        opened("activitynet1.2"),
        wrong_dataset,
    ),
    Reader(
        "one array per video",
        layout(write_npy),
        {"activitynet1.2/features/train/v_a.npy": "npy"},
        opened("activitynet1.2"),
        wrong_dataset,
    ),
    Reader(
        "verify ActivityNet",
        layout(write_npy),
        {f"activitynet1.2/{JSON12}": "json", "activitynet1.2/features/train/v_a.npy": "npy"},
        verified("activitynet1.2"),
        wrong_findings,
    ),
    Reader("BSN's files", write_bsn, BSN, annotations.read_bsn, wrong_annotations),
    Reader("HAPT, packed", write_hapt_packed, HAPT_TABLES | PACKED, opened("hapt"), wrong_dataset),
    Reader(
        "HAPT, texts", write_hapt_texts, HAPT_TABLES | HAPT_TEXTS, opened("hapt"), wrong_dataset
    ),
    Reader(
        "verify HAPT", write_hapt_packed, HAPT_TABLES | PACKED, verified("hapt"), wrong_findings
    ),
    Reader("50 Salads", write_salads50, SALADS, opened("salads50"), wrong_dataset),
    Reader("verify 50 Salads", write_salads50, SALADS, verified("salads50"), wrong_findings),
    Reader(
        "SFINGE 3D, packed",
        lambda f: write_sfinge3d(f / "sfinge3d", hands(), ROWS),
        SFINGE,
        opened("sfinge3d"),
        wrong_dataset,
    ),
    Reader(
        "SFINGE 3D, texts",
        lambda f: write_sfinge3d_texts(f / "sfinge3d", hands(), ROWS),
        SFINGE_TEXTS,
        opened("sfinge3d"),
        wrong_dataset,
    ),
    Reader(
        "verify SFINGE 3D",
        lambda f: write_sfinge3d(f / "sfinge3d", hands(), ROWS),
        SFINGE,
        verified("sfinge3d"),
        wrong_findings,
    ),
    Reader("SHREC'21", write_shrec, SHREC, opened("shrec21"), wrong_dataset),
    Reader(
        "clicks",
        write_clicks,
        {"action.txt": "table", "background.txt": "table"},
        read_clicks,
        lambda tables: [p for t in tables for p in wrong_segments(t)],
    ),
    Reader(
        "manifest",
        write_yaml,
        {"small.yaml": "yaml"},
        lambda f: manifests.read_manifest(f / "small.yaml"),
        wrong_manifest,
    ),
    Reader(
        "origin",
        write_yaml,
        {"origin.yaml": "yaml"},
        lambda f: read_origin(f / "origin.yaml"),
        lambda content: [k for k, v in content.items() if not is_name(v)],
    ),
    Reader(
        "time base",
        write_yaml,
        {"timebase.yaml": "yaml"},
        lambda f: read_timebase(f / "timebase.yaml", Timebase()),
        wrong_timebase,
    ),
    Reader(
        "predictions",
        write_yaml,
        {"predictions.yaml": "yaml"},
        lambda f: read_registered(f / "predictions.yaml"),
    ),
    Reader(
        "evaluate JSON",
        write_detections,
        detections_files("gt.json", "det.json"),
        score("gt.json", "det.json"),
        wrong_score,
    ),
    Reader(
        "evaluate Parquet",
        write_detections,
        detections_files("gt.parquet", "det.parquet"),
        score("gt.parquet", "det.parquet"),
        wrong_score,
    ),
    Reader(
        "lists",
        write_detections,
        detections_files("ambiguous.txt", "blocked.json"),
        score("plain.json", "det.json", "ambiguous.txt", "blocked.json"),
        wrong_score,
    ),
    Reader(
        "blocked",
        write_detections,
        detections_files("blocked.txt"),
        score("gt.json", "det.json", None, "blocked.txt"),
        wrong_score,
    ),
    Reader(
        "diagnose",
        write_detections,
        detections_files("gt.json", "det.json"),
        lambda f: read_cases(f / "gt.json", [f / "det.json"]),
        wrong_cases,
    ),
    Reader(
        "diagnose, durations",
        write_detections,
        detections_files("plain.json"),
        lambda f: read_cases(f / "gt.json", [f / "det.json"], durations=f / "plain.json"),
        wrong_cases,
    ),
    Reader("results", write_results, LEDGER, read_results),
    Reader("compare", write_results, TABLES, compared),
    Reader(
        "checkpoint",
        write_checkpoint,
        {"checkpoint.pt": "bytes"},
        lambda f: read_checkpoint(f / "checkpoint.pt", torch.device("cpu")),
    ),
    Reader(
        "behaviour", write_version, {"facnet.json": "json"}, lambda f: versions.find("facnet", f)
    ),
)


def quietly(read: Callable[[], Any]) -> Any:
    """What a reader returns, without what it prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return read()
