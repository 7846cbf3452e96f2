"""Layers that models are full of: dense, activation, dropout, masking."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.lib.layers import constraints, core, penalties, settings
from millrace.lib.layers.layer import SameShape
from millrace.lib.layers.spec import InputSpec
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import calculation
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast


@public("keras.layers.Dense")
class Dense(core.DenseLayer):
    """outputs = activation(inputs @ kernel + bias), over the last axis.

    Args:
      units: the length of the outputs' last axis.
      activation: a name or a function; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[last, units]`, and `bias`, `[units]`.
      kernel_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, bias_constraint: what optimizers apply to a weight after each step.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs and "input_dim" in kwargs:
            kwargs["input_shape"] = (kwargs.pop("input_dim"),)
        super().__init__(
            units,
            activations.get(activation),
            use_bias,
            keras_initializers.get(kernel_initializer),
            keras_initializers.get(bias_initializer),
            penalties.get(kernel_regularizer),
            penalties.get(bias_regularizer),
            activity_regularizer,
            constraints.get(kernel_constraint),
            constraints.get(bias_constraint),
            **kwargs,
        )
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_settings(self, ("kernel", "bias")),
        }


def weight_settings(layer: Any, weights: tuple[str, ...]) -> dict[str, Any]:
    """A layer's initializers, regularizers and constraints as they are saved."""
    found: dict[str, Any] = {}
    for weight in weights:
        found[f"{weight}_initializer"] = keras_initializers.serialize(getattr(layer, f"{weight}_initializer"))
    for weight in weights:
        found[f"{weight}_regularizer"] = penalties.serialize(getattr(layer, f"{weight}_regularizer"))
    found["activity_regularizer"] = penalties.serialize(layer.activity_regularizer)
    for weight in weights:
        found[f"{weight}_constraint"] = constraints.serialize(getattr(layer, f"{weight}_constraint"))
    return found


def with_after(config: dict[str, Any], place: str, more: dict[str, Any]) -> dict[str, Any]:
    """A configuration with more entries after the one named `place`."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if name not in more:
            found[name] = value
        if name == place:
            found.update(more)
    return found


@public("keras.layers.Activation")
class Activation(SameShape):
    """An activation applied to the inputs.

    Args:
      activation: a name or a function.
      **kwargs: as for `Layer`.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@public("keras.layers.Dropout")
class Dropout(core.DropoutLayer):
    """Sets elements to zero at random while training and scales the others up.

    Args:
      rate: the probability that an element goes.
      noise_shape: broadcasts with the inputs: elements that share a place in it live or die together.
      seed: of the random numbers.
      **kwargs: as for `Layer`.
    """

    def __init__(self, rate: Any, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs with elements dropped while training."""
        return self.dropped(inputs, settings.learning_phase() if training is None else training)

    def dropped(self, inputs: Any, training: Any) -> Any:
        """The inputs with elements dropped where `training` holds."""
        return super().call(inputs, training)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        own = {"rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
        return {**super().get_config(), **own}


class _SpatialDropout(Dropout):
    """Drops whole channels."""

    rank: int

    def __init__(self, rate: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        found = settings.image_data_format() if data_format is None else data_format
        if found not in ("channels_last", "channels_first"):
            raise ValueError('data_format must be in {"channels_last", "channels_first"}')
        self.data_format = found
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise(self, inputs: Any) -> Any:
        sizes = shape_of(inputs)
        ones = [1] * self.rank
        if self.data_format == "channels_first":
            return [sizes[0], sizes[1], *ones]
        return [sizes[0], *ones, sizes[self.rank + 1]]


@public("keras.layers.SpatialDropout1D")
class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of `[batch, length, channels]`.

    Args:
      rate: the probability that a channel goes.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(self, rate: Any, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", **kwargs)


@public("keras.layers.SpatialDropout2D")
class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images.

    Args:
      rate: the probability that a channel goes.
      data_format: the layout; default `image_data_format()`.
      **kwargs: as for `Layer`.
    """

    rank = 2

    def __init__(self, rate: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, data_format, **kwargs)


@public("keras.layers.SpatialDropout3D")
class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes; arguments as for `SpatialDropout2D`."""

    rank = 3

    def __init__(self, rate: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, data_format, **kwargs)


@public("keras.layers.Masking")
class Masking(SameShape):
    """Masks time steps of which all features have a value.

    Args:
      mask_value: the value.
      **kwargs: as for `Layer`.
    """

    _makes_masks = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where a time step counts."""
        return calculation.any(raw.NotEqual(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """The inputs, zero where masked."""
        keep = calculation.any(raw.NotEqual(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = inputs * cast(keep, inputs.dtype)
        outputs._keras_mask = raw.Squeeze(keep, squeeze_dims=[-1])
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "mask_value": self.mask_value}


@public("keras.layers.ActivityRegularization")
class ActivityRegularization(SameShape):
    """A penalty of the inputs, which pass unchanged.

    Args:
      l1, l2: factors of the magnitudes and of the squares.
      **kwargs: as for `Layer`.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=penalties.L1L2(l1=l1, l2=l2), **kwargs)
        self.supports_masking = True
        self.l1, self.l2 = l1, l2

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}


# The layers of `tf.layers` count as these, as in TensorFlow.
Dense.register(core.Dense)
Dropout.register(core.Dropout)
