"""docs/formats.md: a sample of every format, read or written by the code that reads and writes it.

`make docs` writes the page; a test compares.
"""

import json
import tempfile
from pathlib import Path

import pandas as pd

from wtal_core.evaluation.formats import registry
from wtal_core.evaluation.formats.content import Content
from wtal_core.evaluation.formats.opening import open_file

HEAD = """# Formats of detections and annotations

`wtal evaluate`, `wtal diagnose` and `wtal convert` know a file by its content, not by its ending.
It may be compressed (gzip), and `-` is standard input. Columns of tables may also be called
{names}. Made by `make docs`: each sample here was read or written by the code.
"""
DETECTIONS = Content(
    "detections",
    pd.DataFrame(
        {
            "video": ["vid_a", "vid_a"],
            "label": ["Jump", "Throw"],
            "t_start": [10.0, 60.0],
            "t_end": [20.0, 71.0],
            "score": [0.9, 0.7],
        }
    ),
    ("vid_a",),
)
ANNOTATIONS = Content(
    "annotations",
    DETECTIONS.table.drop(columns="score"),
    ("vid_a",),
    subsets={"vid_a": "test"},
    durations={"vid_a": 100.0},
)
CLICKS = Content(
    "clicks", pd.DataFrame({"video": ["vid_a"], "label": ["Jump"], "t": [14.84]}), ("vid_a",)
)
WITH_NUMBERS = {"Jump": "7", "Throw": "9"}
# formats that are only read -> a sample
READ_ONLY = {
    "records": '{"video": "vid_a", "label": "Jump", "segment": [10, 20]}\n'
    '{"video": "vid_a", "label": "Throw", "segment": [60, 71]}\n',
    "lacp": "class,start_frame,stop_frame,video_id,point\nJump,250.0,500.0,vid_a,371\n",
}
IN_WORDS = {
    "thumos14-folder": "A folder of `Jump_test.txt` and the like, one file per class, lines "
    "`vid_a 10.0 20.0`; `Ambiguous_test.txt` among them holds ambiguous intervals.",
    "actionformer": 'A pickle of `{"video-id": names, "t-start": [N], "t-end": [N], "label": '
    'numbers [N], "score": [N]}`. Anything in it but arrays, lists, text and numbers is refused.',
    "parquet": "The columns of the table with named columns, as Parquet.",
}


def page() -> str:
    """The whole page."""
    sections = [HEAD.format(names="`video_id`, `start`, `end`, `class`, `confidence`")]
    for form in registry.FORMATS:
        sections.append(f"## {form.title} (`{form.id}`)\n")
        for kind, content in (
            ("detections", DETECTIONS),
            ("annotations", ANNOTATIONS),
            ("clicks", CLICKS),
        ):
            if kind in form.write and form.id not in IN_WORDS:
                sections.append(f"Written, {kind}:\n\n{_fenced(_written(form, content))}")
        if form.id in READ_ONLY:
            kind = _read_back(READ_ONLY[form.id], form.id)
            sections.append(f"Read, {kind}:\n\n{_fenced(READ_ONLY[form.id])}")
        if form.id in IN_WORDS:
            sections.append(f"{IN_WORDS[form.id]}\n")
    return "\n".join(sections)


def _written(form: registry.Format, content: Content) -> str:
    if form.id in ("thumos14", "multithumos"):
        labels = content.table["label"].map(WITH_NUMBERS).astype(str)
        content = Content(**{**vars(content), "table": content.table.assign(label=labels)})
    text = form.write[content.kind](content).decode()
    if form.id != "detad":  # which is read as ActivityNet's JSON
        _read_back(text, form.id)
    if form.ending == ".json":
        return json.dumps(json.loads(text)) + "\n"
    return text


def _read_back(text: str, expected: str) -> str:
    """The kind of content that a sample is read as; it must be of the format it stands for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample"
        path.write_text(text, encoding="utf-8")
        opened = open_file(path)
        form = registry.format_of(opened)
        if form is None or form.id != expected:
            raise AssertionError(f"a sample of {expected} is read as {form and form.id}")
        return registry.read_content(opened).kind


def _fenced(text: str) -> str:
    return f"```\n{text}```\n"


def write(path: Path) -> None:
    """Write the page."""
    path.write_text(page(), encoding="utf-8")
