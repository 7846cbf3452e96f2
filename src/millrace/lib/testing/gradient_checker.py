"""Gradients against finite differences: `tf.test.compute_gradient`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.autodiff.gradients import gradients
from millrace.building.convert import convert_to_tensor
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_session
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import placeholder

_DTYPES = (
    dtypes.float16,
    dtypes.bfloat16,
    dtypes.float32,
    dtypes.float64,
    dtypes.complex64,
    dtypes.complex128,
)

_NO_SESSION = "compute_gradient: no default session is registered. Call it under `with tf.Session():`"


def _real(array: np.ndarray) -> np.ndarray:
    """All parts of all elements in one row."""
    flat: Any = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.real(flat).dtype) if flat.dtype.kind == "c" else flat


def _run(fetch: Any, x: Tensor, value: np.ndarray, feeds: dict[Any, Any]) -> Any:
    session = get_default_session()
    if session is None:
        raise ValueError(_NO_SESSION)
    return session.run(fetch, {**feeds, x: value})


def _symbolic(
    x: Tensor, y: Tensor, value: np.ndarray, y_shape: list[int], feeds: dict[Any, Any]
) -> np.ndarray:
    """The Jacobian by the graph's own gradient, a column for each part of each element of `y`."""
    dy = placeholder(y.dtype.base_dtype, y_shape)
    dx = gradients(y, x, dy)[0]
    seed = np.zeros(y_shape, y.dtype.as_numpy_dtype)
    parts = _real(seed)
    columns = []
    for k in range(parts.size):
        one = np.zeros_like(parts)
        one[k] = 1
        fed = {**feeds, dy: one.view(seed.dtype).reshape(y_shape)}
        found: Any = np.zeros_like(value) if dx is None else _run(dx, x, value, fed)
        if isinstance(dx, IndexedSlices):
            rows = np.zeros_like(value)
            np.add.at(rows, found.indices, found.values)
            found = rows
        columns.append(_real(np.asarray(found, value.dtype)))
    return np.stack(columns, axis=1) if columns else np.zeros((_real(value).size, 0), parts.dtype)


def _numeric(x: Tensor, y: Tensor, value: np.ndarray, delta: float, feeds: dict[Any, Any]) -> np.ndarray:
    """The Jacobian by central differences, a row for each part of each element of `x`."""
    parts = _real(value)
    rows = []
    for k in range(parts.size):
        ends = []
        for step in (delta, -delta):
            moved = parts.copy()
            moved[k] += np.asarray(step, parts.dtype)
            ends.append(_run(y, x, moved.view(value.dtype).reshape(value.shape), feeds))
        rows.append(_real(np.asarray((ends[0] - ends[1]) / (2 * delta), y.dtype.as_numpy_dtype)))
    return np.stack(rows) if rows else np.zeros((0, 0), parts.dtype)


def _dims(shape: Any) -> list[int]:
    return [int(d) for d in shapes.as_dims(shape) or ()]  # type: ignore[arg-type] - must be known


@public("test.compute_gradient")
def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Tensor,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> Any:
    """The Jacobian of `y` with respect to `x`, by the graph's gradient and by finite differences.

    Args:
      x: a floating or complex tensor, or a list of them.
      x_shape: its shape, or a list of shapes.
      y: a tensor that depends on `x`.
      y_shape: its shape.
      x_init_value: where to differentiate; default: random numbers.
      delta: the step of the differences.
      init_targets: operations to run first.
      extra_feed_dict: what else to feed.

    Returns:
      Two arrays of `[size of x, size of y]` (complex elements count twice), or a list of such pairs.

    Raises:
      TypeError: a dtype is neither floating nor complex.
      ValueError: there is no default session.
    """
    feeds = dict(extra_feed_dict or {})
    session = get_default_session()
    if init_targets is not None and session is not None:
        targets = init_targets if isinstance(init_targets, list | tuple) else [init_targets]
        for target in targets:
            session.run(getattr(target, "initializer", target))
    many = isinstance(x, list | tuple)
    inputs = list(x) if many else [x]
    sizes = list(x_shape) if many else [x_shape]
    starts = x_init_value if many and x_init_value is not None else [x_init_value] * len(inputs)
    random = np.random.RandomState(0)
    for tensor in (*inputs, y):
        if tensor.dtype.base_dtype not in _DTYPES:
            raise TypeError(f"compute_gradient: no derivatives of dtype {tensor.dtype}. Received: {tensor!r}")
    values = []
    for tensor, size, start in zip(inputs, sizes, starts, strict=True):
        given = random.random_sample(_dims(size)) if start is None else start
        values.append(np.array(given, tensor.dtype.as_numpy_dtype).reshape(_dims(size)))
    found = []
    for tensor, value in zip(inputs, values, strict=True):
        others = {t: v for t, v in zip(inputs, values, strict=True) if t is not tensor} | feeds
        symbolic = _symbolic(tensor, y, value, _dims(y_shape), others)
        found.append((symbolic, _numeric(tensor, y, value, delta, others).reshape(symbolic.shape)))
    return found if many else found[0]


@public("test.compute_gradient_error")
def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Tensor,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> float:
    """The largest difference between the two Jacobians of `compute_gradient`, whose arguments it has."""
    found = compute_gradient(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs = found if isinstance(found, list) else [found]
    return max((np.abs(a - b).max(initial=0) for a, b in pairs), default=0)


@public("compat.v2.test.compute_gradient", "python.ops.gradient_checker_v2.compute_gradient")
def compute_gradient_of(
    f: Callable[..., Any], x: Sequence[Any], delta: float = 1e-3
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The Jacobians of a function at a point, by its graph's gradient and by finite differences.

    Args:
      f: takes as many tensors as `x` has, and returns one tensor.
      x: a list or tuple of floating or complex arrays, or tensors that the default session can run.
      delta: the step of the differences.

    Returns:
      Two tuples with an array of `[size of the argument, size of the result]` for each argument (complex
      elements count twice).

    Raises:
      TypeError: a dtype is neither floating nor complex.
      ValueError: `x` is no list, or there is no default session.
    """
    if not isinstance(x, list | tuple):
        raise ValueError(f"compute_gradient: x is not a list or tuple of arguments. Received: {x!r}")
    session = get_default_session()
    if session is None:
        raise ValueError(_NO_SESSION)
    values: list[Any] = [session.run(convert_to_tensor(value)) for value in x]
    inputs = [placeholder(value.dtype, value.shape) for value in values]
    y = convert_to_tensor(f(*inputs))
    shape = session.run(y, dict(zip(inputs, values, strict=True))).shape
    sizes = [value.shape for value in values]
    pairs = compute_gradient(inputs, sizes, y, shape, values, delta)
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


@public("python.ops.gradient_checker_v2.max_error")
def max_error(grad1: Sequence[np.ndarray], grad2: Sequence[np.ndarray]) -> float:
    """The largest difference between two lists of Jacobians, 0 where all are empty."""
    pairs = zip(grad1, grad2, strict=True)
    return max((float(np.abs(a - b).max()) for a, b in pairs if a.size or b.size), default=0.0)
