"""The ledger: one line per finished run, in one text file per data set and method.

`<root>/<dataset>/runs/` holds, for each method,

    facnet.jsonl            one line per run: what was asked, what came out, who computed it
    facnet.history.jsonl    losses and scores over the epochs
    facnet.facts.jsonl      a few numbers about what its network does on the test videos
    arrays/                 small arrays that figures draw, one file per run

A line is written once, when its run finishes. It carries a seal, a hash of its own content, so that
a line edited by hand is noticed. Lines are added at the end of a file, under a lock: two processes
that finish at once lose nothing. While one writes, a mark lies beside the lock; it tells what a
killed process has left half written, which readers pass over and the next writer cuts off.

Checkpoints, weights and detections are large and can be computed again. They lie in
`<root>/.work/`, which git ignores; where WTAL_WORK names a folder, in a part of it that is the
results folder's own.
"""

import hashlib
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from safetensors.numpy import save_file

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import unchanged_or_written, write_whole
from wtal_core.reading import values
from wtal_core.reading.json_files import parse_json
from wtal_core.reading.parquet import read_table
from wtal_core.reading.refusal import shown
from wtal_core.reading.tensors import read_arrays
from wtal_core.reading.texts import read_bytes

RULES = ("last", "best")
PROBE_BYTES = 1 << 20  # about what a run leaves
UNKNOWN = "unknown"
# A line that changed, uncommitted code computed. It claims no version, and may be replaced.
CHANGED = "changed"
# In a working folder: the network that was trained again here is not the one of the line.
ANOTHER_NETWORK = "another_network"
BEHAVIOUR = re.compile(r"unknown|changed|\w+-\d{1,9}", re.ASCII)
COMPUTED_AGAIN = "delete it: it is then computed again"
Line = dict[str, Any]
History = dict[str, list[float | None]]
# Of each file its newest version alone: all of them would fill the memory as a file grows.
NEWEST: "dict[Path, Newest]" = {}
ASKED = {"id", "dataset", "data", "fold", "method", "config", "seed"}
REQUIRED = ASKED | {"metrics", "seconds", "by", "seal"}


@dataclass(frozen=True)
class Newest:
    """A ledger's file as it was read last. version: which file it was, when it was changed, and its
    size; lines: by their keys.
    """

    version: tuple[int, int, int]
    lines: dict[str, Line]

    def of_run(self, identity: str) -> list[Line]:
        """The lines of a run, one per behaviour."""
        return self._by_run.get(identity, [])

    @cached_property
    def _by_run(self) -> dict[str, list[Line]]:
        runs: dict[str, list[Line]] = defaultdict(list)
        for line in self.lines.values():
            runs[line["id"]].append(line)
        return dict(runs)


@dataclass(frozen=True)
class Record:
    """One finished run: its line, and the files beside it.

    line: see `sweep.describe`. roots: results folders in which its files are looked for; the first
    is the one to which arrays, facts and weights are written. judged: whether the run has met its
    objective, of a line from before that was recorded.
    """

    line: dict[str, Any]
    roots: tuple[Path, ...]
    judged: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Identity and behaviour: what names the files of this run."""
        return key_of_line(self.line)

    @property
    def behaviour(self) -> str:
        """The behaviour that computed it, such as "facnet-1"; or `UNKNOWN`, or `CHANGED`."""
        return self.line["by"]["behaviour"]

    @property
    def method(self) -> str:
        """Name of the method that was trained."""
        return self.line["method"]

    @property
    def seed(self) -> int:
        return self.line["seed"]

    @property
    def fold(self) -> int | None:
        """The fold of its data set, None where there is only one."""
        return self.line["fold"]

    @property
    def best_epoch(self) -> int:
        """The epoch whose detections scored best on the test set."""
        return self.line["best_epoch"]

    @property
    def differences(self) -> dict[str, Any]:
        """The fields of its config that differ from the defaults, see `run.differences`."""
        return self.line["config"]

    @cached_property
    def config(self) -> Any:
        """Its config, whole."""
        return self._configured(self.line["config"])

    @property
    def start(self) -> Any:
        """The config of the run with whose weights it began; None where they were random."""
        return self._configured(self.line["start"]) if "start" in self.line else None

    def _configured(self, values: dict[str, Any]) -> Any:
        # Imported here, because methods need torch, and who only reads numbers does not.
        from wtal_core.models import method
        from wtal_core.runs.run import configured

        return configured(method(self.method).Config, values)

    @property
    def objective(self) -> dict[str, Any]:
        """Whether its training has met its own objective, see `Trainer.objective`: what its line
        says, else `judged`; empty where nobody has.
        """
        return self.line.get("objective") or self.judged

    def average_map(self, protocol: str, rule: str = "last") -> float:
        """Average mAP over the protocol's tIoUs, percent; NaN where there was nothing to score."""
        return 100 * as_float(self._metric(protocol, rule)["average"])

    def map(self, protocol: str, rule: str = "last") -> dict[float, float]:
        """mAP per tIoU, percent."""
        metric = self._metric(protocol, rule)
        percent = [100 * as_float(value) for value in metric["map"]]
        return dict(zip(map(float, metric["tious"]), percent, strict=True))

    def _metric(self, protocol: str, rule: str) -> dict[str, Any]:
        protocols = self.line["metrics"].get(rule, {})
        if protocol not in protocols:
            raise WorkbookError(
                f"run {self.key} holds no mAP of rule {rule} by protocol {protocol}; choose of "
                f"{', '.join(protocols) or 'none'}"
            )
        return protocols[protocol]

    @property
    def columns(self) -> dict[str, Any]:
        """Losses and scores by name: one value per epoch, None where it was not taken."""
        columns = self._beside("history")
        if columns is None:
            path = runs_file(self.roots[-1], self.line["dataset"], self.method, "history")
            raise WorkbookError(f"{path} has no line of run {self.key}; `git checkout` restores it")
        return columns

    @property
    def history(self) -> list[dict[str, float]]:
        """One dictionary per epoch: losses, and scores where they were taken."""
        columns = self.columns
        epochs = max(map(len, columns.values()), default=0)
        return [
            {
                name: float(column[epoch])
                for name, column in columns.items()
                if column[epoch] is not None
            }
            for epoch in range(epochs)
        ]

    def facts(self) -> dict[str, Any] | None:
        """What was kept by `keep_facts`; None where nothing was."""
        return self._beside("facts")

    def keep_facts(self, facts: dict[str, Any]) -> None:
        """Keep a few numbers about the trained network: JSON values, lists of numbers included."""
        path = runs_file(self.roots[0], self.line["dataset"], self.method, "facts")
        append(path, [sealed({"run": self.key, "facts": facts})])

    @property
    def is_another_network_here(self) -> bool:
        """Whether this machine has trained the run again, to another network than the record's.

        What is then computed from the network is kept in the working folder, not beside the line.
        """
        return (self.working_folder / ANOTHER_NETWORK).exists()

    def arrays(self, name: str) -> dict[str, np.ndarray] | None:
        """The figure arrays kept under this name; None where there are none."""
        for path in self._arrays_files():
            if path.exists():
                kept = read_arrays(path, COMPUTED_AGAIN)
                prefix = f"{name}/"
                wanted = {
                    k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)
                }
                if wanted:
                    return wanted
        return None

    def keep_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep small arrays that a figure draws, beside the ledger."""
        path = self._arrays_files()[0]
        with locked(path):
            kept = read_arrays(path, COMPUTED_AGAIN) if path.exists() else {}
            kept |= {f"{name}/{k}": np.ascontiguousarray(v) for k, v in arrays.items()}
            write_whole(path, lambda partial: save_file(kept, partial))

    def weights(self, rule: str = "last") -> Path | None:
        """The weights file of a selection rule; None where it was not kept: it is not in git."""
        return self._working_file(f"weights_{rule}.safetensors")

    def detections(self, rule: str = "last") -> pd.DataFrame | None:
        """The detections of a selection rule; None where they were not kept."""
        path = self._working_file(f"detections_{rule}.parquet")
        return None if path is None else read_table(path, COMPUTED_AGAIN)

    @property
    def working_folder(self) -> Path:
        """Where weights and detections of this run are written."""
        return working_folder(self.roots[0], self.key)

    def _working_file(self, name: str) -> Path | None:
        paths = [working_folder(root, self.key) / name for root in self.roots]
        return next((path for path in paths if path.exists()), None)

    def _arrays_files(self) -> list[Path]:
        """Where arrays may lie; the first is where they are written."""
        if self.is_another_network_here:
            return [self.working_folder / "arrays.safetensors"]
        dataset = values.file_name(self.line["dataset"], "the name of a data set")
        name = values.file_name(f"{self.key}.safetensors", "the identity of a run")
        return [root / dataset / "runs" / "arrays" / name for root in self.roots]

    def _beside(self, kind: str) -> dict[str, Any] | None:
        """What the file of this kind says of this run."""
        for root in self.roots:
            path = runs_file(root, self.line["dataset"], self.method, kind)
            line = read(path).get(self.key)
            if line is not None:
                return values.member(line, kind, f"{path}: the line of run {self.key}")
        return None


class Ledger:
    """The finished runs below a results folder.

    also: another results folder that is read, never written, such as the committed one.
    """

    def __init__(self, root: Path | str, also: Path | None = None):
        self.root = Path(root)
        others = () if also is None or Path(also) == self.root else (Path(also),)
        self.roots = (self.root, *others)

    def find(self, dataset: str, method_name: str, identity: str) -> Record | None:
        """The finished run of that identity, of the newest behaviour; None where there is none."""
        records = self.records(dataset, method_name, identity)
        return max(records, key=lambda record: _age(record.behaviour), default=None)

    def newest(self, dataset: str, method_name: str) -> list[Record]:
        """All runs of a method on a data set, each identity once, of its newest behaviour."""
        chosen: dict[str, Record] = {}
        for record in sorted(self.records(dataset, method_name), key=lambda r: _age(r.behaviour)):
            chosen[record.line["id"]] = record
        return list(chosen.values())

    def records(self, dataset: str, method_name: str, identity: str | None = None) -> list[Record]:
        """All runs of a method on a data set, or those of one identity."""
        records = []
        for place, root in enumerate(self.roots):
            newest = _newest(runs_file(root, dataset, method_name))
            lines = newest.lines.values() if identity is None else newest.of_run(identity)
            roots = self.roots if place == 0 else (self.root, root)
            records += [Record(line, roots) for line in lines]
        return records

    def append(self, line: Line, history: History) -> Record:
        """Write a finished run: its history, then its line. A run that is there already stays."""
        (record,) = self.append_all([(line, history)])
        return record

    def append_all(self, runs: Sequence[tuple[Line, History]]) -> list[Record]:
        """Write finished runs, those of one data set and method together, see `append`."""
        histories: dict[Path, list[Line]] = defaultdict(list)
        lines: dict[Path, list[Line]] = defaultdict(list)
        records = []
        for line, history in runs:
            files_of = partial(runs_file, self.root, line["dataset"], line["method"])
            whole = sealed(line)
            histories[files_of("history")].append(
                sealed({"run": key_of_line(line), "history": history})
            )
            lines[files_of()].append(whole)
            records.append(Record(whole, self.roots))
        # Histories go first: a run counts as finished once its line is there.
        for path, of_file in (*histories.items(), *lines.items()):
            append(path, of_file)
        return records

    def check_writable(self) -> None:
        """Refuse to start work whose outcome could not be kept."""
        try:
            working = working_root(self.root)
            working.mkdir(parents=True, exist_ok=True)
            probe = working / f"probe.{os.getpid()}"
            try:
                with probe.open("wb") as target:
                    target.write(bytes(PROBE_BYTES))
                    target.flush()
                    os.fsync(target.fileno())  # a full disk may tell so only now
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise WorkbookError(
                f"results folder {self.root} cannot be written ({error.strerror}); "
                "choose another one by --results FOLDER or by the parameter store"
            ) from error


def runs_file(root: Path, dataset: str, method_name: str, kind: str = "") -> Path:
    """The ledger's file of a data set and method. kind: "", "history" or "facts"."""
    values.file_name(dataset, "the name of a data set")
    values.file_name(method_name, "the name of a method")
    return root / dataset / "runs" / f"{method_name}{'.' if kind else ''}{kind}.jsonl"


def files(root: Path) -> list[Path]:
    """All files of runs below a results folder, without histories and facts."""
    return sorted(p for p in root.glob("*/runs/*.jsonl") if "." not in p.stem)


def working_folder(root: Path, key: str) -> Path:
    """Where the large files of a run lie: outside git."""
    values.file_name(key, "the identity of a run")
    return working_root(root) / key


def working_root(root: Path) -> Path:
    """Where the large files of all runs of a results folder lie: in it, or in WTAL_WORK, where two
    results folders never share a network.
    """
    elsewhere = os.environ.get("WTAL_WORK")
    if not elsewhere:
        return root / ".work"
    whole = str(root.resolve())
    own = f"{root.resolve().name}.{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
    return Path(elsewhere) / own / ".work"


def key_of_line(line: dict[str, Any]) -> str:
    """Identity and behaviour of a line of runs."""
    return f"{line['id']}.{line['by']['behaviour']}"


def finite(value: Any) -> Any:
    """A JSON value with null for NaN, and "inf" for infinity: JSON has neither.

    `np.array(value, dtype=float)` reads both back.
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def as_float(value: float | int | str | None) -> float:
    """A number of a line, also one that `finite` has written."""
    return math.nan if value is None else float(value)


def sealed(line: dict[str, Any]) -> dict[str, Any]:
    """The line with its seal, as it is written."""
    content = finite({name: value for name, value in line.items() if name != "seal"})
    return {**content, "seal": _seal(content)}


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a ledger file by their keys, checked; none where there is no file.

    Raises WorkbookError for a line that is damaged, cut off, changed by hand, or there twice.
    """
    return _newest(path).lines


def _newest(path: Path) -> "Newest":
    try:
        version = _version(path)
    except (FileNotFoundError, NotADirectoryError):
        return Newest((0, 0, 0), {})
    known = NEWEST.get(path)
    if known is None or known.version != version:
        known = NEWEST[path] = Newest(version, _read(path))
    return known


def _version(path: Path) -> tuple[int, int, int]:
    """Which file it is, too: where the clock has jumped back, the time may be an old one."""
    state = path.stat()
    return state.st_ino, state.st_mtime_ns, state.st_size


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a file that is there."""
    lines: dict[str, dict[str, Any]] = {}
    for number, text in enumerate(_content(path), 1):
        line = _checked(text, f"{path}, line {number}")
        key = line["run"] if "run" in line else key_of_line(line)
        if key in lines:
            raise WorkbookError(
                f"{path}, line {number}: run {key} is there twice; delete one of the two lines"
            )
        lines[key] = line
    return lines


def _content(path: Path) -> list[bytes]:
    """The lines of a file, without one that a process writes just now, or was killed in."""
    while True:
        content = read_bytes(path, "restore it by `git checkout`")
        is_torn = bool(content) and not content.endswith(b"\n")
        if is_torn and _mark(path).exists():
            content = content[: content.rfind(b"\n") + 1]
        elif is_torn and len(content) != path.stat().st_size:
            continue  # the other process has ended since
        return content.removesuffix(b"\n").split(b"\n") if content else []


def _checked(text: bytes, where: str) -> dict[str, Any]:
    remedy = "restore it by `git checkout`, or delete it: its run is then computed again"
    try:
        line = parse_json(text, where)
    except WorkbookError as error:
        raise WorkbookError(f"{where} is damaged or cut off; {remedy}") from error
    required = REQUIRED if not isinstance(line, dict) or "run" not in line else {"run", "seal"}
    if not isinstance(line, dict) or not required <= set(line):
        raise WorkbookError(f"{where} is no line of a ledger; {remedy}")
    content = {name: value for name, value in line.items() if name != "seal"}
    try:
        seal = _seal(content)
    except ValueError:  # NaN and infinity, which `finite` writes in another way
        raise WorkbookError(f"{where} holds a number that JSON has not; {remedy}") from None
    if line["seal"] != seal:
        raise WorkbookError(f"{where} was changed after it was written; {remedy}")
    (_check_beside if "run" in line else _check_run)(line, where)
    return line


def _check_run(line: dict[str, Any], where: str) -> None:
    """Refuse a line of a run whose parts are of other kinds than tables and figures read."""
    values.name(line["id"], f"{where}: id")
    for name in ("dataset", "method"):
        values.file_name(line[name], f"{where}: {name}")
    for name in ("config", "metrics", "by"):
        values.mapping(line[name], f"{where}: {name}")
    _check_behaviour(line["by"].get("behaviour"), f"{where}: behaviour")
    values.mapping(
        values.member(line["by"], "environment", f"{where}: by"), f"{where}: environment"
    )
    values.mapping(line.get("start", {}), f"{where}: start")
    values.mapping(line.get("objective") or {}, f"{where}: objective")
    values.whole(line["seed"], f"{where}: seed")
    if line.get("fold") is not None:
        values.whole(line["fold"], f"{where}: fold")
    values.length(line["seconds"], f"{where}: seconds")
    values.whole(line.get("best_epoch", 0), f"{where}: best_epoch")
    for rule, protocols in line["metrics"].items():
        for protocol, metric in values.mapping(protocols, f"{where}: {rule}").items():
            _check_metric(metric, f"{where}: {rule}, {protocol}")


def _check_metric(metric: Any, where: str) -> None:
    parts = values.mapping(metric, where)
    tious = values.listed(values.member(parts, "tious", where), where)
    of_each = values.listed(values.member(parts, "map", where), where)
    if len(tious) != len(of_each):
        raise WorkbookError(f"{where} has {len(tious)} thresholds and {len(of_each)} values")
    for tiou in tious:
        if not 0 < values.number(tiou, f"{where}: tIoU") <= 1:
            raise WorkbookError(f"{where}: tIoU is {shown(tiou)}, expected one in (0, 1]")
    for value in (*of_each, values.member(parts, "average", where)):
        _check_number(value, where)


def _check_beside(line: dict[str, Any], where: str) -> None:
    """Refuse a line of histories or facts that tables and figures could not read."""
    _check_behaviour(values.name(line["run"], f"{where}: run").rpartition(".")[2], where)
    for part in ("history", "facts"):
        values.mapping(line.get(part, {}), f"{where}: {part}")
    columns = line.get("history", {})
    for name, column in columns.items():
        for value in values.listed(column, f"{where}: {name}"):
            _check_number(value, f"{where}: {name}")
    if len({len(column) for column in columns.values()}) > 1:
        raise WorkbookError(f"{where} has columns of different length")


def _check_number(value: Any, where: str) -> None:
    """A number, or one of the two that JSON has not, see `finite`."""
    if value not in (None, "inf", "-inf"):
        values.number(value, where)


def _check_behaviour(value: Any, where: str) -> None:
    if not isinstance(value, str) or not BEHAVIOUR.fullmatch(value):
        raise WorkbookError(f"{where} is {shown(value)}, expected one such as facnet-1")


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()[:12]


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, allow_nan=False)


def append(path: Path, lines: Sequence[Line]) -> None:
    """Add lines to a file, all of them or none. A line of the same key and numbers stays.

    Raises WorkbookError where a key is there with other numbers.
    """
    with locked(path):
        _cut_torn(path)
        known = read(path)
        fresh: dict[str, Line] = {}
        for line in lines:
            key = line["run"] if "run" in line else key_of_line(line)
            before = known.get(key, fresh.get(key))
            if before is None or key.endswith(f".{CHANGED}"):
                fresh[key] = line
            elif _numbers(before) != _numbers(line):
                raise WorkbookError(
                    f"{path}: run {key} is there with other numbers; `wtal results recompute` says "
                    "how far apart two computations are. The line that was there is kept"
                )
        if not fresh:
            return
        if not known or known.keys() & fresh.keys() or not _ends_with_a_line(path):
            write(path, (known | fresh).values())
        else:
            _extend(path, fresh.values())
        # So that one line more does not cost reading all others again
        NEWEST[path] = Newest(_version(path), known | fresh)


def _extend(path: Path, lines: Iterable[Line]) -> None:
    """Write lines at the end of a file that is there, or nothing."""
    size = path.stat().st_size
    mark = _mark(path)
    mark.touch()
    with unchanged_or_written(path):
        try:
            with path.open("ab") as target:
                target.write(_as_text(lines).encode())
                target.flush()
                os.fsync(target.fileno())
        except BaseException:  # Ctrl-C, too
            os.truncate(path, size)
            raise
        finally:
            mark.unlink()


def _cut_torn(path: Path) -> None:
    """Remove what a killed process has left half written."""
    mark = _mark(path)
    if mark.exists():
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        mark.unlink()


def _ends_with_a_line(path: Path) -> bool:
    """Whether the last line of a file, which is not empty, has an end."""
    with path.open("rb") as source:
        source.seek(-1, os.SEEK_END)
        return source.read() == b"\n"


def _as_text(lines: Iterable[Line]) -> str:
    return "".join(f"{_text(line)}\n" for line in lines)


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write a whole ledger file: a temporary one, then one rename."""
    text = _as_text(lines)

    def write_durably(unfinished: Path) -> None:
        with unfinished.open("w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())

    write_whole(path, write_durably)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file below a results folder; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _among_locks(path, "lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


def _mark(path: Path) -> Path:
    """What is there while lines are added to a file."""
    return _among_locks(path, "unfinished")


def _among_locks(path: Path, ending: str) -> Path:
    """Among the working files, so that nothing of it is ever committed."""
    folder = next(parent for parent in path.parents if parent.name in ("runs", ".work"))
    root = folder.parent.parent if folder.name == "runs" else folder.parent
    name = ".".join(path.relative_to(root).parts)
    return root / ".work" / "locks" / f"{name}.{ending}"


def _numbers(line: dict[str, Any]) -> dict[str, Any]:
    """What a line says came out; who computed it, and how long it took, does not count."""
    names = ("metrics", "best_epoch", "losses", "history", "facts")
    return {name: line[name] for name in names if name in line}


def _age(behaviour: str) -> int:
    """Newer behaviours are larger; changed code is newest, an unknown one oldest."""
    if behaviour == CHANGED:
        return 10**9
    return -1 if behaviour == UNKNOWN else int(behaviour.rsplit("-", 1)[1])
