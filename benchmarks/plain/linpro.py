"""Pseudo labels as plain loops and one call of SciPy a programme, on all snippets. Slow; for checks
and comparison.
"""

import math
import warnings

from scipy.optimize import linprog


def rows_plain(segments, length, mean=False, snap=0.0):
    """Lists of `length` coefficients, one a segment of [(start, end, score), ...]."""
    rows = []
    for start, end, _ in segments:
        start, end = int(start + snap), int(end + snap)
        margin = 0.0785 * float(end - start) ** 0.9
        inner = [t for t in range(length) if start <= t < end]
        outer = [t for t in range(length) if max(0, math.floor(start - margin)) <= t < start]
        outer += [
            t for t in range(length) if end <= t < min(length - 1, math.floor(end + margin + 1))
        ]
        row = [0.0] * length
        for t in inner:
            row[t] = 1 / len(inner) if mean else 1.0
        for t in outer:
            row[t] = -1 / len(outer) if mean else -1.0
        rows.append(row)
    return rows


def labels_plain(segments, length, mean=False, snap=0.0, method="interior-point"):
    """Labels of one programme, and whether it is infeasible, when they are all 0."""
    if not segments:
        return [0.0] * length, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the method's age, and of dependent rows
        found = linprog(
            [1.0] * length,
            A_eq=rows_plain(segments, length, mean, snap),
            b_eq=[q for *_, q in segments],
            bounds=(0, 1),
            method=method,
        )
    return ([0.0] * length, True) if found.status else (found.x.tolist(), False)
