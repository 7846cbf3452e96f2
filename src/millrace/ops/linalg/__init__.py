"""Products, factorizations and systems of matrices."""
