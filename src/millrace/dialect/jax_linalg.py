"""Matrix verbs of the JAX dialect."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax


class LinalgVerbs:
    """Products and factorisations of (batches of) matrices."""

    def mat_product(self, a: Any, b: Any) -> Any:
        """Matrix product over the last two axes, leading ones broadcast; in full precision everywhere."""
        return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
