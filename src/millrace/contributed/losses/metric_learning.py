"""`tf.contrib.losses.metric_learning`: losses of embeddings that should be near for equal labels."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_max, reduce_mean, reduce_min, reduce_sum
from millrace.lib.nn.cross_entropy import softmax_cross_entropy_with_logits
from millrace.lib.sparse.math import sparse_minimum, sparse_reduce_sum
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.array.tile import tile
from millrace.ops.flow.logging import print_
from millrace.ops.linalg.diag import diag
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import squared_difference
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import (
    equal,
    greater,
    less_equal,
    logical_and,
    logical_not,
)
from millrace.ops.math.elementwise import exp, log, sqrt, square
from millrace.ops.math.select import maximum, where


def pairwise_distance(feature: Tensor, squared: bool = False) -> Tensor:
    """The distance of each row from each other one, `[n, n]`; the diagonal is exactly 0."""
    distances = raw.Add(
        reduce_sum(square(feature), axis=[1], keepdims=True),
        reduce_sum(square(transpose(feature)), axis=[0], keepdims=True),
    ) - 2.0 * matmul(feature, transpose(feature))
    distances = maximum(distances, 0.0)
    nothing = less_equal(distances, 0.0)
    if not squared:
        distances = sqrt(distances + cast(nothing, float32) * 1e-16)
    distances = raw.Mul(distances, cast(logical_not(nothing), float32))
    count = shape_of(feature)[0]
    return raw.Mul(distances, ones_like(distances) - diag(ones([count])))


def _column(labels: Any) -> Tensor:
    labels = convert_to_tensor(labels)
    return reshape(labels, [shape_of(labels)[0], 1])


def _masked_maximum(data: Tensor, mask: Tensor, axis: int = 1) -> Tensor:
    least = reduce_min(data, axis, keepdims=True)
    return reduce_max(raw.Mul(data - least, mask), axis, keepdims=True) + least


def _masked_minimum(data: Tensor, mask: Tensor, axis: int = 1) -> Tensor:
    most = reduce_max(data, axis, keepdims=True)
    return reduce_min(raw.Mul(data - most, mask), axis, keepdims=True) + most


@public("contrib.losses.metric_learning.contrastive_loss")
def contrastive_loss(
    labels: Any, embeddings_anchor: Any, embeddings_positive: Any, margin: float = 1.0
) -> Tensor:
    """Draws pairs with label 1 together, and those with label 0 apart as far as `margin`.

    Args:
      labels: `[batch]`, 0 or 1.
      embeddings_anchor, embeddings_positive: `[batch, size]`, of unit length.
      margin: the distance from which different pairs cost nothing.

    Returns:
      A scalar.
    """
    distances = sqrt(reduce_sum(squared_difference(embeddings_anchor, embeddings_positive), 1))
    near = cast(labels, float32) * square(distances)
    far = (1.0 - cast(labels, float32)) * square(maximum(margin - distances, 0.0))
    return reduce_mean(near + far, name="contrastive_loss")


@public("contrib.losses.metric_learning.triplet_semihard_loss")
def triplet_semihard_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Tensor:
    """Each pair of equal labels must be nearer by `margin` than the nearest farther one of another label.

    Args:
      labels: int `[batch]`.
      embeddings: float `[batch, size]`, of unit length.
      margin: by how much.

    Returns:
      A scalar: the mean over all pairs of equal labels.
    """
    labels = _column(labels)
    distances = pairwise_distance(convert_to_tensor(embeddings), squared=True)
    same = equal(labels, transpose(labels))
    other = logical_not(same)
    batch = size(labels)
    tiled = tile(distances, [batch, 1])
    mask = logical_and(tile(other, [batch, 1]), greater(tiled, reshape(transpose(distances), [-1, 1])))
    some = greater(reduce_sum(cast(mask, float32), 1, keepdims=True), 0.0)
    some = transpose(reshape(some, [batch, batch]))
    other_float, mask_float = cast(other, float32), cast(mask, float32)
    outside = transpose(reshape(_masked_minimum(tiled, mask_float), [batch, batch]))
    inside = tile(_masked_maximum(distances, other_float), [1, batch])
    loss = raw.Add(margin, distances - where(some, outside, inside))
    positives = cast(same, float32) - diag(ones([batch]))
    count = reduce_sum(positives)
    total = reduce_sum(maximum(raw.Mul(loss, positives), 0.0))
    return raw.RealDiv(total, count, name="triplet_semihard_loss")


def _npairs(anchor: Any, positive: Any, reg_lambda: float) -> Tensor:
    anchor_norm = reduce_mean(reduce_sum(square(anchor), 1))
    positive_norm = reduce_mean(reduce_sum(square(positive), 1))
    return raw.Mul(0.25 * reg_lambda, anchor_norm + positive_norm, name="l2loss")


def _with_entropy(l2loss: Tensor, similarity: Tensor, same: Tensor, print_losses: bool) -> Tensor:
    shares = same / reduce_sum(same, 1, keepdims=True)
    entropy = softmax_cross_entropy_with_logits(logits=similarity, labels=shares)
    entropy = reduce_mean(entropy, name="xentropy")
    if print_losses:
        entropy = print_(entropy, ["cross entropy:", entropy, "l2loss:", l2loss])
    return l2loss + entropy


@public("contrib.losses.metric_learning.npairs_loss")
def npairs_loss(
    labels: Any,
    embeddings_anchor: Any,
    embeddings_positive: Any,
    reg_lambda: float = 0.002,
    print_losses: bool = False,
) -> Tensor:
    """Each anchor must be most like the positive embeddings with its label.

    Args:
      labels: int `[batch]`.
      embeddings_anchor, embeddings_positive: `[batch, size]`, not normalized.
      reg_lambda: the weight of their squared lengths.
      print_losses: print both parts whenever they are computed.

    Returns:
      A scalar.
    """
    l2loss = _npairs(embeddings_anchor, embeddings_positive, reg_lambda)
    similarity = matmul(embeddings_anchor, embeddings_positive, transpose_b=True)
    column = _column(labels)
    same = cast(equal(column, transpose(column)), float32)
    return _with_entropy(l2loss, similarity, same, print_losses)


def _shared_labels(sparse_labels: list[Any]) -> Tensor:
    """How much two examples share, `[n, n]`: the sum of the lesser of both vectors, element by element."""
    n = len(sparse_labels)
    found = zeros([n, n])
    for i, one in enumerate(sparse_labels):
        for j, other in enumerate(sparse_labels):
            shared = cast(sparse_reduce_sum(sparse_minimum(one, other)), float32)
            cell = expand_dims(expand_dims(shared, 0), 1)
            found += pad(cell, [[i, n - i - 1], [j, n - j - 1]], "CONSTANT")
    return found


@public("contrib.losses.metric_learning.npairs_loss_multilabel")
def npairs_loss_multilabel(
    sparse_labels: Any,
    embeddings_anchor: Any,
    embeddings_positive: Any,
    reg_lambda: float = 0.002,
    print_losses: bool = False,
) -> Tensor:
    """`npairs_loss` where an example has several labels: pairs count by how many they share.

    Args:
      sparse_labels: a list of one SparseTensor, `[labels]`, for each example: 1 or True where it has a label.
      embeddings_anchor, embeddings_positive: `[batch, size]`, not normalized.
      reg_lambda: the weight of their squared lengths.
      print_losses: print both parts whenever they are computed.

    Returns:
      A scalar.

    Raises:
      TypeError: `sparse_labels` is not a list of sparse tensors.
    """
    if not all(hasattr(labels, "dense_shape") for labels in sparse_labels):
        raise TypeError(f"sparse_labels must be a list of SparseTensors. Received: {sparse_labels!r}")
    with name_scope("NpairsLossMultiLabel"):
        l2loss = _npairs(embeddings_anchor, embeddings_positive, reg_lambda)
        similarity = matmul(embeddings_anchor, embeddings_positive, transpose_b=True)
        return _with_entropy(l2loss, similarity, _shared_labels(list(sparse_labels)), print_losses)


@public("contrib.losses.metric_learning.lifted_struct_loss")
def lifted_struct_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Tensor:
    """Each pair of equal labels must be nearer than all of another label, by a smooth maximum over these.

    Args:
      labels: int `[batch]`.
      embeddings: float `[batch, size]`, not normalized.
      margin: by how much.

    Returns:
      A scalar.
    """
    labels = _column(labels)
    distances = pairwise_distance(convert_to_tensor(embeddings))
    same = equal(labels, transpose(labels))
    other = logical_not(same)
    batch = size(labels)
    diff = margin - distances
    mask = cast(other, float32)
    row_most = _masked_maximum(diff, mask)
    most = maximum(row_most, transpose(row_most))
    diff_tiled, mask_tiled = tile(diff, [batch, 1]), tile(mask, [batch, 1])
    column = reshape(transpose(most), [-1, 1])
    left = reduce_sum(raw.Mul(exp(diff_tiled - column), mask_tiled), 1, keepdims=True)
    left = reshape(left, [batch, batch])
    loss = most + log(left + transpose(left))
    loss = loss + distances
    positives = cast(same, float32) - diag(ones([batch]))
    count = reduce_sum(positives) / 2.0
    total = reduce_sum(square(maximum(raw.Mul(loss, positives), 0.0)))
    return raw.RealDiv(0.25 * total, count, name="liftedstruct_loss")
