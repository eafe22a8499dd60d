"""What `make fuzz` has found, each as a test of its own."""

import json

import numpy as np
import pytest

from tests.fuzz.command_readers import go_on, write_begun
from tests.fuzz.readers import TRUTH, read_results, write_results
from tests.fuzz.user_readers import write_exported, write_formats
from tests.own_samples import write_folder
from tests.tiny_dataset import CONFIG
from wtal_core.cli.scoring import convert
from wtal_core.data.own_data import add
from wtal_core.data.own_split import split_by_seed
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.class_list import read_class_list
from wtal_core.evaluation.tables import known_seconds, load_detections, read_ground_truth
from wtal_core.reading.refusal import shown
from wtal_core.reading.text_tables import read_rows
from wtal_core.runs import ledger
from wtal_core.runs.settings import configured_run, with_settings
from wtal_core.study.portable import read_model
from wtal_core.timebase import Timebase


def refused_in_one_line(read, words):
    with pytest.raises(WorkbookError, match=words) as refused:
        read()
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1200


@pytest.mark.parametrize("name", ["classes", "videos", "blocked"])
@pytest.mark.parametrize("value", [["Jump", ["Throw"]], ["Jump", {}], 3, "Jump", ["a\nb"]])
def test_lists_of_a_test_list_hold_names(tmp_path, name, value):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(TRUTH | {name: value}))
    refused_in_one_line(lambda: read_ground_truth(path), f"'{name}'")


@pytest.mark.parametrize("value", [{"a": 1}, "text", 3])
def test_ambiguous_intervals_are_a_list(tmp_path, value):
    path = tmp_path / "gt.json"
    database = {"v": {"annotations": [{"label": "Ambiguous", "segment": [1, 2]}]}}
    path.write_text(json.dumps({"database": database, "ambiguous": value}))
    refused_in_one_line(lambda: read_ground_truth(path), "'ambiguous'")


@pytest.mark.parametrize("subset", [[], {}, 3])
def test_a_subset_is_a_name(tmp_path, subset):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({"v": {"subset": subset, "actions": [[0, 1, 2]]}}))
    refused_in_one_line(lambda: read_ground_truth(path), "subset")


def test_an_entry_that_holds_a_line_break(tmp_path):
    path = tmp_path / "det.json"
    path.write_text(json.dumps({"results": {"v": ["a\nb"]}}))
    refused_in_one_line(lambda: load_detections(path), r"entry 0 of video v is 'a\\nb'")
    path.write_text(json.dumps({"results": {"a\nb": [3]}}))
    refused_in_one_line(lambda: load_detections(path), r"video a\\nb")


def test_a_name_of_200000_letters(tmp_path):
    path = tmp_path / "det.csv"
    path.write_text(f"video,label,t_start,t_end,score\n{'x' * 200_000},Jump,5,4,1\n")
    refused_in_one_line(lambda: load_detections(path), "xxx… in|at most 255 bytes")


def test_a_file_of_a_byte_order_mark_alone(tmp_path):
    path = tmp_path / "det.csv"
    path.write_bytes(b"\xef\xbb\xbf")
    refused_in_one_line(lambda: load_detections(path), "is empty")


def test_a_duration_that_is_none_is_not_converted(tmp_path):
    write_formats(tmp_path)
    text = (tmp_path / "gt.csv").read_text()
    (tmp_path / "gt.csv").write_text(text.replace("test,100\n", "test,long\n", 1))
    target = tmp_path / "out.json"
    refused_in_one_line(
        lambda: convert(tmp_path / "gt.csv", target, "detad"), "the duration of video 'vid_a'"
    )
    assert not target.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("class_scale", 10**400), ("fps", 1e300), ("offset", float("nan")), ("classes", ["a\nb"])],
)
def test_an_exported_network_of_impossible_numbers(tmp_path, key, value):
    write_exported(tmp_path)
    path = tmp_path / "model.json"
    read_model(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    refused_in_one_line(lambda: read_model(tmp_path), r"model\.json: ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"run": "5ceb4029ffff9bc7.facnet-1"}, "lacks 'facts'"),
        ({"run": "5ceb4029ffff9bc7.facnet-1", "facts": {"a": np.inf}}, "a number that JSON has"),
    ],
)
def test_lines_of_facts_that_hold_none(tmp_path, line, words):
    write_results(tmp_path)
    path = tmp_path / "fresh/simulated/runs/facnet.facts.jsonl"
    run = json.loads(path.read_text())["run"]
    sealed = ledger.sealed(line | {"run": run})
    if "facts" in line:  # as another programme writes it
        sealed["facts"] = line["facts"]
    path.write_text(json.dumps(sealed) + "\n")
    refused_in_one_line(lambda: read_results(tmp_path), words)


def test_a_quote_shows_letters_of_all_languages_and_no_control_character():
    assert shown("é") == "'é'"
    assert shown("a\n\x1b\ud800") == r"'a\n\x1b\ud800'"


def test_a_class_without_a_finite_number(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text('{"Jump": Infinity, "Throw": 9}')
    refused_in_one_line(lambda: read_class_list(path), "classes.json")
    path.write_text('{"Jump": 1e999, "Throw": 9}')
    refused_in_one_line(lambda: read_class_list(path), "classes.json")


def test_a_long_name_of_a_column_is_quoted_short(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(f"video,t_start,t_end,{'x' * 5000}\nv,1,2,a\n")
    refused_in_one_line(
        lambda: read_ground_truth(path), "has the columns video, t_start, t_end, …;"
    )
    refused_in_one_line(lambda: read_rows(path, ("video", "label")), "no column 'label'")


@pytest.mark.parametrize("mark", ["\u202e", "\u2066"])
def test_a_name_that_shows_its_letters_in_another_order(tmp_path, mark):
    folder = write_folder(tmp_path / "own")
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text().replace("Jump", f"J{mark}ump"), encoding="utf-8")
    refused_in_one_line(
        lambda: add("own", folder, Timebase(25.0, 16.0), root=tmp_path / "data"), "line 2: label"
    )
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(TRUTH | {"classes": [f"J{mark}ump"]}))
    refused_in_one_line(lambda: read_ground_truth(path), "classes")


def test_a_line_of_json_that_is_nested_too_deeply(tmp_path):
    path = tmp_path / "det.jsonl"
    line = '{"video": "v", "segment": ' + "[" * 5000 + "]" * 5000 + "}"
    path.write_text(f"{line}\n{line}\n")
    refused_in_one_line(lambda: load_detections(path), "nested too deeply")


@pytest.mark.parametrize("value", [10**400, True, "1_0", float("nan"), -5, 1e300])
def test_a_duration_that_is_none_is_as_good_as_not_stated(value):
    assert known_seconds({"a": value, "b": "80", "c": 2.5}) == {"b": 80.0, "c": 2.5}


def test_a_table_of_points_that_holds_none_is_not_converted_to_an_empty_file(tmp_path):
    write_formats(tmp_path)
    header = (tmp_path / "points.csv").read_text().splitlines()[0]
    (tmp_path / "points.csv").write_text(f"{header}\n")
    target = tmp_path / "out.txt"
    refused_in_one_line(lambda: convert(tmp_path / "points.csv", target, "sfnet"), "no clicks")
    assert not target.exists()


def test_a_blank_line_among_features_that_are_finished(tmp_path):
    write_begun(tmp_path)
    table = tmp_path / "begun" / "durations.csv"
    table.write_text(table.read_text().replace("\n", "\n\n", 1))
    assert set(go_on(tmp_path)) == {"a", "b"}


@pytest.mark.parametrize("name", ["CON", "nul.txt", "a.", "../x", "x" * 300, "a/b", "-x"])
def test_a_data_set_is_called_as_a_folder_may_be_on_any_disk(tmp_path, name):
    folder = write_folder(tmp_path / "features")
    refused_in_one_line(
        lambda: add(name, folder, Timebase(25.0, 16.0), root=tmp_path / "data"), "cannot name a"
    )
    assert not (tmp_path / "data").exists()


def test_a_split_by_a_seed_that_is_none():
    refused_in_one_line(lambda: split_by_seed({"a": ("x",), "b": ("x",)}, -1, 0.5), "expected at")


@pytest.mark.parametrize("seed", [-1, 2**63, 10**400])
def test_a_seed_that_no_generator_takes(seed):
    refused_in_one_line(lambda: configured_run("facnet", "quick", "simulated", seed, ()), "--seed")


@pytest.mark.parametrize("value", ["{[]: 1}", "1" + "0" * 400, "(" * 3000, "-" * 9000 + "1", "\0"])
def test_a_setting_that_python_cannot_read(value):
    words = (f"schedule.learning_rate={value}",)
    refused_in_one_line(lambda: with_settings(CONFIG, words), "learning_rate")


def test_a_cell_that_is_longer_than_a_table_may_have(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"video,label{'x' * 140_000}\nv,a\n")
    refused_in_one_line(lambda: read_rows(path, ("video", "label")), r"labels\.csv, line 1")
    path.write_text(f"video,label\nv,{'x' * 140_000}\n")
    refused_in_one_line(lambda: read_rows(path, ("video", "label")), "line 2: .*shorten the cell")
