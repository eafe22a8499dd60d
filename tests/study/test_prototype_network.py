"""A network of RSKP by rule: what its axes, centres and prototypes say of videos made by hand."""

from dataclasses import replace

import pytest
import torch

from wtal_core.errors import WorkbookError
from wtal_core.models import rskp
from wtal_core.packed import Packed
from wtal_core.study.prototype_network import class_axes, prototype_network

CONFIG = replace(rskp.QUICK, embedding=11, prototypes=4)
BACKGROUND = (1.0, 1.0, 1.0, 1.0)
FIRST = (5.0, 1.0, 1.0, 1.0)
SECOND = (1.0, 1.0, 9.0, 1.0)
VIDEOS = ((FIRST, BACKGROUND), (BACKGROUND, SECOND, BACKGROUND, BACKGROUND), ())
LABELS = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
# means of videos: (3, 1, 1, 1) and (1, 1, 3, 1)
COMMON = (2.0, 1.0, 2.0, 1.0)


def packed(videos=VIDEOS, labels=LABELS, dtype=torch.float64):
    """Two streams of two channels; the only video of the third class has no snippets."""
    snippets = [snippet for video in videos for snippet in video]
    features = torch.tensor(snippets, dtype=dtype).reshape(-1, 2, 2).transpose(0, 1)
    lengths = tuple(len(video) for video in videos)
    return Packed(features.contiguous(), lengths, torch.tensor(labels, dtype=dtype))


def test_a_class_is_1_at_its_typical_snippets_and_0_at_the_mean_of_all():
    weight, bias = class_axes(packed(), 8)
    first = torch.tensor(FIRST).double()
    second = torch.tensor(SECOND).double()
    common = torch.tensor(COMMON).double()
    values = torch.stack([first, second, common, (first + common) / 2]) @ weight + bias
    torch.testing.assert_close(values[:, 3], torch.full((4,), 0.5).double())
    torch.testing.assert_close(values[:, 2], torch.zeros(4).double())  # nobody shows this class
    torch.testing.assert_close(values[[0, 2, 3], 0], torch.tensor([1.0, 0.0, 0.5]).double())
    torch.testing.assert_close(values[1:3, 1], torch.tensor([1.0, 0.0]).double())


def test_the_typical_snippets_are_a_share_of_each_video():
    """Four of four snippets, or one."""
    all_of_second = class_axes(packed(), 1)
    weight, bias = class_axes(packed(), 4)
    mean = torch.tensor([1.0, 1.0, 3.0, 1.0]).double()
    one = torch.tensor(1.0).double()
    torch.testing.assert_close((mean @ all_of_second[0] + all_of_second[1])[1], one)
    torch.testing.assert_close((torch.tensor(SECOND).double() @ weight + bias)[1], one)


def test_snippets_are_seen_as_what_they_are():
    network = prototype_network(CONFIG, packed())
    outputs = network(packed())
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert outputs.original.s.argmax(1).tolist() == [0, 3, 3, 1, 3, 3]
    assert outputs.original.s.isfinite().all()
    actions = outputs.original.f[[0, 3]]
    rest = outputs.original.f[[1, 2, 4, 5]]
    assert actions.min() > 0.95 and rest.max() < 0.05
    torch.testing.assert_close(network.w_f, -network.w_a[-1:], rtol=0, atol=0)


def test_repeated_axes_keep_all_cosines():
    """11 numbers for 4 axes: three of them have three copies, one has two."""
    narrow = prototype_network(replace(CONFIG, embedding=4), packed())(packed())
    wide = prototype_network(CONFIG, packed())(packed())
    assert wide.x.shape == (6, 11)
    for name in ("s", "f", "p_ca", "p_cw"):
        torch.testing.assert_close(getattr(wide.original, name), getattr(narrow.original, name))
        torch.testing.assert_close(getattr(wide.refined, name), getattr(narrow.refined, name))


def test_prototypes_start_between_background_and_all_classes():
    network = prototype_network(replace(CONFIG, embedding=4), packed())
    third = 1 / 3**0.5
    action = torch.tensor([third, third, third, 0.0]).double()
    background = torch.tensor([0.0, 0.0, 0.0, 1.0]).double()
    steps = (0, 1 / 3, 2 / 3, 1)
    expected = torch.stack([step * action + (1 - step) * background for step in steps])
    torch.testing.assert_close(network.mu.data, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_of_the_dtype_of_the_features(dtype):
    network = prototype_network(CONFIG, packed(dtype=dtype))
    assert {parameter.dtype for parameter in network.parameters()} == {dtype}
    assert network.bank.dtype == dtype and network.epoch.dtype == torch.int64


def test_nothing_of_it_is_random():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = prototype_network(CONFIG, packed()).state_dict()
        torch.manual_seed(2)
        second = prototype_network(CONFIG, packed()).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_be_set_is_refused():
    with pytest.raises(WorkbookError, match=r"an embedding of 3 .* at least 4"):
        prototype_network(replace(CONFIG, embedding=3), packed())
    with pytest.raises(WorkbookError, match="no video has a snippet"):
        prototype_network(CONFIG, packed(((), (), ())))
