"""The restricted unpickler reads what the field shares, and nothing that could run code."""

import io
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.data_samples import REAL, needs_real_data, objects
from wtal_core.data import restricted_pickle
from wtal_core.data.restricted_pickle import (
    ADMITTED,
    MAX_DEPTH,
    RestrictedUnpickler,
    _resolve,
    load_object_array,
    load_plain,
)
from wtal_core.errors import WorkbookError


def write_npy(path: Path, payload: bytes, shape: tuple[int, ...] = (1,)) -> Path:
    """An object .npy file with any pickle inside."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": shape}
    )
    path.write_bytes(header.getvalue() + payload)
    return path


class Command:
    """Its pickle would run a command."""

    def __reduce__(self):
        return os.system, ("echo escaped",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_round_trip_at_every_protocol(tmp_path, protocol):
    original = objects(
        [
            [1, 2.5, "a", b"b", None],
            np.arange(6.0).reshape(2, 3).T,
            np.float32(3),
            [["x"], ("y", {"k": 1})],
            np.array(["text"]),
            np.array(7, dtype=">i2"),
            np.zeros((0, 4), np.float32),
            np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
        ]
    )
    path = write_npy(tmp_path / "a.npy", pickle.dumps(original, protocol=protocol), (8,))
    loaded = load_object_array(path)
    for one, other in zip(original, loaded, strict=True):
        assert type(one) is type(other)
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
    assert (
        loaded[0] == original[0]
        and loaded[3] == original[3]
        and loaded[5].dtype == original[5].dtype
    )


def test_numeric_and_byte_arrays(tmp_path):
    for array in (np.arange(4.0), np.array([b"ab", b"c"])):
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(load_object_array(tmp_path / "a.npy"), array)


def python2_array(dtype: str, count: int, order: str, flags: int, data: str) -> str:
    """An array as Python 2's pickle writes it; `data` is a pickled text, or list for objects."""
    return (
        f"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I{count}\ntcnumpy\ndtype\n"
        f"(S'{dtype}'\nI0\nI1\ntR(I3\nS'{order}'\nNNNI-1\nI-1\nI{flags}\ntbI00\n{data}tb"
    )


def test_python2_pickle(tmp_path):
    # what numpy under Python 2 writes for np.array([np.array([1, 2], '<i4')], dtype=object): raw
    # data as a text
    inner = python2_array("i4", 2, "<", 0, r"S'\x01\x00\x00\x00\xff\xff\xff\xff'" + "\n")
    outer = python2_array("O8", 1, "|", 63, f"(l{inner}a")
    (loaded,) = load_object_array(write_npy(tmp_path / "a.npy", f"{outer}.".encode()))
    np.testing.assert_array_equal(loaded, np.array([1, -1], dtype="<i4"))


def test_forbidden_global_is_named_and_not_run(tmp_path, capfd):
    path = write_npy(tmp_path / "evil.npy", pickle.dumps(objects([Command()])))
    with pytest.raises(WorkbookError, match=r"evil\.npy.*(posix|nt)\.system"):
        load_object_array(path)
    assert "escaped" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "builtins\neval",
        "numpy\nload",
        "numpy.core.multiarray\nfromfile",
        "builtins\ngetattr",
        "numpy.core.multiarray\n_reconstruct.__globals__",
    ],
)
def test_other_globals_are_refused(tmp_path, name):
    with pytest.raises(WorkbookError, match="names the global"):
        load_object_array(write_npy(tmp_path / "a.npy", b"c" + name.encode() + b"\n."))


def forged(dtype: str, flags: int, data: str) -> bytes:
    """An array of two values whose dtype is given a state that numpy's own unpickling
    would trust.
    """
    return f"{python2_array(dtype, 2, '|', flags, f'{data}{chr(10)}')}.".encode()


FROM_BUFFER = b"cnumpy._core.numeric\n_frombuffer\n"
I4 = b"cnumpy\ndtype\n(S'i4'\nI0\nI1\ntR"


def from_buffer(*arguments: bytes) -> bytes:
    """A list of one array as protocol 5 writes it, of these arguments."""
    return b"".join((b"\x80\x05]", FROM_BUFFER, b"(", *arguments, b"tRa."))


@pytest.mark.parametrize(
    "arguments",
    [
        (b"C\x04AAAA", I4, b"I2\n\x85", b"S'C'\n"),  # fewer bytes than the shape needs
        (b"C\x08AAAAAAAA", b"S'i4'\n", b"I2\n\x85", b"S'C'\n"),  # a dtype of its own
        (b"C\x08AAAAAAAA", I4, b"I-2\n\x85", b"S'C'\n"),
        (b"C\x08AAAAAAAA", I4, b"I2\n\x85", b"S'Z'\n"),
        (b"C\x08AAAAAAAA", I4, b"I2\n\x85", b"S'K'\n"),
        (b"C\x08AAAAAAAA", I4, b"I2\n\x85", b"S'K'\n", b"I1\n\x85"),
        (b"C\x08AAAAAAAA", I4, b"I2\n\x85", b"S'K'\n", b"N\x85"),
        (b"(lI1\na", b"cnumpy\ndtype\n(S'O'\nI0\nI1\ntR", b"I2\n\x85", b"S'C'\n"),
    ],
)
def test_forged_buffers_are_refused(tmp_path, arguments):
    sound = from_buffer(b"C\x08AAAAAAAA", I4, b"I2\n\x85", b"S'C'\n")
    assert restricted_pickle.load_plain(sound)[0].tolist() == [0x41414141] * 2
    with pytest.raises((ValueError, TypeError, pickle.UnpicklingError)):
        restricted_pickle.load_plain(from_buffer(*arguments))


@pytest.mark.parametrize(
    "payload",
    [
        forged(
            "O8", 0, "S'" + "A" * 16 + "'"
        ),  # object dtype said to hold no objects, data as raw addresses
        forged("i4", 0, "S'AAAA'"),  # fewer bytes than the shape needs
        forged("V8", 0, "S'" + "A" * 16 + "'"),  # structured dtypes
        forged("M8[s]", 0, "S'" + "A" * 16 + "'"),
        b"cnumpy\ndtype\n(S'i4'\nI0\nI1\ntR(I3\nS'x'\nNNNI-1\nI-1\nI0\ntb.",
        b"cnumpy\ndtype\n(dS'build'\nI1\nsb.",  # a state for an admitted global
        b"cnumpy\nndarray\n.",
        b"(lI1\na.",
        b"\x80\x02]q\x00h\x00a.",  # a list that holds itself
    ],
)
def test_forged_states_are_refused(tmp_path, payload):
    with pytest.raises(WorkbookError, match=r"a\.npy"):
        load_object_array(write_npy(tmp_path / "a.npy", payload, (2,)))


@pytest.mark.parametrize("kept", [3, 40, 100, -1, -20])
@pytest.mark.parametrize("array", [objects([np.ones((5, 3)), ["a"]]), np.arange(20.0)])
def test_truncated_file_is_named(tmp_path, array, kept):
    np.save(tmp_path / "whole.npy", array)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:kept])
    with pytest.raises(WorkbookError, match=r"cut\.npy") as caught:
        load_object_array(tmp_path / "cut.npy")
    assert "\n" not in str(caught.value)


def test_header_must_agree_with_content(tmp_path):
    with pytest.raises(WorkbookError, match="promises shape"):
        load_object_array(
            write_npy(tmp_path / "a.npy", pickle.dumps(objects([1, 2]), protocol=4), (3,))
        )


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(WorkbookError, match="missing"):
        load_object_array(tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("hello, this is not an array")
    with pytest.raises(WorkbookError, match="damaged"):
        load_object_array(tmp_path / "text.npy")


@needs_real_data
def test_published_arrays(subtests):
    for path in sorted(REAL.glob("*/*-Annotations/*.npy")):
        with subtests.test(path.name):
            assert len(load_object_array(path)) in (7, 20, 28, 34, 58, 412)


@pytest.mark.parametrize("protocol", range(5))
def test_bytes_arrays_and_keys_of_every_protocol(tmp_path, protocol):
    """One array that is named twice is there twice; bytes stay bytes, in lists and as keys."""
    twice = np.arange(6, dtype=np.float32).reshape(2, 3)
    values = [
        twice,
        [b"\xe9\x00", "text", b""],
        {b"\xff": twice, "b": 1.5},
        np.array([b"xy", b"z"]),
    ]
    array = objects(values)
    payload = pickle.dumps(array, protocol=protocol)
    read = load_object_array(write_npy(tmp_path / "a.npy", payload, array.shape))
    np.testing.assert_array_equal(read[0], twice)
    assert read[1] == [b"\xe9\x00", "text", b""]
    assert read[2].keys() == {b"\xff", "b"} and read[2]["b"] == 1.5
    np.testing.assert_array_equal(read[2][b"\xff"], twice)
    assert read[3].tolist() == [b"xy", b"z"]


NAMED = {
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("__builtin__", "bytes"),
}


def test_no_other_module_and_no_other_name_is_let_through():
    """Also not a further name of a module of which some are admitted."""
    assert set(ADMITTED) == NAMED
    unpickler = RestrictedUnpickler(io.BytesIO())
    others = [
        *(
            ("posix", "system"),
            ("builtins", "eval"),
            ("numpy", "load"),
            ("numpy", "ndarray.tofile"),
        ),
        *(("numpy.core.multiarray", "fromfile"), ("_codecs", "lookup"), ("codecs", "encode")),
        *(("numpy.core", "_reconstruct"), ("numpy.core.multiarray.os", "system"), ("", "")),
    ]
    others += [
        (module, name)
        for module, content in list(sys.modules.items())
        for name in list(vars(content) if isinstance(content, ModuleType) else ())
        if (module, name) not in NAMED
    ]
    assert ("collections", "OrderedDict") in others and ("functools", "partial") in others
    for module, name in others:
        with pytest.raises(WorkbookError, match="names the global"):
            unpickler.find_class(module, name)


@pytest.mark.parametrize(
    "state",
    [
        b"}S'build'\nI1\ns",  # {"build": 1}
        b"(N}S'build'\nI1\nst",  # (None, {"build": 1}), which sets attributes with slots
        b"(}}t",
        b"N",
    ],
)
@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_global_cannot_be_given_a_state(name, state):
    """With one, a file could put another callable into a global that later files use."""
    before = {key: part.build for key, part in ADMITTED.items()}
    payload = b"c" + "\n".join(name).encode() + b"\n" + state + b"b."
    try:
        with pytest.raises(pickle.UnpicklingError, match="cannot be given a state"):
            RestrictedUnpickler(io.BytesIO(payload)).load()
        assert {key: part.build for key, part in ADMITTED.items()} == before
    finally:
        for key, part in ADMITTED.items():
            part.build = before[key]


def test_values_are_not_resolved_without_a_bound_of_depth():
    nested: list = []
    for _ in range(MAX_DEPTH + 1):
        nested = [nested]
    with pytest.raises(pickle.UnpicklingError, match="nested deeper"):
        _resolve(nested)
    assert _resolve(nested[0]) == nested[0]


def test_the_opcodes_are_looked_at_before_anything_is_built(tmp_path, monkeypatch):
    def build(*arguments):
        raise AssertionError("a value was built")

    monkeypatch.setattr(restricted_pickle, "RestrictedUnpickler", build)
    shared: list = []
    for _ in range(40):
        shared = [shared, shared]
    with pytest.raises(WorkbookError, match=r"a\.npy is not read: more than|nested deeper"):
        load_object_array(write_npy(tmp_path / "a.npy", pickle.dumps(shared)))
    with pytest.raises(ValueError, match=r"more than|nested deeper"):
        load_plain(pickle.dumps(shared))


def test_bytes_cannot_be_given_a_state():
    """What stands for them is made anew by each file, but it has a text that a state could set."""
    payload = b"c_codecs\nencode\n(Va\nVlatin1\ntR(N}Vtext\nVother\nstb."
    with pytest.raises(pickle.UnpicklingError, match="bytes cannot be given a state"):
        RestrictedUnpickler(io.BytesIO(payload)).load()
