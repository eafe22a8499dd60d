"""`wtal results`: the records and tables of a results folder."""

from pathlib import Path

from tabulate import tabulate
from tyro.conf import Positional


def check(results: Path = Path("results")) -> int:
    """Check that every record is whole, and say which ones today's code would compute anew.

    Args:
        results: folder of finished runs, tables and figures.
    """
    from wtal_core.runs.audit import audit

    findings = audit(results)
    print(tabulate(findings, headers="keys"))
    return int(any(row["damaged"] for row in findings))


def compare_tables(fresh: Positional[Path], committed: Path = Path("results")) -> int:
    """Compare fresh tables with the committed ones, row by row. Exit status 1 if a row's intervals
    are apart.

    Args:
        fresh: results folder of a run on this machine.
        committed: results folder to compare with.
    """
    from wtal_core.runs.compare import compare

    table = compare(fresh, committed)
    print(tabulate(table, headers="keys", showindex=False))
    return int((table["agree"] < table["rows"]).any())
