"""Weights that apply to values: a scalar, or of the same rank with every length equal or 1."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.fill import ones_like

# The operations that TensorFlow compares the shapes with: two branches around a difference of sets.
_OF_A_COMPARISON = 32


def _described(value: Any, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """A tensor, its shape and its rank, under the scope `name`."""
    with name_scope(None, name, [value]) as scope:
        value = to_tensor(value, name=scope)
        return value, shape_tensor(value, name="shape"), rank_tensor(value, "rank")


@public("python.ops.weights_broadcast_ops.assert_broadcastable")
def assert_broadcastable(weights: Any, values: Any) -> Any:
    """An operation that fails when `weights` do not apply to `values`.

    Args:
      weights: any tensor.
      values: any tensor.

    Returns:
      A NoOp where the static shapes tell, else an Assert.

    Raises:
      ValueError: the static shapes tell that the weights do not apply.
    """
    with name_scope(None, "assert_broadcastable", [weights, values]) as scope:
        weights, weights_shape, weights_rank = _described(weights, "weights")
        values, values_shape, values_rank = _described(values, "values")
        if weights.dims is not None and values.dims is not None:
            if weights.dims == ():
                return raw.NoOp(name="static_scalar_check_success")
            _check(weights.dims, values.dims)
            if None not in weights.dims and None not in values.dims:
                return raw.NoOp(name="static_dims_check_success")
        is_scalar = raw.Equal(0, weights_rank, name="is_scalar")
        with weights.graph.counted_as(_OF_A_COMPARISON):
            applies = _applies(is_scalar, weights_shape, weights_rank, values_shape, values_rank)
        data = [
            "weights can not be broadcast to values.",
            "weights.shape=",
            weights.name,
            weights_shape,
            "values.shape=",
            values.name,
            values_shape,
            "is_scalar=",
            is_scalar,
        ]
        return Assert(applies, data, name=scope)


def _check(weights: tuple[int | None, ...], values: tuple[int | None, ...]) -> None:
    fits = len(weights) == len(values) and all(
        w is None or v is None or w in (1, v) for w, v in zip(weights, values, strict=False)
    )
    if not fits:
        raise ValueError(
            "weights must be a scalar, or have the rank of values and every length equal or 1. "
            f"Received: weights {shapes.format_dims(weights)}, values {shapes.format_dims(values)}"
        )


def _applies(
    is_scalar: Tensor, weights_shape: Tensor, weights_rank: Tensor, values_shape: Tensor, values_rank: Tensor
) -> Tensor:
    """A bool scalar: whether the weights are a scalar, or have the same rank and lengths equal or 1."""
    same_rank = raw.Equal(weights_rank, values_rank, name="is_same_rank")
    # Where the ranks differ, the comparison below must still run: the shorter shape is filled up with ones.
    length = raw.Maximum(weights_rank, values_rank)
    padded = [
        raw.PadV2(s, raw.Reshape(raw.Pack([0, raw.Sub(length, r)]), [1, 2]), 1)
        for s, r in ((weights_shape, weights_rank), (values_shape, values_rank))
    ]
    fitting = raw.LogicalOr(raw.Equal(padded[0], 1), raw.Equal(padded[0], padded[1]))
    every = raw.All(fitting, [0], name="is_valid_shape")
    return raw.LogicalOr(is_scalar, raw.LogicalAnd(same_rank, every))


@public("python.ops.weights_broadcast_ops.broadcast_weights")
def broadcast_weights(weights: Any, values: Any) -> Tensor:
    """`weights` in the shape of `values`.

    Raises:
      ValueError: the static shapes tell that the weights do not apply.
    """
    with name_scope(None, "broadcast_weights", [weights, values]) as scope:
        values = to_tensor(values, name="values")
        weights = to_tensor(weights, values.dtype.base_dtype, "weights")
        if shapes.fully_defined(weights.dims) and weights.dims == values.dims:
            return weights
        with control_dependencies([assert_broadcastable(weights, values)]):
            return raw.Mul(weights, ones_like(values), name=scope)
