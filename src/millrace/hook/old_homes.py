"""The modules in which TensorFlow 1.15 has its public classes and functions."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from millrace.hook.lists import sections


def home_of(names: Sequence[str]) -> str | None:
    """The module of what is `tf.<name>` for each of `names`; None for what 1.15 has not, or elsewhere."""
    homes = _homes()
    private = (f"tensorflow.{name.rpartition('.')[0]}" for name in names if name.startswith("python."))
    return next((homes[name] for name in names if name in homes), None) or next(private, None)


def public_at(module: str, name: str) -> str | None:
    """The public name, relative to `tf`, of the function `name` of `module`; None where it has none."""
    return _generated().get((f"tensorflow.{module}", name))


@functools.cache
def _generated() -> dict[tuple[str, str], str]:
    """Module of generated operations and function to public name, relative to `tf`."""
    return {
        (home, name.rpartition(".")[2]): name
        for name, home in _homes().items()
        if home.rpartition(".")[2].startswith("gen_")
    }


@functools.cache
def _homes() -> dict[str, str]:
    """Public name, relative to `tf`, to module."""
    return {name: module for module, line in sections("homes.txt") for name in line.split()}
