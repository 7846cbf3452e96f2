"""The JAX dialect: the vocabulary of the compiled tier."""

from millrace.core.quiet import quiet_backends

quiet_backends()
