"""Losses over many classes that look at a sample of them: `tf.nn.nce_loss`, `tf.nn.sampled_softmax_loss`."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
)
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.shape import shape
from millrace.ops.nn.candidate import compute_accidental_hits, log_uniform_candidate_sampler


@public("python.ops.nn_impl._compute_sampled_logits")
def sampled_logits_and_labels(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    subtract_log_q: bool = True,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str | None = None,
    seed: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits and labels, `[batch, num_true + num_sampled]`, of the true classes and of sampled ones.

    Arguments are those of `sampled_softmax_loss`. With `subtract_log_q`, the logarithm of how often a class
    is expected in the sample is taken off its logit.
    """
    if isinstance(weights, PartitionedVariable):
        weights = list(weights)
    if not isinstance(weights, list | tuple):
        weights = [weights]
    with name_scope(name, "compute_sampled_logits", [*weights, biases, inputs, labels]):
        labels = to_tensor(labels)
        if labels.dtype.base_dtype is not int64:
            labels = raw.Cast(labels, DstT=int64)
        flat = raw.Reshape(labels, [-1])
        if sampled_values is None:
            sampled_values = log_uniform_candidate_sampler(
                true_classes=labels,
                num_true=num_true,
                num_sampled=num_sampled,
                unique=True,
                range_max=num_classes,
                seed=seed,
            )
        sampled, true_count, sampled_count = (raw.StopGradient(to_tensor(v)) for v in sampled_values)
        if sampled.dtype.base_dtype is not int64:
            sampled = raw.Cast(sampled, DstT=int64)
        every = raw.ConcatV2([flat, sampled], 0, name="concat")
        inputs = to_tensor(inputs, name="inputs")
        rows = embedding_lookup(weights, every, partition_strategy=partition_strategy)
        if rows.dtype.base_dtype is not inputs.dtype.base_dtype:
            rows = raw.Cast(rows, DstT=inputs.dtype.base_dtype)
        # One lookup serves both: the rows of the true classes come first.
        true_rows = raw.Slice(rows, [0, 0], stack([shape(flat)[0], -1]))
        sampled_rows = raw.Slice(rows, stack([shape(flat)[0], 0]), [-1, -1])
        sampled_logits = raw.MatMul(inputs, sampled_rows, transpose_b=True)
        offsets = embedding_lookup(biases, every, partition_strategy=partition_strategy)
        if offsets.dtype.base_dtype is not inputs.dtype.base_dtype:
            offsets = raw.Cast(offsets, DstT=inputs.dtype.base_dtype)
        true_offsets = raw.Slice(offsets, [0], shape(flat))
        sampled_offsets = raw.Slice(offsets, shape(flat), [-1])
        width = shape(true_rows)[1:2]
        grouped = concat([[-1, num_true], width], 0)
        products = raw.Mul(raw.ExpandDims(inputs, 1), raw.Reshape(true_rows, grouped))
        products = raw.Reshape(products, concat([[-1], width], 0))
        true_logits = raw.Reshape(sum_rows(products), [-1, num_true])
        true_logits = true_logits + raw.Reshape(true_offsets, [-1, num_true])
        sampled_logits = sampled_logits + sampled_offsets
        if remove_accidental_hits:
            sampled_logits = sampled_logits + hit_penalties(
                labels, sampled, num_true, num_sampled, sampled_logits
            )
        if subtract_log_q:
            true_logits = true_logits - raw.Log(_as(true_count, true_logits))
            sampled_logits = sampled_logits - raw.Log(_as(sampled_count, sampled_logits))
        logits = raw.ConcatV2([true_logits, sampled_logits], 1, name="concat")
        shares = ones_like(true_logits) / num_true
        absent = zeros_like(sampled_logits)
        return logits, raw.ConcatV2([shares, absent], 1, name="concat")


@public("python.ops.nn_impl._sum_rows")
def sum_rows(x: Any) -> Tensor:
    """The sum of each row of a matrix; a product with ones, as in TensorFlow."""
    sums = raw.MatMul(x, ones(stack([shape(x)[1], 1]), x.dtype.base_dtype))
    return raw.Reshape(sums, [-1])


def _as(x: Tensor, like: Tensor) -> Tensor:
    dtype = like.dtype.base_dtype
    return x if x.dtype.base_dtype is dtype else raw.Cast(x, DstT=dtype)


def hit_penalties(labels: Tensor, sampled: Tensor, num_true: int, num_sampled: int, logits: Tensor) -> Tensor:
    """`[batch, num_sampled]`: hugely negative where a sampled class is one of the true ones, else 0."""
    rows, columns, penalties = compute_accidental_hits(labels, sampled, num_true=num_true)
    rows = raw.Reshape(rows, [-1, 1])
    columns = raw.Reshape(raw.Cast(columns, DstT=int32), [-1, 1])
    places = concat([rows, columns], 1, "sparse_indices")
    sizes = concat([shape(labels)[:1], raw.ExpandDims(num_sampled, 0)], 0)
    penalties = _as(penalties, logits)
    # A class that hits twice is penalised once: adding up would overflow.
    return raw.SparseToDense(
        places,
        sizes,
        penalties,
        0.0,
        validate_indices=False,
    )


@public("nn.nce_loss")
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """The noise contrastive estimation loss: tells true classes from sampled ones, each on its own.

    Args:
      weights: `[num_classes, dim]`, or a list of its parts.
      biases: `[num_classes]`, or a list of its parts.
      labels: int64 `[batch, num_true]`, the true classes.
      inputs: `[batch, dim]`.
      num_sampled: how many classes to sample for the batch.
      num_classes: how many classes there are.
      num_true: how many true classes each example has.
      sampled_values: what a `*_candidate_sampler` returns; default `log_uniform_candidate_sampler`.
      remove_accidental_hits: leave out sampled classes that are true ones.
      partition_strategy: as for `embedding_lookup`.
      name: scope of the logits.

    Returns:
      `[batch]`, the dtype of `inputs`.
    """
    logits, targets = sampled_logits_and_labels(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, True,
        remove_accidental_hits, partition_strategy, name,
    )  # fmt: skip
    losses = sigmoid_cross_entropy_with_logits(labels=targets, logits=logits, name="sampled_losses")
    return sum_rows(losses)


@public("nn.sampled_softmax_loss")
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The softmax loss over the true classes and a sample of the others; for training only.

    Args:
      weights: `[num_classes, dim]`, or a list of its parts.
      biases: `[num_classes]`, or a list of its parts.
      labels: int64 `[batch, num_true]`, the true classes.
      inputs: `[batch, dim]`.
      num_sampled: how many classes to sample for the batch.
      num_classes: how many classes there are.
      num_true: how many true classes each example has.
      sampled_values: what a `*_candidate_sampler` returns; default `log_uniform_candidate_sampler`.
      remove_accidental_hits: leave out sampled classes that are true ones.
      partition_strategy: as for `embedding_lookup`.
      name: scope of the logits.
      seed: the sampler's seed.

    Returns:
      `[batch]`, the dtype of `inputs`.
    """
    logits, targets = sampled_logits_and_labels(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, True,
        remove_accidental_hits, partition_strategy, name, seed,
    )  # fmt: skip
    fixed = raw.StopGradient(targets, name="labels_stop_gradient")
    return softmax_cross_entropy_with_logits_v2(labels=fixed, logits=logits)
