"""`wtal statistics`: the committed statistics of real files, computed anew from those files."""

from pathlib import Path

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
    """Score the published detections of STPN under every protocol: a table and two pictures.

    Args:
        folder: holds stpn/ (gt.json, results.json) and thumos14/Thumos14reduced-Annotations/.
        results: results folder; the files are thumos14/stpn/protocols* in it.
    """
    from wtal_core.pages.published_detections import PATH, write

    print(f"wrote {write(folder, results / 'thumos14' / 'stpn' / PATH.name)}")
    return 0
