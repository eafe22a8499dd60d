"""What the simulator's second version was calibrated on: real STPN and plain baselines on THUMOS14
beside STPN and top-k MIL on simulated features under THUMOS14's annotations.

No other method is trained here. `tools/calibrate.py` measures and writes `MEASURED`, the notebook
`calibration` shows it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.paths import COMMITTED
from wtal_core.data.simulated_thumos14 import simulate_thumos14
from wtal_core.evaluation.error_types import OUTCOMES
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.models import stpn, topk_mil
from wtal_core.models.contract import MethodConfig
from wtal_core.runs.train import Trained, Trainer
from wtal_core.study.facts import outcomes
from wtal_core.timebase import Timebase

MEASURED = COMMITTED / "thumos14" / "simulated_calibration.csv"
COLUMNS = ["seed", "run", "quantity", "real", "simulated"]
STPN_GRID = Timebase(fps=10.0, stride=16.0)  # 1.6 s per snippet, as the published STPN has it
TIOUS = (0.1, 0.3, 0.5, 0.7)
MATCHED = 0.5
LONG = "STPN, 1.6 s"
SHORT = "top-k MIL, 0.64 s"
# The quick profiles, with a rate that falls in the end, so that the losses come to rest; top-k MIL
# wider and longer. Chosen by the training loss.
STPN_CONFIG = replace(
    stpn.QUICK,
    schedule=replace(stpn.QUICK.schedule, epochs=150, evaluations=1, steps=((0.67, 0.1),)),
)
TOPK_CONFIG = replace(
    topk_mil.QUICK,
    hidden=128,
    schedule=replace(
        topk_mil.QUICK.schedule,
        epochs=40,
        learning_rate=2e-3,
        evaluations=1,
        steps=((0.6, 0.1),),
    ),
)

# Real numbers, in percent where they are shares. Curve, errors, labels and AP per class: the
# published detections of bellos1203/STPN, protocol `activitynet`. Single streams: its README.
REAL = {
    "mAP@0.1": 52.1,
    "mAP@0.3": 34.7,
    "mAP@0.5": 17.7,
    "mAP@0.7": 4.9,
    "background errors": 51.2,
    "localization errors": 24.0,
    "confusion and wrong label": 24.0,
    "labels per video": 2.84,
}
REAL_STREAMS = {"rgb": 10.2, "flow": 14.4}
# top-k baselines at 0.64 s: W-TALC's and BackTAL's
REAL_PLAIN = (22.8, 28.6)
REAL_AP = {
    "BaseballPitch": 5.4,
    "BasketballDunk": 2.4,
    "Billiards": 2.48,
    "CleanAndJerk": 6.89,
    "CliffDiving": 7.79,
    "CricketBowling": 4.6,
    "CricketShot": 0.61,
    "Diving": 5.37,
    "FrisbeeCatch": 7.49,
    "GolfSwing": 23.87,
    "HammerThrow": 60.93,
    "HighJump": 14.21,
    "JavelinThrow": 38.37,
    "LongJump": 67.68,
    "PoleVault": 29.5,
    "Shotput": 13.69,
    "SoccerPenalty": 13.4,
    "TennisSwing": 0.6,
    "ThrowDiscus": 34.9,
    "VolleyballSpiking": 13.92,
}


def calibration(annotations: Path, seeds: int = 2) -> pd.DataFrame:
    """Train and measure all, `COLUMNS` in long form. annotations: the folder of `thumos14`.

    Takes some two minutes for each seed on one core. Losses stand at the middle of training, at
    three quarters and at the end.
    """
    long = simulate_thumos14(annotations, STPN_GRID)
    short = simulate_thumos14(annotations)
    rows: list[tuple[int, str, str, float | None, float]] = []
    for seed in range(seeds):
        rows += _of_run(LONG, "stpn", STPN_CONFIG, long, seed)
        for stream in long.streams:
            run = f"{LONG}, {stream} alone"
            rows += _of_run(run, "stpn", STPN_CONFIG, one_stream(long, stream), seed)
        rows += _of_run(SHORT, "topk_mil", TOPK_CONFIG, short, seed)
    return pd.DataFrame(rows, columns=COLUMNS)


def one_stream(dataset: Dataset, stream: str) -> Dataset:
    """The data set with that stream alone."""

    def cut(videos: tuple[Video, ...]) -> tuple[Video, ...]:
        return tuple(replace(v, features={stream: v.features[stream]}) for v in videos)

    return replace(dataset, streams=(stream,), train=cut(dataset.train), test=cut(dataset.test))


def _of_run(
    run: str, method: str, config: MethodConfig, dataset: Dataset, seed: int
) -> Iterator[tuple[int, str, str, float | None, float]]:
    """Rows of one training. Real numbers where there are any for it."""
    trained = Trainer(method, config, dataset, seed).run()
    found = quantities(dataset, trained.detections["last"])
    real: dict[str, float] = REAL if run == LONG else {}
    if len(dataset.streams) == 1:
        real = {f"mAP@{MATCHED}": REAL_STREAMS[dataset.streams[0]]}
    for quantity, value in found.items():
        yield seed, run, quantity, real.get(quantity), value
    for label, value in zip(dataset.classes, class_ap(dataset, trained), strict=True):
        yield seed, run, f"AP of {label}", REAL_AP[label] if run == LONG else None, value
    losses = [epoch["total"] for epoch in trained.history]
    for share in (0.5, 0.75, 1.0):
        epoch = int(share * len(losses))
        yield seed, run, f"training loss, {share:.0%} of the epochs", None, losses[epoch - 1]
    yield seed, run, "seconds", None, trained.seconds


def quantities(dataset: Dataset, detections: pd.DataFrame) -> dict[str, float]:
    """The quantities of `REAL` for detections on the test videos. Errors: shares of the wrong ones
    among the first 10 G of each class, G its instances.
    """
    truth = ground_truth_of(dataset, "activitynet")
    score = evaluate(truth, detections, ACTIVITYNET, TIOUS)
    found = {f"mAP@{t}": 100 * float(m) for t, m in zip(TIOUS, score.map, strict=True)}
    errors = pd.Series(outcomes(truth, detections)[0], index=list(OUTCOMES)).iloc[1:]
    share = 100 * errors / errors.sum()
    labels = detections.groupby("video")["label"].nunique().sum() / len(dataset.test)
    return found | {
        "background errors": float(share["background"]),
        "localization errors": float(share["localization"]),
        "confusion and wrong label": float(share["confusion"] + share["wrong label"]),
        "labels per video": float(labels),
    }


def class_ap(dataset: Dataset, trained: Trained) -> Float[np.ndarray, " C"]:
    """AP of each class at tIoU .5, in percent."""
    truth = ground_truth_of(dataset, "activitynet")
    score = evaluate(truth, trained.detections["last"], ACTIVITYNET, (MATCHED,))
    return 100 * np.asarray(score.ap)[0]


def of_run(table: pd.DataFrame, run: str) -> pd.DataFrame:
    """One row per quantity of a run: `real`, `simulated` (the mean), and the value of each seed."""
    rows = table[table["run"] == run]
    order = rows["quantity"].unique()
    by_seed = rows.pivot(index="quantity", columns="seed", values="simulated").loc[order]
    real = rows.groupby("quantity")["real"].first().loc[order]
    means = pd.DataFrame({"real": real, "simulated": by_seed.mean(axis=1)})
    return means.join(by_seed.add_prefix("seed "))


def read_measured(path: Path = MEASURED) -> pd.DataFrame:
    """The committed measurement."""
    return pd.read_csv(path, comment="#")


def write_measured(table: pd.DataFrame, path: Path = MEASURED) -> Path:
    """Write what `calibration` gave, with a note of what it is."""
    note = (
        "# STPN and top-k MIL on SIMULATED features under THUMOS14's real annotations; `real` is "
        "what real STPN has. By tools/calibrate.py\n"
    )
    path.write_text(note + table.round(3).to_csv(index=False))
    return path
