"""Where builders of graphs hand in the user's functions: the converter is imported only when one needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import late
from millrace.lib.autograph.scan import needs_conversion
from millrace.lib.autograph.settings import enabled


def prepared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a dataset, a layer or another builder of graphs calls it: converted where it, or one of
    the user's that it calls, branches or loops; else the function itself.
    """
    if not enabled() or not needs_conversion(function):
        return function
    return late.module("autograph").converted_callable(function)
