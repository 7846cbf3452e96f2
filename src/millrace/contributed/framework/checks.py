"""`tf.contrib.framework`: shapes that must hold, sums of tensors, what a graph is fed through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.internals import get_graph_from_inputs as _graph_from_inputs
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes
from millrace.core.public import public
from millrace.core.shapes import Dims, format_dims
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.math.reductions import reduce_all, reduce_sum
from millrace.lib.metrics.confusion import without_last
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.math.comparison import equal
from millrace.training.global_step import assert_global_step, get_or_create_global_step


@public("contrib.framework.reduce_sum_n")
def reduce_sum_n(tensors: Sequence[Any], name: str | None = None) -> Tensor:
    """The sum of all elements of all tensors.

    Args:
      tensors: numeric tensors of one dtype and of any shapes, at least one.
      name: of the result.

    Returns:
      A scalar.

    Raises:
      ValueError: no tensor was given.
    """
    if not tensors:
        raise ValueError("reduce_sum_n: at least one tensor is needed. Received: none")
    with name_scope(name, "reduce_sum_n", list(tensors)) as scope:
        totals = []
        for tensor in tensors:
            tensor = convert.to_tensor(tensor)
            if tensor.dims != ():
                tensor = reduce_sum(tensor, name=f"{tensor.op.name}/sum")
            totals.append(tensor)
        return totals[0] if len(totals) == 1 else raw.AddN(totals, name=scope)


@public("contrib.framework.remove_squeezable_dimensions")
def remove_squeezable_dimensions(
    predictions: Any, labels: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Predictions and labels, the one of one rank more without its last dimension where that has length 1.

    Args:
      predictions: `[...]`.
      labels: `[...]`.
      name: a scope; default "remove_squeezable_dimensions".
    """
    labels, predictions = without_last(labels, predictions, name=name)
    return predictions, labels


def _is_shape(expected: Any, actual: Tensor, of: Tensor) -> Tensor:
    """Whether a tensor has a shape, where -1 stands for any length."""
    with name_scope("is_shape") as scope:
        length = size(expected)
        with name_scope("is_rank") as rank_scope:
            right_rank = raw.Equal(length, rank_tensor(of, "actual"), name=rank_scope)
        with name_scope("shape_tensor_equal") as equal_scope:
            any_length = equal(expected, -1)
            as_told = equal(expected, actual, name="equal")
            either = raw.LogicalOr(any_length, as_told, name="exclude_partial_shape")
            same = reduce_all(either, name=equal_scope)
        return raw.LogicalAnd(right_rank, same, name=scope)


@public("contrib.framework.with_shape", "contrib.slim.with_shape")
def with_shape(expected_shape: Any, tensor: Any) -> Any:
    """The tensor, checked to have a shape.

    Args:
      expected_shape: a list of lengths in which None or -1 stands for any, a `TensorShape`, or an integer
        vector known only at run time.
      tensor: dense.

    Returns:
      The tensor, with `expected_shape` as its static shape where that is known; a check runs before it
      where the graph does not tell.

    Raises:
      ValueError: the static shapes contradict each other, `expected_shape` is not an integer vector, or
        the tensor is sparse.
    """
    if isinstance(tensor, SparseTensor):
        raise ValueError(f"with_shape: only dense tensors are supported. Received: {tensor}")
    tensor = convert.to_tensor(tensor)
    if isinstance(expected_shape, Tensor):
        if expected_shape.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"with_shape: expected_shape must be integer. Received: {expected_shape}")
        if expected_shape.dims is not None and len(expected_shape.dims) != 1:
            raise ValueError(f"with_shape: expected_shape must be a vector. Received: {expected_shape}")
        return _checked_at_run_time(expected_shape, tensor)
    wanted = _dims(expected_shape)
    if wanted is None:
        return tensor
    if not _compatible(tensor.dims, wanted):
        raise ValueError(
            f"Invalid shape for tensor {tensor.name}, expected {format_dims(wanted)}, "
            f"got {format_dims(tensor.dims)}."
        )
    if tensor.dims is not None and all(
        a is not None or b is None for a, b in zip(tensor.dims, wanted, strict=True)
    ):
        return tensor
    checked = _checked_at_run_time([-1 if d is None else d for d in wanted], tensor)
    checked.set_shape(wanted)
    return checked


def _dims(shape: Any) -> Dims:
    ndims = getattr(shape, "ndims", 0)
    if ndims is None:
        return None
    lengths = [getattr(d, "value", d) for d in shape]
    return tuple(None if d in (None, -1) else int(d) for d in lengths)


def _compatible(actual: Dims, wanted: Dims) -> bool:
    if actual is None or wanted is None:
        return True
    return len(actual) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(actual, wanted, strict=True)
    )


def _checked_at_run_time(expected: Any, tensor: Tensor) -> Tensor:
    with name_scope(f"{tensor.op.name}/"):
        with name_scope("assert_shape") as scope:
            actual = shape_of(tensor, name="actual")
            holds = _is_shape(expected, actual, tensor)
            said = [f"Wrong shape for {tensor.name} [expected] [actual].", expected, actual]
            check = Assert(holds, said, name=scope)
        with control_dependencies([check]):
            return raw.Identity(tensor)


@public("contrib.framework.with_same_shape", "contrib.slim.with_same_shape")
def with_same_shape(expected_tensor: Any, tensor: Any) -> Any:
    """The tensor, checked to have the shape of `expected_tensor`; see `with_shape`."""
    expected_tensor, tensor = convert.to_tensor(expected_tensor), convert.to_tensor(tensor)
    dims = expected_tensor.dims
    if dims is not None and None not in dims:
        return with_shape(list(dims), tensor)
    with name_scope(f"{tensor.op.name}/"):
        expected = raw.Shape(expected_tensor, name="expected_shape")
    return with_shape(expected, tensor)


@public("contrib.framework.get_placeholders")
def get_placeholders(graph: Graph) -> list[Tensor]:
    """The tensors of a graph that are there to be fed: its placeholders without a default, in order."""
    return [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"]


@public("contrib.framework.get_graph_from_inputs", "contrib.slim.get_graph_from_inputs")
def get_graph_from_inputs(op_input_list: Any, graph: Graph | None = None) -> Graph:
    """The graph of the first tensor, operation or variable of a list; the default graph where none is there.

    Args:
      op_input_list: what an operation would take.
      graph: the graph that all of them must belong to.

    Raises:
      ValueError: they belong to several graphs.
      TypeError: `graph` is not a graph.
    """
    return _graph_from_inputs(op_input_list, graph)


@public("contrib.framework.assert_or_get_global_step", "contrib.slim.assert_or_get_global_step")
def assert_or_get_global_step(graph: Graph | None = None, global_step_tensor: Any = None) -> Any:
    """The global step: the one given, checked to be an integer scalar, or else the graph's.

    Args:
      graph: where to look; default: the default graph.
      global_step_tensor: the step, where the caller has it.

    Raises:
      TypeError: what was given is not an integer scalar.
    """
    if global_step_tensor is None:
        return get_or_create_global_step(graph)
    assert_global_step(global_step_tensor)
    return global_step_tensor
