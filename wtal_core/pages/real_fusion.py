"""The committed tables of real candidates, fused, suppressed and made labels, with their pictures.

`wtal statistics fusion FOLDER` computes them anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.paths import COMMITTED
from wtal_core.evaluation.published import AUTOLOC, CO2NET, STPN, TRAINING_FILE
from wtal_core.pictures.candidate_figures import beside_reference
from wtal_core.pictures.figures import save_figure

FOLDER = COMMITTED / "thumos14" / "detectors"
MAP = ("average mAP, tIoU 0.1 to 0.7 (%)", "difference of average mAP (points)")


@dataclass(frozen=True)
class Compared:
    """A committed table: ways, one of them the reference of all others.

    column: the value of a way. labels: of the picture's axes. files: of the data, below its folder.
    """

    title: str
    column: str
    reference: str
    labels: tuple[str, str]
    files: tuple[str, ...]


TEST_FILES = tuple(f"{one.manifest}/{one.file}" for one in (STPN, AUTOLOC, CO2NET))
TRAINING = f"{CO2NET.manifest}/{TRAINING_FILE}"
TABLES = {
    "one_detector": Compared(
        "CO2-Net's candidates on THUMOS14 test, 210 videos (real data), activitynet",
        "average",
        "nms, chosen on training videos",
        MAP,
        (TEST_FILES[2], TRAINING),
    ),
    "three_detectors": Compared(
        "STPN, AutoLoc and CO2-Net together, THUMOS14 test, 210 videos (real data), activitynet",
        "average",
        "CO2-Net alone, as published, soft suppression",
        MAP,
        (*TEST_FILES, TRAINING),
    ),
    "labels": Compared(
        "Labels of CO2-Net's candidates, THUMOS14 training, 200 videos (real data), against "
        "annotations",
        "AP",
        "nms, rows of ones (code)",
        ("AP per snippet, mean over classes (%)", "difference of AP (points)"),
        (TRAINING,),
    ),
}


def committed(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """A table of TABLES, a row per way."""
    return pd.read_csv(folder / f"{name}.csv", comment="#", index_col="way")


def about(name: str, folder: Path = FOLDER) -> str:
    """The first line of the committed file: what was computed, from which files."""
    text = (folder / f"{name}.csv").read_text(encoding="utf-8")
    return text.splitlines()[0].removeprefix("# ")


def picture(name: str, table: pd.DataFrame) -> Figure:
    """The table as a figure."""
    form = TABLES[name]
    return beside_reference(table, form.column, form.reference, form.labels, form.title)


def write(tables: Mapping[str, pd.DataFrame], data: Path, folder: Path = FOLDER) -> list[Path]:
    """Write tables, by their names in TABLES, as CSV, and their pictures; `data`: the data root."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in tables.items():
        form = TABLES[name]
        sums = ", ".join(f"{file} sha256 {sha256_of(data / file)}" for file in form.files)
        line = f"# {form.title}; from {sums}; by `wtal statistics fusion FOLDER`\n"
        path = folder / f"{name}.csv"
        path.write_text(line + table.rename_axis("way").round(4).to_csv(), encoding="utf-8")
        save_figure(picture(name, committed(name, folder)), path.with_suffix(".png"))
        paths += [path, path.with_suffix(".png")]
    return paths
