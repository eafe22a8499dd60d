"""Results made of plain numbers, for the tests of what draws and tabulates them."""

from pathlib import Path

from wtal_core.runs.ledger import Record
from wtal_core.runs.results import Results

TIOUS = (0.3, 0.5, 0.7)


class SampleRecord(Record):
    """A record without files: its history is that of its line."""

    @property
    def history(self):
        return self.line["history"]

    @property
    def columns(self):
        return self.line.get("columns", {})


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
    line = {
        "method": "facnet",
        "config": {},
        "seed": 0,
        "metrics": metrics,
        "fold": None,
        "history": [],
        "by": {"behaviour": "facnet-1"},
        "objective": {"met": True, "total": 1.0},
    }
    return SampleRecord(line, (Path("nowhere"),))


def results(rows: dict[str, list[tuple[float, float, float]]], protocol: str = "wtalc") -> Results:
    """One row per name: the mAPs at `TIOUS` of each seed."""
    records = {
        row: [record(*maps, protocol=protocol) for maps in seeds] for row, seeds in rows.items()
    }
    seeds = len(next(iter(rows.values())))
    return Results(records, tuple(range(seeds)), "Tiny", "simulated", "quick", protocol)
