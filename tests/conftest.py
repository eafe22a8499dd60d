"""Checks array shapes and types of every annotated function of the core while tests run."""

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests compare with benchmarks/plain
settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")
install_import_hook("wtal_core", "beartype.beartype")


@pytest.fixture(scope="module")
def one_thread():
    """Several threads are no help with tensors of this size, and a hindrance on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
