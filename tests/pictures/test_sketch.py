"""Sketches of architectures: what a description says is drawn, and said to readers who cannot see
it.
"""

import xml.etree.ElementTree as ElementTree

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.pictures.sketch import ACROSS, parsed, sketch

SMALL = """
    x (M, D)
    s_a (M, K): cosine with <W> <- x
    a (M): sigmoid <- x
    p (K): mean of s_a by a <- s_a, a
"""
SPACE = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(sketch("A & B", text))


def test_a_line_is_a_box():
    boxes = parsed(SMALL)
    box = boxes["s_a"]
    assert list(boxes) == ["x", "s_a", "a", "p"]
    assert (box.size, box.work, box.sources) == ("M, K", "cosine with <W>", ("x",))
    assert boxes["p"].sources == ("s_a", "a")


def test_boxes_stand_in_the_column_after_their_sources():
    boxes = [r for r in drawn(SMALL).iter(f"{SPACE}rect") if "box" in r.get("class", "")]
    left = [float(box.get("x")) for box in boxes]
    assert left == [8, 8 + ACROSS, 8 + ACROSS, 8 + 2 * ACROSS]
    assert [box.get("class") for box in boxes] == ["box", "box", "box", "box lost"]
    assert len({(box.get("x"), box.get("y")) for box in boxes}) == 4


def test_there_is_an_arrow_per_source():
    arrows = [path for path in drawn(SMALL).iter(f"{SPACE}path") if path.get("class") == "way"]
    assert len(arrows) == 4


def test_it_is_said_in_words_and_names_are_text():
    root = drawn(SMALL)
    assert root.get("role") == "img"
    assert root.find(f"{SPACE}title").text == "A & B"
    said = root.find(f"{SPACE}desc").text
    assert "s_a of size (M, K): cosine with <W>, from x." in said
    assert "p of size (K): mean of s_a by a, from s_a and a." in said
    assert not list(root.iter("W"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x\ny: z <- w", "no line above describes 'w'"),
        ("x: " + "a long story " * 6, "takes more than two rows"),
        (": nothing", "is no box"),
        ("", "a sketch of nothing"),
    ],
)
def test_what_is_not_read_is_refused(text, told):
    with pytest.raises(WorkbookError, match=told):
        sketch("title", text)
