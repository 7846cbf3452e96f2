"""Composed image functions."""
