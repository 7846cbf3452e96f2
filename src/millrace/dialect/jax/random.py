"""The verb that random draws by rejection need, for JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax import lax


class RandomVerbs:
    """Repetition until nothing is left to try."""

    def repeat_while(self, going: Callable[[Any], Any], step: Callable[[Any], Any], carry: Any) -> Any:
        """`step` applied to `carry` again and again for as long as `going(carry)`; shapes and dtypes stay."""
        return lax.while_loop(going, step, carry)
