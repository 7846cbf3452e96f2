"""Transforms of signals, whole and in frames."""
