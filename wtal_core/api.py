"""What a user calls from Python in one step, where the package's own parts take several."""

from typing import Any

from wtal_core.data.dataset import Dataset
from wtal_core.data.opening import open_dataset
from wtal_core.models import method
from wtal_core.runs.train import Trained, Trainer


def train(
    method_name: str,
    dataset: str | Dataset,
    config: Any = None,
    seed: int = 0,
    device: str = "cpu",
) -> Trained:
    """Train a method on a data set; nothing is written.

    config: of the method, such as `facnet.OFFICIAL`; None is its quick profile. device: "cpu" or
    "cuda". Raises WorkbookError for an unknown method or data set. Returns network, detections and
    scores: `trained.scores["last"]["wtalc"].average` is mAP at the last epoch, from 0 to 1.
    """
    if config is None:
        config = method(method_name).profiles["quick"]
    data = open_dataset(dataset) if isinstance(dataset, str) else dataset
    return Trainer(method_name, config, data, seed, device).run()
