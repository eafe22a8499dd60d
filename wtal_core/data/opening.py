"""Opening a data set by its name."""

from pathlib import Path

from wtal_core.data.activitynet import open_activitynet12, open_hacs
from wtal_core.data.beoid import open_beoid, open_gtea
from wtal_core.data.dataset import Dataset
from wtal_core.data.hapt import open_hapt
from wtal_core.data.manifests import load_manifest
from wtal_core.data.paths import data_root
from wtal_core.data.salads50 import open_salads50
from wtal_core.data.thumos14 import open_thumos14
from wtal_core.errors import WorkbookError

OPENERS = {
    "hapt": open_hapt,
    "thumos14": open_thumos14,
    "thumos14-simulated": open_thumos14,
    "activitynet1.2": open_activitynet12,
    "hacs": open_hacs,
    "beoid": open_beoid,
    "gtea": open_gtea,
}


def folds(name: str) -> int:
    """Number of cross-validation folds: 5 for salads50, 1 for the others. An unknown name is an
    error.
    """
    return load_manifest(name).folds


def open_dataset(name: str, root: str | Path | None = None, fold: int | None = None) -> Dataset:
    """Open the data set of that name, checked.

    root: folder that holds one folder a data set; default: environment WTAL_DATA, else
    `<repository>/data`.
    fold: for data sets with folds, from 0 (the default); any other data set refuses it.
    An unknown name, a missing or a damaged file raises a WorkbookError that says how to mend it.
    """
    manifest = load_manifest(name)
    if fold is not None and manifest.folds == 1:
        raise WorkbookError(f"data set {name} has no folds; leave out fold={fold}")
    if name == "simulated":
        from wtal_core.data.simulator import open_simulated  # generates: not needed to read files

        return open_simulated()
    folder = data_root(root) / manifest.folder
    if name in OPENERS:
        return OPENERS[name](folder)
    if name == "salads50":
        return open_salads50(folder, fold or 0)
    raise WorkbookError(
        f"data set {name} has annotations but no reader of features yet; "
        f"these can be opened: {', '.join(sorted([*OPENERS, 'salads50', 'simulated']))}"
    )
