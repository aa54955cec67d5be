"""Lets the tests import the package by its name from any working directory."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch  # noqa: E402

# The tests' tensors are tiny: threads only get into each other's way.
torch.set_num_threads(1)
