"""The NumPy dialect: the vocabulary of the interpreter."""
