"""What a method of the workbook is: one typed thing, checked when it is defined.

A file of this folder ends with `METHOD = Method(...)`. C stands for its Config, O for what its
Network returns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from inspect import signature
from typing import Any, Generic, Literal, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn

from wtal_core.checks import Checked, hints_of
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.inputs import Inputs, Refreshed
from wtal_core.models.shared.objective import Bound, Supervision
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident

NOT_GIVEN: Any = None  # a piece that a method has to have; its absence is refused by name
PROFILES = ("official", "printed", "quick")
PROFILES_ASKED = ("official", "quick")  # of every method; "printed" where the paper's text differs
HOME = "thumos14"  # the data set of `Method.profiles`
ARGUMENTS = {  # what each function is called with
    "loss": ("outputs", "batch", "config"),
    "activate": ("outputs", "batch", "config"),
    "localize": ("activation", "scene", "config"),
    "signals": ("outputs",),
    "objective": ("supervision", "streams", "config"),
    "between_epochs": ("network", "videos", "config", "epochs_done", "generator"),
    "training_config": ("config",),
}
HOST_ARGUMENTS = {
    "snippets": ("outputs", "batch"),
    "instances": ("activation", "classes", "config", "suppression"),
    "snippet_scores": ("outputs",),
    "activate": ("outputs", "batch", "config", "background"),
    "localize": ("activation", "scene", "config", "suppression"),
    "forget": ("network",),
    "foreground": ("network",),
}
OPTIONAL = {"between_epochs", "training_config", "forget", "snippets", "foreground"}


class MethodConfig(Checked):
    """What the Config of every method inherits: its fields are checked when one is made.

    A Config is a frozen dataclass. It has a field `schedule`, and a field `inputs` where its
    network takes clicks or videos of one length.
    """

    schedule: Schedule
    inputs: Inputs = Inputs()

    @classmethod
    def owner(cls) -> str:
        """The method: the name of its file."""
        return cls.__module__.rpartition(".")[2]


C = TypeVar("C", bound=MethodConfig)
O = TypeVar("O")  # noqa: E741  outputs


@dataclass(frozen=True, kw_only=True)
class Host(Generic[C, O]):
    """What a plug-in asks of a method that it is put around; `Method` checks it. GauFuse asks for
    all but `foreground`; FAC-Net's CW branch for `snippets`, `foreground` and the signals "x"
    (S, M, D) and "s_a" (S, M, J).
    """

    __no_type_check__ = True  # as in `Checked`

    # proposals of each stream, overlapping ones settled by a rule (None: the method's own)
    instances: Callable[[Activation, int, C, FusionRule | None], list[Instances]] = NOT_GIVEN
    # scores (S, M, J) that pseudo labels are compared with, each with its share
    snippet_scores: Callable[[O], list[tuple[float, Tensor]]] = NOT_GIVEN
    # as the method's own; True adds a column of the background, where the network has one
    activate: Callable[[O, Packed, C, bool], Activation] = NOT_GIVEN
    # as the method's own, with a rule for overlapping proposals
    localize: Callable[[Activation, Scene, C, FusionRule | None], pd.DataFrame] = NOT_GIVEN
    # fields of the Config that differ while labels are made; None switches off, as a crop
    label_settings: tuple[tuple[str, float | str | None], ...] = ()
    # differences of labels below 0 (GauFuse, Eq. 8): "kept" where scores are bounded, as cosines
    # are; "cut" where no scores are low enough for them, and training would run away
    negative_labels: Literal["kept", "cut"] = "kept"
    # the snippets that the scores are of, where training crops or picks some of the batch
    snippets: Callable[[O, Packed], Packed] | None = None
    # empties the network's memory, where it has one
    forget: Callable[[Any], None] | None = None
    # the network's vector (S, 1, D) that foreground snippets are like in the embedding "x", if any
    foreground: Callable[[Any], Tensor | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Method(Generic[C, O]):
    """All that a method has. Raises WorkbookError, naming method and piece, where one is missing or
    cannot be what it has to be.
    """

    __no_type_check__ = True  # as in `Checked`

    name: str
    Config: type[C] = NOT_GIVEN
    # settings for THUMOS14: "official", the authors' code, or the paper where there is no code;
    # "printed", the paper's text, where it differs; and "quick", a small network for any data set
    profiles: Mapping[str, C] = NOT_GIVEN
    # published settings for other benchmarks: data set -> "official" or "printed" -> Config
    benchmarks: Mapping[str, Mapping[str, C]] = field(default_factory=dict)
    # built from (config, streams, size_in, classes, generator), called with (batch, generator)
    Network: type[nn.Module] = NOT_GIVEN
    # terms and their sum "total", one value per video
    loss: Callable[[O, Packed, C], dict[str, Tensor]] = NOT_GIVEN
    # what localization works on
    activate: Callable[[O, Packed, C], Activation] = NOT_GIVEN
    # detections `video, label, t_start, t_end, score`
    localize: Callable[[Activation, Scene, C], pd.DataFrame] = NOT_GIVEN
    # what the losses reach at best without what the method adds: what the training is told of its
    # videos, number of streams -> bounds, see `shared/objective.py`
    objective: Callable[[Supervision, int, C], tuple[Bound, ...]] = NOT_GIVEN
    # what figures draw, by name; a host also has its embedding "x" and its class scores "s_a"
    signals: Callable[[O], dict[str, Tensor]] = NOT_GIVEN
    # what the method itself makes of the training videos after an epoch
    between_epochs: Callable[[Any, Resident, C, int, torch.Generator], Refreshed | None] | None = (
        None
    )
    # the config whose training another one shares, where they differ at test time only
    training_config: Callable[[C], C] | None = None
    # None: no plug-in can be put around it
    host: Host[C, O] | None = None

    def __post_init__(self) -> None:
        self._check_config()
        if not isinstance(self.Network, type) or not issubclass(self.Network, nn.Module):
            self._refuse("Network", self.Network, "a torch.nn.Module class")
        self._check_functions(vars(self), ARGUMENTS, "")
        if self.host is not None:
            self._check_host(self.host)

    def _check_config(self) -> None:
        is_config = isinstance(self.Config, type) and issubclass(self.Config, MethodConfig)
        if not is_config or "__dataclass_fields__" not in vars(self.Config):
            self._refuse("Config", self.Config, "a frozen dataclass that inherits MethodConfig")
        profiles = self.profiles if isinstance(self.profiles, Mapping) else {}
        for profile in (*PROFILES_ASKED, *profiles):
            config = profiles.get(profile)
            if profile not in PROFILES or not isinstance(config, self.Config):
                self._refuse(f"profiles[{profile!r}]", config, f"a {self.name}.Config")
        for dataset, published in self.benchmarks.items():
            for profile, config in published.items():
                if profile == "quick" or not isinstance(config, self.Config):
                    piece = f"benchmarks[{dataset!r}][{profile!r}]"
                    self._refuse(piece, config, f"an official or printed {self.name}.Config")

    def _check_host(self, host: Host[C, O]) -> None:
        if not isinstance(host, Host):
            self._refuse("host", host, "a Host or None")
        self._check_functions(vars(host), HOST_ARGUMENTS, "host.")
        if host.negative_labels not in ("kept", "cut"):
            self._refuse("host.negative_labels", host.negative_labels, "'kept' or 'cut'")
        for setting, _ in host.label_settings:
            if setting not in self.settings():
                self._refuse("host.label_settings", setting, f"fields of {self.name}.Config")

    def _check_functions(
        self, pieces: Mapping[str, Any], arguments: Mapping[str, tuple[str, ...]], prefix: str
    ) -> None:
        """Each function is there, and can be called with its arguments."""
        for piece, names in arguments.items():
            function = pieces[piece]
            if function is None and piece in OPTIONAL:
                continue
            if not callable(function) or not takes(function, len(names)):
                self._refuse(prefix + piece, function, f"a function of ({', '.join(names)})")

    def _refuse(self, piece: str, value: object, expected: str) -> None:
        state = "is missing" if value is None else f"is {value!r}"
        raise WorkbookError(f"method {self.name}: {piece} {state}; expected {expected}")

    def config_for(self, profile: str, dataset: str) -> tuple[C, str]:
        """The settings of a profile on a data set, and what to say of them: "" where they are
        published for it, else what is taken in their place.

        Raises WorkbookError for an unknown profile.
        """
        if profile not in PROFILES:
            raise WorkbookError(f"unknown profile {profile!r}; expected {', '.join(PROFILES)}")
        if profile == "quick":
            return self.profiles["quick"], ""
        published = {HOME: self.profiles, **self.benchmarks}
        notes = []
        if dataset not in published:
            notes.append(f"no published setting for {dataset}, those for {HOME} are taken")
        settings = published.get(dataset, self.profiles)
        if profile not in settings:
            taken = "the official one" if "official" in settings else f"that for {HOME}"
            notes.append(f"no {profile} setting of its own, {taken} is taken")
        note = f"{self.name}: {'; '.join(notes)}" if notes else ""
        return settings.get(profile, settings.get("official", self.profiles["official"])), note

    def settings(self) -> list[str]:
        """The names of the Config's fields."""
        return list(hints_of(self.Config))

    def configure(self, base: C, **changes: Any) -> C:
        """`base` with changes. Raises WorkbookError for a name that is no field, with the nearest
        ones that are, and for a value that is not allowed.
        """
        known = self.settings()
        for name in changes:
            if name not in known:
                near = get_close_matches(name, known)
                remedy = f"choose one of {', '.join(known)}"
                if near:
                    remedy = f"did you mean {' or '.join(near)}?"
                raise WorkbookError(f"{self.name} has no setting {name!r}; {remedy}")
        return replace(base, **changes)


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments by position."""
    try:
        signature(function).bind(*range(count))
    except TypeError:
        return False
    return True
