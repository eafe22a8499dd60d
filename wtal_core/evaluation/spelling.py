"""Names that are nearly those of the ground truth: prefix, case, spaces, endings, numbers.

Nothing is renamed unless it is asked for; this only finds what would be.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from wtal_core.evaluation.ground_truth import Detections, GroundTruth

ENDING = re.compile(r"\.(mp4|avi|mkv|webm|mov|npy)$")


def _plain(name: str) -> str:
    """Without case, spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _bare(name: str) -> str:
    """Without case, `v_` before it and the ending of a file behind it; its parts stay apart."""
    return ENDING.sub("", name.strip().casefold()).removeprefix("v_")


def _video(name: str) -> str:
    """Without all of these."""
    return _plain(_bare(name))


def _unpadded(name: str) -> str:
    """Also without the zeros before the number at its end."""
    return _plain(re.sub(r"(?<!\d)0+(?=\d+$)", "", _bare(name)))


def _number(name: str) -> str:
    """The number that ends a video's name, without leading zeros; "" where none does."""
    digits = re.search(r"(?<!\d)0*(\d+)$", _bare(name))
    return digits[1] if digits else ""


def _is_bare(name: str) -> bool:
    """Whether a video's name is a number and nothing else."""
    return _bare(name).isdecimal()


# kind of name -> what two names may differ in, in words, and the function that leaves it out
FORMS: dict[str, dict[str, Callable[[str], str]]] = {
    "label": {"case and spaces": _plain},
    "video": {
        "case and spaces": _plain,
        "`v_` or a file's ending": _video,
        "zeros before its number": _unpadded,
        "its number": _number,
    },
}


@dataclass(frozen=True)
class NearMisses:
    """Names of detections that the ground truth does not list, but lists in another spelling.

    videos, labels: name in the detections -> name in the ground truth. differences: in words.
    """

    videos: Mapping[str, str]
    labels: Mapping[str, str]
    differences: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.videos or self.labels)

    def words(self) -> str:
        """How many, and the first of each kind."""
        parts = []
        for kind, names in (("labels", self.labels), ("videos", self.videos)):
            if names:
                ours, theirs = next(iter(names.items()))
                parts.append(f"{len(names)} {kind} ({ours!r} for {theirs!r})")
        return f"{' and '.join(parts)} are names of the ground truth but for " + " and ".join(
            self.differences
        )


NO_MISSES = NearMisses({}, {}, ())


def near_misses(ground_truth: GroundTruth, detections: Detections) -> NearMisses:
    """Every unknown name that in some form equals exactly one known name."""
    labels, label_words = _nearest(
        "label", detections.table["label"].unique().tolist(), ground_truth.classes
    )
    known = (*ground_truth.videos, *ground_truth.elsewhere)
    videos, video_words = _nearest("video", detections.table["video"].unique().tolist(), known)
    return NearMisses(videos, labels, tuple(dict.fromkeys((*label_words, *video_words))))


def _nearest(
    kind: str, names: Sequence[str], known: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    listed = set(known)
    unknown = [name for name in names if name not in listed]
    nearest: dict[str, str] = {}
    words = []
    for difference, form in FORMS[kind].items():
        if not unknown:
            break
        same: dict[str, list[str]] = {}
        for name in listed:
            same.setdefault(form(name), []).append(name)
        alike = {
            name: same[form(name)][0]
            for name in unknown
            if form(name) and len(same.get(form(name), [])) == 1
        }
        if form is _number:
            # video_validation_0000004 is another video than video_test_0000004: only a number that
            # stands alone is short for a name
            alike = {ours: of for ours, of in alike.items() if _is_bare(ours) or _is_bare(of)}
            # and it tells a video only where all videos are told apart by theirs
            if len(set(alike.values())) < len(alike):
                continue
        if alike:
            nearest |= alike
            words.append(difference)
            unknown = [name for name in unknown if name not in alike]
    return nearest, words


def respelt(detections: Detections, near: NearMisses) -> Detections:
    """The detections with the names of the ground truth."""
    table = detections.table
    renamed: dict[str, pd.Series] = {}
    for column, names in (("video", near.videos), ("label", near.labels)):
        renamed[column] = table[column].replace(dict(names)).astype(str)
    return replace(detections, table=table.assign(**renamed))
