"""`tf.contrib.gan.losses.wargs`: losses of adversarial networks, of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.autodiff.gradients import gradients
from millrace.building import convert, operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.losses.collected import add_loss
from millrace.lib.losses.weighted import (
    Reduction,
    absolute_difference,
    compute_weighted_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.arithmetic import squared_difference
from millrace.ops.math.elementwise import sqrt, square
from millrace.ops.math.select import maximum
from millrace.ops.random.draws import random_uniform

_LOSSES = GraphKeys.LOSSES
_MEAN = Reduction.SUM_BY_NONZERO_WEIGHTS


def _summed(real: Tensor, generated: Tensor, loss_collection: Any, add_summaries: bool) -> Tensor:
    """The loss of a discriminator, from those of real and generated data."""
    loss = real + generated
    add_loss(loss, loss_collection)
    if add_summaries:
        scalar("discriminator_gen_loss", generated)
        scalar("discriminator_real_loss", real)
        scalar("discriminator_loss", loss)
    return loss


def _told(loss: Tensor, name: str, add_summaries: bool) -> Tensor:
    if add_summaries:
        scalar(name, loss)
    return loss


@public("contrib.gan.losses.wargs.wasserstein_generator_loss")
def wasserstein_generator_loss(
    discriminator_gen_outputs: Any,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """The negative of the discriminator's outputs for generated data (Arjovsky et al., 2017).

    Args:
      discriminator_gen_outputs: of generated data.
      weights: broadcast with them.
      scope: scope.
      loss_collection: the loss joins it.
      reduction: how the elements become one loss.
      add_summaries: also summarize the loss.
    """
    with name_scope(scope, "generator_wasserstein_loss", [discriminator_gen_outputs]) as scope:
        loss = -convert.to_tensor(discriminator_gen_outputs)
        loss = compute_weighted_loss(loss, weights, scope, loss_collection, reduction)
        return _told(loss, "generator_wass_loss", add_summaries)


@public("contrib.gan.losses.wargs.wasserstein_discriminator_loss")
def wasserstein_discriminator_loss(
    discriminator_real_outputs: Any,
    discriminator_gen_outputs: Any,
    real_weights: Any = 1.0,
    generated_weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """The discriminator's outputs for generated data less those for real data.

    Args:
      discriminator_real_outputs, discriminator_gen_outputs: of both.
      real_weights, generated_weights: broadcast with them.
      scope, loss_collection, reduction, add_summaries: as for `wasserstein_generator_loss`.
    """
    outputs = [discriminator_real_outputs, discriminator_gen_outputs]
    with name_scope(scope, "discriminator_wasserstein_loss", outputs) as scope:
        real, generated = (convert.to_tensor(x) for x in outputs)
        generated = compute_weighted_loss(generated, generated_weights, scope, None, reduction)
        real = compute_weighted_loss(real, real_weights, scope, None, reduction)
        return _summed(-real, generated, loss_collection, add_summaries)


@public("contrib.gan.losses.wargs.minimax_discriminator_loss")
def minimax_discriminator_loss(
    discriminator_real_outputs: Any,
    discriminator_gen_outputs: Any,
    label_smoothing: float = 0.25,
    real_weights: Any = 1.0,
    generated_weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """How unlikely it is, by logits, that real data are real and generated ones are not.

    Args:
      label_smoothing: how far the labels of real data move towards 1/2.
      discriminator_real_outputs, discriminator_gen_outputs, real_weights, generated_weights, scope,
        loss_collection, reduction, add_summaries: as for `wasserstein_discriminator_loss`.
    """
    outputs = [discriminator_real_outputs, discriminator_gen_outputs]
    with name_scope(scope, "discriminator_minimax_loss", outputs) as scope:
        real, generated = (convert.to_tensor(x) for x in outputs)
        of_real = sigmoid_cross_entropy(
            ones_like(real), real, real_weights, label_smoothing, scope, None, reduction
        )
        of_generated = sigmoid_cross_entropy(
            zeros_like(generated), generated, generated_weights, 0, scope, None, reduction
        )
        return _summed(of_real, of_generated, loss_collection, add_summaries)


@public("contrib.gan.losses.wargs.modified_discriminator_loss")
def modified_discriminator_loss(
    discriminator_real_outputs: Any,
    discriminator_gen_outputs: Any,
    label_smoothing: float = 0.25,
    real_weights: Any = 1.0,
    generated_weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """`minimax_discriminator_loss`, by the name that belongs to `modified_generator_loss`."""
    return minimax_discriminator_loss(
        discriminator_real_outputs,
        discriminator_gen_outputs,
        label_smoothing,
        real_weights,
        generated_weights,
        scope or "discriminator_modified_loss",
        loss_collection,
        reduction,
        add_summaries,
    )


@public("contrib.gan.losses.wargs.minimax_generator_loss")
def minimax_generator_loss(
    discriminator_gen_outputs: Any,
    label_smoothing: float = 0.0,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """The negative of `minimax_discriminator_loss` (Goodfellow et al., 2014); arguments as there."""
    with name_scope(scope, "generator_minimax_loss") as scope:
        outputs = convert.to_tensor(discriminator_gen_outputs)
        loss = -minimax_discriminator_loss(
            ones_like(outputs), outputs, label_smoothing, weights, weights, scope, None, reduction
        )
        add_loss(loss, loss_collection)
        return _told(loss, "generator_minimax_loss", add_summaries)


@public("contrib.gan.losses.wargs.modified_generator_loss")
def modified_generator_loss(
    discriminator_gen_outputs: Any,
    label_smoothing: float = 0.0,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """How unlikely it is, by logits, that generated data are real; arguments as for the minimax losses."""
    with name_scope(scope, "generator_modified_loss", [discriminator_gen_outputs]) as scope:
        outputs = convert.to_tensor(discriminator_gen_outputs)
        loss = sigmoid_cross_entropy(
            ones_like(outputs), outputs, weights, label_smoothing, scope, loss_collection, reduction
        )
        return _told(loss, "generator_modified_loss", add_summaries)


@public("contrib.gan.losses.wargs.least_squares_generator_loss")
def least_squares_generator_loss(
    discriminator_gen_outputs: Any,
    real_label: float = 1,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """Half the squared distance of the outputs from the label of real data (Mao et al., 2016).

    Args:
      real_label: that label.
      discriminator_gen_outputs, weights, scope, loss_collection, reduction, add_summaries: as for
        `wasserstein_generator_loss`.
    """
    with name_scope(scope, "lsq_generator_loss", [discriminator_gen_outputs]) as scope:
        loss = squared_difference(convert.to_tensor(discriminator_gen_outputs), real_label) / 2.0
        loss = compute_weighted_loss(loss, weights, scope, loss_collection, reduction)
        return _told(loss, "generator_lsq_loss", add_summaries)


@public("contrib.gan.losses.wargs.least_squares_discriminator_loss")
def least_squares_discriminator_loss(
    discriminator_real_outputs: Any,
    discriminator_gen_outputs: Any,
    real_label: float = 1,
    fake_label: float = 0,
    real_weights: Any = 1.0,
    generated_weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """Half the squared distances of the outputs from the labels.

    Args:
      real_label, fake_label: the labels of real and generated data.
      discriminator_real_outputs, discriminator_gen_outputs, real_weights, generated_weights, scope,
        loss_collection, reduction, add_summaries: as for `wasserstein_discriminator_loss`.
    """
    outputs = [discriminator_real_outputs, discriminator_gen_outputs]
    with name_scope(scope, "lsq_discriminator_loss", outputs) as scope:
        real, generated = (convert.to_tensor(x) for x in outputs)
        of_real = compute_weighted_loss(
            squared_difference(real, real_label) / 2.0, real_weights, scope, None, reduction
        )
        of_generated = compute_weighted_loss(
            squared_difference(generated, fake_label) / 2.0, generated_weights, scope, None, reduction
        )
        return _summed(of_real, of_generated, loss_collection, add_summaries)


@public("contrib.gan.losses.wargs.acgan_discriminator_loss")
def acgan_discriminator_loss(
    discriminator_real_classification_logits: Any,
    discriminator_gen_classification_logits: Any,
    one_hot_labels: Any,
    label_smoothing: float = 0.0,
    real_weights: Any = 1.0,
    generated_weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """The cross entropy of the classes of real and of generated data (Odena et al., 2016).

    Args:
      discriminator_real_classification_logits, discriminator_gen_classification_logits: `[batch, classes]`.
      one_hot_labels: of both, `[batch, classes]`.
      label_smoothing, real_weights, generated_weights, scope, loss_collection, reduction, add_summaries: as
        for `minimax_discriminator_loss`.
    """
    logits = [discriminator_real_classification_logits, discriminator_gen_classification_logits]
    with name_scope(scope, "acgan_discriminator_loss", [*logits, one_hot_labels]) as scope:
        of_real, of_generated = (
            softmax_cross_entropy(one_hot_labels, x, w, label_smoothing, scope, None, reduction)
            for x, w in zip(logits, (real_weights, generated_weights), strict=True)
        )
        return _summed(of_real, of_generated, loss_collection, add_summaries)


@public("contrib.gan.losses.wargs.acgan_generator_loss")
def acgan_generator_loss(
    discriminator_gen_classification_logits: Any,
    one_hot_labels: Any,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """The cross entropy of the classes of generated data; arguments as for the discriminator's loss."""
    with name_scope(scope, "acgan_generator_loss") as scope:
        loss = softmax_cross_entropy(
            one_hot_labels,
            discriminator_gen_classification_logits,
            weights,
            scope=scope,
            loss_collection=loss_collection,
            reduction=reduction,
        )
        return _told(loss, "generator_ac_loss", add_summaries)


@public("contrib.gan.losses.wargs.wasserstein_gradient_penalty")
def wasserstein_gradient_penalty(
    real_data: Any,
    generated_data: Any,
    generator_inputs: Any,
    discriminator_fn: Callable[..., Any],
    discriminator_scope: Any,
    epsilon: float = 1e-10,
    target: float = 1.0,
    one_sided: bool = False,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """How far the discriminator's slope between real and generated data is from a target, squared.

    Args:
      real_data, generated_data: `[batch, ...]`, of known rank.
      generator_inputs: passed on to `discriminator_fn`.
      discriminator_fn: of data and inputs; of several outputs the first counts.
      discriminator_scope: its variables' scope.
      epsilon: added under the root.
      target: the slope wanted.
      one_sided: smaller slopes cost nothing.
      weights, scope, loss_collection, reduction, add_summaries: as for `wasserstein_generator_loss`.

    Raises:
      ValueError: the rank is unknown.
    """
    with name_scope(scope, "wasserstein_gradient_penalty", [real_data, generated_data]) as scope:
        real, generated = convert.to_tensor(real_data), convert.to_tensor(generated_data)
        if real.dims is None:
            raise ValueError(f"`real_data` can't have unknown rank. Received: {real}")
        rest = list(range(1, len(real.dims)))
        alpha = random_uniform([shape_of(real)[0], *([1] * len(rest))])
        between = real + alpha * (generated - real)
        with name_scope(""), variable_scope(discriminator_scope, reuse=True):
            outputs = discriminator_fn(between, generator_inputs)
        if isinstance(outputs, tuple):
            outputs = outputs[0]
        slopes = sqrt(reduce_sum(square(gradients(outputs, between)[0]), axis=rest) + epsilon)
        penalties = slopes / target - 1.0
        if one_sided:
            penalties = maximum(0.0, penalties)
        loss = compute_weighted_loss(square(penalties), weights, scope, loss_collection, reduction)
        return _told(loss, "gradient_penalty_loss", add_summaries)


@public("contrib.gan.losses.wargs.mutual_information_penalty")
def mutual_information_penalty(
    structured_generator_inputs: list[Any],
    predicted_distributions: list[Any],
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _MEAN,
    add_summaries: bool = False,
) -> Tensor:
    """How unlikely the structured inputs are under the predicted distributions (Chen et al., 2016).

    Args:
      structured_generator_inputs: tensors.
      predicted_distributions: a distribution of each.
      weights, scope, loss_collection, reduction, add_summaries: as for `wasserstein_generator_loss`.
    """
    with name_scope(scope, "mutual_information_loss") as scope:
        pairs = zip(predicted_distributions, structured_generator_inputs, strict=True)
        likely = [reduce_mean(distribution.log_prob(given)) for distribution, given in pairs]
        loss = -compute_weighted_loss(likely, weights, scope, None, reduction)
        add_loss(loss, loss_collection)
        return _told(loss, "mutual_information_penalty", add_summaries)


@public("contrib.gan.losses.wargs.cycle_consistency_loss")
def cycle_consistency_loss(
    data_x: Any,
    reconstructed_data_x: Any,
    data_y: Any,
    reconstructed_data_y: Any,
    scope: Any = None,
    add_summaries: bool = False,
) -> Tensor:
    """The mean of the absolute differences between data and what both ways make of them.

    Args:
      data_x, reconstructed_data_x, data_y, reconstructed_data_y: of equal shapes in pairs.
      scope: scope.
      add_summaries: also summarize the losses.
    """
    with name_scope(scope, "cycle_consistency_loss"):
        x, y = (
            absolute_difference(data, again, loss_collection=None)
            for data, again in ((data_x, reconstructed_data_x), (data_y, reconstructed_data_y))
        )
        loss = (x + y) / 2.0
        if add_summaries:
            scalar("cycle_consistency_loss_x", x)
            scalar("cycle_consistency_loss_y", y)
        return _told(loss, "cycle_consistency_loss", add_summaries)
