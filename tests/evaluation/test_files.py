"""Files that are refused, and why: each in one line that names it."""

import math
from pathlib import Path

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import (
    read_json,
    read_text,
    write_json,
    write_whole,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"{", "not complete JSON"),
        (b'{"a": 1}}', "not complete JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", r"no text in UTF-8 \(byte 0\)"),
        (b"9" * 4301, "a number cannot be read"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "key 'b' is twice"),
    ],
)
def test_json_that_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(WorkbookError, match=message) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_json_as_python_reads_it(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, NaN, -Infinity, "\xc3\xa9"], "b": {"a": {}}}')
    content = read_json(path)
    assert (
        content["a"][:2] == [1, 2.5]
        and math.isnan(content["a"][2])
        and content["a"][3:] == [-math.inf, "é"]
    )
    assert content["b"] == {"a": {}}
    write_json({"a": [1.5]}, path)
    assert read_json(path) == {"a": [1.5]} and read_text(path) == '{"a": [1.5]}'


def test_endings_do_not_matter_and_folders_are_refused(tmp_path):
    (tmp_path / "x.TXT").write_text("[1]")
    assert read_json(tmp_path / "x.TXT") == [1]
    (tmp_path / "x.json").mkdir()
    with pytest.raises(WorkbookError, match="is a folder"):
        read_json(tmp_path / "x.json")


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise OSError("disk full")

    (tmp_path / "x.json").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "x.json", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"] and (
        tmp_path / "x.json"
    ).read_text() == "old"
