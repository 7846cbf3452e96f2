"""`tf.contrib.gan.losses`: the losses of `wargs`, of a model whose fields are their arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from millrace.contributed.gan import losses
from millrace.contributed.gan.tuples import CycleGANModel
from millrace.core.public import public
from millrace.graph.tensor import Tensor


def _of_model(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function of a model that passes the fields that `loss` needs; other arguments go by name."""
    taken = [name for name, p in inspect.signature(loss).parameters.items() if p.default is p.empty]

    def of_model(gan_model: Any, **kwargs: Any) -> Tensor:
        return loss(**{name: getattr(gan_model, name) for name in taken}, **kwargs)

    functools.update_wrapper(of_model, loss, updated=())
    del of_model.__wrapped__  # its signature is another one
    of_model.__doc__ = f"`wargs.{loss.__name__}` of a model with the fields {', '.join(taken)}."
    return of_model


wasserstein_generator_loss = public("contrib.gan.losses.wasserstein_generator_loss")(
    _of_model(losses.wasserstein_generator_loss)
)
wasserstein_discriminator_loss = public("contrib.gan.losses.wasserstein_discriminator_loss")(
    _of_model(losses.wasserstein_discriminator_loss)
)
wasserstein_gradient_penalty = public("contrib.gan.losses.wasserstein_gradient_penalty")(
    _of_model(losses.wasserstein_gradient_penalty)
)
minimax_generator_loss = public("contrib.gan.losses.minimax_generator_loss")(
    _of_model(losses.minimax_generator_loss)
)
minimax_discriminator_loss = public("contrib.gan.losses.minimax_discriminator_loss")(
    _of_model(losses.minimax_discriminator_loss)
)
modified_generator_loss = public("contrib.gan.losses.modified_generator_loss")(
    _of_model(losses.modified_generator_loss)
)
modified_discriminator_loss = public("contrib.gan.losses.modified_discriminator_loss")(
    _of_model(losses.modified_discriminator_loss)
)
least_squares_generator_loss = public("contrib.gan.losses.least_squares_generator_loss")(
    _of_model(losses.least_squares_generator_loss)
)
least_squares_discriminator_loss = public("contrib.gan.losses.least_squares_discriminator_loss")(
    _of_model(losses.least_squares_discriminator_loss)
)
acgan_generator_loss = public("contrib.gan.losses.acgan_generator_loss")(
    _of_model(losses.acgan_generator_loss)
)
acgan_discriminator_loss = public("contrib.gan.losses.acgan_discriminator_loss")(
    _of_model(losses.acgan_discriminator_loss)
)
mutual_information_penalty = public("contrib.gan.losses.mutual_information_penalty")(
    _of_model(losses.mutual_information_penalty)
)


@public("contrib.gan.losses.cycle_consistency_loss")
def cycle_consistency_loss(cyclegan_model: CycleGANModel, **kwargs: Any) -> Tensor:
    """`wargs.cycle_consistency_loss` of a CycleGANModel.

    Raises:
      ValueError: it is another model.
    """
    if not isinstance(cyclegan_model, CycleGANModel):
        raise ValueError(f"`cyclegan_model` must be a `CycleGANModel`. Received: {type(cyclegan_model)}")
    return losses.cycle_consistency_loss(
        cyclegan_model.model_x2y.generator_inputs,
        cyclegan_model.reconstructed_x,
        cyclegan_model.model_y2x.generator_inputs,
        cyclegan_model.reconstructed_y,
        **kwargs,
    )
