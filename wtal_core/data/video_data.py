"""What the readers of video data sets share: annotations, whose features are there, the videos.

A data set's own module says where its annotations lie and what its features are called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wtal_core.data.annotations import AnnotatedVideo, Annotations, annotated_videos
from wtal_core.data.dataset import Video
from wtal_core.data.features import (
    Asked,
    FeatureNames,
    FeatureSet,
    FeatureSource,
    find_features,
    read_features,
    require_features,
)
from wtal_core.data.manifests import DatasetManifest
from wtal_core.data.problems import MissingData

SIDES = {"train": "training", "test": "test"}  # side -> how one says it


@dataclass(frozen=True)
class VideoData:
    """A video data set without its features: what opening and `verify` begin with.

    published: the annotations as their files have them. annotations: those that are used. subsets:
    side -> what the annotations call it. splits: split of the manifest -> the same. in_joint_file:
    videos in the order of the joint file. files: of the annotations.
    """

    manifest: DatasetManifest
    published: Annotations
    annotations: Annotations
    subsets: dict[str, str]
    splits: dict[str, str]
    names: FeatureNames
    in_joint_file: tuple[str, ...]
    files: tuple[Path, ...]

    def listed(self, side: str) -> list[AnnotatedVideo]:
        """Videos of "train" or "test" that the annotations name."""
        return annotated_videos(self.annotations.of_subset(self.subsets[side]))

    def asked(self) -> list[Asked]:
        """Videos whose features are looked for: training videos first."""
        return [
            Asked(video.video, side, video.duration)
            for side in SIDES
            for video in self.listed(side)
        ]

    def find(self, root: Path) -> FeatureSource | None:
        """Where the features lie, None if there are none; reads no values."""
        return find_features(self.names, root, self.asked())

    def there(self, source: FeatureSource | None) -> dict[str, tuple[int, int]]:
        """Side -> number of videos with features, and of all videos."""
        found = {} if source is None else source.paths
        numbers = {}
        for side in SIDES:
            ids = [video.video for video in self.listed(side)]
            numbers[side] = (sum(video in found for video in ids), len(ids))
        return numbers

    def require_some(self, root: Path) -> FeatureSource:
        """As `find`; a whole side without features is an error."""
        source = require_features(self.names, root, self.asked())
        for side, (number, _) in self.there(source).items():
            if number == 0:
                raise MissingData(
                    f"{self.names.name}: no features of {SIDES[side]} videos in {source.place} "
                    f"(layout {source.layout}); they must be obtained by hand: `wtal data verify "
                    f"{self.names.name}` says where from"
                )
        return source

    def read(self, source: FeatureSource) -> FeatureSet:
        """Features of all videos that have some."""
        return read_features(
            self.names, source, self.asked(), self.manifest.timebase(), self.in_joint_file
        )

    def videos(self, side: str, features: FeatureSet) -> tuple[Video, ...]:
        """The videos of a side whose features are there."""
        return tuple(
            Video(
                video.video,
                features.by_video[video.video],
                video.labels,
                features.as_stored.get(video.video),
            )
            for video in self.listed(side)
            if video.video in features.by_video
        )


def counts_words(there: dict[str, tuple[int, int]]) -> str:
    """Such as "4,500 of 4,819 training and 0 of 2,383 test videos"."""
    words = [f"{number:,} of {of:,} {SIDES[side]}" for side, (number, of) in there.items()]
    return f"{' and '.join(words)} videos"


def titled(title: str, notes: Sequence[str]) -> str:
    """The title with what must be said of the features."""
    return ", ".join((title, *notes))
