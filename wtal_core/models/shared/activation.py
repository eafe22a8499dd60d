"""What a network says about test videos, before localization."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from wtal_core.timebase import Timebase

Rule = TypeVar("Rule", bound=Any)  # a frozen dataclass with a `class_threshold`
THUMOS14_LABELS = 1.11  # mean number of labels of THUMOS14's 200 training videos (1.105)


def as_array(values: Float[Tensor, "*N"]) -> Float[np.ndarray, "*N"]:
    """A network's numbers as `Activation` holds them: float64 on the CPU, without gradient."""
    return values.detach().double().cpu().numpy()


def class_scale(labels_per_video: float) -> float:
    """The factor of the class thresholds of all methods on a data set whose training videos have so
    many labels each: 1 up to THUMOS14's, for which the thresholds were made, and less the more
    labels share the scores of a video.

    The workbook's rule; no paper has one. A threshold of .25 on a softmax lets few labels pass: of
    the 3.2 of a HAPT bag it would throw most away.
    """
    return min(1.0, THUMOS14_LABELS / max(labels_per_video, THUMOS14_LABELS))


@dataclass(frozen=True)
class Activation:
    """Of B videos with M snippets altogether, float64 on the CPU; the background class is there
    only to make pseudo labels of it.

    cas: class activation sequences, comparable with the method's thresholds. scores: video-level
    class scores.
    attention: how much a snippet is foreground, by the method's own measure. magnitude: length of a
    feature vector, where
        the method proposes segments by it (UM, BackTAL), or the actionness (CoLA).
    ranking: what a method scores its proposals by, where it is not `cas` (STPN).
    weights: how densely the network has seen each snippet of the time base, where it has resampled
        the videos (ASM-Loc); W of them.
    class_scale: factor of class thresholds on this data set, see `class_scale`.
    """

    cas: Float[np.ndarray, "S M C"]
    scores: Float[np.ndarray, "S B C"]
    attention: Float[np.ndarray, "S M"]
    lengths: tuple[int, ...]
    magnitude: Float[np.ndarray, "S M"] | None = None
    ranking: Float[np.ndarray, "S M C"] | None = None
    weights: Float[np.ndarray, " W"] | None = None
    class_scale: float = 1.0

    def of_classes(self, threshold: float) -> float:
        """A class threshold of a method as it is meant on this data set."""
        return self.class_scale * threshold

    def scaled(self, rule: Rule) -> Rule:
        """A rule of localization with its `class_threshold` as it is meant on this data set."""
        changes = {"class_threshold": self.of_classes(rule.class_threshold)}
        return replace(rule, **changes)

    @staticmethod
    def join(parts: "list[Activation]") -> "Activation":
        """Of several batches, one after another."""
        magnitudes = [part.magnitude for part in parts if part.magnitude is not None]
        rankings = [part.ranking for part in parts if part.ranking is not None]
        weights = [part.weights for part in parts if part.weights is not None]
        return Activation(
            cas=np.concatenate([part.cas for part in parts], 1),
            scores=np.concatenate([part.scores for part in parts], 1),
            attention=np.concatenate([part.attention for part in parts], 1),
            lengths=tuple(chain.from_iterable(part.lengths for part in parts)),
            magnitude=np.concatenate(magnitudes, 1) if magnitudes else None,
            ranking=np.concatenate(rankings, 1) if rankings else None,
            weights=np.concatenate(weights) if weights else None,
            class_scale=parts[0].class_scale,
        )


@dataclass(frozen=True)
class Scene:
    """What turns indices into detections: video ids, classes, time base, and intervals that the
    W-TALC lineage filters.

    lengths: snippets of each video on the time base's grid; a method may have brought them to
    another length.
    """

    videos: tuple[str, ...]
    classes: tuple[str, ...]
    timebase: Timebase
    ambiguous: pd.DataFrame
    lengths: tuple[int, ...] = ()
