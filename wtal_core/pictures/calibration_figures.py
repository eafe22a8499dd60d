"""The simulator's calibration as a figure: real STPN beside STPN on simulated features."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from wtal_core.pictures.figures import COLOURS

NAMED = 5.0  # points between real and simulated, from which on a class bears its name


def curve_and_classes(curve: pd.DataFrame, classes: pd.DataFrame, caption: str) -> Figure:
    """Left: mAP against tIoU. Right: AP of each class, real against simulated, in percent.

    curve: index tIoU; classes: index class; both with the columns `real` and `simulated`. Classes
    bear their names where the two differ by more than `NAMED`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    for colour, (name, marker) in zip(
        COLOURS, {"real": "o", "simulated": "s"}.items(), strict=False
    ):
        left.plot(curve.index, curve[name], marker=marker, color=colour, label=f"STPN, {name}")
    left.set(xlabel="tIoU", ylabel="mAP (%)", ylim=(0, None))
    left.legend(frameon=False)
    right.scatter(classes["real"], classes["simulated"], color=COLOURS[1], s=18)
    far = classes[(classes["simulated"] - classes["real"]).abs() > NAMED]
    for label, row in far.iterrows():
        right.annotate(str(label), (row["real"], row["simulated"]), fontsize=6, alpha=0.8)
    top = 1.05 * float(classes[["real", "simulated"]].to_numpy().max())
    right.plot([0, top], [0, top], color="#999999", linewidth=0.8)
    correlation = float(spearmanr(classes["real"], classes["simulated"]).statistic)
    right.set(xlabel="AP at tIoU .5, real (%)", ylabel="simulated (%)")
    right.set_title(f"one point per class; rank correlation {correlation:.2f}", fontsize=9)
    figure.suptitle(caption, fontsize=9)
    return figure
