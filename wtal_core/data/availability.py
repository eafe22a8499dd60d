"""Whether a data set's features are there, in one line that a notebook can print."""

from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import VIDEO_DATA
from wtal_core.data.paths import data_root
from wtal_core.data.video_data import counts_words
from wtal_core.errors import WorkbookError


def features_line(name: str, artifact: str | None = None) -> str:
    """One line that says whether a video data set's features are here, or what to do; no error.

    Such as "ActivityNet 1.3: features of 9,649 of 9,649 training and ... videos are here." Only the
    annotations are read, and the names of the files. artifact: of the notebook, such as
    "facnet/table2", for the command that it then names.
    """
    manifest = load_manifest(name)
    folder = data_root() / manifest.folder
    try:
        data = VIDEO_DATA[name](folder)
        there = data.there(data.find(folder))
    except WorkbookError:
        there = {"train": (0, 0)}
    if any(number == 0 for number, _ in there.values()):
        return (
            f"{manifest.title}: no features here that can be read, so nothing is reproduced; see "
            f"`wtal data verify {name}`."
        )
    command = f"wtal reproduce {artifact or 'ARTIFACT'} --dataset {name} --profile official"
    return f"{manifest.title}: features of {counts_words(there)} are here. Run `{command}`."
