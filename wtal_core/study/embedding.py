"""A trained embedding on a plane, and how well a linear probe tells action from background."""

import numpy as np
from jaxtyping import Float

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside

POINTS = 1200


def plane(dataset: Dataset, embedding: Float[np.ndarray, "M E"]) -> dict[str, np.ndarray]:
    """Snippets of the test videos: `points` [N, 2] by t-SNE, float32, `inside` [N] (0 or 1), and
    `auc` [1] of a linear probe.

    The probe learns from every second video and is tested on the others. N: at most POINTS, drawn
    at random.
    """
    from sklearn.manifold import TSNE

    x = embedding.astype(np.float64)
    action = np.concatenate([inside(dataset, v.id) for v in dataset.test])
    points = np.random.default_rng(0).permutation(len(x))[:POINTS]
    tsne = TSNE(perplexity=30, init="pca", random_state=0)
    placed = tsne.fit_transform(x[points].astype(np.float32))
    return {
        "points": placed.astype(np.float32),
        "inside": action[points].astype(np.uint8),
        "auc": np.array([_probe(dataset, x, action)]),
    }


def _probe(dataset: Dataset, x: np.ndarray, action: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    video = np.repeat(np.arange(len(dataset.test)), [v.length for v in dataset.test])
    learns = video % 2 == 0
    probe = LogisticRegression(max_iter=1000).fit(x[learns], action[learns])
    return roc_auc_score(action[~learns], probe.decision_function(x[~learns]))
