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
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from wtal_core.checks import Finite, NonNegativeFloat, NonNegativeInt, PositiveFloat
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.localization.pseudo_labels import LabelRule, pseudo_labels
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models import method, method_names, rskp
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import chosen
from wtal_core.models.shared.inputs import Inputs, Refreshed
from wtal_core.models.shared.objective import Bound, Supervision
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident

EPOCHS = 350  # of the official schedule, in which all epochs of this file are given
VIDEOS_AT_ONCE = 32
PLAIN_NMS = FusionRule("nms", limit=0.25)
IN_TRAINING = FusionRule(limit=0.25)
AT_TEST_TIME = FusionRule(limit=0.25, temperature=0.2)
ROWS_OF_ONES = LabelRule()
STEPS = ((80, 0.8), (200, 0.4096), (245, 0.01024), (260, 0.00512))


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's settings around a host. Epochs are of the host's schedule."""

    # the method it is put around; `can_host` says which can be
    host: str = "rskp"
    # the host's Config, whose schedule and inputs count
    base: MethodConfig = field(default_factory=lambda: longer(rskp.OFFICIAL, EPOCHS))
    # after which epochs labels are made. DIFFERS: 200, 215, 230, 245, 270, 290 in the paper
    refresh_epochs: tuple[NonNegativeInt, ...] = (200, 230, 245, 260, 275, 300)
    # of the fusion, one per refresh. DIFFERS: always 0.1 in the paper
    temperatures: tuple[PositiveFloat, ...] = (0.02, 0.02, 0.02, 0.002, 0.002, 0.0016)
    # overlapping candidates of labels (Eq. 1 to 4). DIFFERS: "score" and IoU in the paper
    train_fusion: FusionRule = IN_TRAINING
    # constraints and programme (Eq. 5, 6). DIFFERS: rows of means in the paper, without bounds
    label_rule: LabelRule = ROWS_OF_ONES
    # (field of `base`, its value while labels are made)
    label_settings: tuple[tuple[str, Finite | str | None], ...] = ()
    # all classes that pass the host's threshold, or the video's. DIFFERS: "each class" in the paper
    label_classes: Literal["predicted", "labels"] = "predicted"
    # whether the background has labels where it passes the threshold. DIFFERS: not in the paper
    label_background: bool = True
    # whether labels are made with dropout on. DIFFERS: not in the paper
    teacher_dropout: bool = True
    # whether the host's memory, if it has one, is emptied before. DIFFERS: not in the paper
    forget: bool = True
    # (from epoch, factor of the latest labels, of those before): Eq. 8. DIFFERS: see `as_printed`
    phases: tuple[tuple[NonNegativeInt, Finite, Finite], ...] = (
        (201, 1.0, 0.0),
        (251, 2.0, -2.0),
        (301, 2.15, -2.15),
    )
    # differences below 0: as they are, as in the code, or 0; see `Host.negative_labels`
    negative: Literal["kept", "cut"] = "kept"
    # of the label loss at the first refresh; none in the paper
    weight: NonNegativeFloat = 10.0
    # factor of the weight per epoch; none in the paper
    growth: PositiveFloat = 1.035
    # the largest weight; none in the paper
    limit: NonNegativeFloat = 50.0
    # overlapping candidates of detections. DIFFERS: by confidence ("score"), at 0.03, in the paper
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
                f"epochs; give one each"
            )
        if list(self.refresh_epochs) != sorted(set(self.refresh_epochs)):
            raise WorkbookError(
                f"refresh epochs {self.refresh_epochs} do not increase; give each once, in order"
            )

    # read-only, as the fields of a frozen dataclass are
    @property
    def schedule(self) -> Schedule:  # type: ignore[override]
        """The host's."""
        return self.base.schedule

    @property
    def inputs(self) -> Inputs:  # type: ignore[override]
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
    `label_settings` what differs while it makes labels, and which labels it bears.
    """
    pieces = host_of(host)
    default = Config(
        host, base, label_settings=pieces.label_settings, negative=pieces.negative_labels
    )
    scale = base.schedule.epochs / EPOCHS
    temperatures = {}
    for epoch, temperature in zip(default.refresh_epochs, default.temperatures, strict=True):
        temperatures[round(scale * epoch)] = temperature
    phases = tuple(
        (round(scale * epoch), latest, before) for epoch, latest, before in default.phases
    )
    config = replace(
        default,
        refresh_epochs=tuple(temperatures),
        temperatures=tuple(temperatures.values()),
        phases=phases,
        growth=default.growth ** (1 / scale),
    )
    return replace(config, **changes)


def longer(config: rskp.Config, epochs: int) -> rskp.Config:
    """RSKP as GauFuse trains and reads it: more epochs and, DIFFERS: not in the paper, a falling
    rate, one class's memory, other constants of inference."""
    scale = epochs / EPOCHS
    schedule = replace(
        config.schedule,
        epochs=epochs,
        steps=tuple((epoch / EPOCHS, factor) for epoch, factor in STEPS),
        evaluations=round(epochs / config.schedule.epochs * config.schedule.evaluations),
    )
    first_weight = config.spl_weights[0][1]
    weights = ((0, first_weight), (config.warm_up, 0.5), (round(201 * scale), 1.0))
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


LABELLING = {"label_settings": (("cas_mix", 0.8),)}
OFFICIAL = wrap("rskp", longer(rskp.OFFICIAL, EPOCHS), **LABELLING)
QUICK = wrap("rskp", longer(rskp.QUICK, 70), **LABELLING)


def as_printed(config: Config) -> Config:
    """The paper in place of the official code, wherever the two differ; a row without labels or
    differences stays so. The weight, and that labels are of the video's classes only, are choices.
    """
    scale = config.schedule.epochs / EPOCHS
    printed = sorted({round(scale * epoch) for epoch in (200, 215, 230, 245, 270, 290)})
    epochs = tuple(printed) if config.refresh_epochs else ()
    differences = any(before for _, _, before in config.phases)
    host = method(config.host)
    base = host.configure(config.base, schedule=replace(config.schedule, steps=()))
    if config.host == "rskp":
        base = host.configure(base, memory_index="label")
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
        phases=((printed[0], 1.0, -1.0 if differences else 0.0),),
        weight=1.0,
        limit=min(config.limit, Config.limit / 17),
        test_fusion=replace(config.test_fusion, logit="score", overlap="iou", temperature=0.03),
    )


PROFILES = {"official": OFFICIAL, "printed": as_printed(OFFICIAL), "quick": QUICK}


def in_batches(config: Config, videos: int) -> Config:
    """The same with so many videos per step."""
    schedule = replace(config.base.schedule, batch_size=videos)
    return replace(config, base=method(config.host).configure(config.base, schedule=schedule))


# Section 4.2: "10 and 128"; nothing else is printed of ActivityNet
ACTIVITYNET = {"printed": in_batches(PROFILES["printed"], 128)}


def ablate(
    config: Config, linpro: bool, gauss_train: bool, delta: bool, gauss_test: bool
) -> Config:
    """A row of Table 4: which of the four components are there. Without LinPro there are no labels
    at all.
    """
    plain = tuple((epoch, 1.0, 0.0) for epoch, _, _ in config.phases[:1])
    nms = suppression(config)
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
DISTRIBUTIONS: dict[str, Literal["gaussian", "uniform", "laplace", "t", "nms"]] = {
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
    return {row: ablate(config, *present) for row, present in COMPONENTS.items()}


def distributions(config: Config, where: Literal["training", "testing"]) -> dict[str, Config]:
    """The rows of Table 3. In training: with LinPro, without delta labels, tested by NMS, which is
    what the numbers of the paper are of (its text says that LinPro is off). In testing: a host that
    has learnt without labels.
    """
    if where == "training":
        start = ablate(config, linpro=True, gauss_train=True, delta=False, gauss_test=False)
        fusion = start.train_fusion
    else:
        start = ablate(config, linpro=False, gauss_train=False, delta=False, gauss_test=True)
        fusion = start.test_fusion
    rows = {}
    for row, distribution in DISTRIBUTIONS.items():
        rule = replace(fusion, distribution=distribution)
        if distribution == "nms":
            rule = suppression(config)  # without a temperature, it is the same run everywhere
        if where == "training":
            rows[row] = replace(start, train_fusion=rule)
        else:
            rows[row] = replace(start, test_fusion=rule)
    return rows


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

    epoch: Int[Tensor, ""]

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.name = config.host
        self.host = method(config.host).Network(config.base, streams, size_in, classes, generator)
        # a buffer lies in checkpoints, with the weights
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        return Outputs(self.name, self.host(batch, generator), int(self.epoch))


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """The host's losses; with labels also "labels", their cross entropy, before its weight. "total"
    holds it all.
    """
    losses = method(config.host).loss(outputs.host, batch, config.base)
    total = losses["total"]
    label_loss = torch.zeros_like(total)
    reached = [phase for phase in config.phases if outputs.epoch >= phase[0]]
    host = host_of(config.host)
    snippets = host.snippets(outputs.host, batch) if host.snippets else batch
    if snippets.targets is not None and reached:
        newest, older = snippets.targets
        _, latest, before = reached[-1]
        labels = latest * newest + before * older  # Eq. 8
        if config.negative == "cut":
            labels = labels.clamp_min(0)
        for share, scores in host.snippet_scores(outputs.host):
            # labels of the streams' mean, or of one network for all, are those of each stream
            own = labels.expand(len(scores), -1, -1)
            label_loss = label_loss + share * label_cross_entropy(scores, own, snippets)
        since_first = outputs.epoch - config.refresh_epochs[0]
        weight = min(config.weight * config.growth**since_first, config.limit)
        total = total + weight * label_loss
    return losses | {"labels": label_loss, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The host's. The loss of pseudo labels has no bound: they are of the host's own making."""
    return method(config.host).objective(supervision, streams, config.base)


def label_cross_entropy(
    logits: Float[Tensor, "S M K"],
    labels: Float[Tensor, "S M K"],
    batch: Packed,
) -> Float[Tensor, " B"]:
    """−(1 / T) Σ_t Σ_j ℓ_tj log softmax(s_t)_j of each video, summed over streams; 0 for a video
    without snippets.

    logits: K class scores of the M snippets of a packed batch, the background among them. labels:
    constants, taken as they
    are: neither normalised nor cut at 0, as the differences of two pseudo labels may be negative
    (Eq. 8), and then so may
    be the loss. Source: GauFuse, `utils/utils.py:397-403`.
    """
    return mean_over_time(-(labels * logits.log_softmax(-1)).sum((0, 2)), batch)


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
    dropout = generator if config.teacher_dropout else None
    newest, unsolved = make_labels(teacher, videos, config, temperature, dropout)
    older = torch.zeros_like(newest) if videos.targets is None else videos.targets[0]
    return replace(
        refreshed or Refreshed(),
        targets=torch.stack([newest, older]),
        measures={"infeasible": unsolved},
    )


def make_labels(
    teacher: Any,
    videos: Resident,
    config: Config,
    temperature: float,
    generator: torch.Generator | None,
) -> tuple[Float[Tensor, "S M J"], float]:
    """Pseudo labels of all training videos by a host's network: candidates, fused, as constraints,
    solved (Eq. 1 to 6). Also the share of the programmes that have no solution and leave labels of
    0; there is one per stream, video and class.
    """
    host = host_of(config.host)
    settings = method(config.host).configure(config.base, **dict(config.label_settings))
    teacher.config = settings  # such as: no crops, so that it sees all that labels are of
    activations = []
    for first in range(0, len(videos), VIDEOS_AT_ONCE):
        part = videos.batch(range(first, min(first + VIDEOS_AT_ONCE, len(videos))))
        outputs = teacher(part, generator)
        activations.append(host.activate(outputs, part, settings, config.label_background))
    activation = Activation.join(activations)
    columns = host.snippet_scores(outputs)[0][1].shape[-1]
    rule = replace(config.train_fusion, temperature=temperature)
    classes = videos.labels.shape[1]
    labels = []
    infeasible = []
    for instances in host.instances(activation, classes, settings, rule):
        # a host that picks its snippets says where actions are among those it has picked
        instances = instances.rescaled(activation.lengths, videos.lengths)
        instances = with_snippets(instances, config.label_rule.snap)
        if config.label_classes == "labels":
            instances = of_labels(instances, videos.labels.cpu().numpy())
        dense, unsolved = on_snippets(
            instances, np.asarray(videos.lengths), columns, config.label_rule
        )
        labels.append(dense)
        infeasible.append(unsolved)
    unsolved = np.concatenate(infeasible)
    share = float(unsolved.sum() / max(1, len(unsolved)))
    return torch.as_tensor(np.stack(labels)).to(videos.labels), share


def with_snippets(instances: Instances, snap: float) -> Instances:
    """The instances that hold a snippet once their borders are cut to integers, see `LabelRule`. On
    a grid finer than snippets there are others, and no label of a snippet could give one its score.
    """
    longer = np.trunc(instances.end + snap) > np.trunc(instances.start + snap)
    return chosen(instances, np.flatnonzero(longer))


def of_labels(instances: Instances, labels: Float[np.ndarray, "B C"]) -> Instances:
    """The instances of classes that are in their video's label; the background never is."""
    known = np.flatnonzero(instances.label < labels.shape[1])
    is_labelled = labels[instances.video[known], instances.label[known]] > 0
    return chosen(instances, known[is_labelled])


def on_snippets(
    instances: Instances,
    lengths: np.ndarray,
    columns: int,
    rule: LabelRule,
) -> tuple[Float[np.ndarray, "M J"], Bool[np.ndarray, " P"]]:
    """The labels that one stream's instances ask for, one programme per video and class; which of
    the P have no solution.
    """
    pairs, programme = np.unique(instances.video * columns + instances.label, return_inverse=True)
    video, label = np.divmod(pairs, columns)
    sizes = lengths[video]  # snippets of each programme
    solved = pseudo_labels(programme, instances.start, instances.end, instances.score, sizes, rule)
    shift = (np.cumsum(lengths) - lengths)[video] - (np.cumsum(sizes) - sizes)
    snippet = np.arange(int(sizes.sum())) + np.repeat(shift, sizes)
    dense = np.zeros((int(lengths.sum()), columns))
    dense[snippet, np.repeat(label, sizes)] = solved.values
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
    benchmarks={"activitynet1.3": ACTIVITYNET},
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
    training_config=trained_as,
)
