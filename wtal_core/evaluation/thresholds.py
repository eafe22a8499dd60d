"""tIoU thresholds as people write them: `0.1:0.1:0.7` or `0.5,0.75`."""

import re
from decimal import Decimal

from wtal_core.errors import WorkbookError

MOST = 100  # thresholds at a time; memory and time grow with them
_PLAIN = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


def parse_tious(text: str) -> tuple[float, ...]:
    """Thresholds of `start:step:stop` (stop included) or of a list with commas.

    Steps are counted in decimals: 0.1:0.1:0.7 holds 0.3, not 0.30000000000000004.
    Raises WorkbookError for what is no number, outside (0, 1], repeated or more than MOST, and for
    a stop that the steps miss.
    """
    values = _steps(text) if ":" in text else [_decimal(part, text) for part in text.split(",")]
    for value in values:
        if not 0 < value <= 1:
            raise WorkbookError(
                f"thresholds {text!r}: {value} is not in (0, 1]; write 0.5 for a tIoU of 50 %"
            )
    levels = tuple(float(value) for value in values)
    if len(set(levels)) < len(levels):
        raise WorkbookError(f"thresholds {text!r}: one of them is there twice; name each once")
    if len(levels) > MOST:
        raise WorkbookError(f"thresholds {text!r}: these are {len(levels)}; name at most {MOST}")
    return levels


def tiou_name(value: float) -> str:
    """A threshold as text: two decimals, more where it has more."""
    whole, _, decimals = format(Decimal(repr(float(value))), "f").partition(".")
    return f"{whole}.{decimals:0<2}"


def _steps(text: str) -> list[Decimal]:
    parts = text.split(":")
    if len(parts) != 3:
        raise WorkbookError(f"thresholds {text!r}: expected start:step:stop, such as 0.1:0.1:0.7")
    start, step, stop = (_decimal(part, text) for part in parts)
    if step <= 0 or stop < start:
        raise WorkbookError(
            f"thresholds {text!r}: no step leads from {start} to {stop}; write start:step:stop, "
            f"step above 0"
        )
    if (stop - start) / step >= MOST:
        raise WorkbookError(f"thresholds {text!r}: these are too many; name at most {MOST}")
    count = int((stop - start) / step) + 1
    if start + (count - 1) * step != stop:
        raise WorkbookError(
            f"thresholds {text!r}: steps of {step} from {start} do not end at {stop}, "
            f"but at {start + (count - 1) * step}; change the stop or the step"
        )
    return [start + number * step for number in range(count)]


def _decimal(part: str, text: str) -> Decimal:
    if not _PLAIN.fullmatch(part.strip()):
        raise WorkbookError(
            f"thresholds {text!r}: {part.strip()!r} is not a plain number; "
            "write start:step:stop, such as 0.1:0.1:0.7, or a list, such as 0.5,0.75"
        )
    return Decimal(part.strip())
