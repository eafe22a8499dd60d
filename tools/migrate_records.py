"""Bring the records of before the ledger into it, with the provenance that they had at first.

Until then each run was a folder `results/<dataset>/runs/<method>/<key>/`, named by a hash of the
source text. When source text changed, folders were renamed, and the hash and the config inside them
rewritten. This script reads from git history what each record said when it was first committed.

What cannot be known is written as "unknown": whether the tree had other changes when a run was
computed, its behaviour version, the CPU's model and instruction set. The commit is known where the
first record's hash of source code is that of a commit in this history; the first commit that holds
the run is kept in any case.

Run once, in the last commit that has such folders: `python tools/migrate_records.py results`.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file
from tqdm import tqdm

from wtal_core.models import method
from wtal_core.runs.ledger import UNKNOWN, key_of_line, runs_file, sealed, write
from wtal_core.runs.ledger import Record as LedgerRecord
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import columns

READERS = {
    "simulated": "wtal_core.data.simulator",
    "hapt": "wtal_core.data.hapt",
    "salads50": "wtal_core.data.salads50",
}
# Printed by a subprocess in another commit's tree, so that its own rule makes the hash.
HASHES = """
import functools, json, sys
sys.path.insert(0, ".")
import wtal_core.source as source
for name in ("_meaning", "imports"):
    if hasattr(source, name):
        setattr(source, name, functools.lru_cache(None)(getattr(source, name)))
hashes = {}
for wanted in json.load(sys.stdin):
    try:
        hashes[source.source_hash(*wanted)] = wanted
    except Exception:
        continue
print(json.dumps(list(hashes)))
"""


@dataclass(frozen=True)
class First:
    """What a run's record said in the first commit that held it."""

    commit: str
    code: str


def main(results: Path) -> None:
    folders = sorted(path.parent for path in results.glob("*/runs/*/*/record.json"))
    contents = {folder: json.loads((folder / "record.json").read_text()) for folder in folders}
    firsts = first_provenance(results)
    commits = commits_of_code()
    lines: dict[tuple[str, str], list[tuple[dict, dict, dict | None]]] = defaultdict(list)
    for folder, content in contents.items():
        run = content["run"]
        first = firsts[same_run(content)]
        line = line_of(content, first, commits)
        history = {"run": key_of_line(line), "history": columns(content["history"])}
        facts_file = folder / "facts.safetensors"
        facts = None
        if facts_file.exists():
            values = {name: array.tolist() for name, array in load_file(facts_file).items()}
            facts = {"run": key_of_line(line), "facts": values}
        lines[run["dataset"], run["method"]].append((line, history, facts))
        keep_arrays(results, line, folder)
    for (dataset, name), triples in lines.items():
        triples.sort(key=lambda triple: (triple[0]["by"]["finished"], triple[0]["id"]))
        for place, kind in enumerate(("", "history", "facts")):
            kept = [triple[place] for triple in triples if triple[place] is not None]
            if kept:
                write(runs_file(results, dataset, name, kind), map(sealed, kept))
    known = sum(
        line["by"]["commit"] != UNKNOWN for triples in lines.values() for line, *_ in triples
    )
    print(f"{len(contents)} runs; the commit that computed them is known of {known}")


def line_of(content: dict[str, Any], first: First, commits: dict[str, str]) -> dict[str, Any]:
    """A record as a line of the ledger."""
    run = content["run"]
    config = whole_config(method(run["method"]).Config, run["config"])
    asked = Run(run["method"], config, run["dataset"], run["seed"])
    final = content["history"][-1]
    return {
        "id": asked.identity(run["data"]),
        **asked.asked(run["data"]),
        "fold": content["fold"],
        "metrics": content["metrics"],
        "best_epoch": content["best_epoch"],
        "epochs": len(content["history"]),
        "losses": final,
        "detections": content["detections"],
        "train_seconds": content["train_seconds"],
        "seconds": content["seconds"],
        "peak_memory_mb": content["peak_memory_mb"],
        "by": {
            "commit": commits.get(first.code, UNKNOWN),
            "dirty": UNKNOWN,
            "first_committed": first.commit,
            "first_code_hash": first.code,
            "behaviour": UNKNOWN,
            "environment": {
                **content["environment"],
                "device_name": UNKNOWN,
                "machine": content["environment"]["device_name"],
                "instruction_set": UNKNOWN,
            },
            "finished": content["finished"],
        },
    }


def whole_config(kind: type, values: dict[str, Any]) -> Any:
    """A config from all its fields; a host's inside it is of the class of the method `host`."""
    arguments = {}
    for field in fields(kind):
        if field.name not in values:
            continue
        value = values[field.name]
        if isinstance(value, dict):
            default = field.default_factory() if callable(field.default_factory) else field.default
            inner = type(default) if is_dataclass(default) else method(values["host"]).Config
            value = whole_config(inner, value)
        arguments[field.name] = tuples(value)
    return kind(**arguments)


def tuples(value: Any) -> Any:
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def keep_arrays(results: Path, line: dict[str, Any], folder: Path) -> None:
    """The figure arrays of a run, into one file."""
    record = LedgerRecord(line, (results,))
    for path in sorted(folder.glob("*.safetensors")):
        if path.stem != "facts" and not path.stem.startswith("weights_"):
            record.keep_arrays(path.stem, load_file(path))


def same_run(content: dict[str, Any]) -> tuple:
    """What tells a run apart that no renaming ever changed."""
    run = content["run"]
    metrics = json.dumps(content["metrics"], sort_keys=True)
    seconds = content["train_seconds"]
    return run["dataset"], run["method"], run["seed"], content["finished"], seconds, metrics


def first_provenance(results: Path) -> dict[tuple, First]:
    """Of every run that was ever committed, the commit that added it and the hash it had then."""
    firsts: dict[tuple, First] = {}
    for commit, content in added_records(results):
        firsts.setdefault(same_run(content), First(commit, content["run"]["code"]))
    return firsts


def added_records(results: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(commit, content) of every record that a commit added, oldest first."""
    log = git(
        "log", "--reverse", "--no-renames", "--diff-filter=A", "--format=commit %H", "--name-only",
        "--", str(results),
    )  # fmt: skip
    commit, places = "", []
    for text in log.splitlines():
        if text.startswith("commit "):
            commit = text.split()[1]
        elif text.endswith("/record.json"):
            places.append((commit, text))
    request = "".join(f"{commit}:{path}\n" for commit, path in places).encode()
    answer = subprocess.run(
        ["git", "cat-file", "--batch"], input=request, capture_output=True, check=True
    ).stdout
    at = 0
    for commit, _ in places:
        end_of_head = answer.index(b"\n", at)
        size = int(answer[at:end_of_head].split()[2])
        begin = end_of_head + 1
        yield commit, json.loads(answer[begin : begin + size])
        at = begin + size + 1


@lru_cache(maxsize=1)
def commits_of_code() -> dict[str, str]:
    """Hash of source code -> the first commit of this history whose tree has it."""
    wanted = [
        ["wtal_core.runs.train", *(f"wtal_core.models.{name}" for name in names), reader]
        for reader in READERS.values()
        for names in [
            *(
                [name]
                for name in ("facnet", "topk_mil", "basnet", "backtal", "sfnet", "ten", "rskp")
            ),
            *(["gaufuse", host] for host in ("rskp", "facnet", "topk_mil")),
        ]
    ]
    hashes: dict[str, str] = {}
    trees = set()
    for commit in tqdm(git("rev-list", "--reverse", "HEAD").split(), desc="commits"):
        try:
            tree = git("rev-parse", f"{commit}:wtal_core").strip()
        except subprocess.CalledProcessError:
            continue
        if tree not in trees:
            trees.add(tree)
            for value in hashes_at(commit, wanted):
                hashes.setdefault(value, commit)
    return hashes


def hashes_at(commit: str, wanted: list[list[str]]) -> list[str]:
    """The hashes of source code that a commit's own rule gives; none where it has no rule."""
    archive = subprocess.run(
        ["git", "archive", commit, "wtal_core"], capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        done = subprocess.run(
            [sys.executable, "-S", "-c", HASHES],
            cwd=folder,
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
        )
    return json.loads(done.stdout) if done.returncode == 0 else []


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
