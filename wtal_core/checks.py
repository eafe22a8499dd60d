"""Types of settings that also say which values are allowed, and dataclasses that check themselves.

In a frozen dataclass that inherits `Checked`, a field `dropout: Rate = 0.5` refuses 1.5, and a
field `order: Literal["a", "b"]` refuses "c".
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin

from beartype import BeartypeConf
from beartype.door import is_bearable
from beartype.vale import Is

from wtal_core.errors import WorkbookError

INFINITE = float("inf")
LONGEST_QUOTE = 200  # letters of a value in an error
WHOLE_FOR_FLOAT = BeartypeConf(is_pep484_tower=True)  # a setting of 1 is as good as one of 1.0

PositiveInt = Annotated[int, Is[lambda value: value >= 1]]
NonNegativeInt = Annotated[int, Is[lambda value: value >= 0]]
PositiveFloat = Annotated[float, Is[lambda value: 0 < value < INFINITE]]
NonNegativeFloat = Annotated[float, Is[lambda value: 0 <= value < INFINITE]]
Finite = Annotated[float, Is[lambda value: -INFINITE < value < INFINITE]]
Share = Annotated[float, Is[lambda value: 0 <= value <= 1]]
PositiveShare = Annotated[float, Is[lambda value: 0 < value <= 1]]
Rate = Annotated[float, Is[lambda value: 0 <= value < 1]]

WORDS: dict[Any, str] = {
    PositiveInt: "a whole number >= 1",
    NonNegativeInt: "a whole number >= 0",
    PositiveFloat: "a number > 0",
    NonNegativeFloat: "a number >= 0",
    Finite: "a finite number",
    Share: "a number in [0, 1]",
    PositiveShare: "a number in (0, 1]",
    Rate: "a number in [0, 1)",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    type(None): "None",
}


@dataclass(frozen=True)
class Checked:
    """Base of a frozen dataclass of settings. Raises WorkbookError for a value that the type of its
    field does not allow; it names the field, the value and the allowed ones.

    A subclass with a `__post_init__` of its own calls this one first.
    """

    __no_type_check__ = True  # tests check types, too, but what they say is not for users

    def __post_init__(self) -> None:
        for name, hint in hints_of(type(self)).items():
            value = vars(self)[name]
            if not is_allowed(value, hint):
                raise WorkbookError(
                    f"{self.owner()}: {name} is {_shown(value)}; expected {described(hint)}"
                )

    @classmethod
    def owner(cls) -> str:
        """Whose settings these are, for the message."""
        return cls.__name__


def hints_of(kind: type) -> dict[str, Any]:
    """The type of each field of a dataclass, ranges included."""
    return {field.name: field.type for field in fields(kind)}


def is_allowed(value: Any, hint: Any) -> bool:
    """Whether a value is of a type. All items of a tuple are looked at; beartype samples one."""
    if is_any_length(hint):
        return isinstance(value, tuple) and all(is_allowed(v, get_args(hint)[0]) for v in value)
    if isinstance(value, bool) and bool not in (hint, *get_args(hint)):
        return False  # Python takes True for the number 1
    return is_bearable(value, hint, conf=WHOLE_FOR_FLOAT)


def described(hint: Any) -> str:
    """What a type allows, in words."""
    if hint in WORDS:
        return WORDS[hint]
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, choices))}" if choices[1:] else repr(choices[0])
    if is_any_length(hint):
        return f"a tuple, each item {described(choices[0])}"
    if get_origin(hint) is tuple:
        return f"a tuple of {', '.join(map(described, choices))}"
    if choices:
        return " or ".join(map(described, choices))
    return f"a {hint.__name__}" if isinstance(hint, type) else str(hint)


def is_any_length(hint: Any) -> bool:
    """Whether a type is `tuple[X, ...]`."""
    return get_origin(hint) is tuple and get_args(hint)[1:] == (...,)


def _shown(value: Any) -> str:
    """A value as an error quotes it; of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
