"""The timeline in a notebook: the same script and style as the page, joined to Python.

Marks that are set with mouse and keys arrive as rows of `clicks.csv` and `segments.csv`; a video
file goes to the browser when it is opened, wherever the notebook runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from wtal_core.data.dataset import CLICK_COLUMNS, SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.pages.timeline import SCRIPT, STYLE, Timeline
from wtal_core.pages.timeline_page import VIDEO_TYPES, page_content

JOINT = Path(__file__).with_suffix(".js")
LARGEST_FILE = 200e6  # bytes of a video that are sent to the browser
COLUMNS = {"clicks": CLICK_COLUMNS, "segments": SEGMENT_COLUMNS}


class TimelineWidget(anywidget.AnyWidget):
    """A timeline that can be corrected.

    clicks: rows `[video, label, t]`; segments: rows `[video, label, t_start, t_end]`, seconds, as
    they are marked now; `to_frame` gives tables. Its still twin is `timeline_figure`.
    """

    _esm = SCRIPT.read_text(encoding="utf-8") + JOINT.read_text(encoding="utf-8")
    _css = STYLE.read_text(encoding="utf-8")
    content: Any = traitlets.Dict().tag(sync=True)
    clicks: Any = traitlets.List().tag(sync=True)
    segments: Any = traitlets.List().tag(sync=True)

    def __init__(self, timeline: Timeline, videos: Mapping[str, Path] | None = None):
        """videos: video -> its file, see `find_videos`."""
        self.timeline = timeline
        self.files = {video: Path(file) for video, file in (videos or {}).items()}
        content = page_content(timeline, Path(), self.files)
        given = {"clicks": timeline.clicks, "segments": timeline.segments}
        rows = {
            name: [] if table is None else table[COLUMNS[name]].values.tolist()
            for name, table in given.items()
        }
        super().__init__(content=content, **rows)
        self.on_msg(self._answer)

    def __repr__(self) -> str:
        """What a page without widgets shows."""
        count = len(self.content["videos"])
        return f"[timeline: {count} videos of {self.timeline.title}; run this cell to use it]"

    def to_frame(self, kind: str = "clicks") -> pd.DataFrame:
        """The marks as a table. kind: "clicks" (`video, label, t`) or "segments" (`video, label,
        t_start, t_end`), seconds.
        """
        if kind not in COLUMNS:
            raise WorkbookError(f"marks are 'clicks' or 'segments', not {kind!r}")
        types = dict.fromkeys(COLUMNS[kind], float) | {"video": str, "label": str}
        return pd.DataFrame(getattr(self, kind), columns=COLUMNS[kind]).astype(types)

    def save(self, folder: str | Path) -> list[Path]:
        """Write `clicks.csv` and `segments.csv` beside `labels.csv`, those that have a mark; the
        paths written. `wtal data add` reads them.
        """
        paths = []
        for kind in COLUMNS:
            table = self.to_frame(kind)
            if len(table):
                path = Path(folder) / f"{kind}.csv"
                text = table.to_csv(index=False)
                _write(path, text)
                paths.append(path)
        return paths

    def _answer(self, _: Any, message: Any, __: Any) -> None:
        """Send the file that the browser asks for; only those that were given are sent."""
        video = message.get("video") if isinstance(message, dict) else None
        file = self.files.get(video) if isinstance(video, str) else None
        if file is None:
            return
        try:
            size = file.stat().st_size
            data = file.read_bytes() if size <= LARGEST_FILE else None
        except OSError as error:
            self.send({"video": video, "refused": f"{file.name}: {error.strerror}"})
            return
        if data is None:
            text = f"{file.name} has {size / 1e6:,.0f} MB, too many to be sent; use `wtal timeline`"
            self.send({"video": video, "refused": text})
            return
        kind = VIDEO_TYPES.get(file.suffix.lower(), "video/mp4")
        self.send({"video": video, "type": kind}, [data])


def timeline_widget(timeline: Timeline, videos: Mapping[str, Path] | None = None) -> TimelineWidget:
    """The timeline as a widget; an error where there is no video to show."""
    if not timeline.videos():
        raise WorkbookError("nothing is known of any video; nothing can be shown")
    return TimelineWidget(timeline, videos)


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
