"""Each format refuses what could stop the process, before anything is built of it."""

import gc
import gzip
import io
import json
import os
import pickle
import threading
import time
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from tests.fuzz.damage import HEADER_OF_OBJECTS, HOSTILE_PICKLES
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.data.stored import hdf5_arrays
from wtal_core.errors import MissingFile, WorkbookError
from wtal_core.evaluation.formats import opening
from wtal_core.evaluation.formats.opening import open_file
from wtal_core.reading import arrays, parquet, pickles, values
from wtal_core.reading.frames import read_frame
from wtal_core.reading.json_files import DEEPEST, depth, read_json
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import bounded, read_columns, read_csv, read_numbers, read_text
from wtal_core.reading.yaml_files import read_mapping, read_yaml

MEGABYTE = 2**20


def written(tmp_path, content, name="file"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(read, path, words):
    """The message of a refusal, which took less than eight megabytes of memory."""
    tracemalloc.start()
    try:
        with pytest.raises(WorkbookError, match=words) as caught:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600 and path.name in message
    return message


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\xff\xfe", "no text in UTF-8"),
        (b"ab\xed\xa0\x80", r"no text in UTF-8 \(byte 2\)"),
        (b"a\0b", r"control character 0 at byte 1"),
        (b"a\x1b[2J", "control character 27"),
    ],
)
def test_what_is_no_text(tmp_path, content, words):
    refused(read_text, written(tmp_path, content), words)
    assert read_text(written(tmp_path, b"\xef\xbb\xbfa\tb\r\n")) == "a\tb\r\n"


def test_a_file_that_is_not_there_or_a_folder(tmp_path):
    with pytest.raises(MissingFile, match="there is no such file"):
        read_text(tmp_path / "none")
    with pytest.raises(WorkbookError, match="is a folder; name the file in it"):
        read_text(tmp_path)


def test_a_pipe_is_read_to_its_end(tmp_path):
    """It does not say how much it holds."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "a,b\n" * 50_000
    for read in (read_text, lambda path: open_file(path).text):
        writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
        writer.start()
        assert read(pipe) == text
        writer.join()


@pytest.mark.parametrize("read", [read_text, open_file])
def test_a_device_that_never_ends_is_not_read(read):
    refused(read, Path("/dev/zero"), "is a device")


def test_a_stream_is_read_no_further_than_asked():
    stream = io.BytesIO(bytes(10 * MEGABYTE))
    assert len(bounded(stream, 3 * MEGABYTE)) == 3 * MEGABYTE + 1
    assert len(bounded(io.BytesIO(b"abc"), 3)) == 3


def test_a_gzip_file_that_stands_for_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "FREE", MEGABYTE)
    packed = gzip.compress(bytes(16 * MEGABYTE))
    refused(open_file, written(tmp_path, packed, "a.gz"), "when decompressed")


def test_arrays_that_are_packed_too_well(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "FREE", MEGABYTE)
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(2 * MEGABYTE, np.uint8))
    refused(arrays.read_npz, tmp_path / "a.npz", "bytes that promise")


def test_a_footer_of_more_rows_than_are_read(tmp_path, monkeypatch):
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr(parquet, "MOST_ROWS", 1)
    refused(parquet.read_table, tmp_path / "a.parquet", "it promises 2 rows")


def test_hdf5_values_that_nobody_has_written(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("clip", shape=(10**9, 16), dtype="f4", chunks=(1000, 16))
    refused(hdf5_arrays, tmp_path / "a.h5", "promises 64000000000 bytes")


def test_a_text_larger_than_it_may_be(tmp_path):
    path = written(tmp_path, "a" * 100)
    with pytest.raises(WorkbookError, match="holds more than 99 bytes"):
        read_text(path, largest=99)


@pytest.mark.parametrize(
    "content, words",
    [
        (f"a,b\n1,{'x' * 200_000}\n", "no whole table of commas"),
        ('a,b\n1,"2\n', "no whole table of commas"),
    ],
)
def test_tables_that_are_none(tmp_path, content, words):
    with pytest.raises(WorkbookError, match=words):
        read_csv(written(tmp_path, content))


@pytest.mark.parametrize(
    "content, words",
    [("", "0 of 'a'"), ("a,a,b\n", "2 of 'a'"), ("a,b\n1\n", "has 1 cells, not 2"), ("b\n", "'a'")],
)
def test_columns_that_are_not_there(tmp_path, content, words):
    with pytest.raises(WorkbookError, match=words):
        read_columns(written(tmp_path, content), ("a", "b"))
    good = read_columns(written(tmp_path, "b,c,a\n\n1,2,3\n"), ("a", "b"))
    assert good == {"a": ["3"], "b": ["1"]}


@pytest.mark.parametrize("content", ["", "1 2\n3\n", "1 x\n", f"1 {'9' * 30}\n"])
def test_numbers_that_are_none(tmp_path, content):
    with pytest.raises(WorkbookError, match="is damaged"):
        read_numbers(written(tmp_path, content), np.int64)


def test_depth_is_that_of_lists_and_objects_outside_texts():
    assert depth(b"[]") == 1 and depth(b'{"a": [1, {"b": []}]}') == 4
    assert depth(rb'["[[[", "\"[[", "\\", [1]]') == 2
    assert depth(b'["' + b"]" * 50 + b'", ' + b"[" * 30 + b"]" * 30 + b"]") == 31
    wide = b"[" + b"[1]," * 400_000 + b"[[1]]]"  # more than one chunk
    assert depth(wide) == 3


@pytest.mark.parametrize("depth_", [DEEPEST + 1, 500, 100_000])
def test_json_nested_too_deeply(tmp_path, depth_):
    path = written(tmp_path, b"[" * depth_ + b"]" * depth_)
    refused(read_json, path, "nested too deeply")
    just = written(tmp_path, b"[" * DEEPEST + b"]" * DEEPEST)
    assert json.dumps(read_json(just)).count("[") == DEEPEST


@pytest.mark.parametrize(
    "content, words",
    [
        ('{"a": 1, "a": 2}', "'a' is twice"),
        (r'{"a": "\ud800"}', "half a character"),
        (r'{"\u0000": 1}', "control character"),
        (f"[{'1' * 5000}]", "a number cannot be read"),
        ('{"a": ', "not complete JSON"),
        ("", "is empty"),
    ],
)
def test_json_that_a_reader_would_take(tmp_path, content, words):
    refused(read_json, written(tmp_path, content), words)


def test_json_escapes_that_are_sound(tmp_path):
    path = written(tmp_path, r'{"é": "\u00e9\ud83d\ude00\\ud800\n"}')
    assert read_json(path) == {"é": "é😀\\ud800\n"}


@pytest.mark.parametrize(
    "content, words",
    [
        ("a: !!python/object/apply:os.getcwd []", "ConstructorError"),
        ("a: !!python/name:os.system", "ConstructorError"),
        ("a: 1\na: 2\n", "'a' is there twice"),
        ("a: &a [*a]\n", "an alias lies in what it stands for"),
        ("[" * 100 + "]" * 100, "nested deeper"),
        ("- " * 100 + "x", "nested deeper"),
        (
            "l0: &l0 [x, x]\n"
            + "".join(f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]\n" for i in range(1, 25)),
            "more than 100000 values",
        ),
        (
            "l0: &l0 {a: 1}\n"
            + "".join(f"l{i}: &l{i} {{<<: [*l{i - 1}, *l{i - 1}]}}\n" for i in range(1, 25)),
            "more than 100000 values",
        ),
        ("# " + "x" * MEGABYTE, "more than 1,048,576 bytes"),
        (r'a: "\ud800"', "half a character"),
    ],
)
def test_yaml_that_runs_or_grows(tmp_path, content, words):
    with pytest.raises(WorkbookError, match=words):
        read_yaml(written(tmp_path, content))


def test_yaml_with_names_and_shared_values(tmp_path):
    assert read_mapping(written(tmp_path, "a: &x [1, 2]\nb: *x\n")) == {"a": [1, 2], "b": [1, 2]}
    for content in ("", "[1]", "1: 2"):
        with pytest.raises(WorkbookError, match="no names with values"):
            read_mapping(written(tmp_path, content))


def header(descr, shape, version=1, length=None):
    """The beginning of a .npy file, whatever it promises."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    width = 2 if version == 1 else 4
    size = (len(text) if length is None else length).to_bytes(width, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text


@pytest.mark.parametrize(
    "content, words",
    [
        (header("<f8", f"({10**12},)") + b"\0" * 8, "promises 8000000000000 bytes"),
        (header("|S999999999", "(1,)") + b"\0" * 8, "promises 999999999 bytes"),
        (header("<f8", "(2,)") + b"\0" * 24, "promises 16 bytes, the file holds 24"),
        (header("<f8", "(-1,)") + b"\0" * 8, "the shape"),
        (header("<f8", "(True,)") + b"\0" * 8, "the shape|damaged"),
        (header("<f8", f"({2**70},)"), "larger than any array"),
        (header("|O", f"({10**9},)") + b"N.", "promises 1000000000 objects"),
        (header("|S0", "(9,)"), "promises 0 bytes"),
        (header("<M8[s]", "(1,)") + b"\0" * 8, "no number"),
        (header("|V8", "(1,)") + b"\0" * 8, "no number"),
        (header("<f8", "(1,)", 2, 2**31) + b"\0" * 8, "a header of 2147483648 bytes"),
        (header("<f8", "(" * 500), "cut off or none"),
        (header("<f8", "-" * 5000 + "1"), "cut off or none"),
        (b"\x93NUM", "magic string"),
    ],
)
def test_npy_headers_that_promise_more_than_there_is(tmp_path, content, words):
    refused(arrays.npy_header, written(tmp_path, content), words)


def zipped(members, kind=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def lying(content, size):
    """An archive whose directory says another size of its last member."""
    place = content.rfind(b"PK\x01\x02") + 24
    return content[:place] + size.to_bytes(4, "little") + content[place + 4 :]


SMALL = header("<f8", "(1,)") + b"\0" * 8


@pytest.mark.parametrize(
    "content, words",
    [
        (zipped([("a.npy", header("<f8", f"({10**12},)"))]), "promises 8000000000000 bytes"),
        (lying(zipped([("a.npy", SMALL)]), 2**32 - 16), "promises 4294967280 bytes"),
        (zipped([("a.txt", b"hello")]), "is no array"),
        (zipped([("a.npy", SMALL)], zipfile.ZIP_BZIP2), "packed in a way that is not read"),
        (zipped([("a.npy", header("|O", "(1,)") + pickle.dumps([1]))]), "holds objects"),
        (zipped([("a\x1b.npy", SMALL)]), "is no array, or there twice"),
        (zipped([("a.npy", SMALL)])[:-30], "not a zip file"),
    ],
)
def test_archives_that_promise_more_than_there_is(tmp_path, content, words):
    path = written(tmp_path, content)
    refused(arrays.read_npz, path, words)


def test_a_member_that_is_there_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped([("a.npy", SMALL), ("a.npy", SMALL)])
    refused(arrays.read_npz, written(tmp_path, content), "there twice")


def test_arrays_that_are_sound(tmp_path):
    kept = {
        "a": np.arange(6.0).reshape(2, 3).T,
        "b/c": np.array(["x", "yz"]),
        "empty": np.zeros((0, 4), np.float32),
        "one": np.array(3, dtype=">i2"),
    }
    np.savez_compressed(tmp_path / "a.npz", **kept)
    read = arrays.read_npz(tmp_path / "a.npz")
    for name, array in kept.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype and read[name].flags.writeable
        np.testing.assert_array_equal(arrays.read_npz_member(tmp_path / "a.npz", name), array)
    headers = arrays.npz_headers(tmp_path / "a.npz")
    assert {name: h.shape for name, h in headers.items()} == {n: a.shape for n, a in kept.items()}


@pytest.mark.parametrize("number", range(len(HOSTILE_PICKLES)))
def test_hostile_pickles_neither_hang_nor_break_nor_run(tmp_path, number):
    content = HEADER_OF_OBJECTS + HOSTILE_PICKLES[number]()
    begin = time.process_time()
    refused(load_object_array, written(tmp_path, content, "evil.npy"), r"evil\.npy")
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "content, words",
    [
        (pickle.dumps(eval("[" * 70 + "]" * 70)), "nested deeper than 64"),
        (b"\x80\x02]q\x00(K\x01" + b"h\x00" * 2 + b"e.", "holds itself"),
        # the inner list grows after the outer one holds it, so its depth was counted too small
        (b"]q\x00]q\x01a0h\x01K\x01a.", "grows after another one holds it"),
        (b"\x80\x04Nr\xff\xff\xff\x07.", "place 134217727 of the memo"),
        (b"\x8e" + (2**40).to_bytes(8, "little") + b".", "1099511627776 bytes are promised"),
        (b"\x80\x04\x95" + (2**40).to_bytes(8, "little") + b"N.", "a frame that is longer"),
        (b"h\x05.", "place 5 of the memo, which is empty"),
        (b"N", "cut off"),
        (b"I1", "does not end"),
        (b"\x8b" + (5000).to_bytes(4, "little") + b"\1" * 5000 + b".", "an integer of"),
        (b"cbuiltins\nlist\n\x81.", "opcode NEWOBJ"),
    ],
)
def test_what_a_pickle_may_not_do(content, words):
    with pytest.raises(ValueError, match=words):
        pickles.scan(content, 0)


def test_a_pickle_of_too_many_opcodes(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_OPCODES", 100)
    pickles.scan(b"N" * 99 + b".", 0)
    with pytest.raises(pickles.Refused, match="more than 100 opcodes"):
        pickles.scan(b"N" * 101, 0)


def test_shared_lists_count_as_often_as_they_stand_for_something():
    shared = [1]
    for _ in range(40):
        shared = [shared, shared]
    with pytest.raises(pickles.Refused, match="shared ones counted each time"):
        pickles.scan(pickle.dumps(shared), 0)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_pass(protocol):
    label = "Diving"
    content = [[label, label], {"a": (1, 2.5, None, True)}, b"\xff" * 300, "é" * 300, 2**70, []]
    pickles.scan(pickle.dumps(content * 1000, protocol), 0)


@pytest.mark.parametrize("name", ["a", "video_test_0000004", "v_-a_1", "a b", "é", "exp01.user"])
def test_names_that_a_folder_can_have(name):
    assert values.file_name(name, "a name") == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/b", "/etc", "C:\\x", "a\\b", "CON", "con.txt", "nul", "COM1"),
        *("a\0b", "a\nb", "\x1b[2J", "x" * 300, "é" * 200, "\ud800", " a", "a.", "a ", "a:b", "a?"),
        *(None, 1, ["a"]),
    ],
)
def test_names_that_lead_elsewhere(name):
    with pytest.raises(WorkbookError, match="a name that a folder can have"):
        values.file_name(name, "it")


@pytest.mark.parametrize(
    "value", [True, None, [1], {}, "x", "1_0", "١", 10**400, "nan", float("inf"), -1, "", 1e13]
)
def test_what_is_no_length_in_seconds(value):
    with pytest.raises(WorkbookError, match=r"^it is .*; correct it$"):
        values.length(value, "it")
    assert values.length("2.5", "it") == 2.5 and values.length(np.float32(3), "it") == 3


def test_a_quote_is_short_whatever_it_quotes():
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, "x" * 10**6, 10**5000, {"a" * 500: ["b" * 500] * 50}, "\ud800\n\x1b"):
        text = shown(value)
        assert len(text) <= 61 and text.isprintable() and text.encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no whole table"),
        ("a\n1\n", "lacks the column 'run'"),
        ("\0", "is no text in UTF-8"),
    ],
)
def test_a_kept_table_that_is_damaged(tmp_path, content, words):
    path = written(tmp_path, content.encode(), "kept.csv")
    refused(lambda file: read_frame(file, ("run",), "delete it"), path, f"{words}.*; delete it")


def test_a_kept_table_is_read(tmp_path):
    path = written(tmp_path, b"# a note\nrun,n\nx,1\n", "kept.csv")
    assert read_frame(path, ("run", "n")).to_dict("list") == {"run": ["x"], "n": [1]}


@pytest.mark.parametrize("content", ["[{}]", "[{}", '{"a": 1, "a": 2}'])
@pytest.mark.parametrize("was_enabled", [True, False])
def test_reading_json_leaves_the_garbage_collector_as_it_was(tmp_path, content, was_enabled):
    """It does not run in between."""
    path = written(tmp_path, content)
    (gc.enable if was_enabled else gc.disable)()
    try:
        with suppress(WorkbookError):
            read_json(path)
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()
