"""Manifests are strict, agree with the published files, and never lead out of their folder."""

import pytest

from tests.data_samples import REAL, needs_real_data
from wtal_core.data import paths
from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.manifests import Counts, dataset_names, load_manifest, read_manifest
from wtal_core.data.paths import inside
from wtal_core.errors import WorkbookError

GOOD = "name: small\ntitle: Small\norigin: real\n"


def read(tmp_path, text):
    (tmp_path / "small.yaml").write_text(text)
    return read_manifest(tmp_path / "small.yaml")


def test_all_manifests_load_and_say_who_made_the_data():
    assert {"thumos14", "hapt", "salads50", "activitynet1.3"} <= set(dataset_names())
    for name in dataset_names():
        manifest = load_manifest(name)
        assert manifest.licence and manifest.citation and manifest.splits
        for entry in manifest.files:
            assert entry.urls or entry.note, (
                f"{name}: {entry.path} has neither an address nor a note"
            )
            assert entry.sha256 or entry.note, (
                f"{name}: {entry.path} has neither a checksum nor a note"
            )


def test_thumos14():
    manifest = load_manifest("thumos14")
    assert manifest.splits["train"] == Counts(200, 3007) and manifest.splits["test"] == Counts(
        212, 3358
    )
    assert manifest.splits["test_activitynet"] == Counts(210, 3311) and manifest.streams == (
        "rgb",
        "flow",
    )
    assert (manifest.timebase().fps, manifest.timebase().stride, manifest.feature_size) == (
        25,
        16,
        1024,
    )
    assert manifest.file("Thumos14reduced-I3D-JOINTFeatures.npy").features


@needs_real_data
@pytest.mark.parametrize(
    "name", ["thumos14", "hapt", "salads50", "activitynet1.3", "autoloc", "shrec21", "sfinge3d"]
)
def test_checksums_are_those_of_the_published_files(name):
    manifest = load_manifest(name)
    checked = 0
    for entry in manifest.files:
        path = REAL / manifest.folder / entry.path
        if path.exists():
            assert (sha256_of(path), path.stat().st_size) == (entry.sha256, entry.bytes), entry.path
            checked += 1
    assert checked >= min(3, len(manifest.files))


def test_defaults_and_free_simulator_mapping(tmp_path):
    manifest = read(tmp_path, GOOD + "simulator: {noise: 1.5, classes: [a, b]}\n")
    assert manifest.simulator == {"noise": 1.5, "classes": ["a", "b"]} and manifest.folds == 1
    with pytest.raises(WorkbookError, match="states no fps"):
        manifest.timebase()


def test_a_variant_is_the_manifest_with_its_constants(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MANIFEST_FOLDER", tmp_path)
    constants = "simulator: {noise: 1.5, scene: 2}\nvariants:\n"
    read(tmp_path, GOOD + constants + "  loud-very: {noise: 9}\n  odd: {smell: 1}\n")
    assert dataset_names() == ["small", "small-loud-very", "small-odd"]
    loud = load_manifest("small-loud-very")
    assert loud.simulator == {"noise": 9, "scene": 2} and loud.title == "Small, loud very"
    assert loud.name == "small-loud-very" and load_manifest("small").simulator["noise"] == 1.5
    with pytest.raises(WorkbookError, match="variant odd changes the constant 'smell'"):
        load_manifest("small-odd")
    with pytest.raises(WorkbookError, match="unknown data set 'small-quiet'"):
        load_manifest("small-quiet")


@pytest.mark.parametrize(
    "extra, message",
    [
        ("variants: {low: 3}\n", "variants: low: expected a dict"),
        ("variants: [low]\n", "variants: expected a dict"),
        ("colour: red\n", r"small\.yaml: unknown key 'colour'"),
        ("files: [{path: a, sum: 1}]\n", r"files\[0\]: unknown key 'sum'"),
        ("files: [{urls: [a]}]\n", r"files\[0\]: key 'path' is missing"),
        ("files: [{path: ../a}]\n", "relative path inside"),
        ("files: [{path: /etc/passwd}]\n", "relative path inside"),
        ("files: [{path: 'a\\b'}]\n", "relative path inside"),
        ("folder: ..\n", "relative path inside"),
        ("files: [{path: a, sha256: abc}]\n", "64 hexadecimal"),
        ("files: [{path: a, bytes: many}]\n", "expected a int"),
        ("files: {path: a}\n", "expected a list"),
        ("fps: fast\n", "expected a number"),
        ("folds: true\n", "expected a int"),
        ("splits: {train: {videos: 1}}\n", "splits train: key 'instances' is missing"),
        ("streams: rgb\n", "expected a list"),
        ("fps: [\n", "cannot be read"),
    ],
)
def test_bad_manifests_are_named(tmp_path, extra, message):
    with pytest.raises(WorkbookError, match=message) as caught:
        read(tmp_path, GOOD + extra)
    assert "\n" not in str(caught.value)


def test_name_must_be_the_files(tmp_path):
    with pytest.raises(WorkbookError, match="expected 'small'"):
        read(tmp_path, GOOD.replace("small", "large"))


def test_required_keys_and_unknown_names(tmp_path):
    with pytest.raises(WorkbookError, match="key 'origin' is missing"):
        read(tmp_path, "name: small\ntitle: Small\n")
    with pytest.raises(WorkbookError, match=r"unknown data set '\.\./hapt'"):
        load_manifest("../hapt")


def test_inside_refuses_escapes(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path)
    assert inside(tmp_path / "data", "a/b.npy") == tmp_path / "data/a/b.npy"
    for relative in ("../x", "a/../../x", "/etc/passwd", "link/x", "a\0b"):
        with pytest.raises(WorkbookError, match="leads out of"):
            inside(tmp_path / "data", relative)


def test_root(monkeypatch):
    monkeypatch.delenv("WTAL_DATA", raising=False)
    assert paths.data_root() == paths.HOME / "data" and paths.data_root("x").name == "x"


def test_a_manifest_is_parsed_once_and_again_after_a_change(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MANIFEST_FOLDER", tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(GOOD)
    first = load_manifest("small")
    assert load_manifest("small") is first
    path.write_text(GOOD + "folds: 3\n")
    assert (first.folds, load_manifest("small").folds) == (1, 3)
    path.write_text("name: [")
    for _ in range(2):
        with pytest.raises(WorkbookError, match="cannot be read"):
            load_manifest("small")


def test_files_of_another_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MANIFEST_FOLDER", tmp_path)
    (tmp_path / "small.yaml").write_text(GOOD + "folder: here\nfiles: [{path: a}]\n")
    cut = tmp_path / "cut.yaml"
    cut.write_text("name: cut\ntitle: Cut\norigin: real\nfiles_of: small\nclasses: 6\n")
    manifest = load_manifest("cut")
    assert (manifest.folder, manifest.classes) == ("here", 6)
    assert manifest.files == load_manifest("small").files
    (tmp_path / "small.yaml").write_text(GOOD + "folder: there\n")
    assert load_manifest("cut").folder == "there"
    cut.write_text("name: cut\ntitle: Cut\norigin: real\nfiles_of: small\nfolder: x\n")
    with pytest.raises(WorkbookError, match=r"cut\.yaml: states files_of and files of its own"):
        load_manifest("cut")
    cut.write_text("name: cut\ntitle: Cut\norigin: real\nfiles_of: cut\n")
    with pytest.raises(WorkbookError, match="must name another data set"):
        load_manifest("cut")
    cut.write_text("name: cut\ntitle: Cut\norigin: real\nfiles_of: nothing\n")
    with pytest.raises(WorkbookError, match="unknown data set 'nothing'"):
        load_manifest("cut")


def test_channels_need_a_feature_size(tmp_path):
    with pytest.raises(WorkbookError, match="states no feature_size"):
        read(tmp_path, GOOD).channels()
    assert read(tmp_path, GOOD + "feature_size: 4\n").channels() == 4
