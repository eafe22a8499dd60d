"""Tables of text: what separates cells, which column is which, and which numbers are times."""

import pytest

from wtal_core.errors import MissingFile, WorkbookError
from wtal_core.reading.text_tables import header, number, plain, read_rows, seconds


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12.5", 12.5),
        ("12,5", 12.5),
        (" 7 ", 7.0),
        ("0:10", 10.0),
        ("1:05,5", 65.5),
        ("90:00", 5400.0),
        ("1:02:03.25", 3723.25),
        ("100:00:01", 360001.0),
    ],
)
def test_seconds(cell, value):
    assert seconds(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["", "x", "1:5", "0:75", "1:75:00", "1:2:3:4", "-1:10", "1:-05", "1_0", "1,234.5", ":10"],
)
def test_what_is_no_time(cell):
    with pytest.raises(ValueError, match=r".*"):
        seconds(cell)


def test_a_clock_is_no_score():
    with pytest.raises(ValueError, match="could not convert"):
        number("0:10")


@pytest.mark.parametrize(
    ("text", "separator", "cells"),
    [
        ("video,label\na,b", ",", ["video", "label"]),
        ("\r\n\r\nvideo;t,start;x\r\n", ";", ["video", "t,start", "x"]),
        ('"video id"\t "a\tb"\n', "\t", ["video id", "a\tb"]),
        ("a | b|c", "|", ["a", "b", "c"]),
        ("video", ",", ["video"]),
        ("", ",", []),
    ],
)
def test_the_first_line_tells_the_separator(text, separator, cells):
    found, names = header(text)
    assert (found, names) == (separator, cells)


def test_names_of_columns():
    assert plain(" Video-ID ") == plain("video id") == "video_id"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_rows_whatever_a_spreadsheet_makes_of_them(tmp_path, encoding, end, separator):
    lines = [["Filename", "ignored", "Start Time"], ["é 1", "x", '"1:05,5"'], ["", "", ""]]
    path = tmp_path / "größe 1.csv"
    path.write_bytes(end.join(separator.join(line) for line in lines).encode(encoding))
    (row,) = read_rows(path, ("video", "t_start"))
    assert (row.number, row.text("video"), row.seconds("t_start")) == (2, "é 1", 65.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds nothing"),
        (b"\xef\xbb\xbf\r\n", "holds nothing"),
        (b"name,duration\na,1\n", "no column 'video' .* may also be called video_id"),
        (b"video,duration\na,1,2\n", "line 2: 3 cells under 2 names"),
        (b"video,duration\na,-1\n", "line 2: has duration '-1'"),
        (b"video,duration\na,nan\n", "line 2: has duration 'nan'"),
        (b"video,duration\n,1\n", "line 2: has no video"),
        (b'video,duration\n"a,1\n', "quotation marks"),
        (b"video,duration\n\xff,1\n", "is no text in UTF-8"),
        (b"\xff\xfev", "is no text in UTF-8"),
    ],
)
def test_tables_that_are_refused(tmp_path, content, words):
    path = tmp_path / "durations.csv"
    path.write_bytes(content)
    with pytest.raises(WorkbookError, match=words) as refused:
        for row in read_rows(path, ("video", "duration")):
            row.text("video")
            row.seconds("duration")
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(MissingFile, match=r"t\.csv"):
        read_rows(tmp_path / "t.csv", ("video",))
