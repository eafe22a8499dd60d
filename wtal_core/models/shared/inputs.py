"""What a network is given of a video, beside its features and labels: clicks, and a length that all
videos are brought to.
"""

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from wtal_core.checks import Checked, PositiveInt


@dataclass(frozen=True)
class Inputs(Checked):
    """A method's Config holds one as `inputs`; a method without takes the features as they are, and
    no clicks.

    clicks: which single-frame clicks of the training videos are shown; "both" are action and
    background clicks.
    annotator: of several published files, that number, from 1; "seed": file seed modulo their
    number; "video": one drawn
        for each video, as SF-Net does.
    click_map: the snippet that holds the click's time ("floor"), the one whose begin is nearest
    ("round"), or all that
        overlap the interval that the annotator marked ("interval").
    counts: whether the number of instances of each class in a training video is told, as 3C-Net
        asks.
    length: snippets that every video is brought to by linear interpolation, None: as they come.
    align: where the interpolation takes snippets to lie: their centres ("half_pixel"), first and
    last on the outermost
        ("corners"), or their begins ("left").
    """

    clicks: Literal["none", "background", "action", "both"] = "none"
    annotator: PositiveInt | Literal["seed", "video"] = "seed"
    click_map: Literal["floor", "round", "interval"] = "floor"
    counts: bool = False
    length: PositiveInt | None = None
    align: Literal["half_pixel", "corners", "left"] = "half_pixel"


@dataclass(frozen=True)
class Refreshed:
    """What a method's `refresh` returns: new click targets or pseudo labels of all training videos
    (None: those of before), see `packed.Packed`; whether training begins anew; and numbers for the
    epoch's entry in the history.
    """

    clicks: Float[Tensor, "M J"] | None = None
    targets: Float[Tensor, "N S M J"] | None = None
    restart: bool = False
    measures: dict[str, float] = field(default_factory=dict)
