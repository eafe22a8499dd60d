"""Your own features: from a folder to detections. `wtal data add`, `train`, `detect`, `export`."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from wtal_core.cli.data import verify_dataset
from wtal_core.cli.printed import tabulate
from wtal_core.errors import WorkbookError
from wtal_core.reading.commands import command, option

if TYPE_CHECKING:
    from wtal_core.data.dataset import Dataset
    from wtal_core.runs.ledger import Ledger, Record
    from wtal_core.study.portable import Model
    from wtal_core.study.trained import TrainedRun

REPORT = "verified.txt"
RUN_ID = re.compile(r"[0-9a-f]{4,16}(\..+)?")
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set"), tyro.conf.UseAppendAction]


def add_dataset(
    name: Positional[str],
    folder: Positional[Path],
    fps: float | None = None,
    stride: float | None = None,
    labels: Path | None = None,
    streams: tuple[str, ...] = (),
    seed: int = 0,
    test_share: float = 0.25,
    incomplete: bool = False,
    replace: bool = False,
    root: Path | None = None,
    check: Literal["background", "now", "later"] = "background",
) -> int:
    """Make a data set of a folder of your own features and a table of video labels.

    The folder holds one file per video (.npy, .npz, .pt, .safetensors, HDF5), or one per video and
    stream, and labels.csv (video,label). Beside it may lie segments.csv, clicks.csv, split.csv and
    durations.csv: docs/data.md says what they hold. Only headers are read, nothing is copied; then
    a process of its own reads all values and writes verified.txt beside the manifest.

    Args:
        name: what the data set shall be called.
        folder: where the features lie.
        fps: frames per second at which the features were made; `wtal features` has noted it.
        stride: frames from one snippet to the next, likewise.
        labels: the file of labels, where it does not lie in the folder; the other tables are
            looked for beside it.
        streams: names of the streams, the leading one last, such as rgb flow.
        seed: of the split, where split.csv or folders train and test give none.
        test_share: share of each label's videos that are kept for testing.
        incomplete: leave out videos that lack features or a label, in place of an error.
        replace: write a data set of that name anew.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        check: when all values are read: in the background, now, or later by `wtal data verify`.
    """
    from wtal_core.data.feature_spec import stated_timebase
    from wtal_core.data.own_data import add

    added = add(
        name,
        folder,
        stated_timebase(folder, fps, stride),
        labels,
        streams,
        seed,
        test_share,
        incomplete,
        replace,
        root,
    )
    print(f"{name}: {len(added.train) + len(added.test):,} videos in {folder}")
    for line in added.lines():
        print(f"  {line}")
    print(f"wrote {added.manifest}; only headers were read so far")
    report = added.manifest.with_name(REPORT)
    report.unlink(missing_ok=True)
    if check == "later":
        print(f"{command('data', 'verify', name, *option('--root', root))} reads all values")
    if check == "background":
        verify_in_background(name, root, report)
        print(f"all values are read in the background; {report} will say whether they are sound")
    place = "" if root is None else f"set WTAL_DATA to {root}, then "
    print(f"next: {place}`wtal train facnet --data {name}`")
    return verify_dataset(name, root) if check == "now" else 0


def verify_in_background(name: str, root: Path | None, report: Path) -> "subprocess.Popen[bytes]":
    """Start `wtal data verify` so that it outlives this command and disturbs nothing."""
    words = [sys.executable, "-m", "wtal_core", "data", "verify", name, "--out", str(report)]
    words += ["--root", str(root)] if root is not None else []
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )


def train(
    method: Positional[str],
    data: str,
    settings: Settings = (),
    seed: int = 0,
    profile: Literal["quick", "official", "printed"] = "quick",
    device: str = "auto",
    results: Path | None = None,
) -> int:
    """Train a method on a data set; what is finished is not trained again.

    Args:
        method: such as facnet.
        data: data set, see `wtal data list`.
        settings: a setting of the method, such as schedule.epochs=20; may be given again.
        seed: of the first weights, the order of videos and dropout.
        profile: quick, official or printed, see `wtal reproduce`.
        device: cpu, cuda or auto.
        results: folder of finished runs; default $WTAL_RESULTS, else ./reproduced.
    """
    from wtal_core.runs.ledger import Ledger
    from wtal_core.runs.settings import check_trainable, configured_run
    from wtal_core.runs.sweep import ensure
    from wtal_core.study.session import user_results

    run, note = configured_run(method, profile, data, seed, settings)
    if note:
        print(note, file=sys.stderr)
    check_trainable(run)
    (record,) = ensure([run], Ledger(results or user_results()), device)
    for line in _told(record, results):
        print(line)
    return 0


def _told(record: "Record", results: Path | None) -> list[str]:
    """What is said of a finished run. results: the folder of runs that was named, if one was."""
    line = record.line
    identity = line["id"]
    count = line["detections"]["last"]
    lines = [f"run {identity}: {record.method} on {line['dataset']}, seed {record.seed}"]
    if "unscored" in line:
        lines.append(f"no mAP, because {line['unscored']}")
    else:
        rows = [(name, f"{record.average_map(name):.2f}") for name in line["metrics"]["last"]]
        lines.append(tabulate(rows, ("protocol", "average mAP"), disable_numparse=True))
    lines.append(f"{count} detections in the test videos")
    if count == 0:
        lines.append("nothing passes the thresholds: train longer, or lower a threshold with --set")
    place = option("--results", results)
    detecting, exporting = (command(what, identity, *place) for what in ("detect", "export"))
    lines.append(f"next: {detecting}, {exporting}")
    return lines


def detect(
    run: Positional[str],
    data: str = "",
    videos: Literal["test", "train", "all"] | None = None,
    fps: float | None = None,
    stride: float | None = None,
    out: Path = Path("detections.json"),
    signals: Path | None = None,
    device: str = "auto",
    results: Path | None = None,
) -> int:
    """Detect actions with a trained network, and write them as ActivityNet JSON.

    Args:
        run: what `wtal train` has called it, or a folder that `wtal export` has written.
        data: data set, or a folder of feature files, which need no labels; default: the data that
            the run was trained on.
        videos: of a data set: its test videos, its training videos, or all; default: test. Of a
            folder all videos are taken.
        fps: frames per second of a folder's features; default: as `wtal features` has noted it,
            else as the network was trained.
        stride: frames per snippet of a folder's features, likewise.
        out: file to write, .json or .parquet.
        signals: file to write class activation and attention into, for `wtal timeline`.
        device: cpu, cuda or auto.
        results: folder of finished runs; default $WTAL_RESULTS, else ./reproduced.
    """
    from wtal_core.evaluation.formats import registry
    from wtal_core.evaluation.signals import write_signals
    from wtal_core.evaluation.tables import write_detections
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.study.portable import detect_with_signals

    registry.written_format(out, "detections")
    if out.is_dir() or not out.parent.is_dir():
        raise WorkbookError(f"--out {out} is no file in a folder that exists; name another one")
    if signals is not None and (signals.is_dir() or not signals.parent.is_dir()):
        raise WorkbookError(f"--signals {signals} is no file in a folder that exists; name another")
    device = resolve_device(device)
    model, own = _model(run, results, device)
    dataset = _data(model, own, data, videos, (fps, stride))
    _tell_timebase(model, dataset)
    detections, seen = detect_with_signals(model, dataset, device)
    write_detections(detections, out)
    if signals is not None:
        write_signals(seen, signals)
    silent = len(dataset.test) - detections["video"].nunique()
    print(f"wrote {out}: {len(detections)} detections in {len(dataset.test)} videos")
    if silent:
        print(f"{silent} videos have none", file=sys.stderr)
    return 0


def export(
    run: Positional[str],
    out: Path | None = None,
    device: str = "auto",
    results: Path | None = None,
) -> int:
    """Write a trained network as a folder that `wtal detect` takes anywhere.

    It holds weights (safetensors), config, classes, time base and a model card; no data.

    Args:
        run: what `wtal train` has called it.
        out: folder to write; default: method, data set and run.
        device: cpu, cuda or auto, where the run has to be trained once more.
        results: folder of finished runs; default $WTAL_RESULTS, else ./reproduced.
    """
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.study.portable import model_of, write_model

    trained = trained_run(run, results, resolve_device(device))
    line = trained.record.line
    folder = out or Path(f"{line['method']}-{line['dataset']}-{line['id'][:8]}")
    if folder.exists():
        raise WorkbookError(f"{folder} is there already; name another folder with --out")
    write_model(model_of(trained), folder)
    print(f"wrote {folder}; {command('detect', folder, '--data', 'FEATURES')} uses it")
    return 0


def _model(run: str, results: Path | None, device: str) -> "tuple[Model, TrainedRun | None]":
    """The network of a folder or of a run; of the latter also the run itself."""
    from wtal_core.study.portable import model_of, read_model

    if Path(run).is_dir():
        return read_model(Path(run)), None
    trained = trained_run(run, results, device)
    return model_of(trained), trained


def trained_run(run: str, results: Path | None, device: str) -> "TrainedRun":
    """The finished run whose identity begins so, with its data set as it is here."""
    from wtal_core.runs.ledger import Ledger
    from wtal_core.runs.recompute import run_of
    from wtal_core.runs.sweep import dataset_of
    from wtal_core.study.session import user_results
    from wtal_core.study.trained import TrainedRun

    ledger = Ledger(results or user_results())
    record = _record(run, ledger)
    request = run_of(record)
    dataset = dataset_of(request)
    if dataset.fingerprint != record.line["data"]:
        raise WorkbookError(
            f"data set {dataset.name} has changed since run {run} was trained; train again, or "
            "detect with a folder that was exported"
        )
    return TrainedRun(request, record, dataset, ledger, device)


def _record(run: str, ledger: "Ledger") -> "Record":
    """The finished run whose identity begins so; of several behaviours the newest."""
    from wtal_core.runs.ledger import files

    chosen: dict[str, Any] = {}
    for path in files(ledger.root) if RUN_ID.fullmatch(run) else ():
        for record in ledger.newest(path.parts[-3], path.stem):
            if record.key.startswith(run):
                chosen[record.line["id"]] = record
    if not chosen:
        raise WorkbookError(
            f"{run!r} is neither a run in {ledger.root} nor a folder; `wtal train` says what a "
            "run is called, and --results names another folder of runs"
        )
    if len(chosen) > 1:
        raise WorkbookError(f"{run} begins several runs: {', '.join(chosen)}; give more digits")
    return next(iter(chosen.values()))


def _data(
    model: "Model",
    own: "TrainedRun | None",
    data: str,
    videos: str | None,
    grid: tuple[float | None, float | None],
) -> "Dataset":
    """The videos to detect in, as the test videos of a data set."""
    from dataclasses import replace

    from wtal_core.data.feature_spec import read_spec, stated_timebase
    from wtal_core.data.manifests import dataset_names
    from wtal_core.data.opening import open_dataset
    from wtal_core.data.own_data import features_of
    from wtal_core.timebase import Timebase

    if not data and own is None:
        raise WorkbookError("name the features with --data: a data set, or a folder of features")
    is_named = not data or data in dataset_names()
    if is_named and grid != (None, None):
        raise WorkbookError(f"data set {data} states fps and stride itself; leave them out")
    if not is_named:
        if not Path(data).is_dir():
            raise WorkbookError(
                f"--data {data!r} is neither a data set nor a folder; see `wtal data list`"
            )
        if videos not in (None, "all"):
            raise WorkbookError(
                f"--videos {videos}: {data} is a folder of features, which has no training "
                "and no test videos; leave --videos out, or name a data set with --data"
            )
        if read_spec(Path(data)) is not None:
            timebase = stated_timebase(Path(data), *grid)
            return features_of(Path(data), model.streams, model.size, timebase)
        base = model.timebase
        fps = base.fps if grid[0] is None else grid[0]
        stride = base.stride if grid[1] is None else grid[1]
        if not (fps > 0 and stride > 0):
            raise WorkbookError(f"--fps {fps:g} and --stride {stride:g} must be larger than 0")
        timebase = Timebase(fps, stride, base.offset)
        return features_of(Path(data), model.streams, model.size, timebase)
    dataset = own.dataset if own is not None and not data else open_dataset(data)
    every = tuple(sorted((*dataset.train, *dataset.test), key=lambda video: video.id))
    chosen = {"test": dataset.test, "train": dataset.train, "all": every}
    return replace(dataset, test=chosen[videos or "test"])


def _tell_timebase(model: "Model", dataset: "Dataset") -> None:
    """Say where snippets are of another length than those that the network was trained on."""
    trained = model.timebase.snippet_seconds
    here = dataset.timebase.snippet_seconds
    if abs(here / trained - 1) > 0.025:
        print(
            f"the network was trained on snippets of {trained:.3g} s, {dataset.name} has snippets "
            f"of {here:.3g} s; times are right, detections may be worse",
            file=sys.stderr,
        )
