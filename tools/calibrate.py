"""Measure the simulator beside real STPN: `python tools/calibrate.py FOLDER`.

FOLDER is that of the data set thumos14, whose annotations are read. STPN and top-k MIL are trained,
and nothing else, in two minutes for each seed on one core.
"""

from pathlib import Path

import tyro
from tyro.conf import Positional

from wtal_core.study.calibration import MEASURED, calibration, write_measured


def main(folder: Positional[Path], seeds: int = 2, out: Path = MEASURED) -> None:
    """Write the table that `notebooks/calibration.ipynb` shows.

    Args:
        folder: holds Thumos14reduced-Annotations.
        seeds: number of seeds of every training.
        out: file to write.
    """
    print(f"wrote {write_measured(calibration(folder, seeds), out)}")


if __name__ == "__main__":
    tyro.cli(main)
