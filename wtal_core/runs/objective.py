"""Whether a run has met its method's objective, as its line in the ledger says."""

from typing import Any

from wtal_core.models import method
from wtal_core.models.contract import MethodConfig
from wtal_core.models.shared.objective import RECALLED, Supervision, at_end


def judged(
    method_name: str,
    config: MethodConfig,
    supervision: Supervision,
    streams: int,
    history: list[dict[str, float]],
    share: float | None,
) -> dict[str, Any]:
    """Whether the losses of a training ended below its method's bounds, and its video scores recall
    the labels: JSON values.

    share: of the labels that the scores recall, see `recalled`; None where nobody has kept it: then
    the losses alone decide.
    """
    asked = method(method_name).objective(supervision, streams, config)
    bounds = [
        {
            "terms": list(bound.terms),
            "loss": round(bound.reached(history), 6),
            "limit": round(bound.limit, 6),
            "without": bound.without,
        }
        for bound in asked
    ]
    met = all(bound.is_met(history) for bound in asked)
    return {
        "met": met and (share is None or share >= RECALLED),
        "recalled": None if share is None else round(share, 6),
        "total": round(at_end(history, ("total",)), 6),
        "bounds": bounds,
    }
