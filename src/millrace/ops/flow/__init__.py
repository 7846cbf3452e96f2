"""Branches, loops, Python functions, messages and checks."""
