"""os: say in one sentence what the method does, and from which paper it is.

This is a scaffold that trains: top-k multiple-instance learning on the mean of all snippets'
streams, localized above each sequence's own mean. Replace it piece by piece.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wtal_core.localization.detections import to_table
from wtal_core.localization.mean_threshold import runs_above_mean
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.models.contract import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.layers import StackedLinear, dropout
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """Every setting of the method, with the paper's value as its default."""

    # channels of the embedding
    hidden: int = 256
    # share of the channels that is dropped in training
    dropout: float = 0.5
    # a video's class score is the mean of its T // fraction highest snippets
    fraction: int = 8
    # least probability of a class that is localized in a video
    class_threshold: float = 0.1
    # fewest snippets of a detection
    shortest: int = 2
    schedule: Schedule = field(default_factory=lambda: Schedule(reduction="mean"))


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    hidden=64,
    schedule=replace(OFFICIAL.schedule, epochs=30, learning_rate=1e-3, evaluations=5),
)


@dataclass(frozen=True)
class Outputs:
    """M snippets of B videos. logits: of each class. p: class probabilities of each video."""

    logits: Float[Tensor, "1 M C"]
    p: Float[Tensor, "1 B C"]


class Network(nn.Module):
    """One temporal convolution over three snippets, then a linear classifier."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config = config
        self.embed = StackedLinear(1, streams * size_in, config.hidden, 3, generator)
        self.classify = StackedLinear(1, config.hidden, classes, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """One equation per line. generator: draws dropout; None switches it off."""
        features = batch.features.transpose(0, 1).flatten(1)[None]  # (1, M, streams * size_in)
        hidden = self.embed(features, batch).relu()
        hidden = dropout(hidden, self.config.dropout, generator)
        logits = self.classify(hidden, batch)
        video_logits = batch.top_mean(logits, self.config.fraction)
        return Outputs(logits, video_logits.softmax(-1))


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """Terms of the loss by name, one value per video each, and their sum as "total"."""
    classification = normalised_cross_entropy(outputs.p[0], batch.labels)
    return {"classification": classification, "total": classification}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """What a training has to reach, in words: here the video scores tell the labels."""
    return (Bound(("classification",), learnt_labels(supervision.labels), LABELS),)


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """What localization works on, in float64 on the CPU."""
    attention = outputs.logits.softmax(-1).amax(-1)
    return Activation(
        cas=_array(outputs.logits),
        scores=_array(outputs.p),
        attention=_array(attention),
        lengths=batch.lengths,
    )


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Detections `video, label, t_start, t_end, score`: for each class that a video shows, the runs
    of snippets above the mean of its activation.
    """
    lengths = np.asarray(activation.lengths)
    scores = activation.scores[0]
    video, label = pick_classes(scores, config.class_threshold)
    sequences, sequence_lengths = class_sequences(activation.cas[0], lengths, video, label)
    runs = runs_above_mean(sequences, sequence_lengths, config.shortest)
    score = runs.peak * scores[video, label][runs.sequence]
    return to_table(
        video[runs.sequence],
        label[runs.sequence],
        runs.start,
        runs.end,
        score,
        scene.videos,
        scene.classes,
        scene.timebase,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw, by name. s_a: class activation sequences (1, M, C)."""
    return {"s_a": outputs.logits}


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


METHOD = Method(
    name="os",
    Config=Config,
    profiles={"official": OFFICIAL, "quick": QUICK},
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
)
