"""A memory of the best prototypes of each class, written video by video and read in between."""

import numpy as np
from jaxtyping import Float, Int


def written(
    scores: Float[np.ndarray, "C R"],
    offered: Float[np.ndarray, "B K C"],
    owners: list[list[int]],
) -> tuple[list[Int[np.ndarray, "C R"]], Float[np.ndarray, "C R"]]:
    """What lies in the R slots of C classes before each of B videos and after the last one, and the
    scores in the end.

    owners: classes that a video writes to, one after another, even the same one twice. A slot's
    content is a row number: first the C R prototypes that were there, then the K of each video. A
    class keeps the best of what it had and the video's K; its scores are those of when a prototype
    came. Earlier ones stay on a tie.
    """
    scores, count = scores.copy(), offered.shape[1]
    sets = [np.arange(scores.size).reshape(scores.shape)]
    for video, classes in enumerate(owners):
        sets.append(sets[-1].copy())
        own = scores.size + count * video + np.arange(count)
        for c in classes:
            candidates = np.concatenate([scores[c], offered[video, :, c]])
            best = np.argsort(-candidates, kind="stable")[: scores.shape[1]]
            scores[c], sets[-1][c] = candidates[best], np.concatenate([sets[-1][c], own])[best]
    return sets, scores
