"""Every registered method where there is hardly anything to learn from: one class, one training
video, one label in all videos. Each trains and detects sensibly, or refuses in one clear line.
"""

import math

import numpy as np
import pytest

from tests.own_samples import LABELS, SECONDS, write_folder
from wtal_core.data.opening import open_dataset
from wtal_core.data.own_data import add
from wtal_core.errors import WorkbookError
from wtal_core.models import method, method_names
from wtal_core.runs.settings import with_settings
from wtal_core.runs.train import COMPARE_CLASSES, Trainer
from wtal_core.timebase import Timebase

BRIEF, ENOUGH = 3, 20  # epochs


def write_clicks(folder, videos):
    """One click on the action and one beside it in every video, for those that train on clicks."""
    lines = ["video,label,t"]
    for i in range(videos):
        label = (folder / "labels.csv").read_text().split(f"clip {i},")[1].split("\n")[0]
        lines += [f"clip {i},{label},{7.5 * SECONDS:g}", f"clip {i},background,{2.5 * SECONDS:g}"]
    (folder / "clicks.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Opens a data set of 8 videos, or of one for training and one for testing."""
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "data"))

    def make(classes: int = 2, videos: int = 8, second_label: tuple[int, ...] = ()):
        folder = write_folder(tmp_path / "features", classes=classes, videos=videos)
        labels = folder / "labels.csv"
        if classes == 1 or second_label:
            lines = [f"clip {i},{LABELS[0]}" for i in range(videos)]
            more = [f"clip {i},{LABELS[1]}" for i in second_label]
            labels.write_text("\n".join(["video,label", *lines, *more, ""]))
        write_clicks(folder, videos)
        if videos == 2:
            (folder / "split.csv").write_text("video,split\nclip 0,train\nclip 1,test\n")
        add("tiny", folder, Timebase(25.0, 16.0))
        return open_dataset("tiny")

    return make


def trained(name, dataset, epochs, seed=0):
    """History and detections of a short training."""
    config = method(name).profiles["quick"]
    part = "base." if hasattr(config, "base") else ""
    brief = with_settings(config, [f"{part}schedule.epochs={epochs}"])
    result = Trainer(name, brief, dataset, seed).run()
    for epoch in result.history:
        assert all(math.isfinite(value) for value in epoch.values()), epoch
    table = result.detections["last"]
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()
    assert set(table["label"]) <= set(dataset.classes)
    assert set(table["video"]) <= {video.id for video in dataset.test}
    return table


@pytest.mark.parametrize("name", method_names())
def test_one_class_gives_detections_or_a_clear_refusal(world, name):
    dataset = world(classes=1)
    assert dataset.classes == LABELS[:1]
    if name in COMPARE_CLASSES:
        with pytest.raises(WorkbookError, match=r"only compares classes .* such as facnet"):
            trained(name, dataset, BRIEF)
        return
    # so few videos are not learnt from every seed, whatever the number of classes
    assert any(len(trained(name, dataset, ENOUGH, seed)) for seed in (0, 1))


@pytest.mark.parametrize("name", method_names())
def test_one_training_video(world, name):
    dataset = world(videos=2, second_label=(0,))
    assert (len(dataset.train), len(dataset.test), len(dataset.classes)) == (1, 1, 2)
    trained(name, dataset, BRIEF)


@pytest.mark.parametrize("name", method_names())
def test_one_label_in_every_video(world, name):
    dataset = world(second_label=(1, 3, 5, 7))
    assert all(LABELS[0] in video.labels for video in dataset.train)
    trained(name, dataset, BRIEF)
