"""The one error type for bad input. The command turns it into one line and exit status 2."""

BREAKS = str.maketrans({"\n": "\\n", "\r": "\\r"})


class WorkbookError(ValueError):
    """What was given cannot be used. The message names the thing, what was expected and
    the remedy. It is one line: a line break in what it quotes is written out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.translate(BREAKS))


class MissingFile(WorkbookError):
    """A file that is needed is not there."""


class CannotWrite(WorkbookError, OSError):
    """A file could not be written. strerror: what the system says of it, such as a full disk."""

    def __init__(self, message: str, strerror: str):
        super().__init__(message)
        self.strerror = strerror
