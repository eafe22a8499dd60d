"""`wtal data facts`: what the features of a data set are like, in numbers that may be published.

The videos are read one at a time, test videos twice, so that features may lie on disk. Held are
sums of products, up to 24 W^2 bytes, of at most `VIDEOS` videos a side four mean features, 16 W
bytes per video, and of at most `SNIPPETS` test snippets their responses, 4 (C + 1) bytes per
snippet and stream. Deterministic.

W: channels of all streams side by side, D each. C classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

import wtal_core
from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.facts import (
    NO_SNIPPETS,
    SIDES,
    FeatureSums,
    LeftOut,
    Number,
    dataset_facts,
    effective_rank,
    printable,
)
from wtal_core.data.grid import SnippetTruth
from wtal_core.evaluation.statistics import auc
from wtal_core.study.ridge import Classifier, ProductSums

SNIPPETS = 200_000  # of more, every second, third, ... is looked at where products are summed
VIDEOS = 5_000  # of more on a side, every second, third, ... is classified
SEED = 0  # of the one action snippet that is drawn
PARTS = ("whole_video", "action_snippets", "background_snippets", "one_action_snippet")
ONE_STREAM = LeftOut("one stream only")


class Pools:
    """Mean features of parts of the videos of one side, each with the labels that go with it."""

    def __init__(self, seed: Sequence[int]):
        self._rng = np.random.default_rng(seed)
        self._features: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
        self._labels: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}

    def add(
        self,
        features: Float[np.ndarray, "T W"],
        labels: Bool[np.ndarray, " C"],
        classes: Bool[np.ndarray, "T C"],
        background: Bool[np.ndarray, " T"],
    ) -> None:
        """Add a video. The drawn snippet has the classes that it lies in, all else the labels of
        the video.
        """
        action = np.flatnonzero(classes.any(1))
        self._keep("whole_video", features, labels)
        self._keep("action_snippets", features[action], labels)
        self._keep("background_snippets", features[background], labels)
        if len(action):
            drawn = self._rng.choice(action)
            self._keep("one_action_snippet", features[drawn, None], classes[drawn])

    def _keep(
        self, part: str, features: Float[np.ndarray, "N W"], labels: Bool[np.ndarray, " C"]
    ) -> None:
        if len(features) and labels.any():
            self._features[part].append(features.mean(0).astype(np.float32))
            self._labels[part].append(labels)

    def count(self, part: str) -> int:
        """Number of videos that have such a part."""
        return len(self._labels[part])

    def features(self, part: str, columns: slice) -> Float[np.ndarray, "N D"]:
        """One row per video that has such a part."""
        return np.stack([row[columns] for row in self._features[part]]).astype(np.float64)

    def labels(self, part: str) -> Bool[np.ndarray, "N C"]:
        """The labels of these rows."""
        return np.stack(self._labels[part])


class Thinning:
    """Takes every k-th of all snippets, counted through the videos, so that at most `SNIPPETS`
    are taken.
    """

    def __init__(self, snippets: int):
        self.step = max(1, -(-snippets // SNIPPETS))
        self._passed = 0

    def of_next(self, length: int) -> slice:
        """The snippets that are taken of the next video."""
        first = -self._passed % self.step
        self._passed += length
        return slice(first, length, self.step)


class Gathered:
    """What one pass over all videos gathers."""

    def __init__(self, dataset: Dataset, truth: SnippetTruth):
        self.dataset = dataset
        self.truth = truth
        self.sums = FeatureSums(dataset)
        self.pools = {side: Pools([SEED, number]) for number, side in enumerate(SIDES)}
        # snippets of each side that are of an action, and of background
        self.kinds = {side: np.zeros(2, dtype=np.int64) for side in SIDES}
        width = len(dataset.streams) * dataset.feature_size()
        self.annotated = ProductSums(width, 1 + len(dataset.classes))  # of training videos
        self.others = ProductSums(width, 0)
        self.thinning = Thinning(sum(video.length for video in (*dataset.train, *dataset.test)))
        for side in SIDES:
            videos = getattr(dataset, side)
            step = max(1, -(-len(videos) // VIDEOS))
            for number, video in enumerate(tqdm(videos, desc=side, unit="video", disable=None)):
                self._add(side, video, is_classified=number % step == 0)

    def _add(self, side: str, video: Video, is_classified: bool) -> None:
        features = side_by_side(video)
        classes = self.truth.classes(video)
        background = self.truth.background(video)
        self.sums.add(features, classes, background)
        self.kinds[side] += classes.any(1).sum(), background.sum()
        if is_classified:
            labels = np.array([label in video.labels for label in self.dataset.classes])
            self.pools[side].add(features, labels, classes, background)
        taken = self.thinning.of_next(video.length)
        rows = features[taken]
        fitted = known(classes, background)[taken] & (side == "train")
        self.annotated.add(rows[fitted], targets(classes)[taken][fitted].astype(float))
        self.others.add(rows[~fitted], np.zeros((int((~fitted).sum()), 0)))

    def products(self) -> ProductSums:
        """Of all snippets that were taken."""
        total = ProductSums(len(self.annotated.rows), 0)
        total.include(self.annotated)
        total.include(self.others)
        return total


def feature_facts(dataset: Dataset) -> dict[str, Any]:
    """Aggregate numbers of a data set and its features, ready to be written as JSON.

    Numbers have four significant digits; one that could not be had is None, and its reason is in
    "left_out". What each means: docs/feature_facts.md.
    """
    truth = SnippetTruth(dataset)
    gathered = Gathered(dataset, truth)
    columns = {name: gathered.sums.columns(s) for s, name in enumerate(dataset.streams)}
    together = slice(0, len(dataset.streams) * dataset.feature_size())
    classified = linear_facts(gathered, {**columns, "together": together})
    if len(dataset.streams) == 1:
        classified["together"] = {
            group: dict.fromkeys(numbers, ONE_STREAM)
            for group, numbers in classified["together"].items()
        }
    products = gathered.products()
    by_stream = {}
    for number, name in enumerate(dataset.streams):
        by_stream[name] = {
            **gathered.sums.of_stream(number),
            "effective_rank": feature_rank(gathered.sums, products, number),
            **classified[name],
        }
    return printable(
        {
            "workbook": wtal_core.__version__,
            "dataset": {**dataset_facts(dataset), **_snippet_facts(gathered)},
            "streams": by_stream,
            "together": classified["together"],
            "between_streams": between_streams(gathered.sums, products),
        }
    )


def _snippet_facts(gathered: Gathered) -> dict[str, Any]:
    """Coverage, and what it needs to judge an accuracy."""
    coverage: dict[str, Number] = {}
    for side, (action, background) in gathered.kinds.items():
        missing = LeftOut(f"no segments of {side} videos")
        coverage[side] = action / (action + background) if action + background else missing
    pools = gathered.pools["test"]
    return {
        "coverage": coverage,
        "classified_test_videos": {part: pools.count(part) for part in PARTS},
        "most_frequent_label": _most_frequent_label(gathered),
        "snippets_taken": gathered.annotated.count + gathered.others.count,
    }


def _most_frequent_label(gathered: Gathered) -> Number:
    """Share of test videos with the label that most training videos have: what a constant gets."""
    part = "whole_video"
    for side, pools in gathered.pools.items():
        if not pools.count(part):
            return LeftOut(f"no {side} video has labels and snippets")
    most = gathered.pools["train"].labels(part).sum(0).argmax()
    return float(gathered.pools["test"].labels(part)[:, most].mean())


def feature_rank(sums: FeatureSums, products: ProductSums, stream: int) -> Number:
    """Effective rank of the snippets of a stream."""
    alive = ~sums.is_dead(stream)
    if not products.count or not alive.any():
        return LeftOut("no channel varies") if products.count else NO_SNIPPETS
    covariance = products.covariance(sums.columns(stream))
    return effective_rank(covariance[np.ix_(alive, alive)], LeftOut("no channel varies"))


def between_streams(sums: FeatureSums, products: ProductSums) -> dict[str, Number]:
    """How much the first and the last stream have to do with each other."""
    names = ("mean_absolute_correlation", "same_channel_correlation", "scale_correlation")
    if sums.streams == 1:
        return dict.fromkeys(names, ONE_STREAM)
    first, last = 0, sums.streams - 1
    size = sums.dataset.feature_size()
    alive = ~np.concatenate([sums.is_dead(first), sums.is_dead(last)])
    if not (products.count and alive[:size].any() and alive[size:].any()):
        return dict.fromkeys(names, LeftOut("no channel varies"))
    ends = np.r_[sums.columns(first), sums.columns(last)]
    covariance = products.covariance()[np.ix_(ends, ends)]
    deviation = np.sqrt(np.where(alive, np.diag(covariance), 1))
    correlation = (covariance / np.outer(deviation, deviation))[:size, size:]
    both = alive[:size] & alive[size:]
    scales = [np.log(sums.scales(stream)[both]) for stream in (first, last)]
    vary = both.sum() > 1 and all(np.ptp(logs) > 0 for logs in scales)
    few = LeftOut("fewer than two channels that vary in both streams")
    return {
        names[0]: float(np.abs(correlation[np.ix_(alive[:size], alive[size:])]).mean()),
        names[1]: float(np.diag(correlation)[both].mean()) if both.any() else few,
        names[2]: float(np.corrcoef(*scales)[0, 1]) if vary else few,
    }


def linear_facts(
    gathered: Gathered, columns: Mapping[str, slice]
) -> dict[str, dict[str, dict[str, Number]]]:
    """What linear classifiers of these columns reach on test videos: of parts of videos, and of
    snippets.
    """
    train, test = (gathered.pools[side] for side in SIDES)
    of_snippets = snippet_probes(gathered, columns)
    facts = {}
    for name, of_name in columns.items():
        accuracies = {part: accuracy(train, test, part, of_name) for part in PARTS}
        facts[name] = {"accuracy": accuracies, "auc": of_snippets[name]}
    return facts


def accuracy(train: Pools, test: Pools, part: str, columns: slice) -> Number:
    """Share of test videos of which the class with the highest response is a label."""
    for side, pools in zip(SIDES, (train, test), strict=True):
        if not pools.count(part):
            return LeftOut(f"no {side} video has labels and {part.replace('_', ' ')}")
    fitted = Classifier.fitted(train.features(part, columns), train.labels(part).astype(float))
    best = fitted(test.features(part, columns)).argmax(1)
    return float(test.labels(part)[np.arange(len(best)), best].mean())


def snippet_probes(
    gathered: Gathered, columns: Mapping[str, slice]
) -> dict[str, dict[str, Number]]:
    """AUC on annotated test snippets of classifiers that were fitted to training snippets."""
    if not gathered.annotated.count:
        return _no_probes(columns, LeftOut("no segments of train videos"))
    if not gathered.kinds["test"].any():
        return _no_probes(columns, LeftOut("no segments of test videos"))
    count = gathered.annotated.count
    fitted_to = (gathered.annotated.targets > 0) & (gathered.annotated.targets < count)
    probes = {name: gathered.annotated.classifier(of_name) for name, of_name in columns.items()}
    responses, truth = _responses(gathered, columns, probes)
    scored = np.flatnonzero(fitted_to & truth.any(0) & ~truth.all(0))
    one_kind = LeftOut("action or background is missing on a side")
    no_class = LeftOut("no class has action snippets on both sides")
    facts: dict[str, dict[str, Number]] = {}
    for name, values in responses.items():
        areas: dict[int, Number] = {int(k): auc(values[:, k], truth[:, k]) for k in scored}
        action = areas.pop(0, one_kind)
        of_classes = float(np.mean(list(areas.values()))) if areas else no_class
        facts[name] = {"action": action, "classes": of_classes}
    return facts


def _responses(
    gathered: Gathered, columns: Mapping[str, slice], probes: Mapping[str, Classifier]
) -> tuple[dict[str, Float[np.ndarray, "N K"]], Bool[np.ndarray, "N K"]]:
    """Of each classifier to the annotated test snippets that are taken, and their targets."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in columns}
    true: list[np.ndarray] = []
    thinning = Thinning(int(gathered.kinds["test"].sum()))
    for video in tqdm(gathered.dataset.test, desc="probes", unit="video", disable=None):
        classes = gathered.truth.classes(video)
        usable = np.flatnonzero(known(classes, gathered.truth.background(video)))
        taken = usable[thinning.of_next(len(usable))]
        if len(taken):
            rows = side_by_side(video)[taken]
            true.append(targets(classes)[taken])
            for name, of_name in columns.items():
                parts[name].append(probes[name](rows[:, of_name]).astype(np.float32))
    return {name: np.concatenate(of_name) for name, of_name in parts.items()}, np.concatenate(true)


def _no_probes(names: Mapping[str, slice], reason: LeftOut) -> dict[str, dict[str, Number]]:
    return {name: {"action": reason, "classes": reason} for name in names}


def side_by_side(video: Video) -> Float[np.ndarray, "T W"]:
    """All streams of a video, read now."""
    return np.concatenate(list(video.features.values()), axis=1).astype(np.float64)


def known(
    classes: Bool[np.ndarray, "T C"], background: Bool[np.ndarray, " T"]
) -> Bool[np.ndarray, " T"]:
    """Snippets of which it is known whether they are of an action."""
    return classes.any(1) | background


def targets(classes: Bool[np.ndarray, "T C"]) -> Bool[np.ndarray, "T K"]:
    """Whether a snippet is of any action, and of each class, K = C + 1."""
    return np.concatenate([classes.any(1, keepdims=True), classes], axis=1)
