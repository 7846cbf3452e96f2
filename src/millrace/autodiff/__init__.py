"""Differentiation: gradients are more graph."""
