"""Still pictures for notebooks, with words for those who cannot see them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from IPython.display import Image
from matplotlib.figure import Figure

from wtal_core.pictures.saved import SHOWN, Picture, picture

SVG = "{http://www.w3.org/2000/svg}"


def still(figure: Figure) -> Picture:
    """The figure as a picture in the notebook; its words are read from the figure itself."""
    return picture(figure, SHOWN)


def stored(path: Path, alt: str) -> Image:
    """A picture from a file. alt: what it shows, in words."""
    return Image(filename=path, alt=alt)


@dataclass(frozen=True)
class Drawing:
    """An SVG text; its words are its own title and description."""

    svg: str

    @property
    def alt(self) -> str:
        root = ElementTree.fromstring(self.svg)
        texts = [root.findtext(f"{SVG}{tag}", "") for tag in ("title", "desc")]
        return ". ".join(text.strip().rstrip(".") for text in texts if text)

    def __repr__(self) -> str:
        return f"[drawing: {self.alt}]"

    def _repr_svg_(self) -> tuple[str, dict[str, Any]]:
        return self.svg, {"alt": self.alt}
