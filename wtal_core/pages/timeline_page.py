"""The page that `wtal timeline` writes: one HTML file, no server, nothing from the network.

Video files stay where they are and are named by a path relative to the page.
"""

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import jinja2

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.pages.timeline import SCRIPT, STYLE, Timeline, as_script, content_of

Frames = Mapping[str, Sequence[tuple[float, bytes]]]

TEMPLATE = Path(__file__).with_suffix(".html")
# ending -> type of media, of the files that are taken for videos
VIDEO_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".webm": "video/webm",
    ".ogv": "video/ogg",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
}
MOST_EMBEDDED = 200e6  # bytes of video files in a page
START = """
const page = mountTimeline(
  document.getElementById("timeline"),
  JSON.parse(document.getElementById("timeline-content").textContent),
  { wholePage: true },
);
"""


def write_timeline(
    timeline: Timeline,
    path: str | Path,
    videos: Mapping[str, Path] | None = None,
    embed: bool = False,
    frames: Frames | None = None,
) -> Path:
    """Write the page of a timeline; the path written. It is written whole or not at all.

    videos: video -> its file, see `find_videos`; others are shown without a player. embed: put the
    video files into the page. frames: video -> (second, JPEG file), shown above the timeline, for
    videos that a browser cannot play. Raises WorkbookError where a file is missing or the page
    cannot be written.
    """
    path = Path(path)
    page = timeline_page(timeline, path.parent, videos or {}, embed, frames or {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkbookError(
            f"{path.parent}: cannot be made ({error.strerror}); choose another folder"
        ) from error
    write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))
    return path


def timeline_page(
    timeline: Timeline,
    folder: Path,
    videos: Mapping[str, Path],
    embed: bool = False,
    frames: Frames | None = None,
) -> str:
    """The page as text. folder: where it shall lie; paths of video files are relative to it."""
    script = SCRIPT.read_text(encoding="utf-8") + START
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=timeline.title,
        style=STYLE.read_text(encoding="utf-8"),
        script=script,
        # the browser runs this script and no other, whatever a name may hold
        checksum=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        content=as_script(page_content(timeline, folder, videos, embed, frames)),
    )


def page_content(
    timeline: Timeline,
    folder: Path,
    videos: Mapping[str, Path],
    embed: bool = False,
    frames: Frames | None = None,
) -> dict:
    """What is drawn, with the addresses of the video files, and the pictures of videos."""
    _check_files(videos, embed)
    content = content_of(timeline)
    strips = frames or {}
    for video in content["videos"]:
        file = videos.get(video["name"])
        video["file"] = None if file is None else Path(file).name
        video["address"] = None if file is None else _address(Path(file), folder, embed)
        video["frames"] = [
            [round(float(second), 3), f"data:image/jpeg;base64,{_text(picture)}"]
            for second, picture in strips.get(video["name"], ())
        ]
    return content


def find_videos(folder: str | Path, names: Sequence[str]) -> dict[str, Path]:
    """Video -> its file in the folder or below, for those that are there.

    A file is that of a video if it is called so, with or without its ending or `v_`. Raises
    WorkbookError for a folder that is missing, and for a video that two files are called after.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WorkbookError(f"{folder} is no folder; name the one that holds the video files")
    files: dict[str, list[Path]] = {}
    for file in sorted(_video_files(folder)):
        plain = file.stem.removeprefix("v_")
        for spelling in {file.name, file.stem, plain, f"v_{plain}"}:
            files.setdefault(spelling, []).append(file)
    chosen = {}
    for name in names:
        own = files.get(name)
        if own is None:
            continue
        if len(own) > 1:
            raise WorkbookError(
                f"{own[0]} and {own[1]} are both called after video {name!r}; rename one of them"
            )
        chosen[name] = own[0]
    return chosen


def _video_files(folder: Path) -> Iterator[Path]:
    """Files with the ending of a video. No link to another folder is followed."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if Path(name).suffix.lower() in VIDEO_TYPES)


def _check_files(videos: Mapping[str, Path], embed: bool) -> None:
    missing = [f"{file}" for file in videos.values() if not Path(file).is_file()]
    if missing:
        raise WorkbookError(f"{missing[0]} is no file; name the video's file")
    size = sum(Path(file).stat().st_size for file in videos.values()) if embed else 0
    if size > MOST_EMBEDDED:
        raise WorkbookError(
            f"the {len(videos)} video files take {size / 1e6:,.0f} MB, a page holds at most "
            f"{MOST_EMBEDDED / 1e6:,.0f} MB; leave out --embed, and keep the files beside the page"
        )


def _address(file: Path, folder: Path, embed: bool) -> str:
    """Where a browser finds the file: relative to the page, or the file itself."""
    if embed:
        kind = VIDEO_TYPES.get(file.suffix.lower(), "video/mp4")
        return f"data:{kind};base64,{_text(file.read_bytes())}"
    relative = os.path.relpath(os.path.abspath(file), os.path.abspath(folder))
    # a first part with a colon would be read as a protocol
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
