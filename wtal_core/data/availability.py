"""Whether a data set's features are there, in one line that a notebook can print."""

from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.errors import WorkbookError


def features_line(name: str) -> str:
    """One line that says whether a data set's features are here, or what to do; no error.

    Such as "ActivityNet 1.3: features are here."
    """
    title = load_manifest(name).title
    try:
        open_dataset(name)
    except WorkbookError:
        return (
            f"{title}: no features here that can be read, so nothing is reproduced; see `wtal "
            f"data verify {name}`."
        )
    return (
        f"{title}: features are here. Run `wtal reproduce facnet/table1 --dataset {name} "
        f"--profile official`."
    )
