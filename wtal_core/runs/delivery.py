"""What a run leaves, as values and bytes: a worker sends it, and only the client writes it down."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import shown
from wtal_core.runs.ledger import RULES, Ledger, Record, key_of_line, working_folder

FILES = tuple(
    f"{kind}_{rule}.{end}"
    for kind, end in (("weights", "safetensors"), ("detections", "parquet"))
    for rule in RULES
)


@dataclass(frozen=True)
class Delivery:
    """One finished run. line, history: as `Ledger.append` takes them; files: name -> content."""

    line: dict[str, Any]
    history: dict[str, list[float | None]]
    files: dict[str, bytes]


def delivery_of(record: Record) -> Delivery | None:
    """What a ledger holds of a run; None where its weights were not kept."""
    folders = [working_folder(root, record.key) for root in record.roots]
    whole = [folder for folder in folders if all((folder / name).is_file() for name in FILES)]
    if not whole:
        return None
    files = {name: (whole[0] / name).read_bytes() for name in FILES}
    return Delivery(record.line, record.columns, files)


def keep(deliveries: Sequence[Delivery], ledger: Ledger) -> list[Record]:
    """Write runs down: their files, each whole or not at all, then their lines.

    Raises WorkbookError for files that no run leaves.
    """
    for delivery in deliveries:
        _keep_files(delivery, ledger)
    return ledger.append_all([(delivery.line, delivery.history) for delivery in deliveries])


def _keep_files(delivery: Delivery, ledger: Ledger) -> None:
    folder = working_folder(ledger.root, key_of_line(delivery.line))
    folder.mkdir(parents=True, exist_ok=True)
    unknown = sorted(set(delivery.files) - set(FILES))
    if unknown:
        raise WorkbookError(f"a worker has sent the file {shown(unknown[0])}, which no run leaves")
    for name, content in delivery.files.items():
        partial = folder / f"{name}.partial"
        partial.write_bytes(content)
        os.replace(partial, folder / name)
    clear_unfinished(folder)


def clear_unfinished(folder: Path) -> None:
    """Remove the checkpoint of a run that is finished, and what killed processes left half written.

    Called before the line is there: nobody comes back to this folder after that.
    """
    for left in (folder / "checkpoint.pt", *folder.glob("*.partial")):
        left.unlink(missing_ok=True)
