"""Composed functions of sparse tensors."""
