"""Operations of staging areas. They have no handles: an area is known by its shared name."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.graph.attrs import integer, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.state.staging import MapStaging, Staging

_COMMON: dict[str, Any] = dict(
    capacity=integer(default=0, minimum=0),
    memory_limit=integer(default=0, minimum=0),
    dtypes=types(minimum=1),
    container=text(default=""),
    shared_name=text(default=""),
    effect=True,
    host=True,
)
_STAGE: dict[str, Any] = dict(**_COMMON, state=Staging)
_MAP: dict[str, Any] = dict(**_COMMON, state=lambda attrs: MapStaging(attrs, ordered=False))
_ORDERED: dict[str, Any] = dict(**_COMMON, state=lambda attrs: MapStaging(attrs, ordered=True))


def _copied(values: Any) -> tuple[Any, ...]:
    return tuple(v.copy() if hasattr(v, "copy") else v for v in values)


def _places(indices: Any) -> list[int]:
    return np.ravel(indices).tolist()


@declare("Stage(values: dtypes)", **_STAGE, blocking=True)
class Stage:
    """Leaves a tuple, waiting for room."""

    def shape(values):
        return []

    def kernel(xp, state, values):
        state.put(_copied(values))
        return (state,)

    grad = NOT_DIFFERENTIABLE


@declare("Unstage() -> values: dtypes", **_STAGE, blocking=True)
class Unstage:
    """Takes the first tuple, waiting for one."""

    def shape(dtypes):
        return [None] * len(dtypes)

    def kernel(xp, state):
        return state.get(), state

    grad = NOT_DIFFERENTIABLE


@declare("StagePeek(index: int32) -> values: dtypes", **_STAGE, blocking=True)
class StagePeek:
    """The tuple at a place, waiting for it."""

    def shape(index, dtypes):
        return [None] * len(dtypes)

    def kernel(xp, state, index):
        return state.peek(int(index)), state

    grad = NOT_DIFFERENTIABLE


@declare("StageSize() -> size: int32", **_STAGE)
class StageSize:
    """How many tuples there are."""

    def shape():
        return ()

    def kernel(xp, state):
        return xp.int32(state.size()), state

    grad = NOT_DIFFERENTIABLE


@declare("StageClear()", **_STAGE)
class StageClear:
    """Throws all tuples away."""

    def shape():
        return []

    def kernel(xp, state):
        state.clear()
        return (state,)

    grad = NOT_DIFFERENTIABLE


# --- by key -------------------------------------------------------------------------------------------------


def _stage_shape(key, indices, values):
    return []


def _stage(xp, state, key, indices, values):
    state.put(int(key), _places(indices), _copied(values))
    return (state,)


def _values_shape(key, indices, dtypes):
    return [None] * len(dtypes)


def _unstage(xp, state, key, indices):
    return state.get(int(key), _places(indices)), state


def _peek(xp, state, key, indices):
    return state.peek(int(key), _places(indices)), state


def _any_shape(indices, dtypes):
    return [(), *[None] * len(dtypes)]


def _unstage_any(xp, state, indices):
    key, values = state.get_any(_places(indices))
    return np.int64(key), values, state


def _size_shape():
    return ()


def _size(xp, state):
    return xp.int32(state.size()), state


def _incomplete_size(xp, state):
    return xp.int32(state.incomplete_size()), state


def _clear_shape():
    return []


def _clear(xp, state):
    state.clear()
    return (state,)


@declare(
    "MapStage(key: int64, indices: int32, values: fake_dtypes)",
    **_MAP,
    fake_dtypes=types(minimum=1),
    blocking=True,
)
class MapStage:
    """Leaves components of the tuple of a key, waiting for room."""

    shape, kernel, grad = _stage_shape, _stage, NOT_DIFFERENTIABLE


@declare("MapUnstage(key: int64, indices: int32) -> values: dtypes", **_MAP, blocking=True)
class MapUnstage:
    """Takes components of the tuple of a key, waiting for it."""

    shape, kernel, grad = _values_shape, _unstage, NOT_DIFFERENTIABLE


@declare("MapPeek(key: int64, indices: int32) -> values: dtypes", **_MAP, blocking=True)
class MapPeek:
    """Components of the tuple of a key, waiting for it."""

    shape, kernel, grad = _values_shape, _peek, NOT_DIFFERENTIABLE


@declare("MapUnstageNoKey(indices: int32) -> key: int64, values: dtypes", **_MAP, blocking=True)
class MapUnstageNoKey:
    """Takes components of the tuple of any key, waiting for one."""

    shape, kernel, grad = _any_shape, _unstage_any, NOT_DIFFERENTIABLE


@declare("MapSize() -> size: int32", **_MAP)
class MapSize:
    """How many tuples are complete."""

    shape, kernel, grad = _size_shape, _size, NOT_DIFFERENTIABLE


@declare("MapIncompleteSize() -> size: int32", **_MAP)
class MapIncompleteSize:
    """How many tuples lack components."""

    shape, kernel, grad = _size_shape, _incomplete_size, NOT_DIFFERENTIABLE


@declare("MapClear()", **_MAP)
class MapClear:
    """Throws all tuples away."""

    shape, kernel, grad = _clear_shape, _clear, NOT_DIFFERENTIABLE


@declare(
    "OrderedMapStage(key: int64, indices: int32, values: fake_dtypes)",
    **_ORDERED,
    fake_dtypes=types(minimum=1),
    blocking=True,
)
class OrderedMapStage:
    """Leaves components of the tuple of a key, waiting for room."""

    shape, kernel, grad = _stage_shape, _stage, NOT_DIFFERENTIABLE


@declare("OrderedMapUnstage(key: int64, indices: int32) -> values: dtypes", **_ORDERED, blocking=True)
class OrderedMapUnstage:
    """Takes components of the tuple of a key, waiting for it."""

    shape, kernel, grad = _values_shape, _unstage, NOT_DIFFERENTIABLE


@declare("OrderedMapPeek(key: int64, indices: int32) -> values: dtypes", **_ORDERED, blocking=True)
class OrderedMapPeek:
    """Components of the tuple of a key, waiting for it."""

    shape, kernel, grad = _values_shape, _peek, NOT_DIFFERENTIABLE


@declare("OrderedMapUnstageNoKey(indices: int32) -> key: int64, values: dtypes", **_ORDERED, blocking=True)
class OrderedMapUnstageNoKey:
    """Takes components of the tuple of the smallest key, waiting for one."""

    shape, kernel, grad = _any_shape, _unstage_any, NOT_DIFFERENTIABLE


@declare("OrderedMapSize() -> size: int32", **_ORDERED)
class OrderedMapSize:
    """How many tuples are complete."""

    shape, kernel, grad = _size_shape, _size, NOT_DIFFERENTIABLE


@declare("OrderedMapIncompleteSize() -> size: int32", **_ORDERED)
class OrderedMapIncompleteSize:
    """How many tuples lack components."""

    shape, kernel, grad = _size_shape, _incomplete_size, NOT_DIFFERENTIABLE


@declare("OrderedMapClear()", **_ORDERED)
class OrderedMapClear:
    """Throws all tuples away."""

    shape, kernel, grad = _clear_shape, _clear, NOT_DIFFERENTIABLE
