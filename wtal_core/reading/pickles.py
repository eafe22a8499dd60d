"""A look at a pickle's opcodes before anything is made of them.

A pickle is a small program. Here it is run on sizes in place of values: how deep, how many, how
large. What a file may not do to a process is refused before the unpickler sees it: nest until the
stack ends, share lists until they fill the memory, promise bytes that are not there, or use a place
of the memo that makes the memo huge.
"""

import pickletools
from dataclasses import dataclass
from typing import Any

MOST_OPCODES = 1_000_000
MOST_VALUES = 4_000_000  # shared ones counted as often as they stand for something
DEEPEST = 64
LONGEST_NUMBER = 4096  # bytes of an integer
MARK = "mark"

FIXED, LINE, ONE, FOUR, EIGHT = "fixed", "line", "one", "four", "eight"
LENGTHS = {
    pickletools.UP_TO_NEWLINE: LINE,
    pickletools.TAKEN_FROM_ARGUMENT1: ONE,
    pickletools.TAKEN_FROM_ARGUMENT4: FOUR,
    pickletools.TAKEN_FROM_ARGUMENT4U: FOUR,
    pickletools.TAKEN_FROM_ARGUMENT8U: EIGHT,
}
WIDTH = {ONE: 1, FOUR: 4, EIGHT: 8}
# what arrays, lists, tuples, dictionaries, texts and numbers are written with
CONSTANTS = {
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
    *("LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "GLOBAL", "EMPTY_TUPLE"),
}
GROWING = {"EMPTY_LIST", "EMPTY_DICT"}
NUMBERS = {"LONG1", "LONG4", "LONG", "INT"}
PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
GETS = {"GET", "BINGET", "LONG_BINGET"}
FROM_TOP = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "STACK_GLOBAL": 2, "REDUCE": 2}
FROM_MARK = {"TUPLE", "LIST", "DICT"}
ADDS_TOP = {"APPEND": 1, "SETITEM": 2, "BUILD": 1}
ADDS_FROM_MARK = {"APPENDS", "SETITEMS"}
NOTHING = {"PROTO", "FRAME"}
OF_TORCH = frozenset({"BINPERSID"})  # how PyTorch names the bytes of a tensor


@dataclass(slots=True)
class Size:
    """What is known of a value. values: it and all that it holds. is_held: whether another value
    holds it; it may then not grow any more, so that no depth is counted too small.
    """

    depth: int = 1
    values: int = 1
    is_held: bool = False


class Refused(ValueError):
    """A pickle that is not unpickled; the text says why."""


class Scan:
    """The state of the program on sizes."""

    def __init__(self, also: frozenset[str] = frozenset()) -> None:
        self.also = also
        self.stack: list[Any] = []
        self.memo: dict[int, Size] = {}
        self.constant = Size(is_held=True)  # stands for each of them; none may grow

    def step(self, name: str, argument: bytes) -> None:
        """Do one opcode."""
        if name in CONSTANTS:
            self.stack.append(self.constant)
        elif name in GROWING:
            self.stack.append(Size())
        elif name == "MARK":
            self.stack.append(MARK)
        elif name in PUTS:
            place = len(self.memo) if name == "MEMOIZE" else _index(name, argument)
            self.memo[place] = self._top()
        elif name in GETS:
            self._get(_index(name, argument))
        elif name in FROM_TOP:
            self.stack.append(self._grown(Size(), self._pop(FROM_TOP[name])))
        elif name in FROM_MARK:
            self.stack.append(self._grown(Size(), self._pop_to_mark()))
        elif name in ADDS_TOP:
            parts = self._pop(ADDS_TOP[name])
            self._grown(self._top(), parts)
        elif name in ADDS_FROM_MARK:
            parts = self._pop_to_mark()
            self._grown(self._top(), parts)
        elif name == "POP":
            self.stack and self.stack.pop()
        elif name in self.also:  # takes one value and leaves one
            self.stack.append(self._grown(Size(), self._pop(1)))
        elif name not in NOTHING:
            raise Refused(f"the opcode {name}, which arrays do not need")

    def _get(self, place: int) -> None:
        if place not in self.memo:
            raise Refused(f"place {place} of the memo, which is empty")
        self.stack.append(self.memo[place])

    def _top(self) -> Size:
        if not self.stack or self.stack[-1] is MARK:
            raise Refused("a value that is not there")
        return self.stack[-1]

    def _pop(self, number: int) -> list[Size]:
        return [self._popped() for _ in range(number)]

    def _popped(self) -> Size:
        value = self._top()
        self.stack.pop()
        return value

    def _pop_to_mark(self) -> list[Size]:
        parts: list[Size] = []
        while self.stack:
            value = self.stack.pop()
            if value is MARK:
                return parts
            parts.append(value)
        raise Refused("a mark that is not there")

    def _grown(self, whole: Size, parts: list[Size]) -> Size:
        """A value that now holds these parts, too."""
        for part in parts:
            part.is_held = True
        if whole.is_held:
            raise Refused("a value that holds itself, or grows after another one holds it")
        whole.depth = max([whole.depth, *(part.depth + 1 for part in parts)])
        whole.values += sum(part.values for part in parts)
        if whole.depth > DEEPEST:
            raise Refused(f"values nested deeper than {DEEPEST}")
        if whole.values > MOST_VALUES:
            raise Refused(f"more than {MOST_VALUES} values, shared ones counted each time")
        return whole


def _index(name: str, argument: bytes) -> int:
    place = int(argument) if name in ("PUT", "GET") else int.from_bytes(argument, "little")
    if not 0 <= place <= MOST_OPCODES:
        raise Refused(f"place {place} of the memo")
    return place


def scan(data: Any, place: int, also: frozenset[str] = frozenset()) -> int:
    """Refuse a pickle that could stop the process. data: bytes or a memory map, from `place` on.
    also: further opcodes that are let through, `OF_TORCH`. Returns where the pickle ends.

    Raises `Refused`, or another ValueError for what is no pickle.
    """
    state = Scan(also)
    end = len(data)
    for _ in range(MOST_OPCODES):
        if place >= end:
            raise Refused("it is cut off")
        opcode = OPCODES.get(data[place])
        if opcode is None:
            raise Refused(f"byte {data[place]}, which is no opcode")
        name, kind, width = opcode
        place += 1
        if name == "STOP":
            return place
        if kind == FIXED and place + width <= end:  # quickly: most opcodes are of these
            begin, place = place, place + width
        else:
            begin, place = _argument(data, place, end, name, kind, width)
        if name in CONSTANTS and place - begin <= LONGEST_NUMBER:
            state.stack.append(state.constant)
            continue
        if name == "FRAME" and int.from_bytes(data[begin:place], "little") > end - place:
            raise Refused("a frame that is longer than the file")
        is_short = place - begin <= LONGEST_NUMBER
        if name in NUMBERS and not is_short:
            raise Refused(f"an integer of {place - begin} bytes")
        state.step(name, bytes(data[begin:place]) if is_short and name in PUTS | GETS else b"")
    raise Refused(f"more than {MOST_OPCODES} opcodes")


def _argument(data: Any, place: int, end: int, name: str, kind: str, width: int) -> tuple[int, int]:
    """Where the argument of an opcode begins and ends; nothing of it is copied."""
    if kind == LINE:
        for _ in range(2 if name == "GLOBAL" else 1):
            begin, line_end = place, data.find(b"\n", place)
            if line_end < 0:
                raise Refused("a line that does not end")
            place = line_end + 1
        return begin, place
    begin = place
    length = width
    if kind != FIXED:
        begin = place + WIDTH[kind]
        length = int.from_bytes(data[place:begin], "little")
    if begin + length > end:
        raise Refused(f"{length} bytes are promised, {max(end - begin, 0)} are there")
    return begin, begin + length


def _opcodes() -> dict[int, tuple[str, str, int]]:
    """Code -> name, how long the argument is, and the number of bytes where that is fixed."""
    table = {}
    for opcode in pickletools.opcodes:
        length = 0 if opcode.arg is None else opcode.arg.n
        kind = FIXED if length >= 0 else LENGTHS[length]
        table[ord(opcode.code)] = (opcode.name, kind, max(length, 0))
    return table


OPCODES = _opcodes()
