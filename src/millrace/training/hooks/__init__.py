"""Hooks: what happens around each run of a monitored session."""
