"""Checkpoint files: the tables they are made of, both formats, and how files are replaced safely."""
