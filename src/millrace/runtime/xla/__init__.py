"""The compiled tier: segments as XLA programs."""
