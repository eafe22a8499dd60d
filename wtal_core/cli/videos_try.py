"""`wtal try`: from a folder of videos and a table of labels to a page, in one command."""

from tyro.conf import Positional
from pathlib import Path


def try_videos(videos: Positional[Path]) -> int:
    """To be written."""
    return 0
