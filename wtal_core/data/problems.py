"""What can be wrong with a data set's file: one error class per kind."""

from typing import ClassVar

from wtal_core.errors import MissingFile, WorkbookError


class DataProblem(WorkbookError):
    """A file of a data set that cannot be used. kind: the status that `verify` reports."""

    kind: ClassVar[str] = "damaged"


class MissingData(DataProblem, MissingFile):
    """The file, or what it should hold of a video, is not there."""

    kind = "missing"


class WrongShape(DataProblem):
    """An array of another shape than the manifest or the annotations state."""

    kind = "wrong shape"


class WrongLength(DataProblem):
    """Features that do not fit the durations: another time base, or truncated ones."""

    kind = "wrong length"


class NotFinite(DataProblem):
    """An array with NaN or infinite values."""

    kind = "not finite"


def kind_of(error: WorkbookError) -> str:
    """The kind of a problem; an error that states none means a damaged file."""
    if isinstance(error, MissingFile):
        return MissingData.kind
    return error.kind if isinstance(error, DataProblem) else DataProblem.kind
