"""Elementwise arithmetic, reductions, segments, transforms."""
