"""64-bit types: on while millrace calls JAX, and afterwards as the user left them, whatever signals come."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def with_64_bits(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` with 64-bit types.

    A signal may come while JAX's own context is entered or left; then it is set back here.
    """
    before = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    try:
        with jax.enable_x64(True):
            return function(*args)
    except BaseException:
        if jax.config.jax_enable_x64 != before:  # pyright: ignore[reportAttributeAccessIssue]
            jax.enable_x64(before).__enter__()
        raise
