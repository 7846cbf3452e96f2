"""Recurrent networks: cells, and running them over time."""
