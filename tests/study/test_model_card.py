"""The model card: names that come from files are text in it, whatever they hold."""

import pytest

from wtal_core.models import method
from wtal_core.study.portable import Model, card
from wtal_core.timebase import Timebase

HOSTILE = (
    "<script>window.broken = 1</script>",
    "<img src=x onerror=alert(1)>",
    "[here](https://example.org)",
    "![x](https://example.org/x.png)",
    "https://example.org www.example.org <https://example.org>",
    "**bold** _it_ ~~gone~~ &lt;b&gt; | a | $x$ \\*",
    "`code` ``two`` #1 @name",
    "first\n# heading\n\n* point\n<b>",
)
PLAIN = {
    "run": "0123",
    "data": "simulated",
    "title": "Simulated, version 2",
    "origin": "simulated",
    "fingerprint": "abcd",
    "seed": 0,
    "epochs": 2,
    "videos": {"train": 3, "test": 2},
    "unscored": "",
    "metrics": {"wtalc": {"average": 0.5}},
}


def model(classes=("Jump", "Throw"), **training) -> Model:
    config = method("topk_mil").Config()
    told = {**PLAIN, **training}
    return Model("topk_mil", config, classes, ("rgb", "flow"), 4, Timebase(), 1.0, {}, told)


@pytest.fixture
def tokens():
    """Kinds of everything that a reader of Markdown makes of a text, and its text."""
    markdown_it = pytest.importorskip("markdown_it")
    reader = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def read(text):
        blocks = reader.parse(text)
        parts = [part for block in blocks for part in block.children or ()]
        kinds = [token.type for token in (*blocks, *parts) if token.type not in WORDS]
        return kinds, "".join(part.content for part in parts if part.type in WORDS)

    return read


WORDS = {"text", "text_special", "inline"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_adds_no_markup_and_stays_as_it_is(tokens, name):
    kinds, text = tokens(card(model((name, "Throw"), title=name, origin=name)))
    assert kinds == tokens(card(model()))[0]
    assert text.count(" ".join(name.split())) == 3


def test_a_bare_address_is_no_link():
    """Where the reader of Markdown, as that of GitHub, makes links of addresses."""
    text = card(model(title="https://example.org www.example.org"))
    assert "https://" not in text and "www." not in text


@pytest.mark.parametrize("name", [*HOSTILE, "`", "``", ""])
def test_a_name_as_code_is_code(tokens, name):
    kinds, _ = tokens(card(model(run=name, data=name)))
    assert kinds == tokens(card(model()))[0]


def test_a_plain_card_is_plain():
    text = card(model())
    assert "trained on Simulated, version 2\n" in text and "* Classes: Jump, Throw.\n" in text
    assert "* Data: `simulated` (simulated), 3 training and 2 test videos" in text
