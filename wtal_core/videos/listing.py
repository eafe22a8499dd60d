"""Which files of a folder are videos, and what each video is called."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from wtal_core.data.own_files import SIDES, TABLES
from wtal_core.errors import MissingFile, WorkbookError

ENDINGS = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
    ".gif",
)


@dataclass(frozen=True)
class VideoFile:
    """A video: its name, its file, and "train" or "test" where it lies in a folder so called."""

    name: str
    path: Path
    side: str = ""


@dataclass(frozen=True)
class Videos:
    """The videos of a folder in the order of their names, and what else lies there."""

    files: tuple[VideoFile, ...]
    left_alone: tuple[Path, ...]


def find_videos(source: Path) -> Videos:
    """The video that is named, or all videos of a folder and of the folders in it.

    A file that is named is taken whatever its ending; in a folder endings decide. A video is called
    as its file without ending. Raises WorkbookError where there is none, or where two have one
    name.
    """
    if source.is_file():
        return Videos((VideoFile(_name(source), source),), ())
    if not source.is_dir():
        raise MissingFile(f"{source} is missing; name a video file or a folder of them")
    inside = [path for path in sorted(source.rglob("*")) if _is_file_of(path, source)]
    paths = [path for path in inside if path.suffix.lower() in ENDINGS]
    if not paths:
        raise MissingFile(
            f"{source} holds no videos; expected files that end in {', '.join(ENDINGS[:8])} or the "
            "like (a file of another ending can be named itself)"
        )
    named: dict[str, VideoFile] = {}
    for path in paths:
        side = SIDES.get(path.relative_to(source).parts[0].lower(), "")
        video = VideoFile(_name(path), path, side)
        if video.name in named:
            raise WorkbookError(
                f"two videos are called {video.name!r}: {named[video.name].path} and {path}; "
                "rename one of them"
            )
        named[video.name] = video
    others = (path for path in inside if path.suffix.lower() not in ENDINGS)
    left_alone = tuple(path for path in others if path.name not in TABLES)
    return Videos(tuple(named[name] for name in sorted(named)), left_alone)


def _is_file_of(path: Path, folder: Path) -> bool:
    """Whether a path is a file that is meant to be seen."""
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not is_hidden and path.is_file()


def _name(path: Path) -> str:
    """Composed as keyboards write it; some file systems take letters and accents apart."""
    return unicodedata.normalize("NFC", path.stem)
