"""Your own videos: `wtal features` makes features of them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from wtal_core.reading.commands import command, option

if TYPE_CHECKING:
    from wtal_core.videos.extraction import Extracted

SHOWN = 3  # files in a line


def features(
    videos: Positional[Path],
    out: Path,
    backbone: str = "lite0-flow",
    weights: Path | None = None,
    python: Path | None = None,
    crop: Literal["centre", "whole", "fit"] | None = None,
    incomplete: bool = False,
    device: str = "auto",
) -> int:
    """Make features of a video or of a folder of videos, for `wtal data add`.

    What is finished is not computed again: the same command goes on where it stopped. The default
    backbone needs no download; it has seen pictures and motion, but no actions.

    Args:
        videos: a video file, or a folder of them; a video is called as its file.
        out: folder to write: one file per video and stream, durations.csv, and features.json, which
            states how the features were made.
        backbone: lite0-flow, mediapipe-hands, i3d, r2plus1d_18, mvit_v2_s, swin3d_t, one of an
            installed package, or MODULE:OBJECT.
        weights: file of the backbone's weights, or the folder of i3d's two, where it takes any.
        python: the Python that has mediapipe, for mediapipe-hands.
        crop: how a frame becomes a square: its centre, the whole of it squeezed, or fit with black
            beside it; default: as the backbone wants it.
        incomplete: leave out files that cannot be used, in place of an error.
        device: cpu, cuda or auto.
    """
    from wtal_core.cli.extras import require
    from wtal_core.runs.sweep import resolve_device
    from wtal_core.videos.backbones import find_backbone
    from wtal_core.videos.extraction import extract
    from wtal_core.videos.listing import find_videos

    require("video")
    find_videos(videos)  # refuses at once what would be refused after the backbone is loaded
    network = find_backbone(backbone, resolve_device(device), weights, python)
    for line in _told(extract(videos, network, out, crop, incomplete), videos):
        print(line)
    return 0


def _told(extracted: "Extracted", source: Path) -> list[str]:
    """What is said of an extraction; what was left out goes to the error stream."""
    for path, problem in extracted.unusable.items():
        print(f"left out {path.name}: {problem}", file=sys.stderr)
    for name in extracted.anew:
        print(f"{name}: read again, because its file has changed", file=sys.stderr)
    for name, report in extracted.videos.items():
        for note in report.notes():
            print(f"{name}: {note}", file=sys.stderr)
    if extracted.left_alone:
        names = [path.name for path in extracted.left_alone[:SHOWN]]
        more = len(extracted.left_alone) - len(names)
        rest = f" and {more} more" if more else ""
        print(f"not read, because they are no videos: {', '.join(names)}{rest}", file=sys.stderr)
    spec = extracted.spec
    sizes = zip(spec.streams, spec.sizes, strict=True)
    rate = extracted.seconds / extracted.took if extracted.took else 0.0
    labels = (source if source.is_dir() else source.parent) / "labels.csv"
    given = option("--labels", labels if labels.is_file() else None)
    return [
        f"{extracted.folder}: features of {len(extracted.videos)} videos"
        + (f", {len(extracted.kept)} were there already" if extracted.kept else ""),
        f"  {spec.backbone}: {', '.join(f'{name} {size}' for name, size in sizes)} values per "
        f"snippet of {spec.timebase.snippet_seconds:.3g} s",
        f"  {extracted.seconds:.1f} s of video in {extracted.took:.1f} s, {rate:.2g} s per second",
        f"next: {command('data', 'add', 'NAME', extracted.folder, *given)}",
    ]
