"""Measure the simulator beside real STPN: `python tools/calibrate.py FOLDER`.

FOLDER is that of the data set thumos14; its annotations are read. Ten minutes on one core. It
trains STPN and top-k MIL, and nothing else.
"""

from pathlib import Path

import tyro
from tyro.conf import Positional

from wtal_core.study.calibration import MEASURED, calibration, write_measured


def main(folder: Positional[Path], seed: int = 0, out: Path = MEASURED) -> None:
    """Write the table that `notebooks/calibration.ipynb` shows.

    Args:
        folder: holds Thumos14reduced-Annotations.
        seed: of the trainings.
        out: file to write.
    """
    print(f"wrote {write_measured(calibration(folder, seed), out)}")


if __name__ == "__main__":
    tyro.cli(main)
