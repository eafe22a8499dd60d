"""FAC-Net's class-wise branch (CW) around any host (Huang, Wang, Li; ICCV 2021, Table 5). Read from
top to bottom.

A host is a method of this workbook. Its own class scores gather the snippets of each class, and a
foreground vector is asked which of the classes is foreground: that has to be the video's label. The
loss is added to the host's; localization is the host's. The paper prints the gain with four hosts
and says no more: how the branch is attached is a choice, and a field of `Config`.
Shapes: S streams, M snippets of a packed batch of B videos, D embedding, C classes, J = C or C + 1
scored classes with the background last. Equation numbers are FAC-Net's.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from wtal_core.checks import NonNegativeFloat, PositiveFloat
from wtal_core.errors import WorkbookError
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.models import method, method_names, stpn
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.class_wise import foreground_scores, hybrid_attention
from wtal_core.models.shared.inputs import Inputs, Refreshed
from wtal_core.models.shared.layers import xavier
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident


@dataclass(frozen=True)
class Config(MethodConfig):
    """The branch as FAC-Net has it, and what the paper leaves open for other hosts."""

    # the method it is put around; `can_host` says which can be
    host: str = "stpn"
    # the host's Config, whose schedule and inputs count
    base: MethodConfig = field(default_factory=lambda: stpn.for_plug_in(stpn.OFFICIAL))
    # weight of the branch's loss beside the host's; not stated, FAC-Net's own is 1
    lambda_cw: NonNegativeFloat = 0.1
    # temperatures of the attention, one per head; (1.0,) is plain attention
    taus: tuple[PositiveFloat, ...] = (1.0, 2.0, 5.0)
    # factor of the host's class scores before they are attention; FAC-Net's own scores are cosines
    # times 5, those of other hosts are logits
    delta: PositiveFloat = 1.0
    # scale of the cosine of video-level scores, as in FAC-Net's code
    video_scale: PositiveFloat = 10.0
    # not stated: the host's own vector where it has one, such as a linear attention; or one of the
    # branch's own, Xavier-uniform at first
    foreground: Literal["host", "own"] = "host"

    def __post_init__(self) -> None:
        super().__post_init__()
        host_of(self.host)
        if not isinstance(self.base, method(self.host).Config):
            raise WorkbookError(
                f"base of host {self.host} needs to be a models.{self.host}.Config, got "
                f"{self.base!r}"
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
    """What the branch asks of the method it is put around. Raises WorkbookError if it has not."""
    host = method(name).host if name in method_names() else None
    if host is None:
        able = ", ".join(known for known in method_names() if can_host(known))
        raise WorkbookError(f"{name} cannot host the CW branch; choose one of {able}")
    return host


def can_host(name: str) -> bool:
    """Whether a method is here and says which snippets its scores are of; those that are put around
    others do not.
    """
    return name in method_names() and method(name).host is not None


def wrap(host: str, base: MethodConfig, **changes: Any) -> Config:
    """The branch around a host as it is."""
    return Config(host, base, **changes)


OFFICIAL = Config()
QUICK = wrap("stpn", stpn.for_plug_in(stpn.QUICK))
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """What the host `name` says, and how much each class of a video is foreground: p_cw (Eq. 5)."""

    name: str
    host: Any
    p_cw: Float[Tensor, "S B J"]


class Network(nn.Module):
    """The host's network and, where the host lends no foreground vector, one of the branch's own.

    Raises WorkbookError for a host whose signals hold no embedding "x" or no scores "s_a".
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config = config
        self.host = method(config.host).Network(config.base, streams, size_in, classes, generator)
        x = self.embedding_like(streams, size_in, classes)
        self.w_f: nn.Parameter | None = None
        if config.foreground == "own" or self.lent_foreground() is None:
            first = xavier(len(x), x.shape[2], 1, generator).detach().transpose(1, 2)
            self.w_f = nn.Parameter(first.clone(memory_format=torch.contiguous_format))

    @torch.no_grad()
    def embedding_like(self, streams: int, size_in: int, classes: int) -> Float[Tensor, "S N D"]:
        """The embedding of a snippet of zeros, which has the host's streams and channels; N of it
        where the host picks more.
        """
        snippet = Packed(torch.zeros(streams, 1, size_in), (1,), torch.zeros(1, classes))
        x, _ = embedding_and_scores(self.config.host, self.host(snippet))
        return x

    def lent_foreground(self) -> Float[Tensor, "S 1 D"] | None:
        """The host's foreground vector, if it has one in the space of its embedding."""
        lend = host_of(self.config.host).foreground
        return lend(self.host) if lend else None

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """The host, and the branch on the snippets that the host has picked."""
        config = self.config
        pick = host_of(config.host).snippets
        outputs = self.host(batch, generator)
        snippets = pick(outputs, batch) if pick else batch
        x, scores = embedding_and_scores(config.host, outputs)
        w_f: Any = self.lent_foreground() if self.w_f is None else self.w_f

        attention = hybrid_attention(config.delta * scores, config.taus, snippets)  # Eq. 2
        gathered = snippets.pool(attention.flatten(2), x)  # Eq. 3
        gathered = gathered.unflatten(2, attention.shape[2:])  # (S, B, H, J, D)
        r_a = foreground_scores(gathered, w_f, config.video_scale)  # Eq. 4
        return Outputs(config.host, outputs, r_a.softmax(-1))  # Eq. 5


def embedding_and_scores(
    host: str, outputs: Any
) -> tuple[Float[Tensor, "S M D"], Float[Tensor, "S M J"]]:
    """X and S of a host: its signals "x" and "s_a". Scores that are fused over the streams have no
    embedding of their own: alone they gather the snippets of each stream, behind those of the
    streams they are left out.
    """
    signals = method(host).signals(outputs)
    missing = [name for name in ("x", "s_a") if name not in signals]
    if missing:
        raise WorkbookError(
            f"the CW branch reads its host's signals x and s_a, and {host} has no "
            f"{' and no '.join(missing)}; add it to `signals` in models/{host}.py"
        )
    x = signals["x"]
    return x, signals["s_a"][: len(x)].expand(len(x), -1, -1)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """The host's losses and "cw", summed over streams, before its weight (Eq. 6); "total" holds it
    all.

    The background, where the host scores it, is never foreground: its target is 0.
    """
    losses = method(config.host).loss(outputs.host, batch, config.base)
    columns = outputs.p_cw.shape[2] - batch.labels.shape[1]
    target = pad(batch.labels, (0, columns)).expand_as(outputs.p_cw)
    cw = normalised_cross_entropy(outputs.p_cw, target).sum(0)
    return losses | {"cw": cw, "total": losses["total"] + config.lambda_cw * cw}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The host's, and each class's foreground score tells the labels, in each stream of the host's
    embedding.
    """
    labels = supervision.labels
    bounds = method(config.host).objective(supervision, streams, config.base)
    if not config.lambda_cw:
        return bounds
    classes = labels.shape[1]
    small = Network(config, streams, 1, classes, torch.Generator())
    branches = len(small.embedding_like(streams, 1, classes))
    return *bounds, Bound(("cw",), branches * learnt_labels(labels), LABELS)


def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> Refreshed | None:
    """What the host does between epochs."""
    host_step = method(config.host).between_epochs
    if host_step is None:
        return None
    return host_step(network.host, videos, config.base, epochs_done, generator)


def trained_as(config: Config) -> Config:
    """The config whose training this one shares, by the host's own rule."""
    host_rule = method(config.host).training_config
    return replace(config, base=host_rule(config.base)) if host_rule else config


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """The host's."""
    return method(config.host).activate(outputs.host, batch, config.base)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: the host's."""
    return method(outputs.name).signals(outputs.host)


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """The host's."""
    return method(config.host).localize(activation, scene, config.base)


METHOD = Method(
    name="cw_plugin",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
    training_config=trained_as,
)
