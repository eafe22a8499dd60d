"""The detector without a network, in the small variants that exercises compare."""

import numpy as np

from tests.tiny_dataset import tiny_dataset
from wtal_core.localization.proposals import ProposalRule
from wtal_core.study import first_detector

RULE = ProposalRule(
    thresholds=(0.5, 1.0), shortest=1, margin_scale=0.25, margin_power=1.0, outer_weight=1.0
)


def test_told_labels_are_detected_and_nothing_else():
    dataset = tiny_dataset()
    stream = dataset.streams[-1]
    for make in (first_detector.from_labels, first_detector.from_segments):
        directions = make(dataset, stream)
        assert directions.weight.shape == (dataset.feature_size(), len(dataset.classes))
        table = first_detector.detected(dataset, directions, RULE, told=True)
        told = {video.id: video.labels[0] for video in dataset.test}
        assert all(told[row.video] == row.label for row in table.itertuples())


def test_the_activation_of_all_training_snippets_has_deviation_one():
    dataset = tiny_dataset()
    directions = first_detector.from_labels(dataset, dataset.streams[0])
    values = np.concatenate([directions.activation(video) for video in dataset.train])
    np.testing.assert_allclose(values.std(0), 1.0, rtol=1e-6)
