"""Places and values of sparse tensors, sets in rows."""
