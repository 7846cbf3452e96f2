"""Composed mathematics: reductions, contractions, grids, counts, and the assertions made of them."""
