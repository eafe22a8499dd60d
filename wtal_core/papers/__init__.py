"""What the four papers print: their numbers, claims and contradictions.

Nothing here draws or trains.
"""

from wtal_core.papers.manifests import (
    known_methods,
    known_papers,
    other_sources,
    printed_factors,
    reported,
    reported_rows,
)

__all__ = [
    "known_methods",
    "known_papers",
    "other_sources",
    "printed_factors",
    "reported",
    "reported_rows",
]
