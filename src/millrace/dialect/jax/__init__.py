"""The JAX dialect: the vocabulary of the compiled tier."""
