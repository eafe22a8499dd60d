"""Formulas as MathML, written at build time: nothing is fetched or computed when a page is read.

latex2mathml translates; three things are put right that browsers draw otherwise than TeX: letters
of another alphabet, the room around the names of functions, and the number of an equation.
"""

import re
import unicodedata
from html import escape
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.docutils import SphinxTranslator

MATHML = "http://www.w3.org/1998/Math/MathML"
TAG = re.compile(r"\\tag\{([^}]*)\}")
# browsers know no `mathvariant` but "normal"; Unicode has the letters themselves
ALPHABETS = {"script": "SCRIPT", "double-struck": "DOUBLE-STRUCK", "bold": "BOLD"}
THIN = "0.167em"
OPENING = set("([{|⟨⌊")
NO_ROOM_AFTER = OPENING | set("+-−=<>≤≥,·∈")

ElementTree.register_namespace("", MATHML)


def mathml(formula: str, block: bool) -> str:
    """The `math` element of a formula. Raises what latex2mathml raises where it is no LaTeX."""
    tree = ElementTree.fromstring(convert(formula, display="block" if block else "inline"))
    for element in tree.iter():
        _letters(element)
    for parent in list(tree.iter()):
        _room(parent)
    annotated = ElementTree.tostring(tree, encoding="unicode")
    return annotated.replace("<math ", f'<math alttext="{escape(formula)}" ', 1)


def _letters(element: ElementTree.Element) -> None:
    """The letters of an alphabet instead of the name of the alphabet."""
    variant = element.attrib.pop("mathvariant", None)
    if variant in ALPHABETS and element.text:
        element.text = "".join(_letter(c, ALPHABETS[variant]) for c in element.text)
    elif variant == "normal":
        element.set("mathvariant", variant)


def _letter(character: str, alphabet: str) -> str:
    """ "ℒ" of "L" in "SCRIPT": most lie among the mathematical letters, some have older places."""
    kind = "CAPITAL" if character.isupper() else "SMALL"
    name = f"{alphabet} {kind} {character.upper()}"
    for candidate in (f"MATHEMATICAL {name}", name):
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    return character


def _room(parent: ElementTree.Element) -> None:
    """A thin space between the name of a function and what stands beside it, as in TeX."""
    children = list(parent)
    if not parent.tag.endswith(("math", "mrow", "mstyle", "mtd")):
        return
    for place in range(len(children) - 1, -1, -1):
        if not _is_function(children[place]):
            continue
        after = _text(children[place + 1]) if place + 1 < len(children) else ""
        if after and after[0] not in OPENING and not after.isspace():
            parent.insert(place + 1, _space())
        before = _text(children[place - 1]) if place else ""
        if before and before[-1] not in NO_ROOM_AFTER and not before.isspace():
            parent.insert(place, _space())


def _is_function(element: ElementTree.Element) -> bool:
    """Whether it is a name such as log, with or without an index."""
    base = element[0] if element.tag.endswith(("msub", "msup", "munder")) else element
    name = base.text or ""
    return base.tag.endswith(("}mi", "}mo")) and len(name) > 1 and name.isalpha()


def _text(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def _space() -> ElementTree.Element:
    return ElementTree.Element(f"{{{MATHML}}}mspace", width=THIN)


def visit_inline(writer: SphinxTranslator, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def visit_block(writer: SphinxTranslator, node: nodes.math_block) -> None:
    formula = node.astext()
    numbers = "".join(f'<span class="eqno">({escape(n)})</span>' for n in TAG.findall(formula))
    drawn = mathml(TAG.sub("", formula), block=True)
    writer.body.append(f'<div class="formula"><div>{drawn}</div>{numbers}</div>\n')
    raise nodes.SkipNode
