"""Lets the tests import the package by its name from any working directory."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
