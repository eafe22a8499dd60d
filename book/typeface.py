"""The typeface of formulas: the part of STIX Two Math that the book needs, beside its pages.

Browsers draw MathML with a font that has tables for it. Not every system has one.
"""

from importlib.resources import as_file, files
from pathlib import Path

from fontTools import subset
from sphinx.application import Sphinx

FONT = "STIXTwoMath-Regular.ttf"  # SIL Open Font License 1.1, comes with ziamath
# Latin, accents, Greek, punctuation, letterlike, arrows, operators, technical, alphabets
RANGES = "U+0020-017F,U+02B0-036F,U+0391-03F5,U+2010-2064,U+2070-209F,U+20D0-20FF,U+2100-21FF"
RANGES += ",U+2200-22FF,U+2300-23FF,U+27C0-27FF,U+1D400-1D7FF"


def write(app: Sphinx, error: Exception | None) -> None:
    """Writes `_static/formulas.woff` into the book."""
    target = Path(app.outdir, "_static", "formulas.woff")
    target.parent.mkdir(parents=True, exist_ok=True)
    with as_file(files("ziamath") / "fonts" / FONT) as font:
        options = [f"--unicodes={RANGES}", "--flavor=woff", "--layout-features=*"]
        options.append("--name-IDs=*")  # among them the copyright and the licence
        subset.main([str(font), *options, f"--output-file={target}"])
