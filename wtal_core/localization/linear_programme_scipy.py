"""Linear programmes one at a time, by SciPy.

Corners of the optimal face, and the nearest right-hand sides that can be met.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from wtal_core.localization.linear_programme import Programmes, Solutions


def corners(programmes: Programmes) -> Solutions:
    """A corner of each optimal face, by HiGHS's dual simplex.

    `linprog` gives it by default since SciPy 1.9.
    Which corner, if there are many, is up to SciPy's version. Infeasible programmes: 0.
    """
    from scipy.optimize import linprog

    values = np.zeros(programmes.size.shape)
    feasible = np.zeros(len(programmes.size), dtype=bool)
    for k, real in enumerate(programmes.size > 0):
        size = programmes.size[k, real]
        if not real.any():
            feasible[k] = not programmes.target[k].any()
            continue
        optimum = linprog(
            size,
            A_eq=programmes.rows[k][:, real] * size,
            b_eq=programmes.target[k],
            bounds=(0, 1),
            method="highs-ds",
        )
        if optimum.status == 0 and optimum.x is not None:
            feasible[k] = True
            values[k, real] = np.clip(optimum.x, 0, 1)
    return Solutions(values, feasible)


def evened(programmes: Programmes, values: Float[np.ndarray, "B G"]) -> Float[np.ndarray, "B G"]:
    """Values with those of equal columns replaced by their mean.

    This changes neither equations nor sum.
    Source: GauFuse, section 3.2, last paragraph; not in the official code.
    """
    result = np.zeros(values.shape)
    for k, real in enumerate(programmes.size > 0):
        size = programmes.size[k, real]
        group = np.unique(programmes.rows[k][:, real], axis=1, return_inverse=True)[1].reshape(-1)
        mean = np.bincount(group, size * values[k, real]) / np.bincount(group, size)
        result[k, real] = mean[group]
    return result


def with_nearest_targets(
    programmes: Programmes, which: Bool[np.ndarray, " B"]
) -> tuple[Programmes, Float[np.ndarray, "B G"]]:
    """The programmes with the nearest targets that values in [0, 1] reach, and such values.

    which: the programmes whose targets are moved.
    Targets are unique; values are not. Of the others, targets stay, and the values returned are 0.
    """
    from scipy.optimize import lsq_linear

    target = programmes.target.copy()
    values = np.zeros(programmes.size.shape)
    for k in np.flatnonzero(which):
        matrix = programmes.rows[k] * programmes.size[k]
        values[k] = np.clip(lsq_linear(matrix, target[k], (0, 1), method="bvls").x, 0, 1)
        target[k] = matrix @ values[k]
    return replace(programmes, target=target), values
