"""What every table and figure is read against: the mAP of no training, and of the plainest one;
of rows that know nothing, and of rows that know the answer.
"""

import numpy as np

from wtal_core.runs.results import Results
from wtal_core.study.session import Session
from wtal_core.study.yardsticks import one_per_fold, yardsticks, yardsticks_by_seed

PLAIN = "topk_mil"


def references(session: Session, results: Results) -> dict[str, float]:
    """Name -> the metric of the results in percent: a linear classifier of whole videos, fitted to
    the training labels without any training of a network, and top-k MIL in the session's profile,
    the mean over seeds.
    """
    config = session.base(PLAIN)
    trained = session.run(PLAIN, {PLAIN: config})
    measured = trained.measured(*results.tious, protocol=results.protocol)
    untrained = [
        rows.map(rows.mean_pooling(), results.protocol, results.tious).mean()
        for rows in one_per_fold(yardsticks_by_seed(session))
    ]
    return {
        "no training (mean pooling)": float(np.mean(untrained)),
        "top-k MIL": float(measured.values().loc[PLAIN].mean()),
    }


def worth(session: Session, results: Results) -> dict[str, float]:
    """Name -> the metric of the results in percent, of the trivial and the oracle rows that
    `references` does not have, see `yardsticks`.
    """
    rows = yardsticks(session, protocol=results.protocol, tious=results.tious)
    del rows["mean pooling"]  # is among the references
    return {name: float(values.to_numpy().mean()) for name, values in rows.items()}
