"""The mirror of FAC-Net's foreground: exact where both kinds are equally frequent."""

from dataclasses import replace

import pytest

from wtal_core.models import facnet
from wtal_core.study.foreground_mirror import mirrored_losses, two_kinds

VARIANTS = {
    "three heads": facnet.OFFICIAL,
    "one head": replace(facnet.OFFICIAL, taus=(1.0,)),
    "no background class": replace(facnet.OFFICIAL, background=False),
}


def test_half_of_each_video_is_its_own_action():
    batch = two_kinds(0.5, 3)
    assert batch.features.shape == (1, 300, 4)
    assert batch.features[0].sum(0).tolist() == [50, 50, 50, 150]
    assert batch.features[0, 100].tolist() == [0, 1, 0, 0] and batch.lengths == (100, 100, 100)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_cw_alone_cannot_tell_the_mirror(config):
    losses = mirrored_losses(config, 0.5)
    meant, mirror = losses["cw"]
    assert mirror == pytest.approx(meant, abs=1e-6) and meant < 1
    for branch in ("ca", "mil"):
        meant, mirror = losses[branch]
        assert mirror > meant + 0.5


def test_a_rare_action_makes_the_mirror_cheaper_for_cw():
    meant, mirror = mirrored_losses(replace(facnet.OFFICIAL, taus=(1.0,)), 0.16)["cw"]
    assert mirror < meant
    meant, mirror = mirrored_losses(replace(facnet.OFFICIAL, taus=(1.0,)), 0.84)["cw"]
    assert mirror > meant
