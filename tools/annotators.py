"""What mAP on SHREC'21 owes to who annotated it: the kept detections by both annotations.

    python -m tools.annotators

Reads the detections that the ladder's runs have left beside the ledger (`wtal ladder --dataset
shrec21` makes them) and writes `results/shrec21/annotators/annotators.*`. Nothing is trained.
"""

from pathlib import Path

import pandas as pd
import tyro

from wtal_core.data.shrec21 import contest_segments
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.report.artifacts import save_table
from wtal_core.study.annotators import as_detections, by_both, effect, order, reannotated
from wtal_core.study.session import Session, open_session
from wtal_core.workbook.ladder import NETWORKS, Rung, networks

DATASET = "shrec21"


def main(results: Path = Path("results")) -> None:
    """Score the ladder's detections by the revised and by the contest's annotation."""
    session = open_session("annotators/annotators", DATASET, store=str(results))
    protocol = PROTOCOLS[session.dataset.default_protocol]
    revised = ground_truth_of(session.dataset, protocol.id)
    contest = reannotated(revised, contest_segments(session.dataset))
    detections = {rung.name: kept_detections(session, rung) for rung in NETWORKS}
    scores = by_both(revised, contest, detections, protocol)
    caption = (
        f"{session.title} ({session.dataset.origin} data), protocol {protocol.id}, "
        f"{len(session.seeds)} seeds, last epoch, profile {session.profile}. Average mAP (%) of "
        "the same detections by the revised annotation, which all tables use, and the contest's."
    )
    save_table(in_words(effect(scores)), session.path(".csv"), caption)
    people = by_both(
        revised,
        contest,
        {
            "revised": [as_detections(revised.segments)],
            "contest": [as_detections(contest.segments)],
        },
        protocol,
    )
    lines = {
        "contest's annotation, judged by the revised": f"{people['contest']['first'][0]:.1f}",
        "revised annotation, judged by the contest's": f"{people['revised']['second'][0]:.1f}",
        "test instances, revised": str(len(revised.segments)),
        "test instances, contest": str(len(contest.segments)),
        "rank correlation of the ladder's rungs": f"{order(scores):.2f}",
    }
    people_caption = "One annotation as detections, judged by the other: average mAP (%)."
    table = pd.Series(lines, name="value").rename_axis("of the two annotations").to_frame()
    print(save_table(table, session.path("_people.csv"), people_caption))


def kept_detections(session: Session, rung: Rung) -> list[pd.DataFrame]:
    """The last epoch's detections of each seed of a rung."""
    (records,) = networks(session, [rung]).records.values()
    tables = [record.detections() for record in records]
    if any(table is None for table in tables):
        raise WorkbookError(
            f"the detections of {rung.name} are not kept here; remove its lines and train it again"
        )
    return [table for table in tables if table is not None]


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The numbers as a table prints them."""
    return pd.DataFrame(
        {
            "revised": table["first"].map("{:.1f}".format),
            "contest": table["second"].map("{:.1f}".format),
            "contest - revised": table["difference"].map("{:+.1f}".format),
            "95 % interval": [
                f"{low:.1f} to {high:.1f}"
                for low, high in zip(table["low"], table["high"], strict=True)
            ],
        }
    ).rename_axis("row")


if __name__ == "__main__":
    tyro.cli(main)
