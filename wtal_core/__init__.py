"""The WTAL Workbook: weakly supervised temporal action localization, from features to tables.

The names below are the public ones. Each is imported when it is first used, so that
`import wtal_core` is quick, and scoring a detections file needs neither torch nor Jupyter.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtal_core.api import train
    from wtal_core.data.dataset import Dataset
    from wtal_core.data.opening import open_dataset
    from wtal_core.errors import WorkbookError
    from wtal_core.evaluation.case import read_cases
    from wtal_core.evaluation.mean_average_precision import evaluate
    from wtal_core.evaluation.protocols import PROTOCOLS, protocol
    from wtal_core.evaluation.tables import read_detections, read_ground_truth
    from wtal_core.models import method, method_names
    from wtal_core.pages.diagnosis_page import findings
    from wtal_core.study.session import open_session

__version__ = "0.1.0"
__all__ = [
    "PROTOCOLS",
    "Dataset",
    "WorkbookError",
    "__version__",
    "evaluate",
    "findings",
    "method",
    "method_names",
    "open_dataset",
    "open_session",
    "protocol",
    "read_cases",
    "read_detections",
    "read_ground_truth",
    "train",
]
# public name -> module that holds it
HOMES = {
    "Dataset": "wtal_core.data.dataset",
    "PROTOCOLS": "wtal_core.evaluation.protocols",
    "WorkbookError": "wtal_core.errors",
    "evaluate": "wtal_core.evaluation.mean_average_precision",
    "findings": "wtal_core.pages.diagnosis_page",
    "method": "wtal_core.models",
    "method_names": "wtal_core.models",
    "open_dataset": "wtal_core.data.opening",
    "open_session": "wtal_core.study.session",
    "protocol": "wtal_core.evaluation.protocols",
    "read_cases": "wtal_core.evaluation.case",
    "read_detections": "wtal_core.evaluation.tables",
    "read_ground_truth": "wtal_core.evaluation.tables",
    "train": "wtal_core.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
