"""Two questions to published detections of THUMOS14: fuse or suppress, for one detector and three.

Parameters of one detector are chosen on the training videos, where CO2-Net's candidates are public.
Of the three together nothing is public there, so theirs are chosen on other test videos.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.protocols import WTALC
from wtal_core.evaluation.published import (
    AUTOLOC,
    CO2NET,
    LISTS,
    STPN,
    ground_truth,
    read,
    training_candidates,
)
from wtal_core.evaluation.video_bootstrap import matched, resampled_map
from wtal_core.localization.fusion import FusionRule
from wtal_core.study.detector_fusion import (
    TEMPLATES,
    WEIGHTLESS,
    Choice,
    before_soft_suppression,
    best_rule,
    chosen,
    compared,
    cross_fitted,
    resolved,
    rules_of,
)
from wtal_core.timebase import Timebase

PUBLISHED = "as published, soft suppression"
HARD = "nms, chosen on training videos"
ROUNDED = "gaussian, its borders rounded to snippets"
GAUFUSE = FusionRule(temperature=0.2, logit="score", limit=0.25)  # its constants at test time
UNCHOSEN = FusionRule(temperature=0.2, logit="score", limit=0.3, overlap="iou")
FEW_LIMITS = (0.3, 0.5)
FEW_TEMPERATURES = (0.1,)
WEIGHTS = ((1.0, 1.0, 1.0), (0.5, 0.5, 1.0), (0.25, 0.25, 1.0))
CO2NET_ALONE = f"CO2-Net alone, {PUBLISHED}"


def test_truth(folder: Path) -> GroundTruth:
    """The 210 videos of the test set on which all three detectors were run."""
    return replace(ground_truth(folder), blocked=LISTS["210"])


def one_detector(folder: Path) -> pd.DataFrame:
    """CO2-Net: its published soft suppression, hard suppression and each template.

    A row per way to resolve its candidates. Columns: limit and temperature, as chosen by average
    mAP on the training videos; `training`, that average; then those of `compared`, on the test
    videos, with hard suppression as the reference; `wtalc`, the average under that protocol.
    """
    test = test_truth(folder)
    train = ground_truth(folder, "validation")
    _, published = read(folder, CO2NET)
    candidates = before_soft_suppression(published, test.timebase)
    fitted = training_candidates(folder)
    rows = {PUBLISHED: published}
    settings: dict[str, tuple] = {PUBLISHED: (None, None, None)}
    for template in TEMPLATES:
        rule, average = best_rule(fitted, train, rules_of(template))
        temperature = None if template in WEIGHTLESS else rule.temperature
        name = f"{template}, chosen on training videos"
        rows[name] = resolved(candidates, test, rule)
        settings[name] = (rule.limit, temperature, average)
    gaussian = "gaussian, chosen on training videos"
    rows[ROUNDED] = _on_snippets(rows[gaussian], test.timebase)
    settings[ROUNDED] = (*settings[gaussian][:2], None)
    rows["gaussian, GauFuse's constants"] = resolved(candidates, test, GAUFUSE)
    settings["gaussian, GauFuse's constants"] = (
        GAUFUSE.limit,
        GAUFUSE.temperature,
        best_rule(fitted, train, [GAUFUSE])[1],
    )
    parameters = pd.DataFrame(settings, index=["limit", "temperature", "training"], dtype=float).T
    return parameters.join(compared(rows, test, HARD)).assign(wtalc=_wtalc(rows, test))


def _on_snippets(detections: pd.DataFrame, timebase: Timebase) -> pd.DataFrame:
    start = timebase.rounded(detections["t_start"].to_numpy(dtype=np.float64))
    end = timebase.rounded(detections["t_end"].to_numpy(dtype=np.float64))
    return detections.assign(t_start=timebase.seconds(start), t_end=timebase.seconds(end))


def three_detectors(folder: Path) -> pd.DataFrame:
    """STPN, AutoLoc and CO2-Net together, by every template, without and with agreement.

    A row per detector alone, and per way to join them. Columns: limit, temperature, weight (of
    STPN's and AutoLoc's ranks) where they are the same for all videos; then those of `compared`,
    with CO2-Net as published as the reference; `wtalc`.
    """
    test = test_truth(folder)
    detectors = three(folder, test)
    rows = {f"{name} alone": detectors[name] for name in ("STPN", "AutoLoc")}
    rows["CO2-Net alone, hard suppression"] = detectors["CO2-Net"]
    rows[CO2NET_ALONE] = read(folder, CO2NET)[1]
    settings: dict[str, tuple] = {}
    for template, agreement in product(TEMPLATES, (False, True)):
        form = f"{template}, agreement" if agreement else template
        unchosen = Choice(replace(UNCHOSEN, distribution=template), agreement, WEIGHTS[0])
        rows[f"{form}; nothing chosen"] = chosen(detectors, test, unchosen)
        settings[f"{form}; nothing chosen"] = _settings([unchosen])
        choices = [
            Choice(rule, agreement, weights)
            for rule, weights in product(rules_of(template, FEW_LIMITS, FEW_TEMPERATURES), WEIGHTS)
        ]
        rows[f"{form}; cross-fitted"], picked = cross_fitted(detectors, test, choices)
        settings[f"{form}; cross-fitted"] = _settings(picked)
    names = ["limit", "temperature", "weight"]
    parameters = pd.DataFrame(settings, index=names, dtype=float).T.reindex(list(rows))
    scores = compared(rows, test, CO2NET_ALONE)
    return parameters.join(scores).assign(wtalc=_wtalc(rows, test))


def _settings(choices: list[Choice]) -> tuple[float | None, ...]:
    """Limit, temperature and weight of the first detector; None where the choices differ in it."""
    weightless = choices[0].rule.distribution in WEIGHTLESS
    limits = {choice.rule.limit for choice in choices}
    temperatures = {None if weightless else choice.rule.temperature for choice in choices}
    weights = {choice.weights[0] for choice in choices}
    return tuple(
        values.pop() if len(values) == 1 else None for values in (limits, temperatures, weights)
    )


def three(folder: Path, test: GroundTruth) -> dict[str, pd.DataFrame]:
    """Each detector's detections, in the order of their papers; CO2-Net's by hard suppression.

    Its limit is the one chosen on the training videos.
    """
    _, stpn = read(folder, STPN)
    _, autoloc = read(folder, AUTOLOC)
    _, published = read(folder, CO2NET)
    train = ground_truth(folder, "validation")
    rule, _ = best_rule(training_candidates(folder), train, rules_of("nms"))
    co2net = resolved(before_soft_suppression(published, test.timebase), test, rule)
    tables = {"STPN": stpn, "AutoLoc": autoloc, "CO2-Net": co2net}
    return {name: table[table["video"].isin(test.videos)] for name, table in tables.items()}


def _wtalc(rows: Mapping[str, pd.DataFrame], truth: GroundTruth) -> pd.Series:
    """Average mAP in percent under `wtalc`."""
    once = pd.Series(1, index=truth.videos).to_numpy()[None]
    averages = {}
    for name, table in rows.items():
        averages[name] = 100 * resampled_map(matched(truth, table, WTALC), once).mean()
    return pd.Series(averages)
