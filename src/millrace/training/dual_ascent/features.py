"""The features of columns, as dual coordinate ascent takes them."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.slicing import boolean_mask
from millrace.core.dtypes import float32, int64
from millrace.lib.math.reductions import reduce_max
from millrace.ops.array.constant import ones
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.array.where import unique
from millrace.ops.math.cast import cast
from millrace.ops.math.segment import unsorted_segment_sum
from millrace.training.dual_ascent.model import SparseFeatureColumn


def sparse_features(ids: Any, weights: Any = None) -> SparseFeatureColumn:
    """Categories of examples as sparse features; of one that an example has twice, the weights are added.

    Args:
      ids: a SparseTensor of numbers `[n, any]`; negative ones are left out.
      weights: a SparseTensor at the same places; None: 1 everywhere.
    """
    examples = reshape(ids.indices[:, 0], [-1])
    numbers = cast(reshape(ids.values, [-1]), int64)
    values = (
        ones([shape(ids.indices)[0]]) if weights is None else cast(reshape(weights.values, [-1]), float32)
    )
    known = numbers >= 0
    examples, numbers, values = (boolean_mask(x, known) for x in (examples, numbers, values))
    # one number for each pair of example and feature
    width = raw.Maximum(reduce_max(numbers) + 1, convert.to_tensor(1, int64))
    pairs, places = unique(examples * width + numbers)
    whose = pairs // width
    return SparseFeatureColumn(
        whose, pairs - whose * width, reshape(unsorted_segment_sum(values, places, shape(pairs)[0]), [-1])
    )


def plain_features(ids: Any) -> SparseFeatureColumn:
    """Categories of examples of which none comes twice, each with the value 1."""
    examples = reshape(ids.indices[:, 0], [-1])
    return SparseFeatureColumn(
        examples, reshape(cast(ids.values, int64), [-1]), reshape(ones([shape(ids.indices)[0]]), [-1])
    )


def training_examples(
    ids: Any, labels: Any, weights: Any, dense: list[Any], sparse: list[Any]
) -> dict[str, Any]:
    """What `SdcaModel` takes as examples.

    Args:
      ids: the names of the examples, strings `[n]`.
      labels: one of each example.
      weights: one of each example; a number where all weigh the same.
      dense, sparse: the features.
    """
    labels = convert.to_tensor(labels)
    weights = convert.to_tensor(weights)
    if weights.get_shape().ndims == 0:
        weights = ones([shape(ids)[0]], float32) * cast(weights, float32)
    return {
        "sparse_features": sparse,
        "dense_features": dense,
        "example_labels": reshape(cast(labels, float32), [-1]),
        "example_weights": reshape(cast(weights, float32), [-1]),
        "example_ids": ids,
    }
