"""Damaged files through the commands themselves: exit status 0, 1 or 2, and 2 in one line."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tests.fuzz.readers import Reader, write_detections, write_results
from tests.fuzz.user_readers import write_formats
from tests.own_samples import write_folder
from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.cli import main
from wtal_core.data.feature_spec import FeatureSpec
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import read_cases
from wtal_core.evaluation.signals import Signals, write_signals
from wtal_core.models import method
from wtal_core.pages.diagnosis_page import as_values, findings
from wtal_core.runs.cluster import read_settings
from wtal_core.runs.train import Trainer
from wtal_core.study.portable import Model, write_model
from wtal_core.timebase import Timebase
from wtal_core.videos.decoding import Report
from wtal_core.videos.folder import feature_folder
from wtal_core.videos.listing import VideoFile

Words = tuple[str | Path, ...]
BASE = Timebase(25.0, 16.0)


def answer(folder: Path, words: Words) -> str:
    """What a command prints. Words that are a Path name a file of the folder.

    Raises WorkbookError with the one line of a refusal, AssertionError for any other answer.
    """
    arguments = [str(folder / word) if isinstance(word, Path) else word for word in words]
    said, told = io.StringIO(), io.StringIO()
    status: object = None
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        try:
            main(arguments)
        except SystemExit as exit_:
            status = exit_.code
    lines = told.getvalue().splitlines()
    assert status in (0, 1, 2), f"exit status {status}"
    refusals = [line for line in lines if line.startswith("wtal: ")]
    assert len(refusals) == (status == 2), f"exit status {status}: {lines[-5:]}"
    assert all(line.isprintable() for line in lines), f"control characters: {lines[-5:]}"
    assert "Traceback" not in told.getvalue(), f"{lines[-3:]}"
    if refusals:
        raise WorkbookError(refusals[0])
    return said.getvalue()


def command(*words: str | Path) -> Callable[[Path], str]:
    return lambda folder: answer(folder, words)


def page(name: str, *words: str | Path) -> Callable[[Path], str]:
    """The page that a command writes."""

    def read(folder: Path) -> str:
        (folder / name).unlink(missing_ok=True)
        answer(folder, words)
        return (folder / name).read_text(encoding="utf-8")

    return read


def wrong_page(text: str) -> list[str]:
    """No name of a file is markup of the page."""
    return ["a name is markup"] if "<script>alert(1)" in text else []


def write_scored(folder: Path) -> None:
    write_detections(folder)
    write_formats(folder)
    (folder / "split.txt").write_text("Jump\n")
    rng = np.random.default_rng(0)
    activation = {video: rng.random((30, 2)) for video in ("vid_a", "vid_b")}
    attention = {video: rng.random(30) for video in ("vid_a", "vid_b")}
    write_signals(Signals(("Jump", "Throw"), BASE, activation, attention), folder / "signals.npz")
    (folder / "clicks.csv").write_text("video,label,t\nvid_a,Jump,7.5\nvid_b,Throw,0:03\n")
    (folder / "segments.csv").write_text("video,label,t_start,t_end\nvid_a,Jump,5,14\n")


def write_exported(folder: Path) -> None:
    """A network that detects, and a folder of features for it."""
    of_method = method("topk_mil")
    config = of_method.Config()
    network = of_method.Network(config, 1, 16, 2, torch.Generator().manual_seed(0))
    told = {"run": "x", "data": "own", "title": "Own", "origin": "real", "fingerprint": "0"}
    told |= {"seed": 0, "epochs": 1, "videos": {"train": 6, "test": 2}, "unscored": "untold"}
    weights = dict(network.state_dict())
    classes = ("Jump", "Throw")
    model = Model("topk_mil", config, classes, ("rgb",), 16, BASE, 1.0, weights, told)
    write_model(model, folder / "network")
    write_folder(folder / "features")
    spec = {"backbone": "b", "weights": "0", "streams": ["rgb"], "sizes": [16], "fps": 25.0}
    spec |= {"stride": 16, "window": 16, "pixels": 224, "crop": "centre", "decoder": "av 1"}
    (folder / "features" / "features.json").write_text(json.dumps(spec))


SPEC = FeatureSpec(*("a", "0", ("rgb", "flow"), (3, 4), 25.0, 16, 16, 224, "centre", "av 1"))


def write_begun(folder: Path) -> None:
    """Features of one of two videos."""
    with feature_folder(folder / "begun", SPEC) as features:
        report = Report(seconds=2.0, decoded=50, sampled=50)
        for name in ("a", "b"):
            (folder / f"{name}.mp4").write_bytes(name.encode())
            features.note(VideoFile(name, folder / f"{name}.mp4"), report, 3)


def go_on(folder: Path) -> dict[str, str]:
    """What is finished; then one video is noted anew."""
    shutil.copytree(folder / "begun", folder / "copy", dirs_exist_ok=True)
    try:
        with feature_folder(folder / "copy", SPEC) as features:
            done = dict(features.done)
            features.note(VideoFile("a", folder / "a.mp4"), Report(seconds=2.0), 3)
        return done
    finally:
        shutil.rmtree(folder / "copy", ignore_errors=True)


def trainer() -> Trainer:
    return Trainer("facnet", CONFIG, tiny_dataset(), 0, "cpu")


def write_begun_run(folder: Path) -> None:
    begun = trainer()
    begun.epoch()
    begun.save(folder / "checkpoint.pt")


def resumed(folder: Path) -> int:
    """The epoch from which a run goes on."""
    goes_on = trainer()
    goes_on._resume(folder / "checkpoint.pt")
    return goes_on.progress.epoch


def write_settings(folder: Path) -> None:
    text = "queue: batch\ncores: 1\nmemory: 4GB\njob_extra_directives: ['--requeue']\n"
    (folder / "slurm.yaml").write_text(text + "data: s3://bucket/data\n")


JUDGED: Words = (Path("gt.json"), Path("det.csv"))
SCORED = {"gt.json": "json", "det.csv": "table"}
TIMELINE: Words = ("timeline", Path("det.csv"), "--truth", Path("gt.json"))
RESULTS = {
    f"fresh/simulated/runs/facnet{kind}.jsonl": "jsonl" for kind in ("", ".history", ".facts")
}
TABLE = {"fresh/simulated/facnet/table1.csv": "table"}
NETWORK: Words = ("detect", Path("network"), "--data", Path("features"), "--device", "cpu")

COMMAND_READERS = (
    Reader(
        "wtal evaluate --against",
        write_scored,
        {**SCORED, "det.json": "json"},
        command("evaluate", *JUDGED, "--against", Path("det.json"), "--operating", "0.5"),
    ),
    Reader(
        "wtal evaluate, all that is told",
        write_scored,
        {**SCORED, "det.json": "json"},
        command("evaluate", *JUDGED, "--per-class", "--json", "--protocol", "all", "--match-names"),
    ),
    Reader(
        "wtal evaluate, lists",
        write_scored,
        {"split.txt": "table", "classes.txt": "table", "ambiguous.txt": "table"},
        command(
            *("evaluate", Path("plain.json"), Path("det.txt"), "--classes", Path("split.txt")),
            *("--class-list", Path("classes.txt"), "--ambiguous", Path("ambiguous.txt")),
        ),
    ),
    Reader(
        "wtal evaluate --proposals",
        write_scored,
        SCORED,
        command("evaluate", *JUDGED, "--proposals"),
    ),
    Reader(
        "wtal timeline",
        write_scored,
        {"signals.npz": "npz", "clicks.csv": "table", "segments.csv": "table", **SCORED},
        page(
            *("page.html", *TIMELINE, "--signals", Path("signals.npz"), "--clicks"),
            *(Path("clicks.csv"), "--segments", Path("segments.csv"), "--out", Path("page.html")),
        ),
        wrong_page,
    ),
    Reader(
        "wtal timeline, durations",
        write_scored,
        {"plain.json": "json", "det.csv": "table"},
        page(
            *("page.html", "timeline", Path("det.csv"), "--durations", Path("plain.json")),
            *("--out", Path("page.html")),
        ),
        wrong_page,
    ),
    *(
        Reader(
            f"wtal convert --to {to}",
            write_scored,
            {"det.json": "json", "plain.json": "json"},
            command(
                *("convert", Path("det.json"), Path(f"out{ending}"), "--to", to),
                *("--fractions-of", Path("plain.json"), "--class-list", Path("classes.txt")),
            ),
        )
        for to, ending in (("thumos14", ".txt"), ("csv", ".csv"), ("parquet", ".parquet"))
    ),
    Reader(
        "wtal results",
        write_results,
        {**RESULTS, **TABLE},
        lambda f: [
            answer(f, ("results", "check", "--results", Path("fresh"), "--no-behaviour")),
            answer(f, ("results", "export", Path("runs.parquet"), "--results", Path("fresh"))),
            answer(f, ("results", "compare", Path("fresh"), "--committed", Path("committed"))),
        ],
    ),
    Reader(
        "wtal list",
        write_results,
        TABLE,
        command("list", "--rows", "facnet/table1", "--results", Path("fresh")),
    ),
    Reader(
        "wtal detect",
        write_exported,
        {
            "network/model.json": "json",
            "network/model.safetensors": "safetensors",
            "features/features.json": "json",
            "features/clip 0.npy": "npy",
        },
        command(*NETWORK, "--out", Path("found.json")),
    ),
    Reader(
        "wtal data add",
        write_exported,
        {
            "features/features.json": "json",
            "features/labels.csv": "table",
            "features/clip 1.npy": "npy",
        },
        command(
            *("data", "add", "own", Path("features"), "--root", Path("data"), "--replace"),
            *("--check", "now"),
        ),
    ),
    Reader(
        "features to go on with",
        write_begun,
        {"begun/features.json": "json", "begun/durations.csv": "table"},
        go_on,
    ),
    Reader(
        "a checkpoint to go on with",
        write_begun_run,
        {"checkpoint.pt": "torch"},
        resumed,
    ),
    Reader(
        "diagnosed",
        write_scored,
        SCORED,
        lambda f: [
            json.dumps(as_values(findings(case)), allow_nan=False)
            for case in read_cases(f / "gt.json", [f / "det.csv"])
        ],
    ),
    Reader(
        "a cluster's settings",
        write_settings,
        {"slurm.yaml": "yaml"},
        lambda f: read_settings(f / "slurm.yaml"),
    ),
)
