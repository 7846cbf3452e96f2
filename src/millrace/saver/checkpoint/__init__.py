"""Checkpoints found, read, and read into variables."""
