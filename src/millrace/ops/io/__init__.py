"""Rooms of operations that read and write files."""
