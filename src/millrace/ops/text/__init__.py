"""Strings; all of them run on the host."""
