"""What a name of a backbone leads to, and what the backbones compute."""

import importlib
import importlib.util
import sys
import urllib.error
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from tests.cli.test_commands import assert_bad_input, wtal  # noqa: F401  a fixture
from tests.video_samples import MeanColours, write_video
from wtal_core.cli.extras import torchvision_of
from wtal_core.errors import WorkbookError
from wtal_core.videos import backbones
from wtal_core.videos.backbones import Backbone, FunctionBackbone, find_backbone
from wtal_core.videos.extraction import extract
from wtal_core.videos.lite0_flow import DIRECTIONS, GRID, PARTS, SPEEDS, lite0_flow, motion


def brightness(windows):
    return windows.mean((2, 3)).reshape(len(windows), -1)


brightness.window = 5
brightness.stride = 2
brightness.pixels = 16


def made(device, weights=None):
    backbone = MeanColours()
    backbone.name = f"made on {device}"
    return backbone


READY = MeanColours()
NOTHING = 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [("MeanColours", "mean-colours"), ("made", "made on cpu"), ("READY", "mean-colours")],
)
def test_a_class_a_function_and_an_object_can_be_named(name, expected):
    backbone = find_backbone(f"tests.videos.test_backbones:{name}")
    assert isinstance(backbone, Backbone) and backbone.name == expected


def test_a_plain_function_is_a_backbone(tmp_path):
    backbone = find_backbone("tests.videos.test_backbones:brightness")
    assert isinstance(backbone, FunctionBackbone)
    assert (backbone.window, backbone.stride, backbone.pixels) == (5, 2, 16)
    assert backbone.streams == {"features": 15}
    assert len(backbone.fingerprint()) == 64
    write_video(tmp_path / "a.mp4", 20)
    extract(tmp_path / "a.mp4", backbone, tmp_path / "out")
    assert np.load(tmp_path / "out" / "a.npy").shape == (10, 15)


def test_a_module_in_the_current_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backbones.sys, "path", list(backbones.sys.path))
    (tmp_path / "my_backbone_of_a_test.py").write_text("def first(w): return w[:, 0, 0, 0, :]")
    assert find_backbone("my_backbone_of_a_test:first").streams == {"features": 3}


def test_a_package_adds_a_backbone(monkeypatch):
    point = EntryPoint("colours", "tests.video_samples:MeanColours", backbones.GROUP)
    monkeypatch.setattr(backbones, "entry_points", lambda group: [point])
    assert "colours" in backbones.backbone_names()
    assert find_backbone("colours").name == "mean-colours"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("c3d", "choose of i3d, lite0-flow, mediapipe-hands, mvit_v2_s"),
        ("tests.videos.nowhere:x", "nowhere"),
        ("tests.videos.test_backbones:missing", "missing"),
        ("tests.videos.test_backbones:NOTHING", "neither a backbone nor a function"),
        (":x", "backbone :x"),
        ("x:", "backbone x:"),
    ],
)
def test_other_names_are_refused(name, words):
    with pytest.raises(WorkbookError, match=words):
        find_backbone(name)


@pytest.mark.parametrize(
    "body",
    [
        "def backbone(command): raise TypeError('no command')",
        "def backbone(): return 1 / 0",
        "def backbone(windows): return windows\nbackbone.window = 'x'",
        "backbone = len",
        "backbone = 1 / 0",
        "backbone = (",
    ],
)
def test_foreign_code_that_is_no_backbone_is_refused(tmp_path, monkeypatch, body):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "foreign", raising=False)
    (tmp_path / "foreign.py").write_text(f"{body}\n")
    importlib.invalidate_caches()
    with pytest.raises(WorkbookError, match=r"^backbone foreign:backbone"):
        find_backbone("foreign:backbone")
    sys.modules.pop("foreign", None)


def test_weights_for_a_backbone_without_any_are_refused(tmp_path):
    for name in ("MeanColours", "brightness", "READY"):
        with pytest.raises(WorkbookError, match="leave --weights out"):
            find_backbone(f"tests.videos.test_backbones:{name}", weights=tmp_path)


def test_a_backbone_that_lacks_something_is_refused():
    backbone = MeanColours()
    backbone.batch = 0
    with pytest.raises(WorkbookError, match="at least 1"):
        backbones.checked(backbone)
    with pytest.raises(WorkbookError, match="lacks name, streams"):
        backbones.checked(object())


@pytest.fixture(scope="module")
def lite():
    torch.set_num_threads(1)
    return lite0_flow()


def test_the_packaged_weights_know_what_is_in_a_picture(lite):
    """Real photographs: a palace, a daisy. A wrong network or input would not name them."""
    for photograph, number in zip(load_sample_images().images, (698, 985), strict=True):
        height, width, _ = photograph.shape
        left = (width - height) // 2
        square = torch.from_numpy(photograph[:, left : left + height].copy()).permute(2, 0, 1)
        small = torch.nn.functional.interpolate(
            square[None].float(), size=(224, 224), mode="bilinear", antialias=True
        )
        picture = small[0].permute(1, 2, 0).round().byte().numpy()
        window = np.repeat(picture[None], lite.window, 0)
        rgb = lite.features(window[None])["rgb"]
        assert rgb.shape == (1, 1280)
        with torch.inference_mode():
            scores = lite.network._fc(torch.from_numpy(rgb))
        assert int(scores.argmax()) == number


def texture(seed=0, pixels=224):
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, 28, 28)))
    fine = torch.nn.functional.interpolate(coarse, size=(pixels, pixels), mode="bicubic")
    return (fine[0].permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()


@pytest.mark.parametrize(
    ("axis", "pixels", "direction"), [(1, 3, 0), (0, 3, 2), (1, -3, 4), (0, -3, 6)]
)
def test_motion_is_where_things_go(axis, pixels, direction):
    """The whole picture moves by 3 of 224 pixels per frame."""
    window = np.stack([np.roll(texture(), pixels * k, axis) for k in range(9)])
    cells = motion(window).reshape(GRID, GRID, PARTS * DIRECTIONS + len(SPEEDS) + 1)
    inner = cells[2:-2, 2:-2].mean((0, 1))
    parts = inner[: PARTS * DIRECTIONS].reshape(PARTS, DIRECTIONS)
    assert parts.argmax(1).tolist() == [direction] * PARTS
    assert parts[:, direction] == pytest.approx(np.log1p(100 * 3 / 224), rel=0.1)
    speeds = inner[PARTS * DIRECTIONS :]
    assert speeds.sum() == pytest.approx(1) and speeds[2] > 0.9  # 0.0134 of the side per frame


def test_motion_of_a_still_is_none():
    still = motion(np.repeat(texture()[None], 9, 0)).reshape(GRID * GRID, -1)
    assert np.abs(still[:, : PARTS * DIRECTIONS]).max() < 1e-3
    assert (still[:, PARTS * DIRECTIONS] == 1).all()


def test_a_window_gives_the_same_alone_and_in_a_batch(lite):
    windows = np.stack([[texture(k + 3 * n) for k in range(9)] for n in range(2)])
    together = lite.features(windows)
    for n in range(2):
        alone = lite.features(windows[n : n + 1])
        np.testing.assert_array_equal(alone["flow"][0], together["flow"][n])
        np.testing.assert_allclose(alone["rgb"][0], together["rgb"][n], atol=1e-4)


def test_the_default_needs_nothing_but_a_video(tmp_path, wtal):  # noqa: F811
    write_video(tmp_path / "clip.mp4", 25)
    out = tmp_path / "out"
    code, said, _ = wtal("features", str(tmp_path / "clip.mp4"), "--out", str(out))
    assert code == 0 and "lite0-flow: rgb 1280, flow 1280 values per snippet of 0.5 s" in said
    for stream in ("rgb", "flow"):
        rows = np.load(out / stream / "clip.npy")
        assert rows.shape == (2, 1280) and rows.any()


def test_weights_of_another_network_are_refused(tmp_path, wtal):  # noqa: F811
    write_video(tmp_path / "clip.mp4", 5)
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("weights")
    for name in ("other.pth", "text.pth", "missing.pth"):
        arguments = ("--out", str(tmp_path / "out"), "--weights", str(tmp_path / name))
        result = wtal("features", str(tmp_path / "clip.mp4"), *arguments)
        assert_bad_input(result, name, "EfficientNet-Lite0", "leave --weights out")


def test_the_torchvision_that_fits_is_of_the_same_build():
    assert "'torchvision==0.28.*' --index-url" in torchvision_of("2.13.0+cpu")
    assert "https://download.pytorch.org/whl/cpu" in torchvision_of("2.13.0+cpu")
    assert torchvision_of("2.14.1").endswith("'torchvision==0.29.*'")


def fits() -> bool:
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        import torchvision  # noqa: F401
    except RuntimeError:  # of another build than torch
        return False
    return True


@pytest.mark.skipif(fits(), reason="torchvision is here")
def test_without_torchvision_it_is_said_what_to_install(tmp_path, wtal):  # noqa: F811
    write_video(tmp_path / "clip.mp4", 5)
    arguments = ("--out", str(tmp_path / "out"), "--backbone", "r2plus1d_18")
    result = wtal("features", str(tmp_path / "clip.mp4"), *arguments)
    assert_bad_input(result, "torchvision==0.28.*")


@pytest.mark.skipif(not fits(), reason="torchvision that fits this torch is not installed")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "pixels"),
    [("r2plus1d_18", 512, 112), ("mvit_v2_s", 768, 224), ("swin3d_t", 768, 224)],
)
def test_kinetics_networks_take_weights_from_a_file(tmp_path, name, size, pixels):
    from torchvision.models import video

    torch.manual_seed(0)
    torch.save(getattr(video, name)(weights=None).state_dict(), tmp_path / "weights.pth")
    backbone = find_backbone(name, weights=tmp_path / "weights.pth")
    assert (backbone.streams, backbone.pixels) == ({"features": size}, pixels)
    windows = np.zeros((1, backbone.window, pixels, pixels, 3), dtype=np.uint8)
    assert backbone.features(windows)["features"].shape == (1, size)


@pytest.mark.skipif(not fits(), reason="torchvision that fits this torch is not installed")
def test_weights_that_cannot_be_downloaded(tmp_path, monkeypatch):
    def offline(url, path, digits):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(WorkbookError, match=r"https://\S+r2plus1d_18\S+pth.*--weights FILE"):
        find_backbone("r2plus1d_18")
