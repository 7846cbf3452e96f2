"""The verb that random draws by rejection need, for NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RandomVerbs:
    """Repetition until nothing is left to try."""

    def repeat_while(self, going: Callable[[Any], Any], step: Callable[[Any], Any], carry: Any) -> Any:
        """`step` applied to `carry` again and again for as long as `going(carry)`."""
        while going(carry):
            carry = step(carry)
        return carry
