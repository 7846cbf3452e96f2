"""From a lowered program to an executable: out of the cache folder, or compiled and kept there."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import serialize_executable

from millrace.dialect.jax.conv import many_cores
from millrace.runtime import warmed
from millrace.runtime.memory import release_memory
from millrace.runtime.xla import cache as xla_cache
from millrace.runtime.xla import native as xla_native

_KEEP_BARRIERS = {"xla_disable_hlo_passes": "cse_barrier_expander"}  # or XLA drops them before it fuses
_WIDE = {  # AVX-512's whole width where there is one: thirty sines and their gradient 24 ms, with 256 bits 39
    "xla_cpu_prefer_vector_width": 512
}
_NO_CONVOLUTIONS = {  # what goes to its newer library; see `many_cores`
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"
}
_LONGEST = 1 << 23  # characters: a program as long as this is mostly constants
_SLOW_COMPILE = 0.3  # seconds: what compiles faster is not worth a file


def compiled_for(lowered: Any) -> Callable[..., Any]:
    """The executable of a lowered program: from the cache folder, else compiled and kept there."""
    text = lowered.as_text()
    key = ""
    if len(text) <= _LONGEST:
        facts = jax.__version__, jax.default_backend(), str(_options()), xla_native.source()
        key = xla_cache.key_of(text, *facts)
    kept = xla_cache.load(key)
    if kept is not None:
        try:
            return serialize_executable.deserialize_and_load(kept, lowered.in_tree, lowered.out_tree)
        except Exception:  # a file from another machine or version: compiled afresh, and written anew
            pass
    started = time.perf_counter()
    compiled = _compile(lowered)
    slow = time.perf_counter() - started > _SLOW_COMPILE
    if key and (slow or warmed.warming()):
        xla_cache.save(key, serialize_executable.serialize(compiled)[0])
    if slow:
        release_memory()
    return compiled


def _options() -> list[dict[str, Any]]:
    """Options for XLA, best first; a version that does not know one of them refuses all that come with it."""
    if jax.default_backend() != "cpu":
        return [{}]
    best = _KEEP_BARRIERS | _WIDE
    return [*([best | _NO_CONVOLUTIONS] if many_cores() else []), best, _KEEP_BARRIERS, {}]


def _compile(lowered: Any) -> Any:
    """The program compiled with as many of the options as this version of XLA knows."""
    *choices, last = _options()
    for options in choices:
        try:
            return lowered.compile(options)
        except Exception:  # refused, or no program at all: then without options it fails, too
            continue
    return lowered.compile(last)


class Kept:
    """A function of arrays, compiled for each combination of their shapes, whose executables are kept."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._jitted = jax.jit(function)
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *values: Any) -> Any:
        """The function's results."""
        leaves, tree = jax.tree.flatten(values)
        key = (tree, *((leaf.shape, leaf.dtype) for leaf in leaves))
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = compiled_for(self._jitted.lower(*values))
        return compiled(*values)
