"""Published, real detections of trained networks on THUMOS14: which there are, and their files.

The files are not ours to commit. A folder of data sets holds them, as `wtal data fetch` writes it:
one folder per detector, and W-TALC's annotations of THUMOS14.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wtal_core.data.annotations import read_wtalc
from wtal_core.data.manifests import load_manifest
from wtal_core.data.paths import COMMITTED, require
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.tables import read_detections

ANNOTATIONS = "thumos14/Thumos14reduced-Annotations"
TRAINING_FILE = "detections_train.json"
LISTS = {"210": load_manifest("thumos14").left_out["activitynet"], "212": ()}


@dataclass(frozen=True)
class Detector:
    """A trained network whose detections on the THUMOS14 test videos are public.

    name: as in captions.
    manifest: of its files; also its folder among the data, and in results/thumos14.
    file: its detections on the test videos.
    source: where its authors, or others, published them, and the licence.
    files: whose checksums stand in the committed table.
    """

    name: str
    manifest: str
    file: str
    source: str
    files: tuple[str, ...]

    @property
    def title(self) -> str:
        """For captions."""
        return f"Published {self.name} detections on THUMOS14 test (real data)"

    @property
    def path(self) -> Path:
        """The committed table."""
        return COMMITTED / "thumos14" / self.manifest / "protocols.csv"


STPN = Detector(
    name="STPN",
    manifest="stpn",
    file="results.json",
    source="bellos1203/STPN (Apache-2.0) code/ckpt/ckpt001/results.json",
    files=("results.json", "gt.json"),
)
AUTOLOC = Detector(
    name="AutoLoc",
    manifest="autoloc",
    file="autoloc_thumos14_test.parquet",
    source="zhengshou/AutoLoc (MIT) exp/TH14/release/rslt, as Parquet",
    files=("autoloc_thumos14_test.parquet",),
)
CO2NET = Detector(
    name="CO2-Net",
    manifest="co2net",
    file="detections_test.json",
    source="RenHuan1999/CVPR2023_P-MIL (MIT) proposals/detection_result_base_test.json",
    files=("detections_test.json",),
)
DETECTORS = {detector.manifest: detector for detector in (STPN, AUTOLOC, CO2NET)}


def ground_truth(folder: Path, subset: str = "test") -> GroundTruth:
    """THUMOS14's instances of all videos of a subset, "test" or "validation".

    With the ambiguous intervals. folder: of the data sets.
    """
    annotations = read_wtalc(require(folder / ANNOTATIONS, "the folder of annotations", "thumos14"))
    videos = tuple(annotations.of_subset(subset)["video"])
    of_subset = annotations.segments["video"].isin(videos)
    segments = annotations.segments[of_subset].reset_index(drop=True)
    return GroundTruth(segments, videos, annotations.classes, annotations.ambiguous)


def durations(folder: Path, subset: str = "test") -> dict[str, float]:
    """Seconds of each video of a subset."""
    annotations = read_wtalc(require(folder / ANNOTATIONS, "the folder of annotations", "thumos14"))
    return annotations.of_subset(subset).set_index("video")["duration"].to_dict()


def read(folder: Path, detector: Detector = STPN) -> tuple[GroundTruth, pd.DataFrame]:
    """Ground truth of all 212 videos with the ambiguous intervals, and the detections."""
    file = require(folder / detector.manifest / detector.file, detector.file, detector.manifest)
    return ground_truth(folder), read_detections(file)


def training_candidates(folder: Path) -> pd.DataFrame:
    """CO2-Net's candidates on the 200 training videos, before any suppression."""
    name = CO2NET.manifest
    return read_detections(require(folder / name / TRAINING_FILE, TRAINING_FILE, name))
