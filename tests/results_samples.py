"""Results made of plain numbers, for the tests of what draws and tabulates them."""

from pathlib import Path

from wtal_core.runs.results import Results
from wtal_core.runs.store import Record

TIOUS = (0.3, 0.5, 0.7)


def record(*maps: float, protocol: str = "wtalc", best: float = 0.01) -> Record:
    """mAP (0 to 1) at `TIOUS`; the best epoch's are higher by `best`."""
    metrics = {
        rule: {
            protocol: {
                "tious": list(TIOUS),
                "map": [m + gain for m in maps],
                "average": sum(maps) / len(maps) + gain,
            }
        }
        for rule, gain in (("last", 0.0), ("best", best))
    }
    return Record(Path("nowhere"), {"metrics": metrics, "fold": None, "history": []})


def results(rows: dict[str, list[tuple[float, float, float]]], protocol: str = "wtalc") -> Results:
    """A row a name: the mAPs at `TIOUS` of each seed."""
    records = {
        row: [record(*maps, protocol=protocol) for maps in seeds] for row, seeds in rows.items()
    }
    seeds = len(next(iter(rows.values())))
    return Results(records, tuple(range(seeds)), "Tiny", "simulated", "quick", protocol)
