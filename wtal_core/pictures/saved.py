"""A figure as files and as what a notebook shows: PNG with an alternative text, SVG beside it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

COLOURS_OF_PNG = 256
SHARP = 150  # dots per inch of a saved figure
SHOWN = 100  # dots per inch at which a page shows it
LARGEST_SVG = 60_000  # bytes; a larger one is not kept, its PNG is there
LONGEST_ALT = 600  # characters


@dataclass(frozen=True)
class Picture:
    """A drawn figure. png: its bytes. alt: what it shows, in words. width: in pixels of a page.
    figure: what it was drawn from, closed.
    """

    png: bytes
    alt: str
    width: int
    figure: Figure

    def __repr__(self) -> str:
        return f"[figure: {self.alt}]"

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        return self.png, {"alt": self.alt, "width": self.width}


def picture(figure: Figure, dots_per_inch: int = SHARP) -> Picture:
    """The figure drawn; it is closed. Its words are read from its own titles, axes and legends."""
    alt = words_of(figure)
    png = png_of(figure, dots_per_inch)
    with Image.open(io.BytesIO(png)) as drawn:
        width = round(drawn.width * SHOWN / dots_per_inch)
    plt.close(figure)
    return Picture(png, alt, width, figure)


def write_picture(figure: Figure, path: Path) -> Picture:
    """Write the PNG, and beside it the SVG where that is small; the same bytes every time."""
    with plt.rc_context({"svg.hashsalt": "wtal", "svg.fonttype": "none"}):
        target = io.BytesIO()
        figure.savefig(target, format="svg", bbox_inches="tight", metadata={"Date": None})
    drawn = picture(figure)
    path.write_bytes(drawn.png)
    beside = path.with_suffix(".svg")
    if target.tell() <= LARGEST_SVG:
        beside.write_bytes(target.getvalue())
    else:
        beside.unlink(missing_ok=True)
    return drawn


def png_of(figure: Figure, dots_per_inch: int) -> bytes:
    """The figure as PNG of at most 256 colours: about a third of the size, alike to the eye."""
    whole = io.BytesIO()
    figure.savefig(whole, dpi=dots_per_inch, bbox_inches="tight", metadata={"Software": None})
    few = io.BytesIO()
    with Image.open(whole) as image:
        plain = image.convert("RGB")
        plain.quantize(COLOURS_OF_PNG, dither=Image.Dither.NONE).save(few, "PNG", optimize=True)
    return few.getvalue()


def words_of(figure: Figure) -> str:
    """What a figure shows, for those who cannot see it: its title, panels, axes and legends."""
    parts = [figure.get_suptitle()]
    for axes in figure.axes:
        titles = [axes.get_title(loc=side) for side in ("left", "center", "right")]
        labels = [*titles, axes.get_ylabel(), axes.get_xlabel()]
        named = [label for label in labels if label and not label.startswith("_")]
        parts.append(", ".join(named))
        parts.extend(_names(axes.get_legend()))
    for legend in figure.legends:
        parts.extend(_names(legend))
    words = [" ".join(part.split()) for part in dict.fromkeys(parts) if part]
    text = ". ".join(word.rstrip(".") for word in words)
    return text if len(text) <= LONGEST_ALT else text[:LONGEST_ALT].rpartition(". ")[0]


def _names(legend: Any) -> list[str]:
    if legend is None:
        return []
    return ["Drawn: " + "; ".join(text.get_text() for text in legend.get_texts())]
