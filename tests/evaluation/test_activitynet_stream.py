"""Large files of detections, read piece by piece, hold what the reader of whole files says."""

import json

import numpy as np
import pandas as pd
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.evaluation import accounting, tables
from wtal_core.evaluation.formats import activitynet_stream
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS


@pytest.fixture(params=[5, 64, 2**20])
def pieces(monkeypatch, request):
    """Every file counts as large; so many bytes are read at a time, four entries make a piece."""
    monkeypatch.setattr(activitynet_stream, "LARGE", 0)
    monkeypatch.setattr(activitynet_stream, "CHUNK", request.param)
    monkeypatch.setattr(activitynet_stream, "ENTRIES", 4)


def entry(number: int, **more) -> dict:
    times = [0.1 * number, number + 1.25]
    return {"label": f"Läufe {number % 3}", "segment": times, "score": number / 7, **more}


RESULTS = {
    "v_1": [entry(number) for number in range(9)],
    "ohne": [],
    "zwölf 時": [entry(3, rank={"of": [1, [2]]}), {"score": 1, "segment": [0, 2], "label": "A"}],
    "last": [{"score": -float("inf"), "segment": [1e-3, 2e2], "label": "Läufe 1"}],
}
PLAIN = {
    "alone": json.dumps({"results": RESULTS}, ensure_ascii=False),
    "with more": json.dumps(
        {"version": 1.3, "results": RESULTS, "external_data": {"used": [True, None]}},
        ensure_ascii=False,
    ),
    "indented": json.dumps({"a": 12, "results": RESULTS}, ensure_ascii=False, indent=3) + "\n \n",
    "with a mark": "\ufeff" + json.dumps({"results": RESULTS}, ensure_ascii=False),
}
ONE = '{"results": {"v": [{"label": "A", "segment": [1, 2], "score": 0.5}]}'
OTHER = {
    "no labels": '{"results": {"v": [{"segment": [1, 2], "score": 0.5}]}}',
    "numbers as text": '{"results": {"v": [{"label": "A", "segment": ["1", 2], "score": "0.5"}]}}',
    "escapes": '{"results": {"v": [{"label": "\\u00c4", "segment": [1, 2], "score": 0.5}]}}',
    "nothing at all": '{"results": {"v": []}}',
    "no results": '{"other": {"v": []}}',
    "a video twice": '{"results": {"v": [], "v": []}}',
    "a key twice": '{"results": {"v": [{"label": "A", "label": "B", "segment": [1, 2]}]}}',
    "a part": ONE,
    "too much": ONE + "}}",
    "a comma": ONE[:-1] + ",}}",
    "two values": ONE + "} 1",
    "a list": '[{"video": "v", "label": "A", "start": 1, "end": 2, "score": 0.5}]',
    "no list": '{"results": {"v": {"label": "A"}}}',
    "three times": '{"results": {"v": [{"label": "A", "segment": [1, 2, 3], "score": 1}]}}',
    "a control character": '{"results": {"v\x07": []}}',
    "empty": "",
}


def by_the_whole(path, monkeypatch):
    """What the reader of whole files says: a table, or an error."""
    with monkeypatch.context() as patch:
        patch.setattr(activitynet_stream, "LARGE", 2**40)
        return outcome(path)


def outcome(path):
    try:
        return tables.load_detections(path)
    except WorkbookError as error:
        return str(error)


@pytest.mark.parametrize("name", PLAIN)
def test_the_table_is_the_same(pieces, tmp_path, monkeypatch, name):
    path = tmp_path / "found.json"
    path.write_text(PLAIN[name])
    content = activitynet_stream.read(path)
    assert content.videos == tuple(RESULTS) and len(content.table) == 12
    expected = by_the_whole(path, monkeypatch)
    ours = tables.load_detections(path)
    pd.testing.assert_frame_equal(ours.table, expected.table, check_exact=True)
    assert (ours.notes, ours.reversed) == (expected.notes, expected.reversed)


@pytest.mark.parametrize("name", OTHER)
def test_all_else_is_left_to_the_reader_of_whole_files(pieces, tmp_path, monkeypatch, name):
    path = tmp_path / "found.json"
    path.write_text(OTHER[name])
    assert activitynet_stream.read(path) is None
    expected, ours = by_the_whole(path, monkeypatch), outcome(path)
    if isinstance(expected, str):
        assert ours == expected
    else:
        pd.testing.assert_frame_equal(ours.table, expected.table)


def test_what_is_wrong_in_a_plain_file_is_said_as_ever(pieces, tmp_path, monkeypatch):
    path = tmp_path / "found.json"
    path.write_text('{"results": {"v": [{"label": "A", "segment": [2, 1], "score": 1}]}}')
    assert outcome(path) == by_the_whole(path, monkeypatch)
    assert "ends before it starts" in outcome(path)


def test_small_files_and_folders_are_read_as_ever(tmp_path):
    path = tmp_path / "found.json"
    path.write_text(PLAIN["alone"])
    assert activitynet_stream.read(path) is None and activitynet_stream.read(tmp_path) is None
    assert activitynet_stream.read(tmp_path / "missing") is None


@pytest.mark.parametrize("choices", [1, 2, 40])
def test_repeated_rows_are_counted_as_whole_rows_are(choices):
    rng = np.random.default_rng(choices)
    table = pd.DataFrame(
        {
            "video": rng.choice(["v", "w"], 300),
            "label": rng.choice(["A", "B"], 300),
            "t_start": rng.integers(0, choices, 300) * 0.5,
            "t_end": rng.integers(30, 30 + choices, 300) * 0.5,
            "score": rng.integers(0, choices, 300) * 0.5,
        }
    )
    expected = int(table.duplicated(DETECTION_COLUMNS).sum())
    assert accounting._number_repeated(table) == expected
    assert accounting._number_repeated(table[:0]) == 0
