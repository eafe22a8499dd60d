"""Ridge regression in closed form: a linear classifier without a step size, of rows that are held
together or of rows that come in parts.

N rows of W numbers each, K targets.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RIDGE = 0.1  # times the mean squared length of a row, such as a pooled video
ROUNDING = 1e-12  # share of a sum of squares below which a difference of two is rounding
BLOCK = 1024  # rows that are multiplied at once


@dataclass(frozen=True)
class Classifier:
    """Ridge regression, such as from the mean snippet of a video to its labels: closed form, no
    step size.

    centre: mean of the rows that it was fitted to. offset: share of them with each class.
    """

    centre: Float[np.ndarray, " D"]
    weights: Float[np.ndarray, "D C"]
    offset: Float[np.ndarray, " C"]

    @classmethod
    def fitted(
        cls, pooled: Float[np.ndarray, "N D"], labels: Float[np.ndarray, "N C"]
    ) -> "Classifier":
        """From N rows, such as training videos, each its mean snippet."""
        centre = pooled.mean(0)
        offset = labels.mean(0)
        moved = pooled - centre
        ridge = RIDGE * (float((moved**2).sum()) / len(moved) or 1.0)
        rows, columns = moved.shape
        if rows <= columns:  # in the smaller space of the two
            shares = np.linalg.solve(moved @ moved.T + ridge * np.eye(rows), labels - offset)
            return cls(centre, moved.T @ shares, offset)
        products = moved.T @ moved + ridge * np.eye(columns)
        return cls(centre, np.linalg.solve(products, moved.T @ (labels - offset)), offset)

    def __call__(self, features: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N C"]:
        """Responses: near 1 for a class that is shown, near 0 for others."""
        return (features - self.centre) @ self.weights + self.offset


class ProductSums:
    """Sums of products, all that ridge regression needs of rows that are too many to be held.

    Takes 8 W (W + K + BLOCK) bytes, however many rows are added.
    """

    def __init__(self, width: int, targets: int):
        self.count = 0
        self.rows = np.zeros(width)
        self.targets = np.zeros(targets)
        self._of_rows = np.zeros((width, width))
        self._with_targets = np.zeros((width, targets))
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._number_waiting = 0

    def add(self, rows: Float[np.ndarray, "N W"], targets: Float[np.ndarray, "N K"]) -> None:
        """Add rows, float64, N >= 0."""
        self.count += len(rows)
        self.rows += rows.sum(0)
        self.targets += targets.sum(0)
        self._waiting.append((rows, targets))
        self._number_waiting += len(rows)
        if self._number_waiting >= BLOCK:
            self._multiply()

    def _multiply(self) -> None:
        """Products are taken of many rows at once: of a few they would cost as much."""
        if self._waiting:
            rows, targets = (np.concatenate(part) for part in zip(*self._waiting, strict=True))
            self._of_rows += rows.T @ rows
            self._with_targets += rows.T @ targets
            self._waiting = []
            self._number_waiting = 0

    def include(self, other: "ProductSums") -> None:
        """Add the rows of other sums, without their targets."""
        other._multiply()
        self.count += other.count
        self.rows += other.rows
        self._of_rows += other._of_rows

    def covariance(self, columns: slice = slice(None)) -> Float[np.ndarray, "D D"]:
        """Of these columns of the rows. At least one row must have been added."""
        self._multiply()
        centre = self.rows[columns] / self.count
        return self._of_rows[columns, columns] / self.count - np.outer(centre, centre)

    def classifier(self, columns: slice = slice(None)) -> Classifier:
        """From these columns to all targets, as `Classifier.fitted` of all rows at once but for
        the last bits.
        """
        centre = self.rows[columns] / self.count
        offset = self.targets / self.count
        products = self.covariance(columns)
        spread = float(np.trace(products))
        if spread <= ROUNDING * float(centre @ centre):  # equal rows
            spread = 0.0
        ridge = RIDGE * (spread or 1.0) / self.count
        moved = self._with_targets[columns] / self.count - np.outer(centre, offset)
        weights = np.linalg.solve(products + ridge * np.eye(len(centre)), moved)
        return Classifier(centre, weights, offset)
