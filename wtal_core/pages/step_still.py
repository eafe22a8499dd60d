"""A figure that steps, as one small SVG at its sliders' start: for pages that run no script.

It is drawn from the same whole numbers as `step_figure.js` draws from, so equal data give equal
bytes, on every processor.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

WIDTH = 700  # pixels; the page scales it
LEFT, RIGHT = 46, 10  # beside the panels, as in step_figure.js
NAME, TICKS, AXIS, GAP, KEYS = 19, 18, 17, 6, 16  # heights, as there; KEYS: a line of the legend
SHADES = 8
COLOURS = {
    "blue": "#0072b2",
    "orange": "#c44f00",
    "green": "#008a64",
    "pink": "#b1487f",
    "amber": "#8a5a00",
    "ink": "#1b1d1f",
    "quiet": "#565c63",
}  # those of step_figure.css on light ground
DASHES = {"dashed": "7 3", "dotted": "2 2.5"}
OPEN = {"line", "steps", "levels", "marks"}  # kinds that are strokes
LETTER = 6.1  # pixels, about

Number = float | int
Scale = Callable[[Number], Number]
Content = Mapping[str, Any]


def still_source(content: Content) -> str:
    """The picture as the address of an image. content: what `content_of` of step_figure.py gives.

    Names in it are data of somebody's file: they become text of the SVG, never markup.
    """
    drawn = base64.b64encode(still_svg(content).encode()).decode()
    return f"data:image/svg+xml;base64,{drawn}"


def still_svg(content: Content) -> str:
    """The picture as SVG text."""
    parts = []
    bottom = 0
    panels = content["panels"]
    for number, panel in enumerate(panels):
        top = bottom + NAME
        following = panels[number + 1]["axis"] if number + 1 < len(panels) else None
        is_last = following != panel["axis"]
        parts.append(_panel(content, panel, top, is_last))
        bottom = top + panel["height"] + GAP + (TICKS + AXIS if is_last else 0)
    keys, bottom = _legend(content, bottom)
    parts += keys
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom}" '
        f'width="{WIDTH}" height="{bottom}" font-family="sans-serif" font-size="11.5" '
        f'fill="{COLOURS["quiet"]}">'
        f'<rect width="{WIDTH}" height="{bottom}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _panel(content: Content, panel: Content, top: int, is_last: bool) -> str:
    axis = content["axes"][panel["axis"]]
    height = panel["height"]
    along = _scale(axis, LEFT, WIDTH - RIGHT)
    up = _scale(panel, top + height, top)
    ink = COLOURS["ink"]
    parts = [f'<text x="{LEFT}" y="{top - 6}" fill="{ink}">{escape(panel["name"])}</text>']
    for left, right in content["shaded"] if panel["axis"] == 0 else []:
        path = _box(along(left), along(right), top, top + height)
        parts.append(f'<path d="{path}" fill="{COLOURS["green"]}" fill-opacity=".16"/>')
    for value, text in panel["ticks"]:
        place = _near(up(value))
        parts.append(f'<path d="M{LEFT} {place}H{WIDTH - RIGHT}" stroke="#d9dde1"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{_near(up(value) + 4)}" text-anchor="end">'
            f"{escape(text)}</text>"
        )
    frame = f'x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}"'
    inner = "".join(_layer(content, panel, layer, along, up) for layer in panel["layers"])
    box = f"{LEFT} {top} {WIDTH - LEFT - RIGHT} {height}"
    parts.append(f'<svg {frame} viewBox="{box}">{inner}</svg>')
    parts.append(f'<rect {frame} fill="none" stroke="#d9dde1"/>')
    if is_last:
        parts += _numbers(axis, along, top + height)
    return "".join(parts)


def _numbers(axis: Content, along: Scale, bottom: int) -> list[str]:
    """The numbers of a lower axis and its name."""
    parts = [
        f'<text x="{_near(along(value))}" y="{bottom + 15}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for value, text in axis["ticks"]
    ]
    middle = _near((LEFT + WIDTH - RIGHT) / 2)
    name = escape(axis["name"])
    parts.append(f'<text x="{middle}" y="{bottom + 32}" text-anchor="middle">{name}</text>')
    return parts


def _layer(content: Content, panel: Content, layer: Content, along: Scale, up: Scale) -> str:
    """One layer's paths at the sliders' start."""
    place = 0
    for number in layer["by"]:
        slider = content["sliders"][number]
        place = place * len(slider["texts"]) + slider["start"]
    state = layer["states"][place]
    kind = layer["kind"]
    unit = panel["unit"]
    unit_along = content["axes"][panel["axis"]]["unit"]
    if kind == "heat":
        return "".join(_heat(state, layer, along, up))
    if kind == "boxes":
        return "".join(
            _filled(
                layer,
                _box(
                    along(left * unit_along),
                    along(right * unit_along),
                    up(high * unit),
                    up(low * unit),
                ),
                shade / SHADES,
            )
            for left, right, low, high, shade in state
        )
    if kind == "marks":
        low, high = _near(up(panel["low"])), _near(up(panel["high"]))
        path = "".join(f"M{_near(along(x * unit_along))} {high}V{low}" for x in state)
        return _stroked(layer, path)
    if kind == "levels":
        path = "".join(f"M{LEFT} {_near(up(y * unit))}H{WIDTH - RIGHT}" for y in state)
        return _stroked(layer, path)
    heights = [None if value is None else up(value * unit) for value in state]
    edges = [along(layer["first"] + n * layer["step"]) for n in range(len(heights) + 1)]
    if kind in OPEN:
        return _stroked(layer, _line(edges, heights, stepped=kind == "steps"))
    return _columns(layer, edges, heights, up(0))


def _columns(
    layer: Content, edges: Sequence[Number], heights: Sequence[Number | None], zero: Number
) -> str:
    """Areas and bars: from the zero line to each value; a signed area is blue below it."""
    levels = [zero if height is None else height for height in heights]
    if layer["kind"] == "bars":
        half = 0.4 * (edges[1] - edges[0])
        bars = [
            _box(edge - half, edge + half, min(level, zero), max(level, zero))
            for edge, level in zip(edges, levels, strict=False)
        ]
        return _filled(layer, "".join(bars), 1.0)
    if layer["kind"] == "area":
        return _filled(layer, _area(edges, levels, zero), 1.0)
    above = _area(edges, [min(level, zero) for level in levels], zero)
    below = _area(edges, [max(level, zero) for level in levels], zero)
    return _filled(layer, above, 1.0) + f'<path d="{below}" fill="{COLOURS["blue"]}"/>'


def _area(edges: Sequence[Number], levels: Sequence[Number], zero: Number) -> str:
    """Steps over the zero line, closed along it."""
    steps = _steps([edges[0], *edges], [zero, *levels])
    return f"{steps}V{round(zero)}Z"


def _heat(state: Sequence[Sequence[int]], layer: Content, along: Scale, up: Scale) -> list[str]:
    """Neighbours of one shade are one rectangle."""
    parts = []
    for lane, row in enumerate(state):
        place = 0
        for shade, cells in groupby(row):
            length = len(list(cells))
            left = along(layer["first"] + place * layer["step"])
            right = along(layer["first"] + (place + length) * layer["step"])
            low, high = sorted((up(lane), up(lane + 1)))
            if shade:
                parts.append(_filled(layer, _box(left, right, low, high), shade / SHADES))
            place += length
    return parts


def _line(edges: Sequence[Number], heights: Sequence[Number | None], stepped: bool) -> str:
    """A polyline or steps; a missing value ends it."""
    path = ""
    place = 0
    draw = _steps if stepped else _polyline
    for _, run in groupby(heights, key=lambda height: height is None):
        length = len(list(run))
        known = [height for height in heights[place : place + length] if height is not None]
        if known:
            path += draw(edges[place : place + length + 1], known)
        place += length
    return path


def _steps(edges: Sequence[Number], heights: Sequence[Number]) -> str:
    """Steps in whole pixels, each from the one before: a third of the length."""
    x, y = round(edges[0]), round(heights[0])
    path = f"M{x} {y}"
    for edge, height in zip(edges[1:-1], heights[1:], strict=True):
        if round(height) != y:
            path += f"h{round(edge) - x}v{round(height) - y}"
            x, y = round(edge), round(height)
    return f"{path}h{round(edges[-1]) - x}"


def _polyline(edges: Sequence[Number], heights: Sequence[Number]) -> str:
    points = [f"{_near(x)} {_near(y)}" for x, y in zip(edges, heights, strict=False)]
    return "M" + "L".join(points)


def _legend(content: Content, top: int) -> tuple[list[str], int]:
    """The names of layers beside samples, in lines; and where they end."""
    seen: dict[str, Content] = {}
    for panel in content["panels"]:
        for layer in panel["layers"]:
            seen.setdefault(layer["name"], layer)
            if layer["below"]:
                seen.setdefault(layer["below"], {**layer, "colour": "blue"})
    samples = [(name, _sample(layer)) for name, layer in seen.items() if name]
    if content["shaded"]:
        shade = f'<path d="M1 1H23V11H1Z" fill="{COLOURS["green"]}" fill-opacity=".16"/>'
        samples.append((content["shaded_name"], shade))
    parts = []
    left: Number = LEFT
    line = top + 4
    for name, sample in samples:
        wide = 34 + LETTER * len(name)
        if left > LEFT and left + wide > WIDTH:
            left, line = LEFT, line + KEYS
        parts.append(f'<g transform="translate({_near(left)} {line})">{sample}')
        parts.append(f'<text x="30" y="10">{escape(name)}</text></g>')
        left += wide + 12
    return parts, line + KEYS


def _sample(layer: Content) -> str:
    if layer["kind"] in OPEN:
        return _stroked(layer, "M1 6H23")
    return _filled(layer, "M1 1H23V11H1Z", 1.0)


def _stroked(layer: Content, path: str) -> str:
    dashes = DASHES.get(layer["look"])
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="{path}" fill="none" stroke="{_colour(layer)}" stroke-width="1.5"{style}/>'


def _filled(layer: Content, path: str, opacity: Number) -> str:
    if layer["look"] == "hollow":
        return f'<path d="{path}" fill="none" stroke="{_colour(layer)}" stroke-width="1.6"/>'
    strength = opacity * (0.3 if layer["look"] == "light" else 1.0)
    style = "" if strength == 1 else f' fill-opacity="{strength:.3g}"'
    return f'<path d="{path}" fill="{_colour(layer)}"{style}/>'


def _colour(layer: Content) -> str:
    return COLOURS[layer["colour"]]


def _scale(axis: Content, start: Number, end: Number) -> Scale:
    """From values of an axis to pixels."""
    low, high = axis["low"], axis["high"]
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _box(left: Number, right: Number, top: Number, bottom: Number) -> str:
    return f"M{_near(left)} {_near(top)}H{_near(right)}V{_near(bottom)}H{_near(left)}Z"


def _near(pixel: Number) -> str:
    """A tenth of a pixel is seen by nobody."""
    return f"{pixel:.1f}".removesuffix(".0")
