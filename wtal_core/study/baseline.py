"""The three facts about a plain baseline that the simulator's constants were set by, measured on
the workbook's own baseline.
"""

from pathlib import Path

import pandas as pd

from wtal_core.evaluation.error_types import background_error_share
from wtal_core.evaluation.files import write_whole
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.reading.frames import read_frame
from wtal_core.study.session import Session
from wtal_core.study.top_share import top_share
from wtal_core.study.trained import TrainedRun

METHOD = "topk_mil"
TIOU = 0.5
MAP = "mAP@0.5"


def baseline_facts(session: Session) -> pd.DataFrame:
    """One row per seed: seed, mAP@0.5, top-k share, background share (in percent).

    Kept in `<store>/<dataset>/baseline_facts.csv`, because detections and weights are not
    committed; computed again where the kept ones are of other runs, which their mAP gives away.
    """
    config = session.base(METHOD)
    trained_runs = session.trained_runs(METHOD, config)
    path = session.store.root / session.dataset.name / "baseline_facts.csv"
    facts = _read(path)
    if facts is None or not _is_of(facts, trained_runs):
        facts = pd.DataFrame([_facts(trained) for trained in trained_runs])
        provenance = session.run(METHOD, {"baseline": config}).provenance()
        note = f"# {METHOD}. {provenance}. In percent, see wtal_core/study/baseline.py\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda partial: partial.write_text(note + facts.to_csv(index=False)))
    return facts


def _read(path: Path) -> pd.DataFrame | None:
    return read_frame(path, ("seed", MAP), "delete it") if path.exists() else None


def _is_of(facts: pd.DataFrame, trained_runs: list[TrainedRun]) -> bool:
    seeds = [trained.run.seed for trained in trained_runs]
    maps = [_map(trained) for trained in trained_runs]
    return facts["seed"].tolist() == seeds and facts[MAP].tolist() == maps


def _map(trained: TrainedRun) -> float:
    return round(trained.map[TIOU], 4)


def _facts(trained: TrainedRun) -> dict[str, int | float]:
    dataset = trained.dataset
    share = top_share(dataset, trained.class_activation, trained.run.config.fraction)
    truth = ground_truth_of(dataset, "activitynet")
    background = background_error_share(truth, trained.detections)
    return {
        "seed": trained.run.seed,
        MAP: _map(trained),
        "top-k share": round(100 * share, 2),
        "background share": round(100 * background, 2),
    }
