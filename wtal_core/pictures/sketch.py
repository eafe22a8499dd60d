"""Sketches of architectures: boxes and arrows from a short description, as SVG.

A description has one line per box, `name (size): operation <- source, source`; a name may hold an
underscore, which lowers what follows it. Boxes stand in the column after their last source.
"""

import re
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from wtal_core.errors import WorkbookError

LINE = re.compile(
    r"(?P<name>[^(:<]+?)\s*(\((?P<size>.*?)\))?\s*(:\s*(?P<work>.*?))?\s*(<-(?P<of>.*))?"
)
WIDTH, HEIGHT = 152, 66  # of a box, pixels
ACROSS, DOWN = 186, 84  # from one box to the next
BROAD = 23  # letters in a row of a box
HEAD = 34  # above the boxes: the title
STYLE = (
    "text{font:12px sans-serif;fill:#222;text-anchor:middle}.name{font-weight:bold;font-size:13px}"
    ".size{font-size:11px;fill:#666}.box{fill:#fff;stroke:#0072b2;stroke-width:1.5}"
    ".lost{stroke:#d55e00}.way{fill:none;stroke:#666;stroke-width:1.3;marker-end:url(#tip)}"
)


@dataclass(frozen=True)
class Box:
    """size: of the array, such as "(M, K)". work: what makes it of its sources."""

    name: str
    size: str
    work: str
    sources: tuple[str, ...]


def sketch(title: str, description: str) -> str:
    """The boxes of a description with arrows between them, as the text of an SVG.

    Boxes that nothing follows are framed in orange: they are the losses, or the result. The text
    for readers who do not see it names every box with what it is made of. Raises WorkbookError for
    a line that is not read, a source that no line above it describes, and too long a text.
    """
    boxes = parsed(description)
    column: dict[str, int] = {}
    for box in boxes.values():
        column[box.name] = 1 + max((column[source] for source in box.sources), default=-1)
    standing = [[n for n in boxes if column[n] == c] for c in range(1 + max(column.values()))]
    tallest = max(map(len, standing))
    places: dict[str, tuple[float, float]] = {}
    for c, names in enumerate(standing):
        above = HEAD + (tallest - len(names)) * DOWN / 2
        places |= {name: (8.0 + c * ACROSS, above + r * DOWN) for r, name in enumerate(names)}
    width = 16 + (len(standing) - 1) * ACROSS + WIDTH
    height = HEAD + tallest * DOWN
    followed = {source for box in boxes.values() for source in box.sources}
    parts = [_arrow(places[s], places[box.name]) for box in boxes.values() for s in box.sources]
    parts += [_drawn(box, places[box.name], box.name not in followed) for box in boxes.values()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" style="max-width:100%;height:auto">'
        f"<title>{escape(title)}</title><desc>{escape(in_words(boxes))}</desc>"
        f'<style>{STYLE}</style><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" '
        f'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/>'
        f'</marker></defs><rect width="{width}" height="{height}" fill="#fff"/>'
        f'<text class="name" x="{width / 2:g}" y="18">{escape(title)}</text>'
        f"{''.join(parts)}</svg>"
    )


def parsed(description: str) -> dict[str, Box]:
    """Name -> box, in the order of the lines."""
    boxes: dict[str, Box] = {}
    for line in filter(None, map(str.strip, description.splitlines())):
        read = LINE.fullmatch(line)
        if read is None:
            raise WorkbookError(f"{line!r} is no box; write `name (size): operation <- sources`")
        sources = tuple(filter(None, map(str.strip, (read["of"] or "").split(","))))
        for source in sources:
            if source not in boxes:
                raise WorkbookError(f"{line!r}: no line above describes {source!r}; add one")
        if len(wrap(read["work"] or "", BROAD)) > 2:
            raise WorkbookError(f"{line!r}: what the box does takes more than two rows; shorten it")
        boxes[read["name"]] = Box(read["name"], read["size"] or "", read["work"] or "", sources)
    if not boxes:
        raise WorkbookError("a sketch of nothing; write a line per box")
    return boxes


def in_words(boxes: dict[str, Box]) -> str:
    """What the boxes say, one sentence each."""
    sentences = []
    for box in boxes.values():
        size = f" of size ({box.size})" if box.size else ""
        work = f": {box.work}" if box.work else ""
        sources = f", from {' and '.join(box.sources)}" if box.sources else ""
        sentences.append(f"{box.name}{size}{work}{sources}.")
    return " ".join(sentences)


def _drawn(box: Box, place: tuple[float, float], is_last: bool) -> str:
    left, top = place
    middle = left + WIDTH / 2
    kind = "box lost" if is_last else "box"
    parts = [
        f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="name" x="{middle:g}" y="{top + 17:g}">{_lowered(box.name)}</text>',
    ]
    for row, text in enumerate(wrap(box.work, BROAD)):
        parts.append(f'<text x="{middle:g}" y="{top + 32 + 13 * row:g}">{_lowered(text)}</text>')
    if box.size:
        size = f"({escape(box.size)})"
        parts.append(f'<text class="size" x="{middle:g}" y="{top + 59:g}">{size}</text>')
    return "".join(parts)


def _lowered(text: str) -> str:
    """What follows an underscore, a little smaller and lower."""
    lower = r'<tspan dy="3" font-size="10">\1</tspan><tspan dy="-3">&#8203;</tspan>'
    return re.sub(r"_(\w+)", lower, escape(text))


def _arrow(source: tuple[float, float], target: tuple[float, float]) -> str:
    """From the right side of a box to the left side of another."""
    x, y = source[0] + WIDTH, source[1] + HEIGHT / 2
    end_x, end_y = target[0], target[1] + HEIGHT / 2
    bend = (end_x - x) / 2
    return (
        f'<path class="way" d="M{x:g} {y:g}C{x + bend:g} {y:g} {end_x - bend:g} {end_y:g} '
        f'{end_x:g} {end_y:g}"/>'
    )
