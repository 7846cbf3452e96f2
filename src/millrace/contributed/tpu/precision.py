"""`bfloat16_scope`: variables are float32, and are read as bfloat16."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millrace.core.dtypes import bfloat16, float32
from millrace.core.public import public
from millrace.lib.variables.scope import variable_scope
from millrace.ops.math.cast import cast


def _getter(getter: Any, *args: Any, **kwargs: Any) -> Any:
    """A variable of float32 where one of bfloat16 is asked for."""
    if kwargs.get("dtype") is not bfloat16:
        return getter(*args, **kwargs)
    kwargs["dtype"] = float32
    return cast(getter(*args, **kwargs), bfloat16)


@public("contrib.tpu.bfloat16_scope", "tpu.bfloat16_scope")
@contextlib.contextmanager
def bfloat16_scope(name: str = "") -> Iterator[Any]:
    """A variable scope whose bfloat16 variables are kept as float32."""
    with variable_scope(name, custom_getter=_getter) as scope:
        yield scope
