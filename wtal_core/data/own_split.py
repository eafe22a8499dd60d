"""Which videos of a user's own data are kept for testing, where nobody says so."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from wtal_core.errors import WorkbookError


def split_by_seed(
    labels: Mapping[str, tuple[str, ...]], seed: int, share: float
) -> tuple[list[str], list[str]]:
    """Training and test videos, each sorted: of every label about `share` is for testing.

    labels: video -> its labels. A label of two videos or more has one at least on either side where
    its videos' other labels allow that; a label never loses its last training video. The rarest
    labels choose first. Raises WorkbookError where no video can be spared.
    """
    if seed < 0:
        raise WorkbookError(f"the seed of the split is {seed}; expected at least 0")
    videos = sorted(labels)
    order = [videos[i] for i in np.random.default_rng(seed).permutation(len(videos))]
    in_training = Counter(label for shown in labels.values() for label in set(shown))
    count = dict(in_training)
    test: set[str] = set()
    for label in sorted(count, key=lambda name: (count[name], name)):
        wanted = max(1, round(share * count[label]))
        already = sum(label in labels[video] for video in test)
        for video in order:
            if already >= wanted:
                break
            shown = set(labels[video])
            if label not in shown or video in test or min(in_training[s] for s in shown) < 2:
                continue
            test.add(video)
            in_training.subtract(shown)
            already += 1
    if not test:
        raise WorkbookError(
            f"{len(labels)} video(s) cannot be split: no label has a second video that could be "
            "kept for testing; add videos, or say in split.csv (video,split) which are test videos"
        )
    return [video for video in videos if video not in test], sorted(test)
