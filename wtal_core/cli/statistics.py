"""`wtal statistics`: the committed statistics of real files, computed anew from those files."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from wtal_core.errors import WorkbookError


def timelines(root: Path | None = None, results: Path = Path("results")) -> int:
    """Compute THUMOS14's timeline statistics from its annotations.

    Args:
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        results: results folder; the file is thumos14/annotation_statistics.csv in it.
    """
    from wtal_core.data.paths import data_root
    from wtal_core.pictures.simulated import ANNOTATIONS, STATISTICS, write_real_statistics

    path = results / "thumos14" / STATISTICS.name
    print(f"wrote {write_real_statistics(data_root(root) / ANNOTATIONS, path)}")
    return 0


def clicks(root: Path | None = None, results: Path = Path("results")) -> int:
    """Compute where annotators clicked in THUMOS14: tables and BackTAL's Figure 7.

    Args:
        root: folder of the data sets; default $WTAL_DATA, else ./data of the checkout.
        results: results folder; the files are thumos14/backtal/figure7* in it.
    """
    from wtal_core.data.paths import data_root
    from wtal_core.pictures.click_figures import write_results

    paths = write_results(results / "thumos14" / "backtal", root)
    if not paths:
        raise WorkbookError(
            f"no clicks of THUMOS14 below {data_root(root)}; `wtal data verify thumos14` says what "
            f"is missing"
        )
    for path in paths:
        print(f"wrote {path}")
    return 0


def protocols(folder: Positional[Path], results: Path = Path("results")) -> int:
    """Score published detections of STPN, AutoLoc and CO2-Net under every protocol.

    Args:
        folder: holds stpn/, autoloc/, co2net/ and thumos14/Thumos14reduced-Annotations/; a
            detector whose folder is not there is left out.
        results: results folder; the files are thumos14/DETECTOR/protocols* in it, and
            activitynet1.2/autoloc/protocols.csv.
    """
    from wtal_core.pages.published_detections import (
        ACTIVITYNET_PATH,
        DETECTORS,
        write,
        write_activitynet,
    )

    present = [detector for name, detector in DETECTORS.items() if (folder / name).is_dir()]
    if not present:
        raise WorkbookError(
            f"{folder}: holds no detections; `wtal data fetch stpn` fetches some into the folder "
            "of the data sets"
        )
    for detector in present:
        path = results / "thumos14" / detector.manifest / detector.path.name
        print(f"wrote {write(folder, path, detector)}")
    if (folder / "autoloc").is_dir():
        path = results / "activitynet1.2" / "autoloc" / ACTIVITYNET_PATH.name
        print(f"wrote {write_activitynet(folder, path)}")
    return 0


def fusion(
    folder: Positional[Path],
    only: Literal["all", "one_detector", "three_detectors", "labels"] = "all",
    results: Path = Path("results"),
) -> int:
    """Fuse published detections of THUMOS14, make labels of them, and score both: minutes.

    Args:
        folder: holds stpn/, autoloc/, co2net/ and thumos14/Thumos14reduced-Annotations/.
        only: one of the three tables.
        results: results folder; the files are thumos14/detectors/* in it.
    """
    from wtal_core.pages.real_fusion import write
    from wtal_core.study.label_quality import quality_table, real_snippets
    from wtal_core.study.real_detectors import one_detector, three_detectors

    makers = {
        "one_detector": one_detector,
        "three_detectors": three_detectors,
        "labels": lambda data: quality_table(real_snippets(data)),
    }
    for name, make in makers.items():
        if only in ("all", name):
            for path in write({name: make(folder)}, folder, results / "thumos14" / "detectors"):
                print(f"wrote {path}")
    return 0
