"""The timeline as a widget: what arrives from the browser, what is sent to it, and its still twin.

The joint between the two is run in a browser with a model that is made for the test.
"""

from dataclasses import replace

import pandas as pd
import pytest

from tests.browser import CHROMIUM, until
from tests.pages.test_browser_timeline import ready, video
from tests.timeline_samples import CLASSES, HOSTILE, ODD, judged_timeline, write_clip
from wtal_core.errors import WorkbookError
from wtal_core.pages.timeline import as_script
from wtal_core.pages.timeline_picture import rows_of, timeline_figure
from wtal_core.pictures.figures import png
from wtal_core.widgets.timeline import TimelineWidget, timeline_widget

CLICKS = pd.DataFrame({"video": ["b"], "label": [HOSTILE], "t": [1.25]})


@pytest.fixture
def widget() -> TimelineWidget:
    return timeline_widget(replace(judged_timeline(), clicks=CLICKS))


def test_marks_arrive_as_the_tables_of_a_data_set(widget, tmp_path):
    assert widget.to_frame().equals(CLICKS)
    assert widget.to_frame("segments").dtypes.astype(str).tolist()[2:] == ["float64", "float64"]
    widget.clicks = [[ODD, "Jump", 3], ["b", "background", 1.5]]
    widget.segments = [[ODD, "Jump", 2, 3.5]]
    paths = widget.save(tmp_path)
    assert [path.name for path in paths] == ["clicks.csv", "segments.csv"]
    assert pd.read_csv(paths[0]).values.tolist() == [[ODD, "Jump", 3.0], ["b", "background", 1.5]]
    assert paths[1].read_text().splitlines()[0] == "video,label,t_start,t_end"
    with pytest.raises(WorkbookError, match="'clicks' or 'segments'"):
        widget.to_frame("truth")


def test_only_files_that_were_given_are_sent(tmp_path, monkeypatch):
    (tmp_path / "b.mp4").write_bytes(b"abc")
    (tmp_path / "secret.mp4").write_bytes(b"abc")
    widget = timeline_widget(judged_timeline(), {"b": tmp_path / "b.mp4"})
    sent = []
    monkeypatch.setattr(widget, "send", lambda *message: sent.append(message))
    for message in ({"video": "b"}, {"video": "secret"}, {"video": ["b"]}, "b", {}):
        widget._answer(widget, message, [])
    assert sent == [({"video": "b", "type": "video/mp4"}, [b"abc"])]
    (tmp_path / "b.mp4").unlink()
    widget._answer(widget, {"video": "b"}, [])
    assert sent[1] == ({"video": "b", "refused": "b.mp4: No such file or directory"},)


def test_nothing_to_show_is_an_error():
    empty = replace(judged_timeline(), truth=None, durations={}, activation={}, attention={})
    with pytest.raises(WorkbookError, match="nothing can be shown"):
        timeline_widget(replace(empty, detections=empty.detections.iloc[:0]))


def test_a_page_that_cannot_run_it_says_so(widget):
    assert repr(widget) == (
        "[timeline: 2 videos of Drawn clips (simulated): Mine; run this cell to use it]"
    )


def test_the_still_twin_shows_a_lane_per_class_of_the_video():
    timeline = replace(judged_timeline(), clicks=CLICKS)
    figure = timeline_figure(timeline, "b", window=(0.0, 5.0))
    lanes = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert lanes == ["Jump", HOSTILE] and figure.axes[0].get_xlim() == (0.0, 5.0)
    assert png(figure) == png(timeline_figure(timeline, "b", window=(0.0, 5.0)))
    with pytest.raises(WorkbookError, match="is no video of the timeline"):
        timeline_figure(timeline, "c")


def test_the_still_twin_names_its_rows_and_lists_what_is_drawn():
    def names_of(figure):
        rows = [text.get_text() for axes in figure.axes for text in axes.get_yticklabels()]
        return rows, [text.get_text() for text in figure.legends[0].get_texts()]

    rows, listed = names_of(timeline_figure(judged_timeline(), "b"))
    assert rows[:2] == ["truth", "detections"] and "marks" not in rows
    assert "click or marked segment" not in listed and len(listed) < 8
    rows, listed = names_of(timeline_figure(replace(judged_timeline(), clicks=CLICKS), "b"))
    assert "marks" in rows and "click or marked segment" in listed


def test_no_span_lies_over_another():
    spans = [[0.0, 2.0], [1.0, 3.0], [2.0, 4.0], [0.0, 9.0]]
    assert rows_of(spans) == [0, 1, 0, 2]
    assert rows_of([[0.0, 1.0]] * 8) == [0, 1, 2, 3, 4, 5, -1, -1]


PAGE = """<!doctype html><meta charset="utf-8"><title>joint</title>
<body data-jp-theme-light="false"><style>{style}</style><div id="el"></div>
<script type="application/json" id="state">{state}</script>
<script type="module">{script}
const kept = JSON.parse(document.getElementById("state").textContent);
const heard = [];
window.kept = kept;
const data = Uint8Array.from(atob(kept.file), (letter) => letter.charCodeAt(0));
const model = {{
  get: (name) => kept[name],
  set: (name, value) => {{ kept[name] = value; }},
  save_changes() {{ window.saved = (window.saved ?? 0) + 1; }},
  on: (_, listener) => heard.push(listener),
  off: (_, listener) => heard.splice(heard.indexOf(listener), 1),
  send: ({{ video }}) => setTimeout(() =>
    heard.forEach((listener) => listener({{ video, type: "video/webm" }}, [data.buffer]))),
}};
render({{ model, el: document.getElementById("el") }});
</script>"""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_joint_plays_files_and_hands_over_marks(open_page, tmp_path):
    import base64

    clip = write_clip(tmp_path / "clip.webm", seconds=6)
    widget = timeline_widget(replace(judged_timeline(), clicks=CLICKS), {ODD: clip})
    state = {
        "content": widget.content,
        "clicks": widget.clicks,
        "segments": widget.segments,
        "file": base64.b64encode(clip.read_bytes()).decode(),
    }
    script = widget._esm.replace("export default { render };", "")
    text = PAGE.format(style=widget._css, state=as_script(state), script=script)
    (tmp_path / "joint.html").write_text(text, encoding="utf-8")
    page = ready(open_page(tmp_path / "joint.html", 900))
    assert page.evaluate("document.querySelector('video').src").startswith("blob:")
    page.locator("[data-detection='0']").click()
    until(page, "!document.querySelector('video').paused")
    assert 2 <= video(page)["currentTime"] < 4
    page.keyboard.press("Space")
    page.locator(".stage svg").focus()
    page.keyboard.press("a")
    until(page, "window.saved === 1")
    assert page.evaluate("window.kept.segments") == [[ODD, CLASSES[0], 2, 3.8]]
    assert page.evaluate("window.kept.clicks") == [["b", HOSTILE, 1.25]]
    assert page.get_by_text("Save clicks.csv").count() == 0
    ink = page.evaluate("getComputedStyle(document.querySelector('.wtal-timeline')).color")
    assert ink == "rgb(232, 234, 236)"  # the dark theme of the notebook
