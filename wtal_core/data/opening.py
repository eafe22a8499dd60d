"""Opening a data set by its name."""

from collections.abc import Callable
from pathlib import Path

from wtal_core.data.activitynet import (
    activitynet12_without_features,
    activitynet13_without_features,
    hacs_without_features,
    open_activitynet12,
    open_activitynet13,
    open_hacs,
)
from wtal_core.data.beoid import (
    beoid_without_features,
    gtea_without_features,
    open_beoid,
    open_gtea,
)
from wtal_core.data.dataset import Dataset
from wtal_core.data.hapt import open_hapt, open_hapt_transitions
from wtal_core.data.manifests import load_manifest, manifest_path
from wtal_core.data.own_data import open_own
from wtal_core.data.paths import data_root
from wtal_core.data.salads50 import open_salads50
from wtal_core.data.sfinge3d import open_sfinge3d
from wtal_core.data.shrec21 import open_shrec21, open_shrec21_sequences
from wtal_core.data.simulated_thumos14 import open_simulated_thumos14
from wtal_core.data.simulator import open_simulated
from wtal_core.data.simulator_2 import open_simulated_2, open_teaching
from wtal_core.data.thumos14 import open_thumos14, thumos14_without_features
from wtal_core.data.video_data import VideoData
from wtal_core.errors import WorkbookError

# name of a manifest -> its reader, called with the data set's folder and, where the manifest has
# folds, the number of one; for a variant, with the variant's name
OPENERS: dict[str, Callable[..., Dataset]] = {
    "activitynet1.2": open_activitynet12,
    "activitynet1.3": open_activitynet13,
    "beoid": open_beoid,
    "gtea": open_gtea,
    "hacs": open_hacs,
    "hapt": open_hapt,
    "hapt-transitions": open_hapt_transitions,
    "salads50": open_salads50,
    "sfinge3d": open_sfinge3d,
    "shrec21": open_shrec21,
    "shrec21-sequences": open_shrec21_sequences,
    "simulated": open_simulated,
    "simulated-2": open_simulated_2,
    "simulated-thumos14": open_simulated_thumos14,
    "teaching-2": open_teaching,
    "thumos14": open_thumos14,
    "thumos14-simulated": open_thumos14,
}

# name of a video data set -> its reader of all but the features
VIDEO_DATA: dict[str, Callable[[Path], VideoData]] = {
    "activitynet1.2": activitynet12_without_features,
    "activitynet1.3": activitynet13_without_features,
    "beoid": beoid_without_features,
    "gtea": gtea_without_features,
    "hacs": hacs_without_features,
    "thumos14": thumos14_without_features,
    "thumos14-simulated": thumos14_without_features,
}


# In a worker: how many folds the client's data sets have, whose manifests may be there alone
FOLDS: dict[str, int] = {}


def folds(name: str) -> int:
    """Number of cross-validation folds: 5 for salads50, 3 for sfinge3d, 1 for the others.

    An unknown name is an error.
    """
    return FOLDS[name] if name in FOLDS else load_manifest(name).folds


def open_dataset(name: str, root: str | Path | None = None, fold: int | None = None) -> Dataset:
    """Open the data set of that name, checked.

    root: folder that holds one folder per data set; default: environment WTAL_DATA, else
        `<repository>/data`.
    fold: for data sets with folds, from 0 (the default); any other data set refuses it.

    An unknown name, a missing or a damaged file raises a WorkbookError that says how to mend it.
    """
    manifest = load_manifest(name, root)
    if fold is not None and manifest.folds == 1:
        raise WorkbookError(f"data set {name} has no folds; leave out fold={fold}")
    if manifest.own:
        return open_own(manifest, root)
    base = manifest_path(name, root).stem
    if base not in OPENERS:
        raise WorkbookError(
            f"data set {name} has a manifest but no reader of features yet; add one to OPENERS in "
            f"wtal_core/data/opening.py, or open one of {', '.join(sorted(OPENERS))}"
        )
    folder = data_root(root) / manifest.folder
    if manifest.folds > 1:
        return OPENERS[base](folder, fold or 0)
    if base != name:
        return OPENERS[base](folder, name)
    return OPENERS[base](folder)
