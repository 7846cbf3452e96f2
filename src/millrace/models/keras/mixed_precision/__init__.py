"""Layers that compute in one precision and keep their variables in another."""
