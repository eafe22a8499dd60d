"""Versions of behaviour: today's code says what the committed numbers say, a number or a default
that moves is named, and a version is opened in one step.
"""

import json
import shutil
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch

from wtal_core.errors import WorkbookError
from wtal_core.models import method_names, ten, topk_mil
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs import behaviour
from wtal_core.runs.behaviour import micro_data, untrained
from wtal_core.runs.behaviour.variants import localizations, shortened, variants
from wtal_core.runs.behaviour.versions import FOLDER, read, write

CHEAP = "topk_mil"
MEASURE = behaviour.measure


@cache
def measured(name: str) -> dict[str, list[float]]:
    return MEASURE(name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the committed versions, for code that says exactly what they say."""
    shutil.copytree(FOLDER, tmp_path / "numbers")
    monkeypatch.setattr(behaviour, "measure", lambda name: read(name, FOLDER).numbers)
    return tmp_path / "numbers"


def edited(folder, part, change):
    """The version of the cheap method with one part of its file changed."""
    version = read(CHEAP, folder)
    write(CHEAP, replace(version, **{part: change(dict(getattr(version, part)))}), folder)


def with_first_number(scale):
    def change(numbers):
        name = "micro-run default: weights"
        first, *others = numbers[name]
        return numbers | {name: [first * scale, *others]}

    return change


@pytest.mark.parametrize("name", method_names())
def test_todays_code_says_what_its_version_says(name, monkeypatch):
    monkeypatch.setattr(behaviour, "measure", measured)
    assert behaviour.compare(name) is None
    version = read(name, FOLDER)
    assert set(measured(name)) == set(version.numbers), "run behaviour.complete for new numbers"
    assert behaviour.defaults(name) == version.defaults


def test_every_method_has_a_version_and_every_version_a_method():
    assert sorted(path.stem for path in FOLDER.glob("*")) == method_names()
    assert all(behaviour.current_version(name) >= 1 for name in method_names())


@pytest.mark.parametrize("name", [CHEAP, "gaufuse"])
def test_a_second_measurement_gives_the_same_bits(name):
    untrained.common_numbers.cache_clear()
    untrained.input_numbers.cache_clear()
    assert behaviour.measure(name) == measured(name)


def test_a_measurement_leaves_threads_and_types_as_they_were():
    before = torch.get_num_threads(), torch.get_default_dtype()
    with torch.no_grad():
        assert behaviour.measure(CHEAP) == measured(CHEAP)
        assert not torch.is_grad_enabled()
    assert (torch.get_num_threads(), torch.get_default_dtype()) == before


@pytest.mark.parametrize("name", method_names())
def test_made_activations_reach_a_map_between_zero_and_one(name):
    """So that a mistake in localization or evaluation moves it."""
    between = [
        values
        for key, values in read(name, FOLDER).numbers.items()
        if key.startswith("made activations") and "mAP" in key and 0.1 < values[0] < 0.9
    ]
    assert len(between) >= 5


def test_a_number_that_moved_is_named_with_both_values(folder):
    edited(folder, "numbers", with_first_number(1.001))
    change = behaviour.compare(CHEAP, folder)
    new = read(CHEAP, FOLDER).numbers["micro-run default: weights"][0]
    assert (change.method, change.version, change.moved) == (CHEAP, 1, 1)
    assert change.name == "micro-run default: weights [0]"
    assert change.old == pytest.approx(1.001 * new)
    assert change.new == new
    assert str(change).startswith(f"{CHEAP} differs from {CHEAP}-1: micro-run default: weights")


def test_what_another_cpu_does_is_no_change(folder):
    edited(folder, "numbers", with_first_number(1 + 2e-9))
    assert behaviour.compare(CHEAP, folder) is None
    edited(folder, "numbers", with_first_number(1 + 2e-8))
    assert behaviour.compare(CHEAP, folder) is not None


def test_a_list_of_another_length_and_a_lost_number_are_changes(folder):
    edited(folder, "numbers", lambda n: n | {"micro-run default: epochs, total": [1.0]})
    assert "epochs, total" in behaviour.compare(CHEAP, folder).name
    edited(folder, "numbers", lambda n: {"of a variant that is gone": [1.0]})
    assert behaviour.compare(CHEAP, folder).new is None


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (np.nan, np.nan, True),
        (np.nan, 0.0, False),
        (0.0, 5e-11, True),
        (0.0, 1e-9, False),
        (3.0, 4.0, False),
    ],
)
def test_which_numbers_agree(old, new, same):
    assert behaviour.agree(old, new) is same


def test_a_changed_default_is_named_and_a_new_field_is_no_change(folder):
    edited(folder, "defaults", lambda d: d | {"fraction": 9})
    change = behaviour.compare(CHEAP, folder)
    assert (change.name, change.old, change.new) == ("default of fraction", 9, 8)
    edited(folder, "defaults", lambda d: {k: v for k, v in d.items() if k != "fraction"})
    assert behaviour.compare(CHEAP, folder) is None


def test_a_field_that_is_gone_is_a_change(folder):
    edited(folder, "defaults", lambda d: d | {"rectified": True})
    assert behaviour.compare(CHEAP, folder).name == "default of rectified"


def test_defaults_are_dotted_and_those_of_hosts_belong_to_gaufuse():
    assert behaviour.defaults("ten")["schedule.betas"] == [0.9, 0.999]
    assert behaviour.defaults("ten")["lambda_bg"] == ten.Config().lambda_bg
    assert behaviour.defaults("backtal")["rule.nms"] == 0.55
    assert behaviour.defaults("gaufuse")["base of topk_mil.fraction"] == 8
    assert not any("base of cw_plugin" in name for name in behaviour.defaults("gaufuse"))


def test_accepting_opens_the_next_version_and_keeps_the_notes(folder):
    edited(folder, "numbers", with_first_number(2.0))
    assert behaviour.accept(CHEAP, "The weights were twice as large.", folder) == 2
    assert behaviour.current_version(CHEAP, folder) == 2
    assert behaviour.compare(CHEAP, folder) is None
    content = json.loads((folder / f"{CHEAP}.json").read_text())
    assert content["note"] == "The weights were twice as large."
    assert [entry["version"] for entry in content["earlier"]] == [1]
    assert set(content["earlier"][0]) == {"version", "date", "note"}
    assert behaviour.accept(CHEAP, "Again.", folder) == 3
    assert sorted(path.suffix for path in folder.iterdir()) == [".json"] * len(method_names())


def test_a_method_without_a_version_gets_the_first_one(folder):
    (folder / f"{CHEAP}.json").unlink()
    with pytest.raises(WorkbookError, match="no version yet; open the first one with"):
        behaviour.compare(CHEAP, folder)
    assert behaviour.accept(CHEAP, "New.", folder) == 1


def test_new_numbers_are_added_to_the_version_that_is_there(folder):
    whole = read(CHEAP, folder)
    edited(folder, "numbers", lambda n: dict(list(n.items())[:10]))
    edited(folder, "defaults", lambda d: {"fraction": 8})
    assert behaviour.complete(CHEAP, folder) is None
    assert read(CHEAP, folder) == whole
    edited(folder, "numbers", with_first_number(2.0))
    before = (folder / f"{CHEAP}.json").read_bytes()
    assert behaviour.complete(CHEAP, folder).moved == 1
    assert (folder / f"{CHEAP}.json").read_bytes() == before


def test_a_stamp_names_a_version_only_if_the_numbers_agree(folder, monkeypatch):
    monkeypatch.setattr(behaviour, "FOLDER", folder)
    behaviour.stamp.cache_clear()
    assert behaviour.stamp(CHEAP) == f"{CHEAP}-1"
    edited(folder, "numbers", with_first_number(2.0))
    assert behaviour.stamp(CHEAP) == f"{CHEAP}-1", "once per process"
    behaviour.stamp.cache_clear()
    assert behaviour.stamp(CHEAP) == "changed"
    (folder / "ten.json").unlink()
    assert behaviour.stamp("ten") == "changed"
    behaviour.stamp.cache_clear()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": "1", "numbers": {}}']
)
def test_a_damaged_file_is_named(folder, text):
    (folder / f"{CHEAP}.json").write_text(text)
    with pytest.raises(WorkbookError, match=r"topk_mil\.json .*get the file back from git"):
        behaviour.compare(CHEAP, folder)
    with pytest.raises(WorkbookError, match=r"topk_mil\.json"):
        behaviour.accept(CHEAP, "", folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "numbers").write_text("a file")
    with pytest.raises(WorkbookError, match="cannot be written"):
        write(CHEAP, read(CHEAP, FOLDER), tmp_path / "numbers")


def test_an_unknown_method_is_refused():
    with pytest.raises(WorkbookError, match="unknown method 'facnett'"):
        behaviour.measure("facnett")


def test_a_method_without_variants_trains_its_quick_profile(monkeypatch):
    module = import_module("wtal_core.runs.behaviour.variants")
    monkeypatch.setattr(module, "VARIANTS", {})
    monkeypatch.setattr(module, "LOCALIZATIONS", {})
    (config,) = variants(CHEAP).values()
    assert config == replace(topk_mil.QUICK, schedule=shortened(topk_mil.QUICK.schedule))
    assert localizations(CHEAP) == {"quick": topk_mil.QUICK}


def test_defaults_of_any_dataclass():
    @dataclass(frozen=True)
    class Config:
        needed: int
        pair: tuple[tuple[int, float], ...] = ((1, 0.5),)
        schedule: Schedule = field(default_factory=lambda: Schedule(epochs=3))

    values = dict(behaviour._defaults_of(Config, ""))
    assert "needed" not in values
    assert values["pair"] == [[1, 0.5]]
    assert values["schedule.epochs"] == 3


def test_the_micro_data_hold_every_special_case():
    dataset = micro_data.micro_dataset()
    lengths = {video.length for video in (*dataset.train, *dataset.test)}
    assert {0, 1} <= lengths
    assert any(len(video.labels) == 2 for video in dataset.train)
    assert any(len(video.labels) == 2 for video in dataset.test)
    assert any(not video.labels for video in dataset.test)
    assert dataset.segments.duplicated().any()
    touching = dataset.segments.merge(dataset.segments, on="video")
    assert (touching["t_end_x"] == touching["t_start_y"]).any()
    assert set(dataset.ambiguous["video"]) & {video.id for video in dataset.test}
    copied = dataset.video("train_5").features["rgb"]
    assert (copied[7] == copied[6]).all()
    for clicks in dataset.clicks.values():
        assert clicks["annotator"].nunique() > 1
    scores = micro_data.made_detections()["score"]
    assert scores.duplicated().any()


def test_features_are_binary_fractions():
    for video in micro_data.micro_dataset().test:
        for values in video.features.values():
            assert (values * micro_data.GRID == np.rint(values * micro_data.GRID)).all()
