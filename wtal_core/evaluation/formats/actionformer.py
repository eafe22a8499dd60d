"""ActionFormer's and TriDet's pickled results: eval_results.pkl.

{"video-id": names, "t-start": [N], "t-end": [N], "label": class numbers [N], "score": [N]}.
Source: happyharrycn/actionformer_release, libs/utils/train_utils.py. An ordinary unpickler would
run any code in the file; the restricted one refuses all but arrays, lists, text and numbers.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wtal_core.data import restricted_pickle
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading.pickles import Refused
from wtal_core.reading.refusal import reading

KEYS = {"video": "video-id", "label": "label", "t_start": "t-start", "t_end": "t-end"}


def recognises(opened: Opened) -> bool:
    """The opcode with which pickles of protocol 2 and later begin, and the protocol."""
    return opened.data[:1] == b"\x80" and opened.data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read(opened: Opened, kind: Kind | None) -> Content:
    """Detections; a label is the class's number until a class list names it."""
    content = _unpickled(opened)
    keys = {**KEYS, "score": "score"}
    missing = [key for key in keys.values() if not isinstance(content, dict) or key not in content]
    if missing:
        raise WorkbookError(
            f"{opened.name}: the key {missing[0]!r} is missing; expected ActionFormer's results: "
            f"{', '.join(keys.values())}"
        )
    columns: dict[str, Any] = {role: np.asarray(content[key]) for role, key in keys.items()}
    sizes = {column.shape for column in columns.values()}
    if len(sizes) > 1 or columns["score"].ndim != 1:
        raise WorkbookError(f"{opened.name}: its arrays have the shapes {sizes}; expected one [N]")
    try:
        numbers = {role: columns[role].astype(float) for role in ("t_start", "t_end", "score")}
        labels = columns["label"].astype(int).astype(str)
    except (TypeError, ValueError):
        raise WorkbookError(f"{opened.name}: an array holds no numbers; write it again") from None
    table = pd.DataFrame({"video": columns["video"].astype(str), "label": labels, **numbers})
    table = table.astype({"video": str, "label": str})
    return Content("detections", table, tuple(table["video"].unique()))


def _unpickled(opened: Opened) -> Any:
    remedy = "write the results as JSON or CSV"
    with reading(Path(opened.name), "is damaged, or no plain pickle", remedy):
        try:
            return restricted_pickle.load_plain(opened.data)
        except (WorkbookError, Refused) as error:
            raise WorkbookError(f"{opened.name} is not read: {error}; {remedy}") from None


FORMAT = Format("actionformer", "ActionFormer's and TriDet's pickle", recognises, read)
