"""Time of the diagnosis against plain loops: `python -m benchmarks.diagnosis`.

Data as in `benchmarks.mean_average_precision`. Compared: matching, error types and profile of all
detections at one threshold; the plain form must find the same. Beside it the time of all three
analyses, at one threshold and at ten.
"""

import numpy as np
import pandas as pd

from benchmarks.mean_average_precision import CLASSES, INSTANCES, VIDEOS, simulate
from benchmarks.plain import diagnosis as plain
from benchmarks.timing import seconds
from wtal_core.evaluation.diagnosis import diagnose, profile_of
from wtal_core.evaluation.error_types import OUTCOMES, RULES, Assigned, assign
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.protocols import ACTIVITYNET_TIOUS

SIZES, TIOU, G = (10_000, 100_000), 0.5, 100  # a budget so large that every detection is judged


def fast_form(truth: GroundTruth, found: pd.DataFrame) -> tuple[Assigned, pd.DataFrame]:
    """Outcomes, and their shares by block."""
    assigned = assign(truth, found, np.array([TIOU]), G)
    return assigned, profile_of(assigned, G)[0]


def plain_form(truth: GroundTruth, found: pd.DataFrame) -> tuple[list, list]:
    """The same with loops."""
    instances, kept, outcomes = plain.named(truth, found, RULES, TIOU, G)
    return outcomes, plain.profile(instances, kept, outcomes, G)


def measure(n_detections: int) -> None:
    """Print one line."""
    truth, found = simulate(n_detections)
    fast, (assigned, shares) = seconds(lambda: fast_form(truth, found), 5)
    slow, (outcomes, blocks) = seconds(lambda: plain_form(truth, found))
    assert [OUTCOMES[code] for code in assigned.code[0, assigned.within]] == [
        outcome for _, outcome in outcomes
    ]
    expected = [list(block.values()) if block else [np.nan] * len(OUTCOMES) for block in blocks]
    np.testing.assert_allclose(shares.to_numpy(), expected, rtol=0, atol=1e-12)
    one, _ = seconds(lambda: diagnose(truth, found, (TIOU,), g=G), 3)
    ten, _ = seconds(lambda: diagnose(truth, found, ACTIVITYNET_TIOUS, g=G), 3)
    print(
        f"{n_detections:>9,} {fast:9.3f} {slow:9.2f} {slow / fast:7.0f}x {one:12.3f} {ten:12.3f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    print(
        f"{VIDEOS} videos, {CLASSES} classes, {INSTANCES} instances; numpy {np.__version__}; "
        f"seconds, equal values\n"
    )
    print(
        f"{'':>9} {'types fast':>9} {'plain':>8} {'ratio':>8} {'all, 1 tIoU':>12} {'10 tIoUs':>12}"
    )
    for size in SIZES:
        measure(size)


if __name__ == "__main__":
    main()
