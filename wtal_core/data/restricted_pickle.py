"""Arrays of Python objects (.npy) without the dangers of pickle.

The field shares features and labels as pickled object arrays; an ordinary unpickler would run any
code in them. Here a pickle can only name the few globals that arrays are made of, and even these
are stand-ins: no constructor and no `__setstate__` of numpy's C code sees values from the file,
because a forged dtype state could make numpy follow addresses from the file. Arrays are rebuilt
afterwards from checked parts.
"""

import io
import math
import mmap
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wtal_core.errors import WorkbookError
from wtal_core.reading.arrays import read_header
from wtal_core.reading.pickles import Refused, scan
from wtal_core.reading.places import refuse_special
from wtal_core.reading.refusal import reading, shown

PLAIN_DTYPE = re.compile(r"[<>|=]?(?:[biufcSUO]\d*|\?)")
MAX_DEPTH = 8  # arrays of lists of lists, as published, need 4


class Admitted:
    """A callable that a pickle may name.

    Without attributes or state, so that a pickle cannot change it.
    """

    __slots__ = ("build",)

    def __init__(self, build: Callable) -> None:
        self.build = build

    def __call__(self, *arguments: Any) -> Any:
        return self.build(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a global cannot be given a state")


class PendingDtype:
    """A dtype as the file describes it; only its letter, size and byte order are used."""

    __slots__ = ("order", "spec")

    def __init__(self, spec: str | bytes, align: Any = False, copy: Any = False) -> None:
        self.spec = spec if isinstance(spec, str) else _raw(spec).decode("latin1")
        self.order = "="
        if not PLAIN_DTYPE.fullmatch(self.spec):
            raise pickle.UnpicklingError(f"dtype {shown(self.spec)} is not admitted")

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        self.order = order if isinstance(order, str) else _raw(order).decode("latin1")
        if self.order not in "<>|=":
            raise pickle.UnpicklingError(f"byte order {shown(self.order)} is unknown")

    def resolve(self) -> np.dtype:
        """The numpy dtype, made by numpy from the letter and size."""
        plain = np.dtype("O" if "O" in self.spec else self.spec)
        if self.order == "<":
            return plain.newbyteorder("<")
        return plain.newbyteorder(">") if self.order == ">" else plain


class PendingArray:
    """An array's shape, dtype and data as the file states them, not yet an array.

    resolved: the array, once it was made; the data are then let go, so that a file of many
    gigabytes is not held twice.
    """

    __slots__ = ("axes", "data", "dtype", "fortran", "resolved", "shape")

    def __init__(self, *ignored: Any) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.dtype = PendingDtype("u1")
        self.fortran = False
        self.data: Any = b""
        self.axes: tuple[int, ...] | None = None  # in which order the data's axes come
        self.resolved: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, self.dtype, self.fortran, self.data = state
        if (
            not all(type(size) is int and size >= 0 for size in shape)
            or type(self.dtype) is not PendingDtype
        ):
            raise pickle.UnpicklingError("an array's state is malformed")
        self.shape = tuple(shape)

    def resolve(self, depth: int) -> np.ndarray:
        """The array. Numbers come from bytes of exactly the right length, objects one by one."""
        if self.resolved is None:
            self.resolved = self._array(depth)
            self.data = None
        return self.resolved

    def _array(self, depth: int) -> np.ndarray:
        dtype = self.dtype.resolve()
        count = math.prod(self.shape)
        if dtype.hasobject:
            flat = self._objects(count, depth)
        else:
            flat = np.frombuffer(_raw(self.data), dtype)
        if len(flat) != count:
            raise pickle.UnpicklingError(
                f"an array of shape {shown(self.shape)} holds {len(flat)} values"
            )
        array = flat.reshape(self.shape, order="F" if self.fortran else "C")
        return array if self.axes is None else array.transpose(self.axes)

    def _objects(self, count: int, depth: int) -> np.ndarray:
        if type(self.data) is not list or len(self.data) != count:
            raise pickle.UnpicklingError(
                f"an object array of shape {shown(self.shape)} lacks its values"
            )
        flat = np.empty(count, dtype=object)
        for i, value in enumerate(self.data):
            flat[i] = _resolve(value, depth + 1)
        return flat


def _raw(data: Any) -> bytes:
    if type(data) is PendingBytes:
        return data.resolve()
    if isinstance(data, str):
        return data.encode("latin1")
    return data if type(data) is bytes else bytes(memoryview(data))


def _from_buffer(
    data: Any, dtype: PendingDtype, shape: tuple, order: str, axes: tuple | None = None
) -> PendingArray:
    """An array as protocol 5 writes it; shape: of the data as they lie, before `axes`."""
    pending = PendingArray()
    pending.__setstate__((1, shape, dtype, order == "F", data))
    if order not in ("C", "F", "K") or (order == "K") != (axes is not None):
        raise pickle.UnpicklingError(f"the order {shown(order)} of an array is unknown")
    if axes is not None:
        if not all(type(axis) is int for axis in axes) or sorted(axes) != [*range(len(shape))]:
            raise pickle.UnpicklingError(f"an array's axes are {shown(axes)}")
        pending.axes = tuple(axes)
    return pending


def _scalar(dtype: PendingDtype, data: Any) -> np.generic:
    kind = dtype.resolve()
    if kind.hasobject:
        raise pickle.UnpicklingError("a scalar of dtype object is not admitted")
    return np.frombuffer(_raw(data), kind, count=1)[0]


class PendingBytes:
    """Bytes as protocol 2 writes them, a text to be encoded; it is not encoded before it is needed,
    so that a file of many gigabytes is not held twice.
    """

    __slots__ = ("text",)

    def __init__(self, text: str, encoding: str = "latin1") -> None:
        self.text = text

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("bytes cannot be given a state")

    def resolve(self) -> bytes:
        """The bytes; the encoding is always this one."""
        return self.text.encode("latin1")


def _no_bytes() -> bytes:
    return b""  # how protocols 0 to 2 write empty bytes


def _resolve(value: Any, depth: int = 0) -> Any:
    """Replace stand-ins by arrays, in lists, tuples and dicts too."""
    if depth > MAX_DEPTH:
        raise pickle.UnpicklingError(f"nested deeper than {MAX_DEPTH}")
    if type(value) is PendingArray:
        return value.resolve(depth)
    if type(value) is PendingBytes:
        return value.resolve()
    if type(value) in (list, tuple):
        return type(value)(_resolve(item, depth + 1) for item in value)
    if type(value) is dict:
        return {_key(key): _resolve(item, depth + 1) for key, item in value.items()}
    if type(value) in (str, bytes, int, float, bool, complex, type(None)) or isinstance(
        value, np.generic
    ):
        return value
    raise pickle.UnpicklingError(f"a value of type {type(value).__name__} is not admitted")


def _key(key: Any) -> Any:
    return key.resolve() if type(key) is PendingBytes else key


NUMPY_PARTS = {"_reconstruct": Admitted(PendingArray), "scalar": Admitted(_scalar)}
ADMITTED = {
    **{
        (f"numpy.{core}.multiarray", name): part
        for core in ("core", "_core")
        for name, part in NUMPY_PARTS.items()
    },
    ("numpy.core.numeric", "_frombuffer"): Admitted(_from_buffer),
    ("numpy._core.numeric", "_frombuffer"): Admitted(_from_buffer),
    # only ever named, as first argument of _reconstruct
    ("numpy", "ndarray"): Admitted(PendingArray),
    ("numpy", "dtype"): Admitted(PendingDtype),
    ("_codecs", "encode"): Admitted(PendingBytes),
    ("__builtin__", "bytes"): Admitted(_no_bytes),
}


class RestrictedUnpickler(pickle.Unpickler):
    """Resolves nothing but `ADMITTED`."""

    def find_class(self, module: str, name: str) -> Admitted:
        """The stand-in of an admitted global; any other one is an error that names it."""
        if (module, name) not in ADMITTED:
            where = f"{module}.{name}"[:80]
            raise WorkbookError(f"it names the global {where}, which arrays do not need")
        return ADMITTED[module, name]


def load_object_array(path: Path) -> np.ndarray:
    """Read a .npy file without the dangers of pickle.

    Numbers and strings are read directly, objects (lists, strings, arrays) through the restricted
    unpickler, after a look at what their pickle would build, see `reading.pickles`.
    Files of Python 2 are read with latin1, as their bytes are. A damaged, truncated or suspicious
    file raises a WorkbookError that names it.
    """
    path = Path(path)
    refuse_special(path)
    remedy = "remove it and run `wtal data fetch`"
    with reading(path, "is damaged or truncated", remedy), path.open("rb") as stream:
        try:
            header = read_header(stream, path.stat().st_size)
            if not header.dtype.hasobject:
                stream.seek(0)
                return np.load(stream, allow_pickle=False)
            return _unpickled(stream, header.shape)
        except (WorkbookError, Refused) as error:
            raise WorkbookError(
                f"{path} is not read: {error}; get it again from the address in the manifest"
            ) from error


def load_plain(content: bytes) -> Any:
    """What the bytes of a pickle hold: lists, dictionaries, texts, numbers and arrays of numbers.

    Raises WorkbookError or ValueError for all else; the caller names the file.
    """
    scan(content, 0)
    return _resolve(RestrictedUnpickler(io.BytesIO(content), encoding="latin1").load())


def _unpickled(stream: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The object array whose pickle begins where the stream is."""
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        scan(content, stream.tell())
    pending = RestrictedUnpickler(stream, encoding="latin1").load()
    return _checked_shape(_resolve(pending), shape)


def _checked_shape(array: Any, shape: tuple[int, ...]) -> np.ndarray:
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise WorkbookError(
            f"its header promises shape {shape}, its content is "
            f"{getattr(array, 'shape', type(array).__name__)}"
        )
    return array
