"""Graphs made ready for use without training: frozen, cut down, folded."""
