"""The figures of TEN + BGES."""

from dataclasses import replace

import pytest
import torch

from wtal_core.models import ten
from wtal_core.packed import Packed
from wtal_core.pictures import background_loss_figures
from wtal_core.timebase import Timebase

SECONDS = Timebase(fps=1.0, stride=1.0)


def test_the_curves_of_the_background_loss_are_its_formulas():
    classes, margin = 3, 2.0
    figure = background_loss_figures.background_losses((margin,), classes, "caption")
    under_a, under_b = (axes.lines[0].get_ydata() for axes in figure.axes)
    mean = figure.axes[0].lines[0].get_xdata()
    logits = torch.tensor([0.0] * classes + [margin], dtype=torch.float64)
    for i in (0, 200, 399):
        a = torch.full((10,), float(mean[i]), dtype=torch.float64)
        branch = ten.Branch(
            logits.repeat(10, 1),
            a,
            a[None, :, None],
            (logits.repeat(10, 1), a),
            logits.repeat(10, 1),
        )
        batch = Packed(
            torch.zeros(1, 10, 1, dtype=torch.float64),
            (10,),
            torch.zeros(1, classes, dtype=torch.float64),
        )
        for reading, curve in (("A", under_a), ("B", under_b)):
            loss = ten.background_loss(
                branch, batch, replace(ten.QUICK, reading=reading, background="bges")
            )
            assert curve[i] == pytest.approx(float(loss[0]), rel=1e-9)
