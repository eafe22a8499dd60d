"""How good are pseudo labels? Real candidates of a trained detector, against the annotations.

CO2-Net's candidates on the THUMOS14 training videos, before any suppression, become labels of
snippets in GauFuse's ways, and are compared with what annotators marked. Nothing is trained.
Arrays: M snippets of V videos, one after another; each video with the one class of its candidates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.published import durations, ground_truth, training_candidates
from wtal_core.evaluation.video_bootstrap import draws
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.pseudo_labels import LabelRule
from wtal_core.models.gaufuse import on_snippets
from wtal_core.timebase import Timebase

REFERENCE = "nms, rows of ones (code)"
DELTA = 2.0  # factor of a difference of two labels in the official code (Eq. 8)
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.02, 0.002  # of the official code's refreshes
RESAMPLES = 1000
CANDIDATES = FusionRule("nms", limit=0.25, logit="score")
FUSIONS = {
    "nms": CANDIDATES,
    "gaussian 0.02": replace(CANDIDATES, distribution="gaussian", temperature=0.02),
    "gaussian 0.1": replace(CANDIDATES, distribution="gaussian", temperature=0.1),
    "laplace 0.1": replace(CANDIDATES, distribution="laplace", temperature=0.1),
    "t 0.1": replace(CANDIDATES, distribution="t", temperature=0.1),
    "uniform": replace(CANDIDATES, distribution="uniform"),
}
PROGRAMMES = {
    "rows of ones (code)": LabelRule(),
    "rows of means (paper)": LabelRule(rows="mean"),
}
NEAREST = LabelRule(rows="mean", infeasible="least_squares")
# where the detector measured its contrast: a quarter of the length to either side
OWN_AREAS = replace(NEAREST, margin_scale=0.25, margin_power=1.0)
CLASS_SHARE = 0.2  # of the video's class score, which the detector adds to the contrast
MORE_PROGRAMMES = ("nms", "gaussian 0.1", "uniform")  # fusions that are also solved by these two


@dataclass(frozen=True)
class Snippets:
    """What labels are made from, and compared with.

    lengths: snippets of each video.
    label: class of each video, an index into `classes`.
    truth: whether the middle of a snippet lies in an instance of that class.
    video, start, end, score: of N candidates; snippets.
    """

    videos: tuple[str, ...]
    classes: tuple[str, ...]
    lengths: Int[np.ndarray, " V"]
    label: Int[np.ndarray, " V"]
    truth: Bool[np.ndarray, " M"]
    video: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]
    score: Float[np.ndarray, " N"]


def real_snippets(folder: Path) -> Snippets:
    """CO2-Net's candidates on THUMOS14's training videos; `folder`: of the data sets."""
    truth = ground_truth(folder, "validation")
    candidates = training_candidates(folder)
    return snippets_of(
        candidates, truth.segments, durations(folder, "validation"), truth.classes, truth.timebase
    )


def snippets_of(
    candidates: pd.DataFrame,
    segments: pd.DataFrame,
    seconds: Mapping[str, float],
    classes: tuple[str, ...],
    timebase: Timebase,
) -> Snippets:
    """Candidates and instances (seconds) on the snippet grid.

    seconds: length of each video. A video is at least as long as its last candidate.
    Raises WorkbookError where a video has candidates of two classes.
    """
    video, videos = pd.factorize(candidates["video"])
    label = pd.Index(classes).get_indexer(pd.Index(candidates["label"]))
    of_video = np.zeros(len(videos), dtype=np.int64)
    of_video[video] = label
    if (of_video[video] != label).any():
        raise WorkbookError(
            f"{videos[video[np.argmax(of_video[video] != label)]]} has candidates of two classes; "
            "give one class per video"
        )
    start = timebase.snippets(candidates["t_start"].to_numpy(dtype=np.float64))
    end = timebase.snippets(candidates["t_end"].to_numpy(dtype=np.float64))
    lengths = timebase.truncated(np.array([seconds[name] for name in videos]))
    np.maximum.at(lengths, video, np.ceil(end - 1e-6).astype(np.int64))
    own = pd.DataFrame({"video": videos, "label": np.array(classes, dtype=object)[of_video]})
    instances = own.reset_index(names="number").merge(segments, on=["video", "label"])
    owner = instances["number"].to_numpy()
    inside = _covered(
        lengths,
        owner,
        timebase.snippets(instances["t_start"].to_numpy(dtype=np.float64)),
        timebase.snippets(instances["t_end"].to_numpy(dtype=np.float64)),
    )
    score = candidates["score"].to_numpy(dtype=np.float64)
    return Snippets(
        tuple(videos), classes, lengths, of_video, inside, video.astype(np.int64), start, end, score
    )


def _covered(
    lengths: Int[np.ndarray, " V"],
    video: Int[np.ndarray, " N"],
    start: Float[np.ndarray, " N"],
    end: Float[np.ndarray, " N"],
) -> Bool[np.ndarray, " M"]:
    """Whether the middle of a snippet lies in any of N intervals of its video."""
    first = np.clip(np.ceil(start - 0.5).astype(np.int64), 0, lengths[video])
    stop = np.clip(np.ceil(end - 0.5).astype(np.int64), first, lengths[video])
    inside = np.zeros(int(lengths.sum()), dtype=bool)
    inside[ragged.ranges(ragged.starts(lengths)[video] + first, stop - first)] = True
    return inside


def painted(snippets: Snippets, instances: Instances) -> Float[np.ndarray, " M"]:
    """The score of the best instance that covers a snippet; 0 where none with a score above 0."""
    start = np.clip(np.rint(instances.start).astype(np.int64), 0, snippets.lengths[instances.video])
    end = np.clip(np.rint(instances.end).astype(np.int64), start, snippets.lengths[instances.video])
    place = ragged.ranges(ragged.starts(snippets.lengths)[instances.video] + start, end - start)
    values = np.zeros(len(snippets.truth))
    np.maximum.at(values, place, np.repeat(instances.score, end - start))
    return values


def fused(snippets: Snippets, rule: FusionRule) -> Instances:
    """The candidates of each video made instances by `rule`; its logit is the score."""
    found = fuse(snippets.video, snippets.start, snippets.end, snippets.score, snippets.score, rule)
    label = np.zeros(len(found.group), dtype=np.int64)
    return Instances(found.group, label, found.start, found.end, found.score)


def label_forms(
    snippets: Snippets,
) -> tuple[dict[str, Float[np.ndarray, " M"]], dict[str, float]]:
    """All labels by name, and the share of the programmes of each that have no solution.

    A delta label is DELTA times the difference of the labels of two temperatures. "detector's
    areas": the programme's areas are those in which the detector took its contrast, and the scores
    are that contrast, CLASS_SHARE less, as if the class score of every video were 1.
    """
    everything = Instances(
        snippets.video,
        np.zeros(len(snippets.video), dtype=np.int64),
        snippets.start,
        snippets.end,
        snippets.score,
    )
    forms = {
        "the video's label alone": np.ones(len(snippets.truth)),
        "all candidates, painted": painted(snippets, everything),
    }
    unsolved: dict[str, float] = {}
    solved: dict[str, tuple[Instances, LabelRule]] = {}
    for name, rule in FUSIONS.items():
        instances = fused(snippets, rule)
        if name in ("nms", "gaussian 0.1"):
            forms[f"{name}, painted"] = painted(snippets, instances)
        for form, label_rule in PROGRAMMES.items():
            solved[f"{name}, {form}"] = (instances, label_rule)
        if name in MORE_PROGRAMMES:
            contrast = replace(instances, score=instances.score - CLASS_SHARE)
            solved[f"{name}, rows of means, nearest scores"] = (instances, NEAREST)
            solved[f"{name}, rows of means, detector's areas"] = (contrast, OWN_AREAS)
    for form, (instances, label_rule) in solved.items():
        forms[form], unsolved[form] = _solved(snippets, instances, label_rule)
    for programme in PROGRAMMES:
        last = replace(FUSIONS["gaussian 0.02"], temperature=LAST_TEMPERATURE)
        newest, share = _solved(snippets, fused(snippets, last), PROGRAMMES[programme])
        before = forms[f"gaussian {FIRST_TEMPERATURE}, {programme}"]
        forms[f"delta, {programme}"] = DELTA * (newest - before)
        unsolved[f"delta, {programme}"] = share
    return forms, unsolved


def _solved(
    snippets: Snippets, instances: Instances, rule: LabelRule
) -> tuple[Float[np.ndarray, " M"], float]:
    dense, infeasible = on_snippets(instances, snippets.lengths, 1, rule)
    return dense[:, 0], float(infeasible.mean())


def quality(snippets: Snippets, labels: Float[np.ndarray, " M"]) -> dict[str, float]:
    """How labels agree with the annotations; shares of 1.

    AP: average precision of ranking the snippets of a class's videos, mean over classes; equal
        labels count as one threshold.
    best F1: of all snippets, at the best threshold, the same for all videos.
    mean absolute error: of the labels as probabilities.
    mass inside: share of the positive labels' sum that lies on snippets of the action: what a cross
        entropy with these labels pulls at.
    """
    from sklearn.metrics import precision_recall_curve

    every_video_once = np.ones((1, len(snippets.videos)), dtype=np.int64)
    precision, recall, _ = precision_recall_curve(snippets.truth, labels)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    positive = np.maximum(labels, 0)
    mass = float(positive[snippets.truth].sum() / max(positive.sum(), 1e-12))
    return {
        "AP": float(resampled_ap(snippets, labels, every_video_once)[0]),
        "best F1": float(f1.max()),
        "mean absolute error": float(np.abs(labels - snippets.truth).mean()),
        "mass inside": mass,
    }


def resampled_ap(
    snippets: Snippets, labels: Float[np.ndarray, " M"], weights: Int[np.ndarray, "R V"]
) -> Float[np.ndarray, " R"]:
    """AP per class over the snippets of its videos, mean over the classes with any instance drawn.

    weights: how often each video is drawn, a row per resample. Snippets of equal labels are one
    threshold, so that no order among them counts.
    """
    video = ragged.owners(snippets.lengths)
    total = np.zeros(len(weights))
    classes = np.zeros(len(weights))
    for number in np.unique(snippets.label):
        mine = np.flatnonzero(snippets.label[video] == number)
        mine = mine[np.argsort(-labels[mine], kind="stable")]
        last = np.append(np.flatnonzero(np.diff(labels[mine])), len(mine) - 1)  # of equal labels
        drawn = weights[:, video[mine]].astype(np.float64)
        hits = np.cumsum(drawn * snippets.truth[mine], axis=1)[:, last]
        seen = np.cumsum(drawn, axis=1)[:, last]
        gained = np.diff(hits, axis=1, prepend=0)
        area = (gained * hits / np.maximum(seen, 1)).sum(axis=1)
        positive = hits[:, -1]
        total += area / np.maximum(positive, 1)
        classes += positive > 0
    return total / classes


def quality_table(snippets: Snippets, resamples: int = RESAMPLES) -> pd.DataFrame:
    """A row per form of labels: `quality`, `without solution`, and AP against the reference.

    All in percent. difference, low, high: points of AP above REFERENCE, with the middle 95 % of
    resamples of the videos, the same ones for all rows.
    """
    forms, unsolved = label_forms(snippets)
    table = pd.DataFrame({name: quality(snippets, labels) for name, labels in forms.items()}).T
    table["without solution"] = pd.Series(unsolved)
    weights = draws(len(snippets.videos), resamples)
    drawn = {name: resampled_ap(snippets, labels, weights) for name, labels in forms.items()}
    table["difference"] = table["AP"] - table.loc[[REFERENCE], "AP"].item()
    for column, quantile in (("low", 0.025), ("high", 0.975)):
        table[column] = [
            np.quantile(values - drawn[REFERENCE], quantile) for values in drawn.values()
        ]
    return 100 * table
