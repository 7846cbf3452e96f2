"""Confusion matrices, and the alignment of labels with predictions."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, with_dependencies
from millrace.lib.math.checks import assert_less, assert_non_negative
from millrace.lib.math.reductions import reduce_max
from millrace.lib.sparse.math import sparse_add
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.concat import stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.math.cast import cast


def _may_be_one(dims: Any) -> bool:
    return dims is None or (len(dims) > 0 and dims[-1] in (None, 1))


@public("python.ops.confusion_matrix.remove_squeezable_dimensions")
def without_last(
    labels: Any, predictions: Any, expected_rank_diff: int = 0, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Both, the one of one rank more than expected without its last dimension, which must have length 1.

    Args:
      labels: `[...]`.
      predictions: `[...]`.
      expected_rank_diff: the rank of the predictions less that of the labels.
      name: a scope.
    """
    with name_scope(name, "remove_squeezable_dimensions", [labels, predictions]):
        predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
        if predictions.dims is not None and labels.dims is not None:
            extra = len(predictions.dims) - len(labels.dims) - expected_rank_diff
            if extra == 1 and _may_be_one(predictions.dims):
                predictions = raw.Squeeze(predictions, squeeze_dims=[-1])
            elif extra == -1 and _may_be_one(labels.dims):
                labels = raw.Squeeze(labels, squeeze_dims=[-1])
            return labels, predictions
        difference = rank_tensor(predictions) - rank_tensor(labels)
        if _may_be_one(predictions.dims):
            predictions = _squeezed_if(raw.Equal(1 + expected_rank_diff, difference), predictions)
        if _may_be_one(labels.dims):
            labels = _squeezed_if(raw.Equal(-1 + expected_rank_diff, difference), labels)
        return labels, predictions


def _squeezed_if(condition: Tensor, x: Tensor) -> Tensor:
    return cond(condition, lambda: raw.Squeeze(x, squeeze_dims=[-1]), lambda: x)


def _not_negative(x: Tensor, what: str) -> Tensor:
    return with_dependencies([assert_non_negative(x, message=f"`{what}` contains negative values")], x)


def _less(x: Tensor, limit: Tensor, what: str) -> Tensor:
    return with_dependencies([assert_less(x, limit, message=f"`{what}` out of bound")], x)


@public("confusion_matrix", "math.confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """How often each class was predicted for each class.

    Args:
      labels: `[n]`, the true classes, from 0; a last dimension of length 1 is dropped.
      predictions: `[n]`, the predicted classes; likewise.
      num_classes: scalar; default, the largest class + 1.
      dtype: the dtype of the counts.
      name: a scope; default "confusion_matrix".
      weights: `[n]`, what each example counts; default 1.

    Returns:
      `[num_classes, num_classes]`: row for the label, column for the prediction.

    Raises:
      ValueError: the shapes differ.
      InvalidArgumentError: a class is out of range; at once where that is known, else when run.
    """
    kind = dtypes.as_dtype(dtype).base_dtype
    with name_scope(name, "confusion_matrix", [labels, predictions, num_classes, weights]):
        labels, predictions = without_last(
            convert_to_tensor(labels, name="labels"), convert_to_tensor(predictions, name="predictions")
        )
        predictions, labels = cast(predictions, int64), cast(labels, int64)
        labels, predictions = _not_negative(labels, "labels"), _not_negative(predictions, "predictions")
        if num_classes is None:
            num_classes = raw.Maximum(reduce_max(predictions), reduce_max(labels)) + 1
        else:
            limit = cast(num_classes, int64)
            labels, predictions = _less(labels, limit, "labels"), _less(predictions, limit, "predictions")
        shape = stack([num_classes, num_classes])
        places = stack([labels, predictions], axis=1)
        if weights is None:
            values = ones_like(predictions, kind)
        else:
            weights = convert_to_tensor(weights, name="weights")
            predictions.shape.assert_is_compatible_with(weights.shape)
            values = cast(weights, kind)
        counts = SparseTensor(places, values, cast(shape, int64))
        return sparse_add(zeros(cast(shape, int32), kind), counts)
