"""Thresholds as people write them."""

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.protocols import ACTIVITYNET_TIOUS, THUMOS_TIOUS
from wtal_core.evaluation.thresholds import parse_tious, tiou_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1:0.1:0.7", THUMOS_TIOUS),
        ("0.5:0.05:0.95", ACTIVITYNET_TIOUS),
        ("0.5", (0.5,)),
        ("0.5,0.75, .95", (0.5, 0.75, 0.95)),
        ("0.7,0.3", (0.7, 0.3)),
        (" .3 : .2 : .3 ", (0.3,)),
        ("1", (1.0,)),
        ("1.:0.1:1", (1.0,)),
        ("0.125", (0.125,)),
        ("0.01:0.01:1", tuple(number / 100 for number in range(1, 101))),
    ],
)
def test_thresholds_are_exact_decimals(text, expected):
    assert parse_tious(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a plain number"),
        ("half", "'half' is not"),
        ("0.5,", "'' is not"),
        ("nan", "'nan' is not"),
        ("inf", "'inf' is not"),
        ("1e-1", "'1e-1' is not"),
        ("0_1", "'0_1' is not"),
        ("-0.5", "'-0.5' is not"),
        ("٠.٥", "is not a plain"),
        ("0.5;0.7", "'0.5;0.7' is not"),
        ("0", "0 is not in"),
        ("50", "write 0.5 for"),
        ("0.5,1.5", "1.5 is not in"),
        ("0.5,0.50", "there twice"),
        ("0.5,0.50000000000000000001", "there twice"),
        ("0.1:0.7", "expected start:step:stop"),
        ("0.1:0.1:0.5:0.7", "expected start:step:stop"),
        ("0.1:0:0.7", "no step leads"),
        ("0.7:0.1:0.1", "no step leads"),
        ("0.1:-0.1:0.7", "'-0.1' is not"),
        ("0.1:0.2:0.6", "do not end at 0.6, but at 0.5"),
        ("0:0.1:0.7", "0 is not in"),
        ("0.1:0.1:1.1", "1.1 is not in"),
        ("0.0001:0.0001:1", "too many"),
        ("0.1:x:0.7", "'x' is not"),
        ("0.1:0.00000000000000000000000000000000001:0.7", "too many"),
        (",".join(f"0.{n}" for n in range(100, 201)), "these are 101"),
    ],
)
def test_nonsense_is_named(text, message):
    with pytest.raises(WorkbookError, match=message) as caught:
        parse_tious(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.3, "0.30"),
        (0.125, "0.125"),
        (1.0, "1.00"),
        (0.95, "0.95"),
        (0.00001, "0.00001"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_a_name_holds_all_decimals(value, expected):
    assert tiou_name(value) == expected
    assert float(tiou_name(value)) == value
