"""`wtal data`: obtain data sets and check their files."""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from wtal_core.cli.printed import tabulate
from wtal_core.errors import MissingFile, WorkbookError

COMMAND = re.compile(r"`wtal [^`]+`")


def list_datasets() -> int:
    """Print the known data sets and their origin."""
    from wtal_core.data.manifests import dataset_names, load_manifest

    manifests = [load_manifest(name) for name in dataset_names()]
    counts = [
        ", ".join(f"{split} {c.videos}/{c.instances}" for split, c in m.splits.items())
        for m in manifests
    ]
    rows = [
        (m.name, m.title, m.origin, c, m.licence) for m, c in zip(manifests, counts, strict=True)
    ]
    print(
        tabulate(
            rows,
            ("name", "title", "origin", "videos/instances", "licence"),
            maxcolwidths=[None, 32, None, 28, 36],
        )
    )
    return 0


def verify_dataset(name: Positional[str], root: Path | None = None, out: Path | None = None) -> int:
    """Check every file of a data set. Exit status 1 if one that is needed is missing or wrong.

    Args:
        name: data set.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        out: file to write, such as verified.txt, instead of printing.
    """
    from tqdm import tqdm

    from wtal_core.data.verify import verify
    from wtal_core.evaluation.files import write_whole

    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise WorkbookError(f"--out {out} is not a file in a folder that exists; name another one")

    def watched(items: Sequence[Any], unit: str) -> Iterable[Any]:
        return tqdm(items, desc=name, unit=unit, disable=None)

    findings = verify(name, root, watched)
    table = tabulate(
        [(f.status, f.file, f.expected, f.found) for f in findings],
        ("status", "file", "expected", "found"),
        maxcolwidths=[None, 46, 60, 64],  # a SHA-256 is not broken
    )
    bad = [f for f in findings if f.status != "ok" and f.needed]
    fine = sum(f.status == "ok" for f in findings)
    summary = f"{name}: {fine} of {len(findings)} fine"
    if bad:
        summary += f", {len(bad)} needed and not fine"
    told = [command for f in bad for command in COMMAND.findall(f.found)]
    broken = dict.fromkeys(command for command in told if command not in table)  # over its lines
    text = "\n".join([table, summary, *(f"next: {command}" for command in broken), ""])
    if out is None:
        print(text, end="")
    else:
        write_whole(out, lambda path: path.write_text(text, encoding="utf-8"))
        print(f"wrote {out}; {summary}")
    return int(bool(bad))


def fetch_dataset(
    name: Positional[str], root: Path | None = None, mirror: str | None = None
) -> int:
    """Download a data set's files, checked by checksum; say what must be obtained by hand.

    Args:
        name: data set.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        mirror: a folder or an address laid out like the folder of the data sets.
    """
    from wtal_core.data.fetch import fetch

    outcome = fetch(name, root, mirror)
    lines = [("fetched", path, "") for path in outcome.fetched]
    lines += [("by hand", *item) for item in outcome.by_hand.items()]
    lines += [("failed", *item) for item in outcome.failed.items()]
    print(
        tabulate(lines, ("status", "file", "note"), maxcolwidths=[None, 50, 60])
        if lines
        else f"{name}: everything is there"
    )
    return int(bool(outcome.by_hand or outcome.failed))


def dataset_regime(names: Positional[tuple[str, ...]] = (), root: Path | None = None) -> int:
    """Say how far data sets are from the regime of the problem, by their training videos.

    Coverage: share of the time that is labelled. Co-occurrence: the largest share of the videos of
    one class that show a certain other one. THUMOS14 has .28 and 1.1 labels per video. Of a data
    set with folds, the first one counts.

    Args:
        names: data sets; all whose files are here if none is named.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
    """
    from wtal_core.data.opening import OPENERS
    from wtal_core.data.regime import regime_by_name

    rows = []
    absent = []
    for name in names or OPENERS:
        try:
            regime = regime_by_name(name, root)
        except MissingFile:
            if names:
                raise
            absent.append(name)
            continue
        co_occurrence = f"P({regime.pair[1]} | {regime.pair[0]})" if regime.pair[0] else ""
        rows.append(
            (
                name,
                regime.videos,
                f"{regime.coverage:.3f}",
                f"{regime.labels:.2f}",
                f"{regime.co_occurrence:.2f}",
                co_occurrence,
            )
        )
    header = ("name", "videos", "coverage", "labels per video", "co-occurrence", "which")
    print(tabulate(rows, header, disable_numparse=True))
    if absent:
        print(f"not here: {', '.join(absent)}", file=sys.stderr)
    return 0


def simulate_dataset(
    annotations: Path, root: Path | None = None, seed: int = 0, feature_size: int = 1024
) -> int:
    """Put simulated features under real THUMOS14 annotations, in the layout of real ones.

    Args:
        annotations: folder `Thumos14reduced-Annotations`.
        root: folder of the data sets to write into; default $WTAL_DATA, else ./data of the
            checkout.
        seed: seed of the features.
        feature_size: D of each of the two streams.
    """
    from wtal_core.data.simulated_thumos14 import NAME, write_simulated

    path = write_simulated(annotations, root, seed, feature_size)
    print(f"wrote {path} ({path.stat().st_size / 2**30:.2f} GiB); use it with --dataset {NAME}")
    return 0


def print_facts(name: Positional[str], root: Path | None = None, out: Path | None = None) -> int:
    """Print about a hundred aggregate numbers of a data set and its features, as JSON.

    They hold no feature and may be published: docs/feature_facts.md says what each means, and why
    we ask for those of real features. Of a data set with folds they are of the first one.

    Args:
        name: data set.
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        out: file to write, such as facts.json, instead of printing.
    """
    import json

    from wtal_core.data.opening import open_dataset
    from wtal_core.evaluation.files import write_whole
    from wtal_core.study.feature_facts import feature_facts

    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise WorkbookError(f"--out {out} is not a file in a folder that exists; name another one")
    facts = feature_facts(open_dataset(name, root))
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    if out is None:
        print(text)
        return 0
    write_whole(out, lambda path: path.write_text(f"{text}\n", encoding="utf-8"))
    print(f"wrote {out}")
    return 0
