"""One step of training, taken apart: the loss terms, how hard each pulls at each part of the
network, and what the step does to them.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from wtal_core.models import method
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Step:
    """before, after: the terms, one row per video. gradients: Euclidean norms, one row per term,
    one column per part of the network.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    gradients: pd.DataFrame

    @property
    def mean(self) -> pd.DataFrame:
        """Each term before and after, the mean over the videos."""
        return pd.DataFrame({"before": self.before.mean(), "after": self.after.mean()})


def first_step(
    method_name: str, network: nn.Module, batch: Packed, config: Any, seed: int | None = None
) -> Step:
    """The step that a training would take on this batch; of a copy, so that the network stays as it
    is.

    seed: switches on what the network does in training only, as dropout; each time it draws the
    same. None: off.
    """
    pupil = deepcopy(network).requires_grad_(True)

    def losses() -> dict[str, Tensor]:
        draw = () if seed is None else (torch.Generator().manual_seed(seed),)
        return method(method_name).loss(pupil(batch, *draw), batch, config)

    with torch.enable_grad():  # the caller may have switched it off
        terms = losses()
        gradients = gradient_norms(pupil, {name: value.mean() for name, value in terms.items()})
        optimizer = config.schedule.optimizer(pupil)
        config.schedule.reduce(losses()["total"]).backward()
        optimizer.step()
        changed = losses()
    return Step(_by_video(terms), _by_video(changed), gradients)


def gradient_norms(network: nn.Module, terms: Mapping[str, Tensor]) -> pd.DataFrame:
    """Norm of the gradient of each term by each part of a network: one row per term, one column per
    module or parameter that the network holds by name; 0 where a term does not reach it.
    """
    named = list(network.named_parameters())
    lines = {}
    for name, term in terms.items():
        squares: dict[str, float] = {}
        gradients: tuple[Tensor | None, ...] = (None,) * len(named)
        if term.requires_grad:
            parameters = [parameter for _, parameter in named]
            gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        for (place, _), gradient in zip(named, gradients, strict=True):
            part = place.split(".")[0]
            square = 0.0 if gradient is None else float(gradient.square().sum())
            squares[part] = squares.get(part, 0.0) + square
        lines[name] = {part: square**0.5 for part, square in squares.items()}
    return pd.DataFrame(lines).T


def _by_video(terms: Mapping[str, Tensor]) -> pd.DataFrame:
    return pd.DataFrame({name: value.detach().cpu().numpy() for name, value in terms.items()})
