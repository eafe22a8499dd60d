"""GauFuse: pseudo labels from fused instances, for any host (Zhou, Huang, Wang, Liu; CVPR 2023).
Read from top to bottom.

A host is a method of this workbook. Late in its training GauFuse lets it detect actions on the
training videos, fuses overlapping candidates instead of dropping all but one, turns each instance
into a linear constraint on the labels of snippets, and teaches the host the labels that a linear
programme finds. Nothing but training features and video-level labels is used.
Shapes: S streams, M snippets of a packed batch of B videos, C classes, J = C + 1 with the
background last. `DIFFERS:` marks where the official code, which is the default, departs from the
paper; `as_printed` turns to the paper all that it states.
"""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.localization.pseudo_labels import LabelRule, pseudo_labels
from wtal_core.losses.snippet_labels import label_cross_entropy_per_snippet
from wtal_core.models import method, method_names, rskp
from wtal_core.models.method import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.inputs import Inputs, Refreshed
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident

EPOCHS = 350  # of the official schedule, in which all epochs of this file are given
VIDEOS_AT_ONCE = 32
PLAIN_NMS = FusionRule("nms", limit=0.25)
IN_TRAINING, AT_TEST_TIME = FusionRule(limit=0.25), FusionRule(limit=0.25, temperature=0.2)
ROWS_OF_ONES = LabelRule()
STEPS = ((80, 0.8), (200, 0.4096), (245, 0.01024), (260, 0.00512))


@dataclass(frozen=True)
class Config(MethodConfig):
    """host: a method with `instances` and `snippet_scores`. base: its Config, whose schedule
    counts.

    refresh_epochs: after how many epochs labels are made anew, each time with one of
    `temperatures`.
        DIFFERS: 200, 215, 230, 245, 270, 290 and always 0.1 in the paper.
    train_fusion, test_fusion: what becomes of overlapping candidates (Eq. 1 to 4). DIFFERS: weighed
    by the inner mean of a
        candidate, at 0.2 when testing; by its confidence ("score") in the paper, at 0.03. DIFFERS:
        overlap is the share of the candidate that is covered ("own"); IoU in the paper.
    label_rule: constraints and programme (Eq. 5, 6). DIFFERS: rows of 1 and -1; means in the paper,
    which states no bounds.
    label_settings: fields of `base` that differ while labels are made.
    label_classes: "predicted", all classes that pass the host's threshold; "labels", of these only
    the video's own.
        DIFFERS: "each class" in the paper.
    label_background: DIFFERS: the code makes labels of the background class, too, where it passes
    the threshold.
    teacher_dropout: DIFFERS: the code makes labels with dropout on.
    forget: whether the host's memory, if it has one, is emptied before. DIFFERS: not in the paper.
    phases: (epoch, factor of the latest labels, factor of those before) from that epoch on; before
    the first none. Differences
        are the delta labels (Eq. 8). DIFFERS: from epoch 251 on,
        twice, and from 301 2.15 times; in the paper from the second labels on.
    weight, growth, limit: of the label loss, min(weight * growth ** (epochs since the first
    refresh), limit); none in the paper.
    """

    host: str = "rskp"
    base: MethodConfig = field(default_factory=lambda: longer(rskp.PAPER, EPOCHS))
    refresh_epochs: tuple[int, ...] = (200, 230, 245, 260, 275, 300)
    temperatures: tuple[float, ...] = (0.02, 0.02, 0.02, 0.002, 0.002, 0.0016)
    train_fusion: FusionRule = IN_TRAINING
    label_rule: LabelRule = ROWS_OF_ONES
    label_settings: tuple[tuple[str, float], ...] = ()
    label_classes: Literal["predicted", "labels"] = "predicted"
    label_background: bool = True
    teacher_dropout: bool = True
    forget: bool = True
    phases: tuple[tuple[int, float, float], ...] = (
        (201, 1.0, 0.0),
        (251, 2.0, -2.0),
        (301, 2.15, -2.15),
    )
    weight: float = 10.0
    growth: float = 1.035
    limit: float = 50.0
    test_fusion: FusionRule = AT_TEST_TIME

    def __post_init__(self) -> None:
        super().__post_init__()
        host_of(self.host)
        if not isinstance(self.base, method(self.host).Config):
            raise WorkbookError(
                f"base of host {self.host} needs to be a models.{self.host}.Config, got "
                f"{self.base!r}"
            )
        if len(self.temperatures) != len(self.refresh_epochs):
            raise WorkbookError(
                f"{len(self.temperatures)} temperatures for {len(self.refresh_epochs)} refresh "
                f"epochs; "
                "give one each"
            )
        if list(self.refresh_epochs) != sorted(set(self.refresh_epochs)):
            raise WorkbookError(
                f"refresh epochs {self.refresh_epochs} do not increase; give each once, in order"
            )

    @property
    def schedule(self) -> Schedule:
        """The host's."""
        return self.base.schedule

    @property
    def inputs(self) -> Inputs:
        """The host's."""
        return self.base.inputs


def host_of(name: str) -> Host[Any, Any]:
    """What GauFuse asks of the method it is put around. Raises WorkbookError where it has not."""
    host = method(name).host if name in method_names() else None
    if host is None:
        able = ", ".join(known for known in method_names() if can_host(known))
        raise WorkbookError(f"{name} cannot host GauFuse; choose one of {able}")
    return host


def can_host(name: str) -> bool:
    """Whether a method is here and has what GauFuse asks for."""
    return name in method_names() and method(name).host is not None


def wrap(host: str, base: MethodConfig, **changes: Any) -> Config:
    """GauFuse around a host as it is: all epochs at the same share of its training as in the
    official schedule; where refreshes fall into one epoch, the last is taken. A host says in its
    `label_settings` what differs while it makes labels.
    """
    scale, default = (
        base.schedule.epochs / EPOCHS,
        Config(host, base, label_settings=host_of(host).label_settings),
    )
    scaled = {
        round(scale * e): t
        for e, t in zip(default.refresh_epochs, default.temperatures, strict=True)
    }
    phases = tuple((round(scale * e), *factors) for e, *factors in default.phases)
    return replace(
        replace(
            default,
            refresh_epochs=tuple(scaled),
            temperatures=tuple(scaled.values()),
            phases=phases,
            growth=default.growth ** (1 / scale),
        ),
        **changes,
    )


def longer(config: rskp.Config, epochs: int) -> rskp.Config:
    """RSKP as GauFuse trains and reads it: more epochs and, DIFFERS: not in the paper, a falling
    rate, one class's memory, other constants of inference."""
    scale, start, ratio = epochs / EPOCHS, config.spl_weights[0][1], epochs / config.schedule.epochs
    schedule = replace(
        config.schedule,
        epochs=epochs,
        steps=tuple((e / EPOCHS, factor) for e, factor in STEPS),
        evaluations=round(ratio * config.schedule.evaluations),
    )
    weights = ((0, start), (config.warm_up, 0.5), (round(201 * scale), 1.0))
    return replace(
        config,
        schedule=schedule,
        spl_weights=weights,
        memory_index="slot0",
        cas_mix=0.85,
        class_threshold=0.16,
        margin=0.0785,
        margin_power=0.9,
    )


OFFICIAL = {"label_settings": (("cas_mix", 0.8),)}
PAPER = wrap("rskp", longer(rskp.PAPER, EPOCHS), **OFFICIAL)
QUICK = wrap("rskp", longer(rskp.QUICK, 70), **OFFICIAL)
PROFILES = {"paper": PAPER, "quick": QUICK}


def as_printed(config: Config) -> Config:
    """The paper in place of the official code, wherever the two differ (specification G8); a row
    without labels or differences stays so. The weight, and that labels are of the video's classes
    only, are choices."""
    scale = config.schedule.epochs / EPOCHS
    first, *more = sorted({round(scale * e) for e in (200, 215, 230, 245, 270, 290)})
    epochs = (first, *more) if config.refresh_epochs else ()
    differences = any(factors[1] for _, *factors in config.phases)
    base = replace(config.base, schedule=replace(config.schedule, steps=()))
    if config.host == "rskp":
        base = replace(base, memory_index="label")
    return replace(
        config,
        base=base,
        refresh_epochs=epochs,
        temperatures=(0.1,) * len(epochs),
        train_fusion=replace(config.train_fusion, logit="score", overlap="iou"),
        label_rule=replace(config.label_rule, rows="mean"),
        label_classes="labels",
        label_background=False,
        teacher_dropout=False,
        forget=False,
        phases=((first, 1.0, -1.0 if differences else 0.0),),
        weight=1.0,
        limit=config.limit / 17,
        test_fusion=replace(config.test_fusion, logit="score", overlap="iou", temperature=0.03),
    )


def ablate(
    config: Config, linpro: bool, gauss_train: bool, delta: bool, gauss_test: bool
) -> Config:
    """A row of Table 4: which of the four components are there. Without LinPro there are no labels
    at all.
    """
    plain, nms = tuple((epoch, 1.0, 0.0) for epoch, *_ in config.phases[:1]), suppression(config)
    return replace(
        config,
        refresh_epochs=config.refresh_epochs if linpro else (),
        temperatures=config.temperatures if linpro else (),
        train_fusion=config.train_fusion if gauss_train else nms,
        phases=config.phases if delta else plain,
        test_fusion=config.test_fusion if gauss_test else nms,
    )


COMPONENTS = {
    "+ LinPro Pseudo Label Generation": (True, False, False, False),
    "+ Gaussian weighted fusion": (True, True, False, False),
    "+ delta pseudo label": (True, True, True, False),
    "+ Gaussian weighted fusion (testing)": (True, True, True, True),
}
DISTRIBUTIONS = {
    "Baseline (NMS)": "nms",
    "Uniform": "uniform",
    "Exponential": "laplace",
    "t": "t",
    "Gaussian": "gaussian",
}


def suppression(config: Config) -> FusionRule:
    """Plain NMS by the config's own overlap, in place of its fusion."""
    return replace(PLAIN_NMS, overlap=config.test_fusion.overlap)


def components(config: Config) -> dict[str, Config]:
    """Rows 2 to 5 of Table 4; row 1 is RSKP."""
    return {row: ablate(config, *there) for row, there in COMPONENTS.items()}


def distributions(config: Config, where: Literal["training", "testing"]) -> dict[str, Config]:
    """The rows of Table 3. In training: with LinPro, without delta labels, tested by NMS, which is
    what the numbers of the paper are of (its text says that LinPro is off). In testing: a host that
    has learnt without labels.
    """
    labels = where == "training"
    base, tried = (
        ablate(config, labels, labels, False, not labels),
        "train_fusion" if labels else "test_fusion",
    )
    rules = {
        row: replace(getattr(base, tried), distribution=kind) for row, kind in DISTRIBUTIONS.items()
    } | {
        "Baseline (NMS)": suppression(config)
    }  # it has no temperature, so that it is the same run everywhere
    return {row: replace(base, **{tried: rule}) for row, rule in rules.items()}


def trained_as(config: Config) -> Config:
    """The config whose training this one shares: what is done at test time only does not count."""
    return replace(config, test_fusion=suppression(config))


@dataclass(frozen=True)
class Outputs:
    """What the host `name` says, and how many epochs are done."""

    name: str
    host: Any
    epoch: int


class Network(nn.Module):
    """The host's network; GauFuse has no weights of its own."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.name = config.host
        self.host = method(config.host).Network(config.base, streams, size_in, classes, generator)
        self.register_buffer(
            "epoch", torch.zeros((), dtype=torch.int64)
        )  # kept in checkpoints with the weights

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        return Outputs(self.name, self.host(batch, generator), int(self.epoch))


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """The host's losses; with labels also "labels", their cross entropy, before its weight. "total"
    holds it all.
    """
    host = method(config.host)
    losses = dict(host.loss(outputs.host, batch, config.base))
    reached = [factors for epoch, *factors in config.phases if outputs.epoch >= epoch]
    if batch.targets is None or not reached:
        return losses | {"labels": torch.zeros_like(losses["total"])}
    (latest, before), (newest, older) = reached[-1], batch.targets
    labels = latest * newest + before * older  # Eq. 8
    losses["labels"] = sum(
        share * label_cross_entropy_per_snippet(scores, labels, batch)
        for share, scores in host_of(config.host).snippet_scores(outputs.host)
    )
    weight = min(
        config.weight * config.growth ** (outputs.epoch - config.refresh_epochs[0]), config.limit
    )
    return losses | {"total": losses["total"] + weight * losses["labels"]}


@torch.no_grad()
def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> Refreshed | None:
    """What the host does between epochs; after `refresh_epochs` also new labels beside the last
    ones (at first: zeros).
    """
    host_step = method(config.host).between_epochs
    refreshed = None
    if host_step is not None:
        refreshed = host_step(network.host, videos, config.base, epochs_done, generator)
    network.epoch.fill_(epochs_done)
    if epochs_done not in config.refresh_epochs:
        return refreshed
    teacher = deepcopy(network.host)
    forget = host_of(config.host).forget
    if config.forget and forget is not None:
        forget(network.host)
    temperature = config.temperatures[config.refresh_epochs.index(epochs_done)]
    newest, unsolved = make_labels(
        teacher, videos, config, temperature, generator if config.teacher_dropout else None
    )
    older = torch.zeros_like(newest) if videos.targets is None else videos.targets[0]
    return replace(
        refreshed or Refreshed(),
        targets=torch.stack([newest, older]),
        measures={"infeasible": unsolved},
    )


def make_labels(
    teacher: nn.Module,
    videos: Resident,
    config: Config,
    temperature: float,
    generator: torch.Generator | None,
) -> tuple[Float[Tensor, "S M J"], float]:
    """Pseudo labels of all training videos by a host's network: candidates, fused, as constraints,
    solved (Eq. 1 to 6). Also the share of the programmes, one a stream, video and class, that have
    no solution and leave labels of 0.
    """
    host, settings = host_of(config.host), replace(config.base, **dict(config.label_settings))
    parts = [
        videos.batch(range(i, min(i + VIDEOS_AT_ONCE, len(videos))))
        for i in range(0, len(videos), VIDEOS_AT_ONCE)
    ]
    outputs = [teacher(part, generator) for part in parts]
    activation = Activation.join(
        [
            host.activate(o, part, settings, config.label_background)
            for o, part in zip(outputs, parts, strict=True)
        ]
    )
    rule = replace(config.train_fusion, temperature=temperature)
    streams = host.instances(activation, videos.labels.shape[1], settings, rule)
    if config.label_classes == "labels":
        streams = [shown(found, videos.labels.cpu().numpy()) for found in streams]
    columns = host.snippet_scores(outputs[0])[0][1].shape[-1]
    made = [
        on_snippets(found, np.asarray(videos.lengths), columns, config.label_rule)
        for found in streams
    ]
    unsolved = np.concatenate([infeasible for _, infeasible in made])
    labels = torch.as_tensor(np.stack([values for values, _ in made])).to(videos.features)
    return labels, float(unsolved.sum() / max(1, len(unsolved)))


def shown(found: Instances, labels: Float[np.ndarray, "B C"]) -> Instances:
    """The instances of classes that are in their video's label; the background never is."""
    known = np.flatnonzero(found.label < labels.shape[1])
    kept = known[labels[found.video[known], found.label[known]] > 0]
    return Instances(
        *(getattr(found, name)[kept] for name in ("video", "label", "start", "end", "score"))
    )


def on_snippets(
    found: Instances,
    lengths: np.ndarray,
    columns: int,
    rule: LabelRule,
) -> tuple[Float[np.ndarray, "M J"], Bool[np.ndarray, " P"]]:
    """The labels that one stream's instances ask for, one programme a video and class; which of the
    P have no solution.
    """
    pairs, programme = np.unique(found.video * columns + found.label, return_inverse=True)
    video, label = np.divmod(pairs, columns)
    taken = lengths[video]
    solved = pseudo_labels(programme, found.start, found.end, found.score, taken, rule)
    dense = np.zeros((int(lengths.sum()), columns))
    shift = (np.cumsum(lengths) - lengths)[video] - (np.cumsum(taken) - taken)
    dense[np.arange(int(taken.sum())) + np.repeat(shift, taken), np.repeat(label, taken)] = (
        solved.values
    )
    return dense, solved.infeasible


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """The host's."""
    return method(config.host).activate(outputs.host, batch, config.base)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: the host's."""
    return method(outputs.name).signals(outputs.host)


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """The host's detections, overlapping candidates fused by `test_fusion`."""
    return host_of(config.host).localize(activation, scene, config.base, config.test_fusion)


METHOD = Method(
    name="gaufuse",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    between_epochs=between_epochs,
    training_config=trained_as,
)
