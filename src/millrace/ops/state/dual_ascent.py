"""Operations of stochastic dual coordinate ascent, which trains linear models."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import count, flag, integer, number, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.state.dual_ascent import LOSSES, Examples, ascend
from millrace.opkit.text.fingerprints import fingerprint128
from millrace.opkit.text.pieces import strings

_ATTRS: dict[str, Any] = {
    "loss_type": one_of(*LOSSES),
    "num_sparse_features": count(minimum=0),
    "num_sparse_features_with_values": count(minimum=0),
    "num_dense_features": count(minimum=0),
    "l1": number(),
    "l2": number(),
    "num_loss_partitions": integer(minimum=1),
    "num_inner_iterations": integer(minimum=1),
}


def _shapes(
    sparse_example_indices: Any,
    sparse_feature_indices: Any,
    sparse_feature_values: Any,
    dense_features: Any,
    example_weights: Any,
    example_labels: Any,
    sparse_indices: Any,
    sparse_weights: Any,
    dense_weights: Any,
    example_state_data: Any,
) -> list[Any]:
    with_rank(example_weights, 1, "example_weights")
    with_rank(example_labels, 1, "example_labels")
    return [with_rank(example_state_data, 2, "example_state_data"), *sparse_weights, *dense_weights]


def _pass(
    inputs: tuple[Any, ...], loss_type: str, l1: float, l2: float, num_loss_partitions: int, adaptive: bool
) -> list[Any]:
    (
        sparse_example_indices,
        sparse_feature_indices,
        sparse_feature_values,
        dense_features,
        example_weights,
        example_labels,
        sparse_indices,
        sparse_weights,
        dense_weights,
        example_state_data,
    ) = inputs
    n = len(example_labels)
    if not sparse_weights and not dense_weights:
        raise refusal("Requires at least one feature to train. Received: none")
    if example_state_data.shape != (n, 4):
        raise refusal(f"Expected shape [{n},4] for example_state_data, got {list(example_state_data.shape)}")
    weights = [*sparse_weights, *dense_weights]
    examples = Examples(n, weights)
    for i, (of, features) in enumerate(zip(sparse_example_indices, sparse_feature_indices, strict=True)):
        values = sparse_feature_values[i] if i < len(sparse_feature_values) else np.ones(len(of), np.float32)
        examples.add_sparse(i, of, features, values, sparse_indices[i])
    for i, values in enumerate(dense_features):
        if values.ndim != 2 or values.shape[1] > dense_weights[i].size:
            raise refusal(
                f"dense_features must be matrices with a weight for each column. Received: shape "
                f"{list(values.shape)} and {dense_weights[i].size} weights"
            )
        examples.add_dense(len(sparse_weights) + i, values)
    state, change = ascend(
        examples, LOSSES[loss_type], example_labels, example_weights.astype(np.float64), example_state_data,
        l1, l2, num_loss_partitions, adaptive,
    )  # fmt: skip
    parts = examples.parts(change, [w.shape for w in weights])
    return [state, parts[: len(sparse_weights)], parts[len(sparse_weights) :]]


@declare(
    "SdcaOptimizer(sparse_example_indices: num_sparse_features*int64, "
    "sparse_feature_indices: num_sparse_features*int64, "
    "sparse_feature_values: num_sparse_features_with_values*float32, "
    "dense_features: num_dense_features*float32, example_weights: float32, example_labels: float32, "
    "sparse_indices: num_sparse_features*int64, sparse_weights: num_sparse_features*float32, "
    "dense_weights: num_dense_features*float32, example_state_data: float32) -> "
    "out_example_state_data: float32, out_delta_sparse_weights: num_sparse_features*float32, "
    "out_delta_dense_weights: num_dense_features*float32",
    host=True,
    adaptative=flag(True),
    **_ATTRS,
)
class SdcaOptimizer:
    """One pass of dual coordinate ascent; its flag `adaptative` is spelled as old files have it."""

    shape = _shapes

    def kernel(xp, *inputs, loss_type, l1, l2, num_loss_partitions, adaptative):
        return _pass(inputs, loss_type, l1, l2, num_loss_partitions, adaptative)

    grad = NOT_DIFFERENTIABLE


@declare(
    "SdcaOptimizerV2(sparse_example_indices: num_sparse_features*int64, "
    "sparse_feature_indices: num_sparse_features*int64, "
    "sparse_feature_values: num_sparse_features_with_values*float32, "
    "dense_features: num_dense_features*float32, example_weights: float32, example_labels: float32, "
    "sparse_indices: num_sparse_features*int64, sparse_weights: num_sparse_features*float32, "
    "dense_weights: num_dense_features*float32, example_state_data: float32) -> "
    "out_example_state_data: float32, out_delta_sparse_weights: num_sparse_features*float32, "
    "out_delta_dense_weights: num_dense_features*float32",
    host=True,
    adaptive=flag(True),
    **_ATTRS,
)
class SdcaOptimizerV2:
    """One pass of dual coordinate ascent."""

    shape = _shapes

    def kernel(xp, *inputs, loss_type, l1, l2, num_loss_partitions, adaptive):
        return _pass(inputs, loss_type, l1, l2, num_loss_partitions, adaptive)

    grad = NOT_DIFFERENTIABLE


@public("train.sdca_optimizer")
def sdca_optimizer(
    sparse_example_indices: Any,
    sparse_feature_indices: Any,
    sparse_feature_values: Any,
    dense_features: Any,
    example_weights: Any,
    example_labels: Any,
    sparse_indices: Any,
    sparse_weights: Any,
    dense_weights: Any,
    example_state_data: Any,
    loss_type: str,
    l1: float,
    l2: float,
    num_loss_partitions: int,
    num_inner_iterations: int,
    adaptative: bool = True,
    name: str | None = None,
) -> Any:
    """One pass of stochastic dual coordinate ascent over a batch, for a linear model.

    Args:
      sparse_example_indices: for each sparse column int64 `[k]`: the example of each feature.
      sparse_feature_indices: for each sparse column int64 `[k]`: the feature's number.
      sparse_feature_values: float32 `[k]` for the first of these columns; the others have ones.
      dense_features: float32 `[n, width]` for each dense column.
      example_weights: float32 `[n]`.
      example_labels: float32 `[n]`; 0 or 1 where the loss is one of classes.
      sparse_indices: for each sparse column int64 `[m]`: the features that have weights.
      sparse_weights: for each sparse column the weights of these features, float32 `[m]`.
      dense_weights: the weights of each dense column.
      example_state_data: float32 `[n, 4]`: dual variable, loss, conjugate of the loss, weight.
      loss_type: "logistic_loss", "squared_loss", "hinge_loss", "smooth_hinge_loss" or "poisson_loss".
      l1, l2: how strong the regularization is.
      num_loss_partitions: how many such passes go on beside each other.
      num_inner_iterations: a number that is kept with the operation; it makes one pass.
      adaptative: take examples more often whose dual variable is far from its best.
      name: op name; default "SdcaOptimizer".

    Returns:
      A tuple: the new state, and lists with the changes of the sparse and of the dense weights.

    Raises:
      ValueError: an attribute is none of these.
      InvalidArgumentError: (when run) labels, shapes or features do not fit.
    """
    return apply(
        SdcaOptimizer, sparse_example_indices, sparse_feature_indices, sparse_feature_values, dense_features,
        example_weights, example_labels, sparse_indices, sparse_weights, dense_weights, example_state_data,
        loss_type=loss_type, l1=l1, l2=l2, num_loss_partitions=num_loss_partitions,
        num_inner_iterations=num_inner_iterations, adaptative=adaptative, name=name,
    )  # fmt: skip


@declare(
    "SdcaShrinkL1(weights: Ref[num_features*float32])",
    host=True,
    num_features=count(minimum=0),
    l1=number(),
    l2=number(),
    writes="weights",
)
class SdcaShrinkL1:
    """Moves each weight towards 0 by l1 / l2."""

    def shape(weights):
        return []

    def kernel(xp, weights, l1, l2):
        by = np.float32(l1 / l2)
        shrunk = [np.sign(w) * np.maximum(np.abs(w) - by, np.float32(0)) for w in weights]
        return shrunk[0] if len(shrunk) == 1 else shrunk

    grad = NOT_DIFFERENTIABLE


@public("train.sdca_shrink_l1")
def sdca_shrink_l1(weights: Any, l1: float, l2: float, name: str | None = None) -> Any:
    """Shrinks the weights of a linear model by what its L1 regularization asks for.

    Args:
      weights: a list of float32 variables.
      l1, l2: how strong the regularization is.
      name: op name; default "SdcaShrinkL1".

    Returns:
      The operation.
    """
    return apply(SdcaShrinkL1, weights, l1=l1, l2=l2, name=name)


@declare("SdcaFprint(input: string) -> output: int64", host=True)
class SdcaFprint:
    """Fingerprints of 128 bits, as pairs of numbers."""

    def shape(input):
        rows = with_rank(input, 1, "input")
        return (rows[0] if rows else None, 2)

    def kernel(xp, input):
        pairs = [fingerprint128(text) for text in strings(input).ravel().tolist()]
        # 0 and 1 are kept free for tables that mark their places by them
        kept = [(low if low >= 2 else low + (1 << 64) - 2, high) for low, high in pairs]
        return np.array(kept, np.uint64).reshape(-1, 2).view(np.int64)

    grad = NOT_DIFFERENTIABLE


@public("train.sdca_fprint")
def sdca_fprint(input: Any, name: str | None = None) -> Tensor:
    """Fingerprints of examples' names.

    Args:
      input: strings `[n]`.
      name: op name; default "SdcaFprint".

    Returns:
      int64 `[n, 2]`: CityHash128, the lower half first.
    """
    return apply(SdcaFprint, input, name=name)
