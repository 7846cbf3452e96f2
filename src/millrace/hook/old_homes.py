"""The modules in which TensorFlow 1.15 has its public classes."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from millrace.hook.lists import sections


def home_of(names: Sequence[str]) -> str | None:
    """The module of a class that is `tf.<name>` for each of `names`; None for a class that 1.15 has not."""
    homes = _homes()
    private = (f"tensorflow.{name.rpartition('.')[0]}" for name in names if name.startswith("python."))
    return next((homes[name] for name in names if name in homes), None) or next(private, None)


@functools.cache
def _homes() -> dict[str, str]:
    """Public name, relative to `tf`, to module."""
    return {name: module for module, line in sections("homes.txt") for name in line.split()}
