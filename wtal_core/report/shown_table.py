"""How a table looks in a notebook: HTML by pandas' Styler, with the table as CSV and LaTeX behind
two links. The DataFrame itself stays what it is; only its display differs.

A display is made of texts. Names of rows, classes and files are escaped, never read as markup.
"""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from wtal_core.papers.printed_values import RESULT, metric_name

BEST, NEAR = "best", "near"  # within noise of the best
GLYPHS = {
    "holds": "✓",
    "reversed": "✗",
    "no difference": "=",
    "cannot tell": "?",
    "not trained": "○",
}
TINTS = {  # seen on a light and on a dark page
    "holds": "rgba(0, 158, 115, 0.28)",
    "reversed": "rgba(213, 94, 0, 0.30)",
    "no difference": "rgba(0, 114, 178, 0.24)",
    "cannot tell": "rgba(128, 128, 128, 0.20)",
    "not trained": "rgba(128, 128, 128, 0.10)",
}
# names of columns in code and in tables that were saved before -> those that are read and saved
NAMES = {
    "reported": "paper",
    "reproduced": "here",
    "delta": "difference",
    "sup": "supervision",
    "t_start": "start (s)",
    "t_end": "end (s)",
}
SAID_ONCE = {  # below the table, where all rows agree
    "trained": "In every {row} {value} seeds are trained.",
    "collapsed": "In every {row} {value} seeds have collapsed.",
    "n": "Seeds per {row}: {value}.",
}
IN_NUMBERS = re.compile(r"\b(of|and|to|s|min)\b")  # words that stand among figures
LETTER = re.compile(r"[^\W\d_]")
WIDEST = 6  # columns of settings; more are told in words
MARK, NONE = "✓", "–"
NO_VALUE = ("nan", "NaN", "None", "<NA>", "NaT")  # the texts of what is no value
CSS = [
    {"selector": "", "props": "border-collapse: collapse; margin: 0.3em 0; font-size: 0.9em"},
    {"selector": "th, td", "props": "padding: 0.2em 0.7em; vertical-align: top; border: 0"},
    {"selector": "th", "props": "text-align: left; font-weight: 600; max-width: 26em"},
    {"selector": "tbody th", "props": "font-weight: normal"},
    {"selector": "td", "props": "text-align: right; white-space: nowrap"},
    {"selector": ".words", "props": "text-align: left; white-space: normal; max-width: 40em"},
    {"selector": ".factor", "props": "text-align: center"},
    {"selector": "thead tr", "props": "border-bottom: 1px solid; border-top: 1.5px solid"},
]
# Styler's names of classes, short: they stand in every cell
CLASSES = {
    "data": "",
    "row": "r",
    "col": "c",
    "row_heading": "h",
    "col_heading": "k",
    "index_name": "i",
    "level": "l",
    "blank": "",
}
LATEX = {
    "\u00a0": " ",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "✓": r"\checkmark{}", "✗": r"$\times$", "○": r"$\circ$", "±": r"$\pm$", "–": "--",
    "−": r"$-$", "≥": r"$\geq$", "×": r"$\times$", "λ": r"$\lambda$", "β": r"$\beta$",
    "γ": r"$\gamma$", "τ": r"$\tau$", "θ": r"$\theta$", "σ": r"$\sigma$", "ν": r"$\nu$",
}  # fmt: skip


class ShownTable(pd.DataFrame):
    """A DataFrame that a notebook shows as this module says.

    name: of the files behind the links. marks: column -> row label -> `BEST` or `NEAR`.
    factors: row label -> factor -> whether the row has it; shown as check marks, in the place of
    the labels where they tell all rows apart. folded: the line that opens the table by a click;
    "" for a table that is open.
    """

    _metadata = ["name_of_file", "marks", "factors", "folded"]  # noqa: RUF012  (pandas' own)

    name_of_file: str
    marks: Mapping[str, Mapping[str, str]]
    factors: Mapping[str, Mapping[str, bool]]
    folded: str

    @property
    def _constructor(self) -> type["ShownTable"]:
        return ShownTable

    def __repr__(self) -> str:
        """The whole table as text: nothing is cut, and what is no number is a dash."""
        plain = pd.DataFrame(self).rename(index=_named_or_dash)
        return plain.to_string(max_colwidth=None, na_rep=NONE)

    def _repr_html_(self) -> str:
        return as_html(self)


def shown(
    table: pd.DataFrame,
    name: str | None = None,
    marks: Mapping[str, Mapping[str, str]] | None = None,
    factors: Mapping[str, Mapping[str, bool]] | None = None,
    folded: str | None = None,
) -> ShownTable:
    """The same table, to be shown; what is None stays as the table has it.

    Raises nothing: a mark or factor of a row that the table lacks is not shown.
    """
    result = ShownTable(table)
    given = {"name_of_file": name, "marks": marks, "factors": factors, "folded": folded}
    plain: dict[str, Any] = {"name_of_file": "table", "marks": {}, "factors": {}, "folded": ""}
    for attribute, value in given.items():
        kept = getattr(table, attribute, None) if isinstance(table, ShownTable) else None
        chosen = value if value is not None else kept
        object.__setattr__(result, attribute, plain[attribute] if chosen is None else chosen)
    return result


def as_html(table: pd.DataFrame) -> str:
    """The table as HTML, the same text every time."""
    table = shown(table)
    if table.folded and table.shape[1] > WIDEST:
        display, said = _display(_in_words(table))
    else:
        display, said = _display(table)
    text = _styled(display, _uuid(table))
    links = _links(table, display)
    note = "".join(f"{html.escape(sentence)} " for sentence in said)
    body = (
        f'<div class="wtal-table" style="overflow-x: auto">{text}</div>\n'
        f'<div style="font-size: 0.85em">{note}{links}</div>'
    )
    if not table.folded:
        return body
    return f"<details><summary>{html.escape(table.folded)}</summary>\n{body}\n</details>"


def as_latex(table: pd.DataFrame) -> str:
    """The table as LaTeX, for the packages booktabs and amssymb."""
    table = shown(table)
    display, _ = _display(table)
    return _latex(display)


def _display(table: ShownTable) -> tuple[pd.DataFrame, list[str]]:
    """What is shown, in texts with `<b>` and `<u>` as the only markup, and sentences on what every
    row has.
    """
    text = pd.DataFrame(
        {place: _cells(table.iloc[:, place]) for place in range(table.shape[1])}, dtype=object
    )
    text.columns = table.columns
    text = text.map(html.escape)
    said = []
    row = "comparison" if "comparison" in text else "row"
    for column, sentence in SAID_ONCE.items():
        if column in text and len(text) > 1 and text[column].nunique() == 1:
            value = text[column].iloc[0]
            if value != NONE:
                said.append(sentence.format(row=row, value=value))
            text = text.drop(columns=column)
    text = _marked(text, table)
    text = _with_interval(text)
    if "verdict" in text:
        text["verdict"] = [_verdict(verdict) for verdict in text["verdict"]]
    text.columns = [html.escape(heading(str(name))) for name in text.columns]
    return _with_rows(text, table), said


def _in_words(table: ShownTable) -> ShownTable:
    """Settings of many fields: of each row only what differs from the first one."""
    base = table.iloc[0]
    lines = []
    for _, row in table.iterrows():
        changed = [name for name in table.columns if repr(row[name]) != repr(base[name])]
        lines.append("; ".join(f"{name} = {_text(row[name])}" for name in changed))
    lines[0] = ", ".join(f"{name} {_text(base[name])}" for name in table.columns)
    words = pd.DataFrame({f"differs from {table.index[0]} in": lines}, index=table.index)
    return shown(words, table.name_of_file, folded=table.folded)


def heading(name: str) -> str:
    """What a column is called where it is read: "mAP@0.5" of "m50", "here" of "reproduced"."""
    return metric_name(name) if RESULT.fullmatch(name) else NAMES.get(name, name)


def _cells(column: pd.Series) -> list[str]:
    """The texts of a column; its numbers have as many decimals as the one that needs most."""
    told = [NONE if value is None or value is pd.NA else _text(value) for value in column]
    told = [NONE if cell in NO_VALUE else cell for cell in told]
    floats = [isinstance(value, float) for value in column]
    short = [cell for cell, is_float in zip(told, floats, strict=True) if is_float]
    if any("e" in cell for cell in short):
        return told
    decimals = max((len(cell.partition(".")[2]) for cell in short), default=0)
    return [
        f"{value:.{decimals}f}" if is_float and cell != NONE else cell
        for value, cell, is_float in zip(column, told, floats, strict=True)
    ]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return MARK if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    return str(value)


def _named_or_dash(label: Any) -> Any:
    return NONE if str(label) in NO_VALUE else label


def _label(value: object) -> str:
    text = str(value)
    return NONE if text in NO_VALUE else text


def _marked(text: pd.DataFrame, table: ShownTable) -> pd.DataFrame:
    """The best value of a column bold, those within noise of it underlined."""
    for column, of_rows in table.marks.items():
        if column in text:
            text[column] = [
                _emphasis(cell, of_rows.get(str(row)))
                for row, cell in zip(table.index, text[column], strict=True)
            ]
    return text


def _emphasis(cell: str, mark: str | None) -> str:
    tag = {BEST: "b", NEAR: "u"}.get(mark or "")
    return f"<{tag}>{cell}</{tag}>" if tag else cell


def _with_interval(text: pd.DataFrame) -> pd.DataFrame:
    """The 95 % interval in the cell of its number, in the place of a column of its own."""
    number = next((name for name in text if heading(str(name)) == "here"), None)
    if number is None or "95 % interval" not in text:
        return text
    pairs = zip(text[number], text["95 % interval"], strict=True)
    text[number] = [
        value if interval == NONE else f"{value} ({interval})" for value, interval in pairs
    ]
    names = {number: "here (95\u00a0%\u00a0interval)"}
    return text.drop(columns="95 % interval").rename(columns=names)


def _verdict(verdict: str) -> str:
    if verdict not in GLYPHS:
        return verdict
    return f"{GLYPHS[verdict]} {verdict}".replace(" ", "\u00a0")


def _with_rows(text: pd.DataFrame, table: ShownTable) -> pd.DataFrame:
    """Row labels escaped: check marks in the place of factors, rows of one label as one group."""
    present = [str(row) for row in table.index] if table.index.nlevels == 1 else []
    factors = {row: table.factors[row] for row in present if row in table.factors}
    if factors and len(factors) == len(present):
        names = list(dict.fromkeys(name for row in factors.values() for name in row))
        for place, name in enumerate(names):
            marks = [MARK if factors[row].get(name) else "" for row in present]
            text.insert(place, html.escape(name), marks)
        if not text.iloc[:, : len(names)].duplicated().any():
            return text.reset_index(drop=True)
    levels = table.index.to_frame(index=False).map(_label).map(html.escape)
    named = [html.escape(str(name)) if name is not None else "" for name in table.index.names]
    if isinstance(table.index, pd.RangeIndex):
        return text.reset_index(drop=True)
    if table.index.nlevels == 1 and table.index.has_duplicates and len(text.columns) > 1:
        first = text.columns[0]
        inner = text.pop(first)
        text.index = pd.MultiIndex.from_arrays([levels.iloc[:, 0], inner], names=[*named, first])
    elif table.index.nlevels == 1:
        text.index = pd.Index(levels.iloc[:, 0], name=named[0])
    else:
        text.index = pd.MultiIndex.from_frame(levels, names=named)
    return text


def _styled(display: pd.DataFrame, uuid: str) -> str:
    frame = display.copy()
    kinds = {place: _kind(frame.iloc[:, place]) for place in range(frame.shape[1])}
    for place, kind in kinds.items():
        if kind != "words":
            frame.isetitem(place, [cell.replace(" ", "\u00a0") for cell in frame.iloc[:, place]])
    styler = Styler(frame, uuid=uuid, uuid_len=0, cell_ids=False)
    styler.set_table_styles(CSS, css_class_names=CLASSES)
    classes = pd.DataFrame("", index=frame.index, columns=frame.columns)
    if frame.index.is_unique and frame.columns.is_unique:
        for place, kind in kinds.items():
            classes.isetitem(place, "" if kind == "number" else kind)
        styler.set_td_classes(classes)
        if "verdict" in frame:
            styler.map(_tint, subset=["verdict"])
        styler.set_table_styles(
            [{"selector": f"th.c{place}", "props": f"text-align: {ALIGNED[kind]}"}
             for place, kind in kinds.items() if kind != "words"],
            overwrite=False,
        )  # fmt: skip
    if isinstance(display.index, pd.RangeIndex):
        styler.hide(axis="index")
    elif list(display.index.names) in ([""], ["row"]):
        styler.hide(axis="index", names=True)
    return styler.to_html(sparse_index=True)


ALIGNED = {"words": "left", "number": "right", "factor": "center"}


def _kind(column: "pd.Series[str]") -> str:
    cells = [re.sub(r"</?[bu]>", "", cell).replace("\u00a0", " ") for cell in column]
    if all(cell in (MARK, "") for cell in cells):
        return "factor"
    bare = [IN_NUMBERS.sub("", cell) for cell in cells]
    return "words" if any(LETTER.search(cell) for cell in bare) else "number"


def _tint(cell: str) -> str:
    verdict = cell.partition("\u00a0")[2].replace("\u00a0", " ")
    return f"background-color: {TINTS[verdict]}" if verdict in TINTS else ""


def _links(table: ShownTable, display: pd.DataFrame) -> str:
    """The table as files, inside the page: it needs no server and no folder beside it."""
    saved = pd.DataFrame(table).rename(columns=lambda name: heading(str(name)))
    files = {
        "CSV": (".csv", "text/csv", saved.to_csv(lineterminator="\n", na_rep=NONE)),
        "LaTeX": (".tex", "text/plain", _latex(display)),
    }
    links = []
    for word, (ending, kind, text) in files.items():
        data = base64.b64encode(text.encode()).decode()
        name = html.escape(f"{table.name_of_file}{ending}", quote=True)
        links.append(
            f'<a download="{name}" href="data:{kind};charset=utf-8;base64,{data}">{word}</a>'
        )
    return " · ".join(links)


def _latex(display: pd.DataFrame) -> str:
    frame = display.map(_as_latex)
    frame.columns = [_as_latex(name) for name in display.columns]
    flat = isinstance(display.index, pd.RangeIndex)
    if not flat:
        for level, name in enumerate(display.index.names):
            labels = [_as_latex(label) for label in display.index.get_level_values(level)]
            frame.insert(level, _as_latex(str(name or "")) or " " * level, labels, True)
    letters = {"words": "l", "number": "r", "factor": "c"}
    columns = "".join(letters[_kind(display.iloc[:, place])] for place in range(display.shape[1]))
    rows = "" if flat else "l" * display.index.nlevels
    return frame.to_latex(index=False, escape=False, column_format=rows + columns)


def _as_latex(cell: str) -> str:
    parts = re.split(r"(</?[bu]>)", cell)
    tags = {"<b>": r"\textbf{", "<u>": r"\underline{", "</b>": "}", "</u>": "}"}
    return "".join(tags[part] if part in tags else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in html.unescape(text))


def _uuid(table: ShownTable) -> str:
    """The same for the same table; two tables of a page differ."""
    text = pd.DataFrame(table).to_csv() + table.name_of_file
    return f"{table.name_of_file}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
