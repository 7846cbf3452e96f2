"""The compiled tier: segments as XLA programs."""

from millrace.core.quiet import quiet_backends

quiet_backends()
