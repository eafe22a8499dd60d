"""What methods do with instances before they are detections: join streams, drop what meets an
ambiguous interval, and name videos, classes and seconds.
"""

import numpy as np
import pandas as pd
from jaxtyping import Int

from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.localization.instances import Instances
from wtal_core.models.shared.activation import Scene


def chosen(instances: Instances, which: Int[np.ndarray, " K"]) -> Instances:
    """The instances of these indices."""
    return Instances(
        video=instances.video[which],
        label=instances.label[which],
        start=instances.start[which],
        end=instances.end[which],
        score=instances.score[which],
    )


def joined(parts: list[Instances]) -> Instances:
    """The instances of several streams, one after another."""
    return Instances(
        video=np.concatenate([part.video for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        start=np.concatenate([part.start for part in parts]),
        end=np.concatenate([part.end for part in parts]),
        score=np.concatenate([part.score for part in parts]),
    )


def outside_ambiguous(instances: Instances, scene: Scene) -> Instances:
    """The instances that share no snippet with an ambiguous interval."""
    clear = drop_ambiguous(
        instances.video,
        instances.start,
        instances.end,
        scene.ambiguous,
        scene.videos,
        scene.timebase,
    )
    return chosen(instances, clear)


def detections(instances: Instances, scene: Scene) -> pd.DataFrame:
    """The table `video, label, t_start, t_end, score`, in seconds."""
    return to_table(
        instances.video,
        instances.label,
        instances.start,
        instances.end,
        instances.score,
        scene.videos,
        scene.classes,
        scene.timebase,
    )
