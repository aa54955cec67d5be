"""Synthetic tables, drawn in batches on the training device."""

VERSION = 1
