"""Making, joining, cutting, reordering and indexing tensors."""
