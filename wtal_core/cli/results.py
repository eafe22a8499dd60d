"""`wtal results`: can a results folder be believed, and what lies in it?"""

import sys
from functools import partial
from pathlib import Path

from tyro.conf import Positional

from wtal_core.cli.printed import tabulate
from wtal_core.errors import WorkbookError


def check(results: Path = Path("results"), behaviour: bool = True, commit: str = "HEAD") -> int:
    """Check that every run is whole, its provenance as written, and its behaviour today's.

    Exit status 1 where runs are stale, a provenance was rewritten, or a method computes other
    numbers than were accepted; 2 where a file is damaged.

    Args:
        results: folder of finished runs, tables and figures.
        behaviour: whether to recompute the micro-runs of every method, which takes half a minute.
        commit: the git commit whose provenance must still stand; outside a checkout it is left out.
    """
    from wtal_core.runs.check import census, in_checkout, moved, rewritten

    lines = census(results)
    print(tabulate(lines, headers="keys"))
    stale = sum(line["stale"] for line in lines)
    print(f"{stale} stale of {sum(line['runs'] for line in lines)} runs")
    if in_checkout(results):
        offences = rewritten(results, commit)
    else:
        offences = []
        print(f"{results} is in no git checkout: provenance is not compared", file=sys.stderr)
    changes = moved() if behaviour else []
    for sentence in [*offences, *changes]:
        print(sentence)
    for change in changes:
        name = change.split(" ")[0]
        print(f"  a wanted change? `wtal results accept {name} --note WHY` opens the next version")
    if behaviour and not changes:
        print("every method computes the numbers that were accepted")
    return int(bool(stale or offences or changes))


def accept(method: Positional[str], note: str) -> int:
    """Accept the numbers that a method computes today as its next behaviour version.

    Runs of earlier versions are shown as stale from then on.

    Args:
        method: such as facnet.
        note: one line: what has changed, and why.
    """
    from wtal_core.runs import behaviour

    if not note.strip():
        raise WorkbookError("--note is empty; say in one line what has changed, and why")
    print(f"{method} is now {method}-{behaviour.accept(method, note)}")
    return 0


def export(target: Positional[Path], results: Path = Path("results")) -> int:
    """Write all runs as one Parquet table: a row per run, selection rule and protocol.

    Args:
        target: file to write, such as runs.parquet.
        results: folder of finished runs, tables and figures.
    """
    from wtal_core.runs.export import export as write_table

    print(f"{write_table(results, target)} rows: {target}")
    return 0


def recompute(
    results: Path = Path("results"),
    sample: int | None = None,
    draw: int = 0,
    stale: bool = False,
    device: str = "cpu",
) -> int:
    """Train finished runs again and say how far apart the two computations are.

    Nothing is written, but for stale runs (--stale), which are appended under today's behaviour.

    Args:
        results: folder of finished runs, tables and figures.
        sample: how many runs, drawn at random; all if it is left out.
        draw: seed of the drawing.
        stale: compute the stale runs anew by today's code, and append them.
        device: cpu, cuda or auto.
    """
    from tqdm import tqdm

    from wtal_core.runs import recompute as computing
    from wtal_core.runs.ledger import Ledger

    ledger = Ledger(results)
    if stale:
        ledger.check_writable()
        for record in tqdm(computing.stale(ledger), desc="stale runs", unit="run"):
            print(f"{record.key} is now {computing.anew(record, ledger, device).key}")
        return 0
    if sample is not None and sample < 1:
        raise WorkbookError(f"--sample is {sample}; expected a whole number of at least 1")
    records = computing.sample(ledger, sample, draw)
    lines = [computing.again(record, device) for record in tqdm(records, unit="run")]
    print(tabulate(lines, headers="keys"))
    print(computing.summary(lines))
    return 0


def findings(target: Positional[Path], results: Path = Path("results")) -> int:
    """Write whether the papers' messages hold here, as a Markdown page with a picture per paper.

    Args:
        target: file to write, such as docs/findings.md; the pictures go into `holds/` beside it.
        results: folder of finished runs, tables and figures.
    """
    from wtal_core.evaluation.files import write_whole
    from wtal_core.pictures.figures import png
    from wtal_core.pictures.forest import forests
    from wtal_core.report.findings import PICTURES, all_judged
    from wtal_core.report.findings import findings as page

    text = page(results)
    folder = target.parent / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))
    print(target)
    for paper, figure in forests(list(all_judged(results))):
        picture = folder / f"{paper}.png"
        write_whole(picture, partial(_write_bytes, content=png(figure)))
        print(picture)
    return 0


def profiles(target: Positional[Path], results: Path = Path("results")) -> int:
    """Write whether the profiles of each method train, as a Markdown page.

    Args:
        target: file to write, such as docs/profiles.md.
        results: folder of finished runs.
    """
    from wtal_core.evaluation.files import write_whole
    from wtal_core.workbook.profiles import profiles as page

    text = page(results)
    write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))
    print(target)
    return 0


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def compare_tables(fresh: Positional[Path], committed: Path = Path("results")) -> int:
    """Compare fresh tables with the committed ones, row by row.

    Exit status 1 if the intervals of a row are apart.

    Args:
        fresh: results folder of a run on this machine.
        committed: results folder to compare with.
    """
    from wtal_core.report.compare import compare

    table = compare(fresh, committed)
    print(tabulate(table, headers="keys", showindex=False))
    return int((table["agree"] < table["rows"]).any())
