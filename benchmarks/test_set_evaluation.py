"""A whole test-set evaluation of FAC-Net at THUMOS14's size: proposals, NMS, merging, ambiguity
filter and mAP, in seconds.

Run: python -m benchmarks.test_set_evaluation. Timelines and activations are drawn at random;
nothing needs data.
"""

import numpy as np
import pandas as pd

from benchmarks.timing import seconds
from wtal_core.data.dataset import SEGMENT_COLUMNS, empty_segments
from wtal_core.data.simulator import covered
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.models import facnet
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.timebase import Timebase

VIDEOS, CLASSES, INSTANCES = 212, 20, 16
REPEATS = 5


def make() -> tuple[Activation, Scene, GroundTruth]:
    """Random timelines of 212 videos, and two streams of activations that follow them with
    noise.
    """
    rng, timebase = np.random.default_rng(0), Timebase()
    lengths = np.clip(rng.lognormal(np.log(253), 0.8, VIDEOS), 20, 2615).astype(int)
    names, classes = (
        tuple(f"v{i:04d}" for i in range(VIDEOS)),
        tuple(f"c{j:02d}" for j in range(CLASSES)),
    )
    rows, cas, scores = [], [], np.full((VIDEOS, CLASSES), 0.01)
    for i, length in enumerate(lengths):
        label = i % CLASSES
        start = np.sort(rng.uniform(0, timebase.seconds(float(length)), INSTANCES))
        spans = [(s, s + rng.lognormal(1.05, 0.8)) for s in start]
        rows += [(names[i], classes[label], s, e) for s, e in spans]
        inside = np.minimum(sum(covered(s, e, length, timebase) for s, e in spans), 1)
        sequence = rng.uniform(0, 0.06, (length, CLASSES))
        sequence[:, label] += 0.1 * inside * rng.uniform(0, 1, length)
        cas.append(sequence)
        scores[i, label] = 0.8
    joined = np.concatenate(cas)
    activation = Activation(
        np.stack([joined, 0.9 * joined]),
        np.stack([scores, scores]),
        np.zeros((2, len(joined))),
        tuple(int(t) for t in lengths),
    )
    truth = GroundTruth(
        pd.DataFrame(rows, columns=SEGMENT_COLUMNS), names, classes, timebase=timebase
    )
    return activation, Scene(names, classes, timebase, empty_segments()), truth


def main() -> None:
    activation, scene, truth = make()
    localization, detections = seconds(
        lambda: facnet.localize(activation, scene, facnet.OFFICIAL), REPEATS
    )
    scoring, score = seconds(lambda: evaluate(truth, detections, PROTOCOLS["wtalc"]), REPEATS)
    print(
        f"{VIDEOS} videos, {sum(activation.lengths)} snippets, {len(truth.segments)} instances, "
        f"{len(detections)} detections, "
        f"average mAP {100 * score.average:.1f} %"
    )
    print(
        f"localization {localization:.3f} s, mAP {scoring:.3f} s, together "
        f"{localization + scoring:.3f} s "
        f"(best of {REPEATS} each; goal 0.3 s; the authors' code: 7 s)"
    )


if __name__ == "__main__":
    main()
