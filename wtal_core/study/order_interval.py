"""How sure the order of many rows is: a bootstrap over test videos and over seeds.

One resample draws as many test videos as there are, the same for all rows, and for each row as many
of its seeds as it has, of its own. The rows' mean mAPs then have a rank correlation with the
expected order. A row without chance has one "seed".
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.evaluation.video_bootstrap import draws, matched, resampled_map
from wtal_core.reading.json_files import read_json

RESAMPLES = 1000
SEED = 0
CONFIDENCE = 0.95
FILE = "order_interval.json"
SAME = 0.05  # points of mAP, up to which a row without runs counts as the kept one


@dataclass(frozen=True)
class OrderInterval:
    """The 95 % interval of the rank correlation. of: what it was computed from, see `kept`.
    other_networks: how many networks were trained again here, to others than the records'.
    """

    low: float
    high: float
    other_networks: int
    of: dict[str, Any]


def resampled_averages(
    truth: GroundTruth,
    detections: Iterable[pd.DataFrame],
    protocol: str,
    weights: Int[np.ndarray, "R V"],
) -> Float[np.ndarray, "S R"]:
    """Average mAP (percent) over the protocol's tIoUs of each seed on each resample of videos."""
    rule = PROTOCOLS[protocol]
    averages = [resampled_map(matched(truth, d, rule), weights).mean(axis=1) for d in detections]
    return 100 * np.stack(averages)


def video_draws(truth: GroundTruth) -> Int[np.ndarray, "R V"]:
    """How often each test video is in each resample."""
    return draws(len(truth.videos), RESAMPLES, SEED)


def correlations(
    averages: Sequence[Float[np.ndarray, "_ R"]], ranks: Sequence[float], seed: int = SEED
) -> Float[np.ndarray, " R"]:
    """Spearman's correlation with the expected ranks in each resample; NaN where all rows are
    equal. averages: of each row, see `resampled_averages`.
    """
    from scipy.stats import rankdata

    generator = np.random.default_rng(seed)
    means = np.stack([_mean_of_drawn(of_row, generator) for of_row in averages])  # (N, R)
    here = rankdata(means, axis=0)
    expected = rankdata(ranks)[:, None]
    here = here - here.mean(axis=0)
    expected = expected - expected.mean(axis=0)
    scale = np.sqrt((here**2).sum(axis=0) * (expected**2).sum(axis=0))
    with np.errstate(invalid="ignore"):
        return (here * expected).sum(axis=0) / scale


def _mean_of_drawn(
    of_row: Float[np.ndarray, "S R"], generator: np.random.Generator
) -> Float[np.ndarray, " R"]:
    """The mean over as many seeds as there are, drawn anew for each resample."""
    chosen = generator.integers(len(of_row), size=of_row.shape)
    return np.take_along_axis(of_row, chosen, axis=0).mean(axis=0)


def bounds(values: Float[np.ndarray, " R"]) -> tuple[float, float]:
    """The percentile interval of resampled values."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def kept(
    roots: Sequence[Path],
    dataset: str,
    of: Mapping[str, Any],
    compute: Callable[[], tuple[float, float, int]],
) -> OrderInterval:
    """The interval that lies in `<root>/<dataset>/order_interval.json`, because detections are not
    committed; computed anew, and kept in the first root, where the kept one is of something else.

    of: JSON values. "untrained" holds mAPs of rows without runs, which may differ by `SAME`.
    """
    for root in roots:
        interval = _read(root / dataset / FILE)
        if interval is not None and _same(interval.of, of):
            return interval
    low, high, other_networks = compute()
    interval = OrderInterval(low, high, other_networks, dict(of))
    path = roots[0] / dataset / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(vars(interval), indent=1, sort_keys=True) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return interval


def _read(path: Path) -> OrderInterval | None:
    """None where there is no such file, or a damaged one: it can be computed again."""
    try:
        return OrderInterval(**read_json(path))
    except (WorkbookError, TypeError):
        return None


def _same(kept_of: Mapping[str, Any], of: Mapping[str, Any]) -> bool:
    exact = [{name: part[name] for name in part if name != "untrained"} for part in (kept_of, of)]
    before, now = kept_of.get("untrained", {}), of["untrained"]
    if exact[0] != exact[1] or before.keys() != now.keys():
        return False
    return all(
        len(before[row]) == len(now[row]) and np.allclose(before[row], now[row], rtol=0, atol=SAME)
        for row in now
    )
