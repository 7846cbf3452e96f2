"""`tf.contrib.gan`: models of a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.contributed.framework.variables import get_trainable_variables
from millrace.contributed.gan.tuples import ACGANModel, CycleGANModel, GANModel, InfoGANModel
from millrace.core.public import public
from millrace.lib.distributions.base import Distribution
from millrace.lib.variables.scope import variable_scope

Network = Callable[..., Any]


def _tensors(values: Any) -> Any:
    """Values as tensors, alone or in a list, tuple or dict."""
    if isinstance(values, dict):
        return {key: convert.to_tensor(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [convert.to_tensor(value) for value in values]
    return convert.to_tensor(values)


def _check_shapes(generated: Any, real: Any) -> None:
    if not generated.get_shape().is_compatible_with(real.get_shape()):
        raise ValueError(
            f"Generator output shape ({generated.get_shape()}) must be the same shape as real data "
            f"({real.get_shape()})."
        )


def _drawn(
    networks: tuple[Network, Network],
    real_data: Any,
    inputs: Any,
    scopes: tuple[Any, Any],
    check_shapes: bool,
) -> tuple[GANModel, Any, Any]:
    """A model of what the networks give; and what the discriminator gives for real and generated data."""
    generator_fn, discriminator_fn = networks
    with variable_scope(scopes[0]) as generator_scope:
        inputs = _tensors(inputs)
        generated = generator_fn(inputs)
    with variable_scope(scopes[1]) as discriminator_scope:
        of_generated = discriminator_fn(generated, inputs)
    with variable_scope(discriminator_scope, reuse=True):
        real_data = _tensors(real_data)
        of_real = discriminator_fn(real_data, inputs)
    if check_shapes:
        _check_shapes(generated, real_data)
    model = GANModel(
        inputs,
        generated,
        get_trainable_variables(generator_scope),
        generator_scope,
        generator_fn,
        real_data,
        of_real,
        of_generated,
        get_trainable_variables(discriminator_scope),
        discriminator_scope,
        discriminator_fn,
    )
    return model, of_real, of_generated


@public("contrib.gan.gan_model")
def gan_model(
    generator_fn: Network,
    discriminator_fn: Network,
    real_data: Any,
    generator_inputs: Any,
    generator_scope: Any = "Generator",
    discriminator_scope: Any = "Discriminator",
    check_shapes: bool = True,
) -> GANModel:
    """Draws both networks; the discriminator for generated and for real data, with the same variables.

    Args:
      generator_fn: of the inputs to generated data.
      discriminator_fn: of data and the generator's inputs to logits or scores.
      real_data: a tensor.
      generator_inputs: a tensor, or a list or dict of them.
      generator_scope, discriminator_scope: names or scopes of the variables.
      check_shapes: generated data must have the shape of real ones.

    Raises:
      ValueError: they have not.
    """
    networks, scopes = (generator_fn, discriminator_fn), (generator_scope, discriminator_scope)
    return _drawn(networks, real_data, generator_inputs, scopes, check_shapes)[0]


@public("contrib.gan.infogan_model")
def infogan_model(
    generator_fn: Network,
    discriminator_fn: Network,
    real_data: Any,
    unstructured_generator_inputs: list[Any],
    structured_generator_inputs: list[Any],
    generator_scope: Any = "Generator",
    discriminator_scope: Any = "Discriminator",
) -> InfoGANModel:
    """`gan_model` whose discriminator also gives a list of distributions of the structured inputs.

    Args:
      discriminator_fn: of data and inputs to outputs and that list.
      unstructured_generator_inputs, structured_generator_inputs: lists; the generator gets both, joined.
      generator_fn, real_data, generator_scope, discriminator_scope: as for `gan_model`.

    Raises:
      ValueError: something in the list is not a distribution.
    """
    inputs = list(unstructured_generator_inputs) + list(structured_generator_inputs)
    networks, scopes = (generator_fn, discriminator_fn), (generator_scope, discriminator_scope)
    model, of_real, of_generated = _drawn(networks, real_data, inputs, scopes, False)
    outputs, predicted = of_generated
    for one in predicted:
        if not isinstance(one, Distribution):
            raise ValueError(f"predicted distributions must be Distributions. Received: {one!r}")
    _check_shapes(model.generated_data, model.real_data)
    model = model._replace(
        discriminator_real_outputs=of_real[0],
        discriminator_gen_outputs=outputs,
        discriminator_fn=lambda data, inputs: discriminator_fn(data, inputs)[0],
    )
    return InfoGANModel(*model, list(structured_generator_inputs), predicted, discriminator_fn)


@public("contrib.gan.acgan_model")
def acgan_model(
    generator_fn: Network,
    discriminator_fn: Network,
    real_data: Any,
    generator_inputs: Any,
    one_hot_labels: Any,
    generator_scope: Any = "Generator",
    discriminator_scope: Any = "Discriminator",
    check_shapes: bool = True,
) -> ACGANModel:
    """`gan_model` whose discriminator also gives logits of classes.

    Args:
      discriminator_fn: of data and inputs to outputs and logits `[batch, classes]`.
      one_hot_labels: `[batch, classes]`.
      generator_fn, real_data, generator_inputs, generator_scope, discriminator_scope, check_shapes: as for
        `gan_model`.
    """
    networks, scopes = (generator_fn, discriminator_fn), (generator_scope, discriminator_scope)
    model, of_real, of_generated = _drawn(networks, real_data, generator_inputs, scopes, check_shapes)
    model = model._replace(discriminator_real_outputs=of_real[0], discriminator_gen_outputs=of_generated[0])
    return ACGANModel(*model, convert.to_tensor(one_hot_labels), of_real[1], of_generated[1])


@public("contrib.gan.cyclegan_model")
def cyclegan_model(
    generator_fn: Network,
    discriminator_fn: Network,
    data_x: Any,
    data_y: Any,
    generator_scope: Any = "Generator",
    discriminator_scope: Any = "Discriminator",
    model_x2y_scope: Any = "ModelX2Y",
    model_y2x_scope: Any = "ModelY2X",
    check_shapes: bool = True,
) -> CycleGANModel:
    """Two models between two kinds of data, and the data after both (Zhu et al., 2017).

    Args:
      data_x, data_y: tensors.
      model_x2y_scope, model_y2x_scope: names of the two models' scopes.
      generator_fn, discriminator_fn, generator_scope, discriminator_scope, check_shapes: as for `gan_model`.
    """
    networks, scopes = (generator_fn, discriminator_fn), (generator_scope, discriminator_scope)
    with variable_scope(model_x2y_scope):
        x2y = _drawn(networks, data_y, data_x, scopes, check_shapes)[0]
    with variable_scope(model_y2x_scope):
        y2x = _drawn(networks, data_x, data_y, scopes, check_shapes)[0]
    with variable_scope(y2x.generator_scope, reuse=True):
        again_x = generator_fn(x2y.generated_data)
    with variable_scope(x2y.generator_scope, reuse=True):
        again_y = generator_fn(y2x.generated_data)
    return CycleGANModel(x2y, y2x, again_x, again_y)
