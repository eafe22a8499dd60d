"""From tensors to what localization works on."""

import numpy as np
from jaxtyping import Float
from torch import Tensor


def as_array(values: Tensor) -> Float[np.ndarray, "..."]:
    """The values in double precision on the CPU, without their gradients."""
    return values.detach().double().cpu().numpy()
