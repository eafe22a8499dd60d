"""What one trained network says about one test video: the arrays that figures of single videos
draw.
"""

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import roc_auc_score

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside as snippets_inside
from wtal_core.models import method
from wtal_core.runs.inputs import inputs_of, on_grid, resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record
from wtal_core.runs.train import Trainer


def signals(run: Run, record: Record, dataset: Dataset, video: str) -> dict[str, np.ndarray]:
    """Arrays of one test video: of the leading stream `s_a` [T, K] and, where the method has it,
    `s_f` [T], float32, and its detections as `detections` [N, 4] (class index, start s, end s,
    score).

    Kept beside the record once computed, because weights are not committed; without weights the run
    is trained again.
    """
    kept = record.arrays(f"signals_{video}")
    return kept if kept is not None else _compute(run, record, dataset, video)


def trained_network(run: Run, record: Record, dataset: Dataset) -> torch.nn.Module:
    """The network of a finished run at its last epoch, in evaluation; trained again where the
    weights were not kept.
    """
    trainer = Trainer(run.method, run.config, dataset, run.seed)
    path = record.weights("last")
    if path is None:
        with torch.enable_grad():  # the caller may have switched it off
            trainer.run()
    else:
        trainer.progress.network.load_state_dict(load_file(path))
    return trainer.progress.network.eval()


def embedding_map(
    run: Run, record: Record, dataset: Dataset, count: int = 1200
) -> dict[str, np.ndarray]:
    """Test snippets of the leading stream on a plane: `points` [N, 2] by t-SNE, `inside` [N] (0 or
    1), and `auc` [1] of a linear probe that is trained on every second video and tested on the
    others. Kept beside the record.
    """
    kept = record.arrays("embedding_map")
    if kept is not None:
        return kept
    x = _embedding(run, record, dataset).astype(np.float64)
    inside = np.concatenate([snippets_inside(dataset, v.id) for v in dataset.test])
    video = np.repeat(np.arange(len(dataset.test)), [v.length for v in dataset.test])
    probe = LogisticRegression(max_iter=1000).fit(x[video % 2 == 0], inside[video % 2 == 0])
    auc = roc_auc_score(inside[video % 2 == 1], probe.decision_function(x[video % 2 == 1]))
    drawn = np.random.default_rng(0).permutation(len(x))[:count]
    points = TSNE(perplexity=30, init="pca", random_state=0).fit_transform(
        x[drawn].astype(np.float32)
    )
    arrays = {
        "points": points.astype(np.float32),
        "inside": inside[drawn].astype(np.uint8),
        "auc": np.array([auc]),
    }
    record.keep_arrays("embedding_map", arrays)
    return arrays


@torch.no_grad()
def _embedding(run: Run, record: Record, dataset: Dataset) -> np.ndarray:
    network, videos = (
        trained_network(run, record, dataset),
        resident(dataset, "test", "cpu", inputs=inputs_of(run.config)),
    )
    outputs = network(videos.batch(range(len(videos))))
    return method(run.method).signals(outputs)["x"][-1].numpy()


@torch.no_grad()
def _compute(run: Run, record: Record, dataset: Dataset, video: str) -> dict[str, np.ndarray]:
    network, module = trained_network(run, record, dataset), method(run.method)
    videos = resident(dataset, "test", "cpu", inputs=inputs_of(run.config))
    index = [v.id for v in dataset.test].index(video)
    length = dataset.test[index].length
    drawn = {
        k: on_grid(v[-1].numpy(), length)
        for k, v in module.signals(network(videos.batch([index]))).items()
        if k != "x"
    }
    drawn["detections"] = _detections(run, record, dataset, video)
    record.keep_arrays(f"signals_{video}", drawn)
    return drawn


def _detections(run: Run, record: Record, dataset: Dataset, video: str) -> np.ndarray:
    table = record.detections("last")
    if table is None:
        trainer = Trainer(run.method, run.config, dataset, run.seed)
        trainer.progress.network.load_state_dict(trained_network(run, record, dataset).state_dict())
        table = trainer.detect()
    table = table[table["video"] == video]
    label = table["label"].map(list(dataset.classes).index).to_numpy(dtype=np.float64)
    return np.column_stack([label, table[["t_start", "t_end", "score"]].to_numpy(dtype=np.float64)])
