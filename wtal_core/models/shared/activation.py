"""What a network says about test videos, before localization."""

from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from wtal_core.timebase import Timebase


def as_array(values: Float[Tensor, "*N"]) -> Float[np.ndarray, "*N"]:
    """A network's numbers as `Activation` holds them: float64 on the CPU, without gradient."""
    return values.detach().double().cpu().numpy()


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
    """

    cas: Float[np.ndarray, "S M C"]
    scores: Float[np.ndarray, "S B C"]
    attention: Float[np.ndarray, "S M"]
    lengths: tuple[int, ...]
    magnitude: Float[np.ndarray, "S M"] | None = None
    ranking: Float[np.ndarray, "S M C"] | None = None
    weights: Float[np.ndarray, " W"] | None = None

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
