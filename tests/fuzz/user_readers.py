"""Readers of what users bring: published detections and annotations in other formats, features of
their own, exported networks, notebooks.
"""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nbformat
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from tests.fuzz.readers import Reader, is_name, wrong_cases, wrong_dataset, wrong_segments
from tests.own_samples import write_folder
from wtal_core.cli.scoring import convert
from wtal_core.data.own_data import features_of
from wtal_core.data.own_survey import Survey, survey
from wtal_core.evaluation.case import read_cases
from wtal_core.evaluation.formats.class_list import read_class_list
from wtal_core.evaluation.tables import load_detections, read_ground_truth
from wtal_core.reading.values import TURNED
from wtal_core.study.portable import read_model
from wtal_core.timebase import Timebase
from wtal_core.workbook.execution import opened

DETECTIONS = [("vid_a", 7, 5.0, 14.0, 0.9), ("vid_a", 9, 61.0, 70.0, 0.8), ("vid_b", 9, 0, 5, 0.5)]
TRUTH = [("vid_a", 7, 5, 15.0), ("vid_a", 9, 60, 70), ("vid_b", 9, 0.5, 9)]
CLASSES = {"7": "Jump", "9": "Throw"}


# ---- detections and annotations in formats of others


def write_formats(folder: Path) -> None:
    (folder / "classes.txt").write_text("7 Jump\n9 Throw\n")
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    lines = "".join(f"{v} {s} {e} {c} {x}\n" for v, c, s, e, x in DETECTIONS)
    (folder / "det.txt").write_text(lines)
    rows = "".join(f"{v},{CLASSES[str(c)]},{s},{e},{x}\n" for v, c, s, e, x in DETECTIONS)
    (folder / "det.csv").write_text("video-id,label,t-start,t-end,score\n" + rows)
    records = [
        {"video": v, "label": CLASSES[str(c)], "segment": [s, e], "score": x}
        for v, c, s, e, x in DETECTIONS
    ]
    (folder / "det.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "det.json.gz").write_bytes(gzip.compress(json.dumps(records).encode()))
    video, label, start, end, score = map(list, zip(*DETECTIONS, strict=True))
    results = {"video-id": video, "label": np.array(label), "t-start": np.array(start)}
    results |= {"t-end": np.array(end), "score": np.array(score)}
    (folder / "det.pkl").write_bytes(pickle.dumps(results, protocol=4))

    header = "video,label,start,end,subset,duration\n"
    rows = "".join(f"{v},{CLASSES[str(c)]},{s},{e},test,100\n" for v, c, s, e in TRUTH)
    (folder / "gt.csv").write_text(header + rows)
    dictionary: dict[str, Any] = {}
    actions: dict[str, Any] = {}
    for name, number, start, end in TRUTH:
        entry = {"label": CLASSES[str(number)], "segment": [start, end]}
        dictionary.setdefault(name, {"duration_second": 100.0, "annotations": []})
        dictionary[name]["annotations"].append(entry)
        actions.setdefault(name, {"subset": "test", "duration": 100.0, "actions": []})
        actions[name]["actions"].append([number, start, end])
    (folder / "bsn.json").write_text(json.dumps(dictionary))
    (folder / "actions.json").write_text(json.dumps(actions))
    (folder / "points.csv").write_text(
        "class,start_frame,stop_frame,video_id,point\nJump,10,30,vid_a,20\nThrow,50,90,vid_b,60\n"
    )
    (folder / "clicks.txt").write_text("vid_a,1.5,Jump\nvid_b,2,Throw\n")
    (folder / "thumos").mkdir()
    (folder / "thumos/Jump_test.txt").write_text("vid_a 5 15\nvid_b 0.5 9\n")
    (folder / "thumos/Ambiguous_test.txt").write_text("vid_b 20 30\n")


def detections(name: str) -> Callable[[Path], pd.DataFrame]:
    return lambda f: load_detections(f / name, read_class_list(f / "classes.txt")).table


def annotated(name: str) -> Callable[[Path], pd.DataFrame]:
    def read(folder: Path) -> pd.DataFrame:
        truth = read_ground_truth(folder / name, "all" if name != "bsn.json" else None, CLASSES)
        return truth.segments

    return read


def converted(name: str, to: str, ending: str) -> Callable[[Path], Path]:
    def read(folder: Path) -> Path:
        target = folder / f"out{ending}"
        target.unlink(missing_ok=True)
        convert(folder / name, target, to)
        return target

    return read


def wrong_conversion(target: Path) -> list[str]:
    """A file that was written can be read."""
    return [] if target.stat().st_size else ["an empty file was written"]


# ---- features of one's own

STORED = ("clip 0.npy", "clip 1.npz", "clip 2.pt", "clip 3.safetensors", "clip 4.h5")
OWN_TABLES = ("labels.csv", "segments.csv", "clicks.csv", "split.csv", "durations.csv")


def write_own(folder: Path) -> None:
    folder = write_folder(folder / "own")
    arrays = [np.load(folder / f"clip {number}.npy") for number in range(5)]
    for number in range(1, 5):
        (folder / f"clip {number}.npy").unlink()
    np.savez_compressed(folder / STORED[1], rgb=arrays[1])
    torch.save(torch.from_numpy(arrays[2]), folder / STORED[2])
    save_file({"rgb": torch.from_numpy(arrays[3])}, folder / STORED[3])
    with h5py.File(folder / STORED[4], "w") as file:
        file.create_dataset("clip 4", data=arrays[4], compression="gzip")
    (folder / "clicks.csv").write_text("video,label,t\nclip 0,Jump,4.5\nclip 1,background,0.5\n")
    sides = "".join(f"clip {n},{'test' if n > 5 else 'train'}\n" for n in range(8))
    (folder / "split.csv").write_text(f"video,split\n{sides}")
    (folder / "durations.csv").write_text('video;duration\nclip 0;"12,8"\nclip 1;13.44\n')


def read_own(folder: Path) -> tuple[Survey, Any]:
    own = folder / "own"
    data = survey("own", own, own / "labels.csv", Timebase(25.0, 16.0), (), True)
    return data, features_of(own, data.files.streams, data.files.size, Timebase(25.0, 16.0))


def wrong_survey(content: tuple[Survey, Any]) -> list[str]:
    data, dataset = content
    problems = wrong_segments(data.segments)
    for table in data.clicks.values():
        problems += wrong_segments(table)
    problems += [f"{s} s" for s in data.durations.values() if not 0 <= s < 1e13]
    return problems + wrong_dataset(dataset)


# ---- an exported network, kept arrays, notebooks


def write_exported(folder: Path) -> None:
    model = {
        "format": 1,
        "method": "topk_mil",
        "config": {"dropout": 0.5},
        "classes": ["Jump", "Throw"],
        "streams": ["rgb"],
        "feature_size": 4,
        "fps": 25.0,
        "stride": 16,
        "offset": 0.0,
        "class_scale": 1.0,
        "training": {"run": "x"},
    }
    (folder / "model.json").write_text(json.dumps(model))
    save_file({"w": torch.ones(3)}, folder / "model.safetensors")


def wrong_model(model: Any) -> list[str]:
    numbers = (model.timebase.fps, model.timebase.stride, model.timebase.offset, model.scale)
    problems = [f"number {value}" for value in numbers if not np.isfinite(value)]
    names = (*model.classes, *model.streams)
    return problems + [
        f"name {name!r}" for name in names if not is_name(name) or TURNED & set(name)
    ]


def write_notebook(folder: Path) -> None:
    cell = nbformat.v4.new_code_cell("seeds: int = 5", metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title"), cell])
    nbformat.write(book, folder / "table1_x.ipynb")


FORMATS = {
    "det.txt": ("THUMOS'14 lines", {"det.txt": "table", "classes.txt": "table"}),
    "det.csv": ("detections CSV", {"det.csv": "table"}),
    "det.jsonl": ("detections JSON lines", {"det.jsonl": "lines"}),
    "det.json.gz": ("detections gzip", {"det.json.gz": "gzip"}),
    "det.pkl": ("ActionFormer's pickle", {"det.pkl": "pickle"}),
}
ANNOTATED = {
    "gt.csv": ("annotations CSV", {"gt.csv": "table"}),
    "bsn.json": ("BSN's dictionary", {"bsn.json": "json"}),
    "actions.json": ("lists of actions", {"actions.json": "json"}),
    "thumos": ("THUMOS'14 folder", {"thumos/Jump_test.txt": "table"}),
}
USER_READERS = (
    *(
        Reader(title, write_formats, files, detections(name), wrong_segments)
        for name, (title, files) in FORMATS.items()
    ),
    *(
        Reader(title, write_formats, files, annotated(name), wrong_segments)
        for name, (title, files) in ANNOTATED.items()
    ),
    Reader(
        "diagnose CSV",
        write_formats,
        {"gt.csv": "table", "det.csv": "table"},
        lambda f: read_cases(f / "gt.csv", [f / "det.csv"]),
        wrong_cases,
    ),
    Reader(
        "class list",
        write_formats,
        {"classes.json": "json"},
        lambda f: read_class_list(f / "classes.json"),
    ),
    Reader(
        "convert points",
        write_formats,
        {"points.csv": "table"},
        converted("points.csv", "sfnet", ".txt"),
        wrong_conversion,
    ),
    Reader(
        "convert clicks",
        write_formats,
        {"clicks.txt": "table"},
        converted("clicks.txt", "sfnet", ".txt"),
        wrong_conversion,
    ),
    Reader(
        "convert actions",
        write_formats,
        {"actions.json": "json"},
        converted("actions.json", "parquet", ".parquet"),
        wrong_conversion,
    ),
    Reader(
        "convert CSV",
        write_formats,
        {"gt.csv": "table"},
        converted("gt.csv", "detad", ".json"),
        wrong_conversion,
    ),
    Reader(
        "own features",
        write_own,
        {
            f"own/{name}": form
            for name, form in zip(
                STORED, ("npy", "npz", "torch", "safetensors", "hdf5"), strict=True
            )
        },
        read_own,
        wrong_survey,
    ),
    Reader(
        "own tables",
        write_own,
        {f"own/{name}": "table" for name in OWN_TABLES},
        read_own,
        wrong_survey,
    ),
    Reader(
        "exported network",
        write_exported,
        {"model.json": "json", "model.safetensors": "safetensors"},
        read_model,
        wrong_model,
    ),
    Reader(
        "notebook",
        write_notebook,
        {"table1_x.ipynb": "json"},
        lambda f: opened(f / "table1_x.ipynb"),
    ),
)
