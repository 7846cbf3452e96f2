"""`tf.contrib.nn`: dropout for SELU, a scaled softplus, losses over samples, arguments in the old order."""

from __future__ import annotations

from numbers import Real
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_logsumexp
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.nn.sampled import hit_penalties, sampled_logits_and_labels, sampled_softmax_loss
from millrace.opkit.rules.idioms import shape_tensor
from millrace.ops.array.constant import zeros
from millrace.ops.array.gather import gather
from millrace.ops.array.shape import shape
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.top_k import top_k
from millrace.ops.nn.candidate import learned_unigram_candidate_sampler
from millrace.ops.random.draws import random_uniform

# The value that SELU tends to for inputs far below 0: -scale * alpha.
_SATURATED = -1.7580993408473766


@public("contrib.nn.alpha_dropout")
def alpha_dropout(
    x: Any, keep_prob: Any, noise_shape: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Dropout that keeps mean and variance of what `tf.nn.selu` gives: elements go to its lower limit.

    Args:
      x: `[...]`, floating.
      keep_prob: the probability that an element stays, in (0, 1]: a number or a scalar tensor.
      noise_shape: int32, broadcasts with `x`: elements that share a place in it live or die together.
      seed: the operation's seed.
      name: scope; default "alpha_dropout".

    Returns:
      The shape and dtype of `x`.

    Raises:
      ValueError: the probability is not in (0, 1], or not a scalar.
    """
    with name_scope(name, "alpha_dropout", [x]):
        x = convert.to_tensor(x, name="x")
        if isinstance(keep_prob, Real) and not 0 < float(keep_prob) <= 1:
            raise ValueError(
                f"keep_prob must be a scalar tensor or a float in the range (0, 1], got {keep_prob}"
            )
        keep_prob = convert.to_tensor(keep_prob, x.dtype.base_dtype, "keep_prob")
        if keep_prob.dims not in (None, ()):
            raise ValueError(f"alpha_dropout: keep_prob must be a scalar. Received: {keep_prob}")
        if static_value(keep_prob) == 1:
            return x
        size = shape_tensor(x) if noise_shape is None else noise_shape
        uniform = random_uniform(size, seed=seed, dtype=x.dtype.base_dtype)
        kept = raw.Cast(raw.GreaterEqual(uniform, 1 - keep_prob), DstT=x.dtype.base_dtype)
        mixed = x * kept + _SATURATED * (1 - kept)
        gain = (keep_prob + keep_prob * (1 - keep_prob) * _SATURATED**2) ** -0.5
        offset = -gain * _SATURATED * (1 - keep_prob)
        result = gain * mixed + offset
        result.set_shape(x.dims)
        return result


@public("contrib.nn.scaled_softplus")
def scaled_softplus(x: Any, alpha: Any, clip: Any = None, name: str | None = None) -> Tensor:
    """alpha log(1 + exp(x / alpha)), at most `clip`.

    Args:
      x: `[...]`, floating.
      alpha: the scale, broadcasts with `x`.
      clip: the largest value, broadcasts with `x`; None for none.
      name: scope; default "scaled_softplus".

    Returns:
      The shape that `x` and `alpha` broadcast to.
    """
    with name_scope(name, "scaled_softplus", [x, alpha]):
        x = convert.to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        alpha = convert.to_tensor(alpha, dtype, "alpha")
        result = alpha * raw.Softplus(x / alpha)
        if clip is not None:
            result = raw.Minimum(result, convert.to_tensor(clip, dtype, "clip"))
        return result


@public("contrib.nn.deprecated_flipped_softmax_cross_entropy_with_logits")
def deprecated_flipped_softmax_cross_entropy_with_logits(
    logits: Any, labels: Any, dim: int = -1, name: str | None = None
) -> Tensor:
    """`tf.nn.softmax_cross_entropy_with_logits` with the arguments in the order of release 0.12."""
    return softmax_cross_entropy_with_logits(labels=labels, logits=logits, dim=dim, name=name)


@public("contrib.nn.deprecated_flipped_sparse_softmax_cross_entropy_with_logits")
def deprecated_flipped_sparse_softmax_cross_entropy_with_logits(
    logits: Any, labels: Any, name: str | None = None
) -> Tensor:
    """`tf.nn.sparse_softmax_cross_entropy_with_logits` with the arguments in the order of release 0.12."""
    return sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name=name)


@public("contrib.nn.deprecated_flipped_sigmoid_cross_entropy_with_logits")
def deprecated_flipped_sigmoid_cross_entropy_with_logits(
    logits: Any, targets: Any, name: str | None = None
) -> Tensor:
    """`tf.nn.sigmoid_cross_entropy_with_logits` with the arguments in the order of release 0.12."""
    return sigmoid_cross_entropy_with_logits(labels=targets, logits=logits, name=name)


@public("contrib.nn.sampled_sparse_softmax_loss")
def sampled_sparse_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_sparse_softmax_loss",
) -> Tensor:
    """The softmax loss of one true class against a sample of the others; for training only.

    Args:
      weights: `[num_classes, dim]`, or a list of its parts.
      biases: `[num_classes]`, or a list of its parts.
      labels: int64 `[batch, 1]`, the true classes.
      inputs: `[batch, dim]`.
      num_sampled: how many classes to sample for the batch.
      num_classes: how many classes there are.
      sampled_values: what a `*_candidate_sampler` returns; default `log_uniform_candidate_sampler`.
      remove_accidental_hits: leave out sampled classes that are true ones.
      partition_strategy: as for `embedding_lookup`.
      name: scope of the logits.

    Returns:
      `[batch]`, the dtype of `inputs`.
    """
    logits, _ = sampled_logits_and_labels(
        weights, biases, labels, inputs, num_sampled, num_classes, 1, sampled_values, True,
        remove_accidental_hits, partition_strategy, name,
    )  # fmt: skip
    first = zeros([shape(logits)[0], 1], int64)
    return sparse_softmax_cross_entropy_with_logits(
        labels=raw.Squeeze(first, squeeze_dims=[1]), logits=logits
    )


@public("contrib.nn.rank_sampled_softmax_loss")
def rank_sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_resampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    resampling_temperature: Any,
    remove_accidental_hits: bool,
    partition_strategy: str,
    name: str | None = None,
) -> Tensor:
    """The sampled softmax loss in two passes: of the sampled classes those with the largest logits stay.

    Args:
      weights: `[num_classes, dim]`, or a list of its parts.
      biases: `[num_classes]`, or a list of its parts.
      labels: int64 `[batch, num_true]`, the true classes.
      inputs: `[batch, dim]`.
      num_sampled: how many classes to sample for the batch.
      num_resampled: how many of them stay.
      num_classes: how many classes there are.
      num_true: how many true classes each example has.
      sampled_values: what a `*_candidate_sampler` returns; None: `learned_unigram_candidate_sampler`.
      resampling_temperature: the logits are divided by it before they are summed over the batch.
      remove_accidental_hits: leave out sampled classes that are true ones.
      partition_strategy: as for `embedding_lookup`.
      name: scope; default "rank_sampled_softmax_loss".

    Returns:
      `[batch]`, the dtype of `inputs`.

    Raises:
      ValueError: `num_resampled` is greater than `num_sampled`.
    """
    if num_sampled > num_classes:
        raise ValueError(f"num_sampled ({num_sampled}) cannot be greater than num_classes ({num_classes})")
    if num_resampled > num_sampled:
        raise ValueError(
            f"num_resampled ({num_resampled}) cannot be greater than num_sampled ({num_sampled})"
        )
    with name_scope(name, "rank_sampled_softmax_loss", [weights, biases, labels, inputs]):
        if sampled_values is None:
            sampled_values = learned_unigram_candidate_sampler(
                labels, num_true, num_sampled, True, num_classes
            )
        sampled, true_count, sampled_count = (raw.StopGradient(convert.to_tensor(v)) for v in sampled_values)
        rows = embedding_lookup(weights, sampled, partition_strategy=partition_strategy)
        offsets = embedding_lookup(biases, sampled, partition_strategy=partition_strategy)
        logits = matmul(inputs, rows, transpose_b=True) + offsets
        if remove_accidental_hits:
            wide = convert.to_tensor(labels, int64)
            logits = logits + hit_penalties(wide, sampled, num_true, num_sampled, logits)
        strength = reduce_logsumexp(logits / resampling_temperature, 0)
        _, best = top_k(strength, num_resampled, sorted=False)
        best = raw.StopGradient(raw.Cast(best, DstT=int32))
        chosen = (gather(sampled, best), true_count, gather(sampled_count, best))
        return sampled_softmax_loss(
            weights, biases, labels, inputs, num_resampled, num_classes, num_true, chosen,
            remove_accidental_hits, partition_strategy,
        )  # fmt: skip
