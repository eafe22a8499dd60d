"""Ways to damage a file of each format: its bytes, and what it says.

All take a `random.Random`, which hypothesis or a plain seed may drive, and the bytes of a valid
file; they return damaged bytes.
"""

import copy
import csv
import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.data_samples import objects
from wtal_core.runs import ledger

Damage = Callable[[Random, bytes], bytes]

NAMES = (
    *("", " ", ".", "..", "../../x", "/etc/passwd", "C:\\x", "CON", "a\0b", "a\nb", "\x1b[2J"),
    *("x" * 300, "<script>alert(1)</script>", "--help", "\ud800", "é" * 50, "\u202e"),
)
NUMBERS = (
    *(0, -1, 1e308, -1e308, 5e-324, float("nan"), float("inf"), -float("inf")),
    *(2**31, 2**63, 2**64, 10**400, -(10**400)),
)
VALUES = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "text",
    "1e999",
    "1_0",
    *NUMBERS,
    *NAMES,
)
DEEP = 5000
LONG_FIELD = 200_000


def a_value(draw: Random) -> Any:
    return copy.deepcopy(draw.choice(VALUES))


def of_bytes(draw: Random, content: bytes) -> bytes:
    """Cut off, bits flipped, stretches removed, doubled or replaced, foreign bytes put in."""
    whole = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        place = draw.randint(0, max(len(whole) - 1, 0))
        length = draw.choice((1, 2, 4, 8, 64, 512))
        kind = draw.randint(0, 8)
        if kind == 0:
            del whole[place:]
        elif kind == 1 and whole:
            whole[place] ^= 1 << draw.randint(0, 7)
        elif kind == 2:
            del whole[place : place + length]
        elif kind == 3:
            whole[place:place] = whole[place : place + length]
        elif kind == 4:
            whole[place : place + length] = bytes(draw.randint(0, 255) for _ in range(length))
        elif kind == 5:
            strange = (b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\x80", b'"', b"\xed\xa0\x80")
            whole[place:place] = draw.choice(strange)
        elif kind == 6:
            whole[place : place + length] = b"\xff" * length
        elif kind == 7:
            whole[place : place + length] = b"\0" * length
        else:
            whole[:] = draw.choice(
                (b"", b"\n", b" ", b"null", b"\x93NUMPY", b"PK\x03\x04", b"PAR1")
            )
    return bytes(whole)


def damaged_tree(draw: Random, tree: Any) -> Any:
    """One place of nested lists and dictionaries replaced, removed, doubled or renamed."""
    tree = copy.deepcopy(tree)
    holders = [{"": tree}]
    for holder in holders:
        members = holder.values() if isinstance(holder, dict) else holder
        holders += [member for member in members if isinstance(member, dict | list) and member]
    holder = draw.choice(holders)
    key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
    kind = draw.randint(0, 6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[draw.choice(NAMES)] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 3:
        holder[key] = [holder[key]]
    elif kind == 4 and isinstance(holder[key], dict):
        holder[key] = list(holder[key])
    elif kind == 5 and isinstance(holder[key], list):
        holder[key] = {str(i): value for i, value in enumerate(holder[key])}
    else:
        holder[key] = a_value(draw)
    return holders[0].get("")


def of_json(draw: Random, content: bytes) -> bytes:
    """Another structure, or text that the parser has trouble with."""
    kind = draw.randint(0, 9)
    if kind == 0:
        deep = draw.choice(('{"a":', "["))
        return (deep * DEEP).encode() if draw.randint(0, 1) else _deep_json(draw, content)
    if kind == 1:
        return content.replace(b"1", draw.choice((b"1" * 5000, b"NaN", b"1e9999", b"01", b"-")), 1)
    if kind == 2:
        return content.replace(b'"', draw.choice((b'"\\ud800', b'"\\u0000', b"'")), 3)
    tree = json.loads(content)
    for _ in range(draw.choice((1, 1, 2, 3))):
        tree = damaged_tree(draw, tree)
    return json.dumps(tree).encode()


def _deep_json(draw: Random, content: bytes) -> bytes:
    """A place of a valid file that holds lists in lists."""
    depth = draw.choice((50, 200, 900, 960, DEEP))
    mark = "a place nowhere else"
    tree = json.loads(content)
    holders = [tree]
    for holder in holders:
        members = holder.values() if isinstance(holder, dict) else holder
        holders += [member for member in members if isinstance(member, dict | list) and member]
    holder = draw.choice(holders)
    key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
    holder[key] = mark
    return json.dumps(tree).replace(f'"{mark}"', "[" * depth + "]" * depth).encode()


def of_lines(draw: Random, content: bytes) -> bytes:
    """JSON lines: one line damaged in what it says, with the right seal or without."""
    lines = content.decode().splitlines()
    number = draw.randrange(len(lines))
    kind = draw.randint(0, 5)
    if kind == 0:
        lines.insert(number, draw.choice(("", "{}", "null", "[" * DEEP, '{"run": []}', '{"a":1')))
    elif kind == 1:
        lines.append(lines[number])
    else:
        line = json.loads(lines[number])
        if draw.randint(0, 1) and "metrics" in line:  # what every command reads of a run
            part = draw.choice([line, line["by"], *line["metrics"]["last"].values()])
            part[draw.choice(sorted(part))] = draw.choice((a_value(draw), [a_value(draw)]))
        line = damaged_tree(draw, line)
        try:
            lines[number] = json.dumps(ledger.sealed(line) if kind > 2 else line)
        except (AttributeError, TypeError, ValueError):
            lines[number] = json.dumps(line)
    return ("\n".join(lines) + "\n").encode()


def of_yaml(draw: Random, content: bytes) -> bytes:
    """Another structure, tags that would make objects, anchors that grow."""
    kind = draw.randint(0, 7)
    if kind == 0:
        tag = draw.choice(("!!python/object/apply:os.getcwd []", "!!python/name:os.system", "!x 1"))
        return content + f"\nextra: {tag}\n".encode()
    if kind == 1:
        levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
        return "\n".join(["l0: &l0 [x, x, x, x, x, x, x, x, x]", *levels]).encode()
    if kind == 2:
        levels = [f"l{i}: &l{i} {{<<: [*l{i - 1}, *l{i - 1}, *l{i - 1}]}}" for i in range(1, 20)]
        return "\n".join(["l0: &l0 {a: 1}", *levels]).encode()
    if kind == 3:
        return draw.choice(
            (
                b"[" * DEEP,
                b"a: &a [*a]",
                b"\t",
                b"- " * 900 + b"x",
                b"? " * 900,
                b"%",
                b"a: 1\na: 2",
            )
        )
    tree = yaml.safe_load(content)
    for _ in range(draw.choice((1, 1, 2))):
        tree = damaged_tree(draw, tree)
    return yaml.safe_dump(tree, allow_unicode=False).encode("utf-8", "surrogatepass")


def of_table(draw: Random, content: bytes) -> bytes:
    """Lines of cells, apart by commas or spaces: cells, columns and lines changed."""
    text = content.decode("utf-8-sig")
    mark = "," if "," in text else " "
    rows = [line.split(mark) for line in text.splitlines()]
    for _ in range(draw.choice((1, 1, 2, 4))):
        number = draw.randrange(len(rows)) if rows else 0
        kind = draw.randint(0, 9)
        if not rows or not rows[number]:
            rows.append([])
        elif kind == 0:
            del rows[number]
        elif kind == 1:
            rows.insert(number, draw.choice(([], [""], [mark], ["\0"], ['"'], list(rows[number]))))
        elif kind == 2:
            del rows[number][draw.randrange(len(rows[number]))]
        elif kind == 3:
            rows[number].append(_cell(draw))
        elif kind == 4:
            column = draw.randrange(len(rows[0]) or 1)
            rows = [row[:column] + row[column + 1 :] for row in rows]
        elif kind == 5:
            rows = [row[:1] + row for row in rows]
        elif kind == 6:
            rows[number][draw.randrange(len(rows[number]))] = "x" * LONG_FIELD
        else:
            rows[number][draw.randrange(len(rows[number]))] = _cell(draw)
    return "\n".join(mark.join(row) for row in rows).encode("utf-8", "surrogatepass")


def _cell(draw: Random) -> str:
    return str(
        draw.choice(
            (*NUMBERS, *NAMES, "text", "1e999", "1_0", "0x1", '"', '"a', "nan", "-0", "1 2", "١")
        )
    )


def an_array(draw: Random) -> np.ndarray:
    """An array that is not the expected one."""
    arrays = (
        lambda: np.zeros(0),
        lambda: np.array(3.0),
        lambda: np.zeros((2, 0)),
        lambda: np.array(["text"] * 4),
        lambda: np.array([b"\xff\xfe"] * 4),
        lambda: np.array([True, False, True, True]),
        lambda: np.full((4, 1), np.nan),
        lambda: np.full(4, np.inf, np.float16),
        lambda: np.array([1 + 2j] * 4),
        lambda: np.array(["2020-01-01"] * 4, dtype="M8[D]"),
        lambda: np.zeros(4, dtype=[("a", "f4"), ("b", "i2")]),
        lambda: np.full(4, 2**63, np.uint64),
        lambda: np.array(list(NAMES[:4])),
        lambda: np.zeros(4, dtype=">f8"),
        lambda: objects([a_value(draw) for _ in range(4)]),
        lambda: objects([[a_value(draw)] for _ in range(4)]),
        lambda: objects([np.zeros((2, 3, 4)) for _ in range(4)]),
        lambda: objects([1, [2, [3, [4, [5, [6, [7, [8, [9, [10]]]]]]]]], {}, {"a": ()}]),
    )
    return draw.choice(arrays)()


def of_npy(draw: Random, content: bytes) -> bytes:
    """Another array, objects in other places, or a header that promises something else."""
    kind = draw.randint(0, 7)
    if kind == 0:
        return _saved(an_array(draw))
    if kind == 1:
        return _forged_header(draw, content)
    array = np.load(io.BytesIO(content), allow_pickle=True)
    if not array.size:
        return _saved(an_array(draw))
    if kind == 2:
        return _saved(array[: draw.randrange(len(array))] if array.ndim else an_array(draw))
    if kind == 3:
        return _saved(array[None] if draw.randint(0, 1) else np.concatenate([array, array]))
    if array.dtype == object:
        place = draw.randrange(len(array))
        row = array[place]
        if isinstance(row, list) and row and draw.randint(0, 1):
            array[place] = damaged_tree(draw, row)
        else:
            array[place] = an_array(draw) if draw.randint(0, 1) else a_value(draw)
        return _saved(array)
    if kind == 4:
        return _saved(array.astype(draw.choice(("S40", "U40", "O"))))
    if array.dtype.kind in "fiu":
        flat = array.reshape(-1).astype(float)
        flat[draw.randrange(len(flat))] = draw.choice(NUMBERS[:8])
        if draw.randint(0, 1):  # as float64, with a number beyond float32
            flat[draw.randrange(len(flat))] = draw.choice((1e60, -3.5e38, 3.4e38))
            return _saved(flat.reshape(array.shape))
        with np.errstate(all="ignore"):
            return _saved(flat.reshape(array.shape).astype(array.dtype))
    flat = array.reshape(-1).astype(object)
    flat[draw.randrange(len(flat))] = draw.choice(NAMES[:6])
    return _saved(flat.astype("U40").reshape(array.shape))


def _saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _forged_header(draw: Random, content: bytes) -> bytes:
    """Shapes, types and lengths that the file does not hold; no header of a real writer."""
    shapes = (
        "(10**12,)",
        "(-1,)",
        "(True,)",
        "(2**70,)",
        "(1.5,)",
        "(4, 99999999)",
        "(0,)",
        "()",
        "[4]",
        "None",
    )
    kinds = (
        "<f8",
        "|S0",
        "|V0",
        "|O",
        "<M8[s]",
        "<f16",
        "|S999999999",
        "(9,9)<f4",
        "[('a','<f4')]",
        "",
        "<f3",
    )
    shape = draw.choice(shapes).replace("10**12", str(10**12)).replace("2**70", str(2**70))
    order = draw.choice(("False", "True", "1", "None"))
    text = f"{{'descr': {draw.choice(kinds)!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
    if draw.randint(0, 5) == 0:
        text = draw.choice(("(" * 900, "{" * 90, "[" * 9000, "x", "{'descr': 1}", "-" * 5000 + "1"))
    version = draw.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    wide = version != b"\x01\x00"
    length = draw.choice((len(text) + 1, len(text) + 1, 2**16 - 1, 0, 2**31))
    size = (
        (length & (2**32 - 1)).to_bytes(4, "little")
        if wide
        else (length & 0xFFFF).to_bytes(2, "little")
    )
    return b"\x93NUMPY" + version + size + text.encode() + b"\n" + content[-200:]


HEADER_OF_OBJECTS = (
    b"\x93NUMPY\x01\x00\x39\x00{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n"
)


def of_pickle(draw: Random, content: bytes) -> bytes:
    """Pickles that hang, break, run or grow an unpickler, below the header of an object array."""
    return HEADER_OF_OBJECTS + draw.choice(HOSTILE_PICKLES)()


def _shared_lists() -> bytes:
    shared: list = []
    for _ in range(60):
        shared = [shared, shared]
    return pickle.dumps(shared)


HOSTILE_PICKLES = (
    _shared_lists,
    lambda: b"\x80\x02" + b"(" * 5_000 + b"t" * 5_000 + b".",
    lambda: b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.",  # a nested tuple as key
    lambda: b"\x80\x04]" + b"r\xff\xff\xff\x07.",  # a memo of 2^27 entries
    lambda: b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x.",
    lambda: b"\x80\x04\x8d" + (2**62).to_bytes(8, "little") + b"x.",
    lambda: b"\x80\x05\x96" + (2**35).to_bytes(8, "little") + b".",
    lambda: b"\x80\x04\x95" + (2**40).to_bytes(8, "little") + b"N.",
    lambda: b"X\xff\xff\xff\xffabc.",
    lambda: b"T\xff\xff\xff\x7fabc.",
    lambda: b"cos\nsystem\n(S'true'\ntR.",
    lambda: b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    lambda: b"\x80\x04\x82\x01.",
    lambda: b"\x80\x04Pabc\n.",
    lambda: b"\x80\x09N.",
    lambda: b"I" + b"9" * 500_000 + b"\n.",
    lambda: b"\x8b" + (2**31 - 1).to_bytes(4, "little") + b"\xff.",
    lambda: b"(" * 5_000 + b".",
    lambda: b"]" * 5_000 + b".",
    lambda: b"]" + b"0]" * 5_000 + b".",
    lambda: b"\x80\x04]q\x00h\x00a.",
    lambda: b"\x80\x04" + b"\x8c\x01a\x94" * 5_000 + b".",
    lambda: b"]2" * 5_000 + b".",
    lambda: b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'S999999999'\nI0\nI1\ntRS'a'\ntR.",
    lambda: b"N" + b"\x85" * 3000 + b".",
)


def of_npz(draw: Random, content: bytes) -> bytes:
    """Members removed, renamed, doubled, replaced; sizes that the directory invents."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(list(members))
    kind = draw.randint(0, 6)
    if kind == 0:
        del members[name]
    elif kind == 1:
        other = draw.choice(NAMES).replace("\0", "?").encode("utf-8", "replace").decode()
        members[f"{other}.npy"] = members.pop(name)
    elif kind == 2:
        members[draw.choice(("a.txt", "../x.npy", "exp09_user09.npy", "a/b.npy"))] = b"hello"
    elif kind == 3:
        members[name] = of_bytes(draw, members[name])
    elif kind == 4:
        members[name] = of_pickle(draw, b"")
    else:
        members[name] = of_npy(draw, members[name])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", draw.choice((0, 8, 8, 12))) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    whole = stream.getvalue()
    if draw.randint(0, 5) == 0:  # a directory that promises 4 GB of the first member
        place = whole.rfind(b"PK\x01\x02")
        whole = whole[: place + 24] + b"\xf0\xff\xff\xff" + whole[place + 28 :]
    return whole


def of_parquet(draw: Random, content: bytes) -> bytes:
    """Columns removed, renamed, doubled, of other types; cells missing."""
    table = pq.read_table(io.BytesIO(content))
    names = table.column_names
    name = draw.choice(names)
    place = names.index(name)
    rows = table.num_rows
    columns: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array(["text"] * rows),
        lambda: pa.array([None] * rows),
        lambda: pa.array([True] * rows),
        lambda: pa.array([[1.0]] * rows),
        lambda: pa.array([b"\xff\xfe"] * rows),
        lambda: pa.array([float("nan")] * rows),
        lambda: pa.array([float("inf")] * rows),
        lambda: pa.array([2**63 - 1] * rows),
        lambda: pa.array([{"a": 1}] * rows),
        lambda: pa.array(pd.to_datetime(["2020-01-01"] * rows)),
        lambda: pa.array(["../../x"] * rows),
        lambda: pa.array(["1e999"] * rows).dictionary_encode(),
    )
    kind = draw.randint(0, 5)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.append_column(draw.choice(("extra", name)), table[name])
    elif kind == 2:
        table = table.slice(0, 0)
    elif kind == 3:
        meta = draw.choice((b'{"a": ', b"{}", b"[]", b"\xff", b"[" * DEEP, b'{"index_columns": 3}'))
        table = table.replace_schema_metadata({b"pandas": meta, b"PANDAS_ATTRS": meta})
    else:
        table = table.set_column(place, name, draw.choice(columns)())
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def of_json_lines(draw: Random, content: bytes) -> bytes:
    """One of several lines of JSON, damaged."""
    lines = content.splitlines()
    number = draw.randrange(len(lines))
    lines[number] = of_json(draw, lines[number])
    return b"\n".join(lines) + b"\n"


def of_gzip(draw: Random, content: bytes) -> bytes:
    """What is compressed, damaged; or zeros that a few bytes stand for."""
    if draw.randint(0, 9) == 0:
        return gzip.compress(bytes(2**24))
    return gzip.compress(of_json(draw, gzip.decompress(content)), compresslevel=1)


def of_safetensors(draw: Random, content: bytes) -> bytes:
    """The header says something else, or how long it is."""
    size = int.from_bytes(content[:8], "little")
    header, values = content[8 : 8 + size], content[8 + size :]
    kind = draw.randint(0, 3)
    if kind == 0:
        return draw.choice((0, 1, 2**31, 2**63)).to_bytes(8, "little") + content[8:]
    if kind == 1:
        name = draw.choice((b"F64", b"F8_E5M2", b"BF16", b"BOOL", b"I8", b"F4", b"C64"))
        header = header.replace(b"F32", name)
    else:
        header = of_json(draw, header.rstrip())
    return len(header).to_bytes(8, "little") + header + values


def of_torch(draw: Random, content: bytes) -> bytes:
    """Another pickle in the zip, members packed, removed, damaged, or promised longer."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(sorted(members))
    listed = next(name for name in members if name.endswith("data.pkl"))
    kind = draw.randint(0, 5)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[listed] = draw.choice(HOSTILE_PICKLES)()
    elif kind == 2:
        members[listed] = of_bytes(draw, members[listed])
    else:
        members[name] = of_bytes(draw, members[name])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", draw.choice((0, 0, 0, 8))) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return stream.getvalue()


def of_hdf5(draw: Random, content: bytes) -> bytes:
    """An entry replaced: by nothing, an empty group, a link, or another array."""
    stream = io.BytesIO(content)
    with h5py.File(stream, "a") as file:
        name = draw.choice(sorted(file))
        kind = draw.randint(0, 5)
        if kind == 0:
            file[f"copy of {name}"] = file[name]
        else:
            values = file[name][()]
            del file[name]
            if kind == 1:
                file.create_group(name)
            elif kind == 2:
                file[name] = h5py.Empty("f4")
            elif kind == 3:
                file[name] = draw.choice((h5py.SoftLink("/"), h5py.ExternalLink("x.h5", "/a")))
            elif kind == 4:
                file[name] = values.astype(np.float64) * 1e60
            else:
                file[name] = draw.choice((values[:0], values[0], values.astype("S8"), 3))
    return stream.getvalue()


STRUCTURE: dict[str, tuple[Damage, ...]] = {
    "lines": (of_json_lines,),
    "gzip": (of_gzip,),
    "pickle": (lambda draw, content: draw.choice(HOSTILE_PICKLES)(), of_bytes),
    "safetensors": (of_safetensors,),
    "torch": (of_torch,),
    "json": (of_json,),
    "jsonl": (of_lines,),
    "yaml": (of_yaml,),
    "table": (of_table,),
    "npy": (of_npy, of_npy, of_pickle),
    "npz": (of_npz,),
    "parquet": (of_parquet,),
    "hdf5": (of_hdf5,),
    "bytes": (of_bytes,),
}


def damaged(draw: Random, form: str, content: bytes) -> bytes:
    """Damaged bytes of a valid file of that format: a third of them bytewise."""
    if draw.randint(0, 2) == 0:
        return of_bytes(draw, content)
    try:
        return draw.choice(STRUCTURE[form])(draw, content)
    except (ValueError, TypeError, KeyError, csv.Error, AttributeError, OverflowError):
        # what cannot be written so, such as a number that a type does not hold
        return of_bytes(draw, content)
