"""Ragged tensors: rows of different lengths, kept as flat values and where the rows begin."""
