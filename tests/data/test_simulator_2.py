"""Version 2 of the simulator keeps what its manifest states."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.data_samples import REAL, needs_real_data
from wtal_core.data import simulator_2
from wtal_core.data.annotations import read_wtalc
from wtal_core.data.manifests import dataset_names, load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.data.simulated_thumos14 import simulate_thumos14
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError
from wtal_core.pictures.simulated import class_timelines
from wtal_core.timebase import Timebase

VARIANTS = {
    "autocorrelation-low": "autocorrelation",
    "autocorrelation-high": "autocorrelation",
    "scene-low": "scene_in_background",
    "scene-high": "scene_in_background",
    "motion-low": "shared_motion",
    "motion-high": "shared_motion",
}
LONG = Timebase(fps=10.0, stride=16.0)
FROZEN_TIMELINES = "9bbba31abc6c843cd275bace73f8c203f7a8ff315c64ee0023613e2f38c79da9"
FROZEN_MEANS = {  # stream -> mean, standard deviation, share of zeros
    "rgb": (0.14510986, 0.22673807, 0.49423905),
    "flow": (0.14398268, 0.23212539, 0.49773093),
}
DIGEST = """
import hashlib
from wtal_core.data.simulator_2 import simulate
data = simulate()
digest = hashlib.sha256(data.segments.to_csv().encode())
for video in (*data.train, *data.test):
    for features in video.features.values():
        digest.update(features.tobytes())
print(data.fingerprint, digest.hexdigest())
"""


@pytest.fixture(scope="module")
def constants():
    return simulator_2.constants_of(load_manifest("simulated-2"))


@pytest.fixture(scope="module")
def dataset():
    return open_dataset("simulated-2")


@pytest.mark.slow
def test_two_processes_make_the_same_data():
    said = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_the_cosines_of_the_manifest_are_those_of_the_directions(constants):
    directions = simulator_2.draw_directions(constants, 64)
    for stream, d in directions.items():
        gram = constants.gram(stream)
        assert np.abs(d.action @ d.action.T - gram).max() < 1e-9
        assert np.abs(d.scene @ d.scene.T - gram).max() < 1e-9
        # motion and scenes say nothing of a class by themselves
        assert np.abs(d.action @ d.scene.T).max() < 1e-9
        assert np.abs(d.action @ d.motion).max() < 1e-9 and np.linalg.norm(
            d.motion
        ) == pytest.approx(1)


def test_the_confusable_pairs_are_there(constants):
    names = list(constants.classes)
    for stream, least in (("rgb", 0.6), ("flow", 0.7)):
        gram = constants.gram(stream) - np.eye(20)
        pairs = {
            frozenset((names[i], names[j])) for i, j in zip(*np.nonzero(gram > least), strict=True)
        }
        assert pairs == {
            frozenset(("CliffDiving", "Diving")),
            frozenset(("CricketBowling", "CricketShot")),
        }


@pytest.mark.parametrize("stated", [0.0, 0.5, 0.9])
def test_noise_lasts_as_stated_and_keeps_its_variance(stated):
    noise = simulator_2.lasting_noise(2000, 64, stated, np.random.default_rng(0))
    assert (noise[1:] * noise[:-1]).mean() / (noise**2).mean() == pytest.approx(stated, abs=0.02)
    assert (noise[3:] * noise[:-3]).mean() / (noise**2).mean() == pytest.approx(stated**3, abs=0.03)
    starts = simulator_2.lasting_noise(2, 20_000, stated, np.random.default_rng(1)) * 20_000**0.5
    assert starts[0].var() == pytest.approx(1, abs=0.05)
    assert starts[1].var() == pytest.approx(1, abs=0.05)


def test_autocorrelation_is_stated_in_seconds(constants):
    assert simulator_2.neighbours_correlation(constants, Timebase()) == pytest.approx(0.8)
    assert simulator_2.neighbours_correlation(constants, LONG) == pytest.approx(0.8**2.5)


def test_features_are_finite_and_not_negative(dataset):
    for video in (*dataset.train, *dataset.test):
        for features in video.features.values():
            assert features.dtype == np.float32 and features.shape == (video.length, 64)
            assert np.isfinite(features).all() and features.min() >= 0


def test_counts_are_those_of_the_manifest(dataset):
    manifest = load_manifest("simulated-2")
    for split in ("train", "test"):
        videos = getattr(dataset, split)
        assert len(videos) == manifest.splits[split].videos
        assert len(dataset.segments_of(split)) == manifest.splits[split].instances
        shown = [label for video in videos for label in video.labels]
        assert min(shown.count(label) for label in dataset.classes) >= 5
    assert len(dataset.classes) == manifest.classes == 20


def test_channels_are_as_different_as_stated(dataset, constants):
    """The root mean square of a channel is about its gain."""
    for stream, stated in zip(dataset.streams, constants.gain_log_deviation, strict=True):
        values = np.concatenate([video.features[stream] for video in dataset.train])
        assert np.log(np.sqrt((values**2).mean(0))).std() == pytest.approx(stated, abs=0.06)


@pytest.mark.parametrize("ending", VARIANTS)
def test_a_variant_differs_in_its_one_constant(ending):
    base = load_manifest("simulated-2")
    varied = load_manifest(f"simulated-2-{ending}")
    different = {name for name in base.simulator if base.simulator[name] != varied.simulator[name]}
    assert different == {VARIANTS[ending]}
    assert base.simulator.keys() == varied.simulator.keys() and varied.splits == base.splits
    below = varied.simulator[VARIANTS[ending]] < base.simulator[VARIANTS[ending]]
    assert below == ending.endswith("low")
    assert simulator_2.content_hash(varied) != simulator_2.content_hash(base)


def test_variants_open_by_name_and_share_timelines(dataset):
    names = {name for name in dataset_names() if name.startswith("simulated-2-")}
    assert names == {f"simulated-2-{ending}" for ending in VARIANTS}
    varied = open_dataset("simulated-2-motion-high")
    assert varied.name == "simulated-2-motion-high" and "motion high" in varied.title
    assert varied.segments.equals(dataset.segments)
    first, same = varied.train[0], dataset.train[0]
    assert first.labels == same.labels and first.length == same.length
    assert not np.array_equal(first.features["flow"], same.features["flow"])
    with pytest.raises(WorkbookError, match="unknown data set 'simulated-2-motion-huge'"):
        open_dataset("simulated-2-motion-huge")


def test_another_time_base_keeps_the_timelines(dataset):
    long = simulator_2.simulate(timebase=LONG)
    assert long.segments.equals(dataset.segments) and long.fingerprint != dataset.fingerprint
    for video, same in zip(long.test, dataset.test, strict=True):
        assert video.length == pytest.approx(same.length * 0.4, abs=1)


def test_the_fingerprint_is_the_hash_of_the_manifest(dataset):
    manifest = load_manifest("simulated-2")
    assert dataset.fingerprint == simulator_2.content_hash(manifest)
    assert simulator_2.content_hash(replace(manifest, title="x")) == dataset.fingerprint
    changed = replace(manifest, simulator={**manifest.simulator, "seed": 3})
    assert simulator_2.content_hash(changed) != dataset.fingerprint


def test_the_content_is_the_frozen_one(dataset):
    """What predictions were registered for. Sums, since last bits differ between machines."""
    timelines = dataset.segments.round(1).to_csv(index=False).encode()
    assert hashlib.sha256(timelines).hexdigest() == FROZEN_TIMELINES
    for stream, frozen in FROZEN_MEANS.items():
        values = np.concatenate(
            [video.features[stream] for video in (*dataset.train, *dataset.test)]
        )
        found = (values.mean(dtype=float), values.std(dtype=float), (values == 0).mean())
        assert found == pytest.approx(frozen, rel=1e-5)


@needs_real_data
def test_measured_constants_are_those_of_the_sources(constants):
    annotations = read_wtalc(REAL / "thumos14" / "Thumos14reduced-Annotations")
    training = annotations.of_subset("validation")["video"]
    segments = annotations.segments[annotations.segments["video"].isin(training)]
    measured = class_timelines(segments)
    assert list(measured) == list(constants.classes)
    for label, values in measured.items():
        assert constants.timelines[label] == pytest.approx(values, abs=0.0051)
    geometry = json.loads((REAL / "stpn" / "geometry.json").read_text())
    assert geometry["classes"] == list(constants.classes)
    for s, stream in enumerate(("rgb", "flow")):
        cosines = np.array(geometry["class_weight_cosines"][stream])
        assert np.abs(constants.gram(stream) - cosines).max() <= 0.00051
        stated = constants.gain_log_deviation[s]
        assert stated == pytest.approx(geometry["channel_scale"][stream]["sd_of_log"], abs=0.00051)


def test_verify_prints_counts_and_fingerprint(dataset):
    findings = {finding.file: finding for finding in verify("simulated-2")}
    assert all(finding.status == "ok" for finding in findings.values())
    assert findings["fingerprint"].found == dataset.fingerprint
    assert findings["counts of test"].found.startswith("100 videos")


def test_snippets_are_means_of_what_goes_on_in_them():
    values = np.arange(12.0)[:, None]  # on a grid of 0.16 s
    four = simulator_2.averaged(values, 3, Timebase(fps=25.0, stride=16.0))
    assert four[:, 0].tolist() == [1.5, 5.5, 9.5]
    half = simulator_2.averaged(values, 2, Timebase(fps=25.0, stride=10.0))  # 2.5 steps a snippet
    assert half[:, 0] == pytest.approx([(0 + 1 + 0.5 * 2) / 2.5, (0.5 * 2 + 3 + 4) / 2.5])
    parts = simulator_2.averaged(values, 1, Timebase(fps=25.0, stride=2.0))  # half a step
    assert parts[:, 0].tolist() == [0.0]


def test_states_do_not_depend_on_the_snippets(constants):
    rows = [("Diving", 3.0, 5.0), ("Diving", 9.0, 10.5)]
    states = simulator_2.draw_states(rows, ("Diving",), 32.0, constants, np.random.default_rng(0))
    column = constants.classes.index("Diving")
    seconds = simulator_2.FINE.snippet_seconds
    assert (states.plain + states.weak)[:, column].sum() * seconds == pytest.approx(3.5)
    assert states.plain.sum() * seconds == pytest.approx(0.4 * 3.5)
    assert (states.background.sum(1) == 1).all() and (states.lookalike.sum(1) <= 1).all()
    inside = (states.plain + states.weak).sum(1) == 1
    assert (states.lookalike[inside] == 0).all() and (states.motion[inside] == 1).all()
    assert (states.scene[inside, column] == 1).all()
    around = states.scene[(states.plain + states.weak).sum(1) == 0]
    assert set(np.unique(around)) <= {0.0, constants.scene_in_background}


def test_a_video_without_labels_has_no_scene(constants):
    states = simulator_2.draw_states([], (), 200.0, constants, np.random.default_rng(0))
    assert states.scene.sum() == 0 and states.plain.sum() == 0


def test_what_does_not_fit_is_named(constants):
    manifest = load_manifest("simulated-2")
    lacking = {k: v for k, v in manifest.simulator.items() if k != "noise"}
    with pytest.raises(WorkbookError, match="constant noise is missing or unknown"):
        simulator_2.constants_of(replace(manifest, simulator=lacking))
    with pytest.raises(WorkbookError, match="at least 41, not 40"):
        simulator_2.draw_directions(constants, 40)
    flow = {**constants.cosines["flow"], "HammerThrow": [0.99] * 10}
    impossible = replace(constants, cosines={**constants.cosines, "flow": flow})
    with pytest.raises(WorkbookError, match="no directions have the cosines of stream flow"):
        simulator_2.draw_directions(impossible, 64)


@needs_real_data
@pytest.mark.slow
def test_under_real_annotations(constants):
    data = simulate_thumos14(REAL / "thumos14", LONG)
    assert len(data.train) == 200 and len(data.test) == 212
    assert len(data.segments_of("train")) == 3007 and len(data.segments_of("test")) == 3358
    assert data.origin == "simulated features, real annotations" and data.feature_size() == 64
    assert data.classes == constants.classes and len(data.left_out["activitynet"]) == 2
    assert set(data.clicks) == {"action", "background"}
    assert data.timebase == LONG and data.video("video_test_0000270").labels == ()


def test_missing_annotations_are_named(tmp_path):
    with pytest.raises(WorkbookError, match="wtal data fetch simulated-thumos14"):
        open_dataset("simulated-thumos14", tmp_path)
