"""`verify` tells the truth about a folder, `fetch` leaves nothing wrong behind."""

import http.server
import shutil
import threading
import zipfile
from functools import partial

import numpy as np
import pytest

from tests.data.test_click_datasets import write_features, write_sfnet
from tests.data.test_thumos14 import few_channels
from tests.data_samples import (
    REAL,
    VIDEOS,
    needs_real_data,
    video_features,
    write_annotations,
    write_joint,
)
from tests.hand_samples import moving_hand, write_sfinge3d_texts
from wtal_core.data import fetch as fetching
from wtal_core.data import thumos14
from wtal_core.data.fetch import fetch, unpack
from wtal_core.data.manifests import ArchiveEntry, DatasetManifest, FileEntry, load_manifest
from wtal_core.data.verify import check_file, verify
from wtal_core.errors import WorkbookError

MANIFEST = DatasetManifest("small", "Small", "real", folder="small")


def statuses(findings):
    return {finding.file: finding.status for finding in findings}


@needs_real_data
@pytest.mark.parametrize(
    "name",
    ["hapt", "hapt-transitions", "salads50", "sfinge3d", "shrec21", "shrec21-sequences"],
)
def test_real_folders_are_right(name):
    findings = verify(name, REAL)
    assert not [finding for finding in findings if finding.status != "ok" and finding.needed]
    counted = [finding for finding in findings if finding.file.startswith("counts of")]
    assert len(counted) == len(load_manifest(name).splits)
    assert statuses(findings)["opening"] == "ok"


@needs_real_data
def test_published_detections_have_nothing_to_open():
    assert set(statuses(verify("stpn", REAL)).values()) == {"ok"}


@needs_real_data
def test_thumos14_lacks_its_features():
    findings = verify("thumos14", REAL)
    assert [finding.file for finding in findings if finding.status != "ok"] == ["features"]
    missing = next(finding for finding in findings if finding.file == "features")
    assert missing.found == "0 of 200 training and 0 of 212 test videos"
    assert missing.status == "missing" and missing.needed and "wtalc-pytorch" in missing.expected
    assert statuses(findings)["counts of test_activitynet"] == "ok"


def test_empty_folder(tmp_path):
    findings = verify("thumos14", tmp_path)
    files = {entry.path for entry in load_manifest("thumos14").files if not entry.features}
    assert set(statuses(findings).values()) == {"missing"}
    assert set(statuses(findings)) == files | {"annotations"}


@pytest.mark.parametrize(
    "content, entry, status",
    [
        (b"abc", FileEntry("a.bin", bytes=10), "short"),
        (b"abc", FileEntry("a.bin", sha256="0" * 64), "wrong checksum"),
        (b"abc", FileEntry("a.npy"), "damaged"),
        (b"abc", FileEntry("a.bin", note="unknown"), "ok"),
        (None, FileEntry("b.npy", shape=(4,)), "wrong shape"),
        (None, FileEntry("b.npy", shape=(3,)), "ok"),
        (None, FileEntry("c.npy"), "missing"),
        (None, FileEntry("c.npy", alternatives=("b.*",)), "ok"),
    ],
)
def test_status_of_a_file(tmp_path, content, entry, status):
    np.save(tmp_path / "b.npy", np.zeros(3))
    if content is not None:
        (tmp_path / entry.path).write_bytes(content)
    assert check_file(tmp_path, entry, MANIFEST).status == status


@pytest.mark.parametrize(
    "bad, status",
    [
        (np.full((3, 2048), np.nan, np.float32), "not finite"),
        (np.ones((3, 7), np.float32), "wrong shape"),
        (np.ones((7, 2048), np.float32), "ok"),
    ],
)
def test_features_are_looked_into(tmp_path, bad, status):
    (tmp_path / "thumos14").mkdir()
    write_annotations(tmp_path / "thumos14")
    write_joint(tmp_path / "thumos14", [*video_features()[:3], bad])
    findings = verify("thumos14", tmp_path)
    assert statuses(findings)["features (joint)"] == "ok"
    finding = next(finding for finding in findings if finding.file == "opening")
    assert finding.status == status and (status == "ok" or VIDEOS[3] in finding.found)
    assert statuses(findings)["counts of train"] == "wrong counts"


@needs_real_data
def test_fetch_from_a_local_mirror(tmp_path):
    result = fetch("hapt", tmp_path, mirror=REAL, progress=False)
    assert "labels.txt" in result.fetched and not result.failed
    assert set(result.by_hand) == {
        entry.path for entry in load_manifest("hapt").files if entry.path.startswith("RawData")
    }
    assert all(finding.status == "ok" for finding in verify("hapt", tmp_path) if finding.needed)
    assert fetch("hapt", tmp_path, mirror=REAL, progress=False).fetched == ()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A data set of two files, `small/good.txt` and `small/deep/wrong.txt`, in a mirror."""
    mirror = tmp_path / "mirror"
    (mirror / "small/deep").mkdir(parents=True)
    (mirror / "small/good.txt").write_text("good")
    (mirror / "small/deep/wrong.txt").write_text("altered")
    good = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c"
    manifest = DatasetManifest(
        "small",
        "Small",
        "real",
        folder="small",
        files=(
            FileEntry("good.txt", sha256=good),
            FileEntry("deep/wrong.txt", sha256="0" * 64),
            FileEntry("by_hand.txt", note="ask"),
        ),
    )
    monkeypatch.setattr(fetching, "load_manifest", lambda name: manifest)
    return tmp_path, mirror


def files_in(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_wrong_checksum_leaves_nothing_behind(small):
    root, mirror = small
    result = fetch("small", root / "data", mirror=mirror, progress=False)
    assert result.fetched == ("good.txt",) and set(result.failed) == {
        "deep/wrong.txt",
        "by_hand.txt",
    }
    assert (
        "hash" in result.failed["deep/wrong.txt"]
        and "not in the mirror" in result.failed["by_hand.txt"]
    )
    assert files_in(root / "data") == ["small/good.txt"]


def test_wrong_download_keeps_what_was_there(small):
    root, mirror = small
    (root / "data/small/deep").mkdir(parents=True)
    (root / "data/small/deep/wrong.txt").write_text("older")
    fetch("small", root / "data", mirror=mirror, progress=False)
    assert (root / "data/small/deep/wrong.txt").read_text() == "older"


def test_without_mirror_by_hand(small):
    root, _ = small
    assert fetch("small", root / "data", progress=False).by_hand["by_hand.txt"] == "ask"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the mirror without a log."""

    def log_message(self, *arguments):
        pass


def test_fetch_from_a_url(small):
    root, mirror = small
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=mirror)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        result = fetch(
            "small", root / "data", mirror=f"http://127.0.0.1:{server.server_port}", progress=False
        )
        server.shutdown()
    assert result.fetched == ("good.txt",) and "404" in result.failed["by_hand.txt"]
    assert files_in(root / "data") == ["small/good.txt"]


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_unpack(tmp_path):
    members = {
        "set/RawData/acc_exp01_user01.txt": "1 2 3",
        "set/RawData/labels.txt": "1 1 5 1 2",
        "set/other.txt": "no",
    }
    archive = make_zip(tmp_path / "a.zip", members)
    entry = ArchiveEntry(
        "http://x/a.zip", {"*RawData/*_exp*.txt": "RawData", "*RawData/labels.txt": "."}
    )
    unpack(archive, tmp_path / "out", entry, {})
    assert files_in(tmp_path / "out") == ["RawData/acc_exp01_user01.txt", "labels.txt"]
    with pytest.raises(WorkbookError, match="checksum"):
        unpack(
            archive,
            tmp_path / "other",
            entry,
            {"labels.txt": FileEntry("labels.txt", sha256="0" * 64)},
        )
    assert "labels.txt" not in files_in(tmp_path / "other")


@pytest.mark.parametrize("member", ["../evil.txt", "/evil.txt", "a/../../evil.txt"])
def test_zip_member_may_not_escape(tmp_path, member):
    archive = make_zip(tmp_path / "a.zip", {member: "x"})
    with pytest.raises(WorkbookError, match="leads out of"):
        unpack(archive, tmp_path / "out", ArchiveEntry("u", {"*evil.txt": "."}), {})
    assert files_in(tmp_path) == ["a.zip"]


def test_bad_zip_and_lacking_member(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK, not really")
    with pytest.raises(WorkbookError, match="not a readable zip"):
        unpack(tmp_path / "a.zip", tmp_path, ArchiveEntry("u", {"*": "."}), {})
    with pytest.raises(WorkbookError, match="has no member"):
        unpack(
            make_zip(tmp_path / "b.zip", {"x": "y"}),
            tmp_path,
            ArchiveEntry("u", {"*.txt": "."}),
            {},
        )


@needs_real_data
def test_hapt_from_its_zip(tmp_path, monkeypatch):
    """The layout of the published zip, with the text recordings that we have; pooch gets it from a
    local file.
    """
    archive = tmp_path / "hapt.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in (REAL / "hapt/raw_sample").iterdir():
            content.write(path, f"RawData/{path.name}")
        content.write(REAL / "hapt/labels.txt", "RawData/labels.txt")
        content.write(REAL / "hapt/activity_labels.txt", "activity_labels.txt")
        for side in ("Train", "Test"):
            content.write(
                REAL / f"hapt/subject_id_{side.lower()}.txt",
                f"{side}/subject_id_{side.lower()}.txt",
            )
    monkeypatch.setattr(
        fetching,
        "_retrieve",
        lambda url, target, sha256, progress: (
            target.parent.mkdir(parents=True, exist_ok=True),
            shutil.copy(archive, target),
        ),
    )
    result = fetch("hapt", tmp_path / "data", progress=False)
    assert {
        "labels.txt",
        "subject_id_test.txt",
        "RawData/acc_exp01_user01.txt",
        "hapt_raw_f32.npz",
    } <= set(result.fetched)
    assert not result.failed and not list((tmp_path / "data/hapt").glob("*.zip"))


def test_sfinge3d_from_its_zip(tmp_path, monkeypatch):
    """The layout of GitHub's zip of a commit, with invented sequences."""
    rows = [(1, 9, 11, 30), (2, 10, 31, 50), (3, 13, 1, 40)]
    sequences = {number: moving_hand(60, number) for number in (1, 2, 3)}
    folder = write_sfinge3d_texts(tmp_path / "published", sequences, rows)
    archive = tmp_path / "sfinge3d.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in (folder / "Sequences").iterdir():
            content.write(path, f"DatasetV1-0236d44/Sequences/{path.name}")
        content.writestr("DatasetV1-0236d44/Dictionary/1/1.txt", "0")

    def copied(url, target, sha256, progress):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(archive, target)

    monkeypatch.setattr(fetching, "_retrieve", copied)
    result = fetch("sfinge3d", tmp_path / "data", progress=False)
    assert not result.failed and not result.by_hand
    assert len(files_in(tmp_path / "data")) == 4
    assert statuses(verify("sfinge3d", tmp_path / "data"))["opening"] == "ok"


def test_shrec21_must_be_had_by_hand(tmp_path):
    result = fetch("shrec21-sequences", tmp_path, progress=False)
    assert not result.fetched and not result.failed
    assert "univr-VIPS/Shrec21" in result.by_hand["hands_25hz.npz"]
    assert not files_in(tmp_path)


@pytest.mark.parametrize("word", ["missing", "NaN", "shape"])
def test_the_status_does_not_hang_on_words_in_a_path(tmp_path, word):
    """A damaged file in a folder whose name is one of a message's words is damaged."""
    folder = tmp_path / word / "thumos14"
    folder.mkdir(parents=True)
    write_annotations(folder)
    write_joint(folder, video_features())
    path = folder / "Thumos14reduced-I3D-JOINTFeatures.npy"
    path.write_bytes(path.read_bytes()[:200])
    found = statuses(verify("thumos14", tmp_path / word))
    assert found["opening"] == "damaged"
    (folder / "Thumos14reduced-Annotations" / "labels.npy").write_bytes(b"no array")
    assert statuses(verify("thumos14", tmp_path / word))["annotations"] == "damaged"


def test_a_missing_video_is_missing(tmp_path):
    folder = tmp_path / "thumos14"
    folder.mkdir()
    write_annotations(folder)
    for side in ("train", "test"):
        for stream in ("rgb", "flow"):
            (folder / side / stream).mkdir(parents=True)
    np.save(folder / "test" / "rgb" / "other.npy", np.zeros((2, 1024), np.float32))
    assert statuses(verify("thumos14", tmp_path))["features"] == "missing"


@needs_real_data
@pytest.mark.parametrize("case", ["right", "twentieth", "eighth", "thirty frames", "missing"])
def test_thumos14_at_full_size(tmp_path, monkeypatch, case):
    """412 videos of the published durations: of another stride or frame rate, or not all there."""
    manifest = few_channels(monkeypatch, thumos14, "thumos14", channels=1)
    folder = tmp_path / "thumos14"
    folder.mkdir()
    (folder / thumos14.ANNOTATIONS).symlink_to(REAL / "thumos14" / thumos14.ANNOTATIONS)
    missing = ["video_test_0000006", "video_test_0000007", "video_test_0000011"]
    factor = {"twentieth": 1 / 20, "eighth": 1 / 8, "thirty frames": 30 / 25}.get(case, 1)
    for video in thumos14.thumos14_without_features(folder).asked():
        if case == "missing" and video.video in missing:
            continue
        length = int(factor * manifest.timebase().snippets(video.seconds))
        for stream in ("rgb", "flow"):
            (folder / video.side / stream).mkdir(parents=True, exist_ok=True)
            np.save(folder / video.side / stream / f"{video.video}.npy", np.ones((length, 1)))
    opening = {finding.file: finding for finding in verify("thumos14", tmp_path)}["opening"]
    words = {
        "right": "THUMOS14",
        "twentieth": "412 of 412 videos do not fit their durations: video_validation_0000051 has "
        "T = 13, expected 265 (169.794 s x 25 / 16); the median T is 1/20 of the expected",
        "eighth": "the median T is 1/8 of the expected: likely only one snippet in 8 is there",
        "thirty frames": "likely frames were extracted at 30 per second, not at 25",
        "missing": f"features of 3 of 410 videos are missing in {folder} (layout per stream): "
        + ", ".join(missing),
    }
    status = {"right": "ok", "missing": "missing"}.get(case, "wrong length")
    assert opening.status == status and opening.needed
    assert words[case] in opening.found


def test_beoid_is_read_as_it_is_opened(tmp_path):
    """An array of another shape, or an empty one, among right ones is not fine."""
    folder = write_sfnet(tmp_path)
    assert statuses(verify("beoid", tmp_path))["values"] == "ok"
    for bad, status in (
        (np.full((5, 7), np.nan, np.float32), "wrong shape"),
        (np.full((8, 2048), np.nan, np.float32), "not finite"),
    ):
        write_features(folder, "beoid", bad)
        assert statuses(verify("beoid", tmp_path))["opening"] == status
