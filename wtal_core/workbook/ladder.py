"""The ladder: from no training to frame labels, every method beside what was published of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wtal_core.evaluation.statistics import Correlation, collapse_limit, rank_correlation
from wtal_core.papers import reported
from wtal_core.papers.printed_values import averaged
from wtal_core.runs.results import Results
from wtal_core.study.session import Session
from wtal_core.study.yardsticks import Yardsticks, one_per_fold, yardsticks_by_seed

AVERAGE = "avg_10_70"
MIDDLE = "m50"
COLLAPSED = "most seeds of its own row, by far: collapsed, by the total loss"
AVERAGE_PER_MIDDLE = 1.25  # of published weak methods, to place one that prints no average


@dataclass(frozen=True)
class Rung:
    """A row of the ladder. name: of the row. method: its file, "" of a row without a network.
    printed: the table and row in which a paper prints it on THUMOS14; None where none does.
    """

    name: str
    method: str = ""
    printed: tuple[str, str] | None = None
    supervision: str = "video labels"


UNTRAINED = (
    Rung("random segments", supervision="true labels"),
    Rung("whole video"),
    Rung("mean pooling"),
)
FIRST = (
    Rung("top-k MIL", "topk_mil"),
    Rung("STPN", "stpn", ("facnet/table1", "STPN [26]")),
    Rung("W-TALC", "wtalc", ("facnet/table1", "W-TALC [31]")),
)
OTHERS = (
    Rung("3C-Net", "c3net", ("facnet/table1", "3C-Net [25]"), "and counts"),
    Rung("BaS-Net", "basnet", ("facnet/table1", "BaS-Net [16]")),
    Rung("BM", "bm", ("facnet/table1", "BM [27]")),
    Rung("EM-MIL", "emmil", ("facnet/table1", "EM-MIL [21]")),
    Rung("A2CL-PT", "a2clpt", ("facnet/table1", "A2CL-PT [23]")),
    Rung("HAM-Net", "hamnet", ("facnet/table1", "HAM-Net [10]")),
    Rung("CoLA", "cola", ("gaufuse/table2", "CoLA [48] (CVPR21)")),
    Rung("UM", "um", ("facnet/table1", "UM [17]")),
    Rung("FAC-Net", "facnet", ("facnet/table1", "FAC-Net")),
    Rung("CO2-Net", "co2net", ("gaufuse/table2", "CO2-Net [6] (MM21)")),
    Rung("RSKP", "rskp", ("gaufuse/table2", "RSKP [10] (CVPR22)")),
    Rung("ASM-Loc", "asmloc", ("gaufuse/table2", "ASM-Loc [5] (CVPR22)")),
    Rung("TEN + BGES", "ten", ("ten/table1", "Ours")),
    Rung("DELU", "delu", ("gaufuse/table2", "DELU [4] (ECCV22)")),
    Rung("GauFuse", "gaufuse", ("gaufuse/table2", "Ours")),
    Rung("SF-Net", "sfnet", ("backtal/table1", "SF-Net [11]"), "and action clicks"),
    Rung("BackTAL", "backtal", ("backtal/table1", "BackTAL"), "and background clicks"),
)
SUPERVISED = (Rung("frame labels, linear", "", ("backtal/table1", "G-TAD [23]"), "segments"),)
NETWORKS = (*FIRST, *OTHERS)


def published(rung: Rung) -> dict[str, float | None]:
    """mAP in percent on THUMOS14 that a paper prints: the average over .1 to .7, and at .5."""
    if rung.printed is None:
        return {AVERAGE: None, MIDDLE: None}
    artifact, row = rung.printed
    paper, name = artifact.split("/")
    table = reported(paper)["tables"][name]
    (line,) = [line["v"] for line in table["rows"] if line["method"] == row]
    cells = dict(zip(table["columns"], line, strict=True))
    of_columns = [cells.get(column) for column in averaged(AVERAGE)]
    average = cells.get(AVERAGE)
    if average is None and all(value is not None for value in of_columns):
        average = float(np.mean([value for value in of_columns if value is not None]))
    return {AVERAGE: average, MIDDLE: cells.get(MIDDLE)}


def networks(session: Session, rungs: Sequence[Rung]) -> Results:
    """The runs of rungs that train, each in the session's profile."""
    return Results.joined(
        [session.run(rung.method, {rung.name: session.base(rung.method)}) for rung in rungs]
    )


def without_networks(session: Session) -> dict[str, pd.DataFrame]:
    """Rungs that train no network: name -> mAP in percent, one line per seed or fold."""
    by_seed = yardsticks_by_seed(session)
    distinct = one_per_fold(by_seed)
    protocol = session.dataset.default_protocol

    def scored(rows: Yardsticks, detections: pd.DataFrame) -> pd.Series:
        return rows.map(detections, protocol, ())

    drawn = [scored(rows, rows.random(seed)) for seed, rows in by_seed.items()]
    return {
        "random segments": pd.DataFrame(drawn),
        "whole video": pd.DataFrame([scored(rows, rows.whole_videos()) for rows in distinct]),
        "mean pooling": pd.DataFrame([scored(rows, rows.mean_pooling()) for rows in distinct]),
        "frame labels, linear": pd.DataFrame(
            [scored(rows, rows.frame_labels()) for rows in distinct]
        ),
    }


@dataclass(frozen=True)
class Ladder:
    """values: rung -> mAP in percent, one line per seed, one column per tIoU. results: of the
    networks.
    """

    values: dict[str, pd.DataFrame]
    results: Results

    def of(self, rung: Rung, metric: str) -> pd.Series:
        """One value per seed of a rung: the average over tIoUs, or at .5."""
        table = self.values[rung.name]
        return table.mean(axis=1) if metric == AVERAGE else table[0.5]

    @property
    def rungs(self) -> list[Rung]:
        """Those that are there, from no training to frame labels; networks as they were
        published, by their average, else by their mAP at .5.
        """
        of_paper = {rung.name: published(rung) for rung in NETWORKS}

        def height(rung: Rung) -> float:
            average, middle = of_paper[rung.name].values()
            return average or (middle or 0.0) * AVERAGE_PER_MIDDLE

        whole = [*UNTRAINED, *sorted(NETWORKS, key=height), *SUPERVISED]
        return [rung for rung in whole if rung.name in self.values]

    def table(self) -> pd.DataFrame:
        """One row per rung: what it is given, published and here, how many seeds are trained."""
        trained, collapse = self.results.trained(), self.results.collapse()
        lines = {}
        for rung in self.rungs:
            of_paper = published(rung)
            average, middle = self.of(rung, AVERAGE), self.of(rung, MIDDLE)
            is_network = rung.name in trained.index
            lines[rung.name] = {
                "given": rung.supervision,
                "published": _number(of_paper[AVERAGE]),
                "published @.5": _number(of_paper[MIDDLE]),
                "here": _number(average.mean()),
                "±": _number(average.std() if len(average) > 1 else None),
                "median": _number(average.median()),
                "here @.5": _number(middle.mean()),
                "trained": f"{trained.loc[rung.name].sum()} of {len(average)}"
                if is_network
                else "–",
                "collapsed": str(collapse[rung.name]) if is_network else "–",
            }
        return pd.DataFrame(lines).T

    def untrained(self) -> pd.DataFrame:
        """Why networks are not trained: one row per rung and limit that some seeds end above. A
        limit is a bound of the objective, or that of a collapse; a seed may be above several.
        """
        lines = []
        for rung in self.rungs:
            objectives = [record.objective for record in self.results.records.get(rung.name, [])]
            for bounds in zip(*(found["bounds"] for found in objectives), strict=True):
                losses = [bound["loss"] for bound in bounds]
                without = f"what is reached without {bounds[0]['without']}"
                lines.append(_above(rung.name, without, losses, bounds[0]["limit"]))
            if objectives:
                totals = self.results.totals(rung.name)
                limit = collapse_limit(totals)
                lines.append(_above(rung.name, COLLAPSED, list(totals), limit, at_limit=False))
        table = pd.DataFrame(lines).set_index("rung")
        return table[~table["seeds"].str.startswith("0 ")]

    def correlation(self, metric: str) -> Correlation:
        """Of the medians here with what was published, over the rungs that have both."""
        pairs = [
            (number, float(self.of(rung, metric).median()))
            for rung in self.rungs
            if (number := published(rung)[metric]) is not None
        ]
        return rank_correlation([pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def correlations(self) -> pd.DataFrame:
        """Both metrics: how many rungs, Spearman's correlation, its 95 % interval."""
        lines = {}
        for name, metric in {"average mAP@.1:.7": AVERAGE, "mAP@.5": MIDDLE}.items():
            found = self.correlation(metric)
            bounds = "–" if found.interval is None else "{:.2f} to {:.2f}".format(*found.interval)
            lines[name] = {
                "rungs": str(found.n),
                "rank correlation": f"{found.value:.2f}",
                "95 % interval": bounds,
            }
        return pd.DataFrame(lines).T


def climbed(session: Session, rungs: Sequence[Rung] = NETWORKS) -> Ladder:
    """The ladder with the networks of these rungs."""
    results = networks(session, rungs)
    of_networks = {name: results.per_tiou(name) for name in results.records}
    return Ladder(without_networks(session) | of_networks, results)


def _above(
    rung: str, what: str, losses: Sequence[float], limit: float, at_limit: bool = True
) -> dict[str, str]:
    """A row of `Ladder.untrained`: how many seeds end above a limit; at_limit: or at it."""
    above = sum(loss >= limit if at_limit else loss > limit for loss in losses)
    return {
        "rung": rung,
        "ends above": what,
        "seeds": f"{above} of {len(losses)}",
        "limit": f"{limit:.3f}",
        "losses": ", ".join(f"{loss:.3f}" for loss in losses),
    }


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
