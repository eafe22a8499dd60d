"""Checks array shapes and types of every annotated function of the core while tests run."""

import sys
from pathlib import Path

from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))     # tests compare with benchmarks/plain
install_import_hook("wtal_core", "beartype.beartype")
