"""Many small linear programmes at once, by the homogeneous central path.

Exact to rounding, whatever else is in the batch.
min sum_g size_g y_g,  sum_g size_g rows_ig y_g = target_i,  0 <= y_g <= 1: each y stands for `size`
equal unknowns.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Num

SETTLED = 1e-8  # relative residuals and gap at which a programme is solved, as in SciPy
DEPENDENT = 1e-9  # share of a row that other rows leave over; what they leave over of its target
RIDGE = 1e-14  # relative; keeps the normal matrix regular where the optimum is degenerate
TO_THE_WALL = 0.99995  # share of the way to the nearest bound that a step goes
MOST_STEPS = 100  # 5 to 12 are usual

Record = TypeVar("Record", "Programmes", "_Point", "_Residual")


@dataclass(frozen=True)
class Programmes:
    """B programmes of at most m equations in at most G unknowns.

    Padding: equations of zeros, unknowns of size 0.
    rows: coefficients. size: how many equal unknowns each one stands for. target: right-hand sides.
    """

    rows: Float[np.ndarray, "B m G"]
    size: Float[np.ndarray, "B G"]
    target: Float[np.ndarray, "B m"]


@dataclass(frozen=True)
class Solutions:
    """values: y in [0, 1], 0 where the size is 0 and in infeasible programmes.

    feasible: whether there is one.
    """

    values: Float[np.ndarray, "B G"]
    feasible: Bool[np.ndarray, " B"]


@dataclass(frozen=True)
class _Point:
    """Where B paths are, or the direction of a step.

    primal: y and its distance to 1, both times tau; dual: their multipliers. row_price, wall_price:
    multipliers of the equations and of "y and its distance add up to 1". tau, kappa: the
    homogeneous pair; kappa stays where nothing is feasible.
    """

    primal: Float[np.ndarray, "B 2 G"]
    dual: Float[np.ndarray, "B 2 G"]
    row_price: Float[np.ndarray, "B m"]
    wall_price: Float[np.ndarray, "B G"]
    tau: Float[np.ndarray, " B"]
    kappa: Float[np.ndarray, " B"]


@dataclass(frozen=True)
class _Residual:
    """What is missing to the homogeneous equations.

    rows, walls, dual, gap: of the equations of that name.
    mu: mean of the products.
    """

    rows: Float[np.ndarray, "B m"]
    walls: Float[np.ndarray, "B G"]
    dual: Float[np.ndarray, "B 2 G"]
    gap: Float[np.ndarray, " B"]
    mu: Float[np.ndarray, " B"]


def solve(programmes: Programmes) -> Solutions:
    """The end of the central path of each programme, which starts at 1.

    Unknowns with equal columns get equal values.
    Where the optimum is not unique, this is a point inside the optimal face, not a corner of it.
    Unless an equation asks for one snippet alone, it is the one that SciPy's former default
    reached: `linprog(method="interior-point")` before 1.9, which GauFuse used, follows the same
    path with one unknown a snippet. Infeasible programmes, and those whose path does not arrive,
    are 0 and not feasible. A programme gives the same bits alone and in a batch of the same m and
    G.
    Source: Andersen and Andersen, The MOSEK interior point optimizer for linear programming, 2000,
    sections 4 and 8.
    """
    in_use = np.where(programmes.rows.any(1), programmes.size, 0)  # what no equation asks for is 0
    programmes, consistent = _independent(replace(programmes, size=in_use))
    values, feasible = np.zeros(programmes.size.shape), np.zeros(len(consistent), dtype=bool)
    left, programmes = np.flatnonzero(consistent), _take(programmes, consistent)
    point = _start(programmes)
    scale = _norms(programmes, _residual(programmes, point))
    for _ in range(MOST_STEPS):
        residual = _residual(programmes, point)
        arrived, lost = _verdict(programmes, point, residual, scale)
        if arrived.any():
            values[left[arrived]] = _polished(_take(programmes, arrived), _take(point, arrived))
            feasible[left[arrived]] = True
        going = ~(arrived | lost)
        if not going.any():
            break
        left, scale, programmes = left[going], scale[going], _take(programmes, going)
        point = _step(programmes, _take(point, going), _take(residual, going))
    return Solutions(values, feasible)


def _take(record: Record, which: Bool[np.ndarray, " B"]) -> Record:
    return type(record)(*(getattr(record, field.name)[which] for field in fields(record)))


def _dot(a: Num[np.ndarray, "B n"], b: Num[np.ndarray, "B n"]) -> Num[np.ndarray, " B"]:
    return (a * b).sum(1)


def _times(
    matrix: Float[np.ndarray, "B n k"], vector: Float[np.ndarray, "B k"]
) -> Float[np.ndarray, "B n"]:
    return (matrix @ vector[:, :, None])[:, :, 0]


def _transposed(matrix: Float[np.ndarray, "B n k"]) -> Float[np.ndarray, "B k n"]:
    return np.swapaxes(matrix, 1, 2)


def _independent(programmes: Programmes) -> tuple[Programmes, Bool[np.ndarray, " B"]]:
    """The programmes with rows that follow from earlier ones set to 0.

    Also whether the targets of these rows follow, too.
    Elimination on the normal matrix, scaled to a diagonal of 1; a pivot is the squared share of a
    row that is new.
    """
    rows, target = programmes.rows, programmes.target
    normal = (rows * programmes.size[:, None]) @ _transposed(rows)
    length = np.sqrt(np.diagonal(normal, axis1=1, axis2=2))
    unit = 1 / np.where(length > 0, length, 1)
    normal, rest = normal * unit[:, :, None] * unit[:, None], target * unit
    redundant, consistent = np.zeros(target.shape, dtype=bool), np.ones(len(rows), dtype=bool)
    for k in range(target.shape[1]):
        pivot = normal[:, k, k]
        redundant[:, k] = pivot <= DEPENDENT
        consistent &= ~redundant[:, k] | (np.abs(rest[:, k]) <= DEPENDENT * unit[:, k])
        factor = np.where(
            redundant[:, k, None],
            0,
            normal[:, :, k] / np.where(pivot > DEPENDENT, pivot, 1)[:, None],
        )
        rest = rest - factor * rest[:, k, None]
        normal = normal - factor[:, :, None] * normal[:, None, k]
    kept = replace(
        programmes,
        rows=np.where(redundant[:, :, None], 0, rows),
        target=np.where(redundant, 0, target),
    )
    return kept, consistent


def _start(programmes: Programmes) -> _Point:
    """All at 1, and no prices."""
    one, zero = np.ones(len(programmes.size)), np.zeros(programmes.size.shape)
    ones = np.ones((len(one), 2, programmes.size.shape[1]))
    return _Point(ones, ones, np.zeros(programmes.target.shape), zero, one, one)


def _worth(
    programmes: Programmes,
    row_price: Float[np.ndarray, "B m"],
    wall_price: Float[np.ndarray, "B G"],
) -> Float[np.ndarray, " B"]:
    """Dual objective of prices: targets, and the 1 of every wall."""
    return _dot(programmes.target, row_price) + _dot(programmes.size, wall_price)


def _residual(programmes: Programmes, at: _Point) -> _Residual:
    rows, size, tau = programmes.rows, programmes.size, at.tau[:, None]
    y, distance = at.primal[:, 0], at.primal[:, 1]
    dual = -at.dual - at.wall_price[:, None]
    dual[:, 0] += tau - _times(_transposed(rows), at.row_price)
    products = _dot(size, (at.primal * at.dual).sum(1)) + at.tau * at.kappa
    return _Residual(
        rows=programmes.target * tau - _times(rows, size * y),
        walls=tau - y - distance,
        dual=dual,
        gap=_dot(size, y) - _worth(programmes, at.row_price, at.wall_price) + at.kappa,
        mu=products / (2 * size.sum(1) + 1),
    )


def _norms(programmes: Programmes, residual: _Residual) -> Float[np.ndarray, "B 4"]:
    """Lengths of the primal, dual and gap residuals, and mu."""
    size = programmes.size
    primal = np.sqrt(_dot(residual.rows, residual.rows) + _dot(size, residual.walls**2))
    dual = np.sqrt(_dot(size, (residual.dual**2).sum(1)))
    return np.stack((primal, dual, np.abs(residual.gap), residual.mu), axis=1)


def _verdict(
    programmes: Programmes,
    at: _Point,
    residual: _Residual,
    scale: Float[np.ndarray, "B 4"],
) -> tuple[Bool[np.ndarray, " B"], Bool[np.ndarray, " B"]]:
    """Whether each path has arrived, and whether it is lost.

    It is lost where tau vanishes (infeasible) or numbers are no longer finite.
    scale: the norms at the start; residuals are measured against them, if above 1.
    """
    norms = _norms(programmes, residual)
    size = norms / np.maximum(scale, (1, 1, 1, 0))
    worth = _worth(programmes, at.row_price, at.wall_price)
    gap = np.abs(_dot(programmes.size, at.primal[:, 0]) - worth) / (at.tau + np.abs(worth))
    arrived = (size[:, 0] <= SETTLED) & (size[:, 1] <= SETTLED) & (gap <= SETTLED)
    vanished = (size[:, :3] < SETTLED).all(1) & (at.tau < SETTLED * np.maximum(1, at.kappa))
    vanished |= (size[:, 3] < SETTLED) & (at.tau < SETTLED * np.minimum(1, at.kappa))
    lost = (vanished | ~np.isfinite(norms).all(1)) & ~arrived
    return arrived, lost


class _Newton:
    """The linear equations of a step, A being the rows and the walls.

    Walls are eliminated, and with them all but m unknowns.
    """

    def __init__(self, programmes: Programmes, ratio: Float[np.ndarray, "B 2 G"]):
        """ratio: primal / dual where the step begins."""
        self._rows, self._ratio = programmes.rows, ratio
        self._share = ratio[:, 0] / ratio.sum(1)
        self._weight = self._share * ratio[:, 1]
        self._sized = programmes.rows * programmes.size[:, None]
        normal = (self._sized * self._weight[:, None]) @ _transposed(programmes.rows)
        diagonal = np.diagonal(normal, axis1=1, axis2=2)
        self._unit = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
        padded = np.where(diagonal > 0, RIDGE, 1.0)[:, :, None] * np.eye(normal.shape[1])
        self._normal = normal * self._unit[:, :, None] * self._unit[:, None] + padded

    def prices(self, rows: Float[np.ndarray, "B m"]) -> Float[np.ndarray, "B m"]:
        """Row prices that move the left-hand sides by `rows`."""
        return np.linalg.solve(self._normal, (self._unit * rows)[:, :, None])[:, :, 0] * self._unit

    def move(self, price: Float[np.ndarray, "B m"]) -> Float[np.ndarray, "B G"]:
        """How the unknowns follow row prices."""
        return self._weight * _times(_transposed(self._rows), price)

    def solve(
        self,
        dual: Float[np.ndarray, "B 2 G"],
        rows: Float[np.ndarray, "B m"],
        walls: Float[np.ndarray, "B G"],
    ) -> tuple[Float[np.ndarray, "B 2 G"], Float[np.ndarray, "B m"], Float[np.ndarray, "B G"]]:
        """The primal values, row prices and wall prices of one system.

        They fulfil A primal = (rows, walls) and primal = ratio * (transposed A prices - dual).
        """
        fixed = self._weight * (dual[:, 1] - dual[:, 0]) + self._share * walls
        row_price = self.prices(rows - _times(self._sized, fixed))
        y = self.move(row_price) + fixed
        distance = walls - y
        return np.stack((y, distance), axis=1), row_price, distance / self._ratio[:, 1] + dual[:, 1]


def _polished(programmes: Programmes, at: _Point) -> Float[np.ndarray, "B G"]:
    """y of points that have arrived, after one more correction.

    The correction is of what is still missing to the equations.
    """
    y = at.primal[:, 0] / at.tau[:, None]
    newton = _Newton(programmes, at.primal / at.dual)
    missing = programmes.target - _times(programmes.rows, programmes.size * y)
    return np.where(programmes.size > 0, np.clip(y + newton.move(newton.prices(missing)), 0, 1), 0)


def _step(programmes: Programmes, at: _Point, residual: _Residual) -> _Point:
    """Mehrotra's predictor and corrector.

    How far one can go straight on says how much to keep to the path's middle.
    """
    newton, cost = _Newton(programmes, at.primal / at.dual), np.zeros(at.primal.shape)
    cost[:, 0] = 1
    along = newton.solve(cost, programmes.target, np.ones(programmes.size.shape))
    zero = np.zeros(len(at.tau))
    straight = _direction(
        programmes, newton, along, at, residual, zero, np.zeros(at.primal.shape), zero
    )
    left = 1 - np.minimum(1, _reach(programmes, at, straight))
    bent = _direction(
        programmes,
        newton,
        along,
        at,
        residual,
        left**2 * np.minimum(0.1, left),
        straight.primal * straight.dual,
        straight.tau * straight.kappa,
    )
    length = np.minimum(1, TO_THE_WALL * _reach(programmes, at, bent))
    return _Point(
        *(_ahead(getattr(at, f.name), length, getattr(bent, f.name)) for f in fields(_Point))
    )


def _ahead(
    value: Float[np.ndarray, "B ..."],
    length: Float[np.ndarray, " B"],
    move: Float[np.ndarray, "B ..."],
) -> Float[np.ndarray, "B ..."]:
    return value + length.reshape(-1, *[1] * (move.ndim - 1)) * move


def _direction(
    programmes: Programmes,
    newton: _Newton,
    along: tuple[np.ndarray, np.ndarray, np.ndarray],
    at: _Point,
    residual: _Residual,
    centre: Float[np.ndarray, " B"],
    bend: Float[np.ndarray, "B 2 G"],
    tau_bend: Float[np.ndarray, " B"],
) -> _Point:
    """The step of all unknowns at once.

    It takes the residuals to `centre` of what they are, and all products to centre * mu.
    along: answer of the equations to tau alone. bend, tau_bend: products of an earlier direction,
    the second order.
    """
    kept, aim = 1 - centre, centre * residual.mu
    product = aim[:, None, None] - at.primal * at.dual - bend
    tau_product = aim - at.tau * at.kappa - tau_bend
    free = newton.solve(
        kept[:, None, None] * residual.dual - product / at.primal,
        kept[:, None] * residual.rows,
        kept[:, None] * residual.walls,
    )
    gain = kept * residual.gap + tau_product / at.tau + _dot(programmes.size, free[0][:, 0])
    slope = (
        at.kappa / at.tau - _dot(programmes.size, along[0][:, 0]) + _worth(programmes, *along[1:])
    )
    tau = (gain - _worth(programmes, *free[1:])) / slope
    primal, row_price, wall_price = (_ahead(f, tau, a) for f, a in zip(free, along, strict=True))
    return _Point(
        primal,
        (product - at.dual * primal) / at.primal,
        row_price,
        wall_price,
        tau,
        (tau_product - at.kappa * tau) / at.tau,
    )


def _reach(programmes: Programmes, at: _Point, direction: _Point) -> Float[np.ndarray, " B"]:
    """How many times the direction fits in before something that must stay positive is 0.

    Unknowns of size 0 do not count.
    """
    real = (programmes.size > 0)[:, None]
    limits = [
        np.min(_fits(value, np.where(real, move, 0)), axis=(1, 2))
        for value, move in ((at.primal, direction.primal), (at.dual, direction.dual))
    ]
    return np.minimum.reduce(
        [*limits, _fits(at.tau, direction.tau), _fits(at.kappa, direction.kappa)]
    )


def _fits(
    value: Float[np.ndarray, "..."], move: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    return np.where(move < 0, value / np.where(move < 0, -move, 1), np.inf)
