"""Optimizers and the slots they keep."""
