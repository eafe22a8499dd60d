"""A data set of bags: what the readers of cut recordings have in common."""

import pandas as pd

from wtal_core.data.bags import Bags
from wtal_core.data.clicks import KINDS, simulate_clicks
from wtal_core.data.dataset import Dataset, check_dataset
from wtal_core.data.manifests import DatasetManifest
from wtal_core.data.probes import probe_videos
from wtal_core.errors import WorkbookError

CLICK_SEED = 0


def bagged_dataset(
    manifest: DatasetManifest,
    classes: tuple[str, ...],
    train: Bags,
    test: Bags,
    fingerprint: str,
    title: str | None = None,
) -> Dataset:
    """The data set of these bags, checked; its clicks are simulated from the training segments.

    fingerprint: over all files and rules that decide the content. title: default the manifest's.
    """
    timebase = manifest.timebase()
    durations = {video.id: timebase.seconds(float(video.length)) for video in train.videos}
    dataset = Dataset(
        name=manifest.name,
        title=title or manifest.title,
        origin=manifest.origin,
        classes=classes,
        streams=manifest.streams,
        timebase=timebase,
        train=train.videos,
        test=test.videos,
        segments=pd.concat([train.segments, test.segments], ignore_index=True),
        default_protocol=manifest.default_protocol,
        fingerprint=fingerprint,
        clicks={
            kind: simulate_clicks(train.segments, durations, kind, CLICK_SEED) for kind in KINDS
        },
        left_out=manifest.left_out,
        probes=probe_videos([video.id for video in test.videos], test.segments),
    )
    return check_dataset(dataset)


def require_both_sides(name: str, train: Bags, test: Bags) -> None:
    """Refuse a data set without a labelled training bag, or without a test bag."""
    for side, bags in (("training", train), ("test", test)):
        if not bags.videos:
            raise WorkbookError(
                f"{name}: no {side} bags in its recordings; run `wtal data verify {name}`"
            )
