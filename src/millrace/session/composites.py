"""Fetching and feeding of values made of several tensors: as their parts, and back as named tuples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.composites import CompositeTensor
from millrace.session.fetch import register_session_run_conversion_functions


def _fetch(composite: CompositeTensor) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    return composite.parts, composite.of_arrays


def _feed(composite: CompositeTensor, value: Any) -> list[tuple[Any, Any]]:
    return list(zip(composite.parts, composite.arrays_of(value)))


def _fed(composite: CompositeTensor) -> list[Any]:
    return composite.parts


register_session_run_conversion_functions(CompositeTensor, _fetch, _feed, _fed)
