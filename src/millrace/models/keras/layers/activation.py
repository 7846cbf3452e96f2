"""Activations with settings or weights of their own."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import constraints, penalties, settings
from millrace.lib.layers.spec import InputSpec
from millrace.lib.variables import keras_initializers
from millrace.models.keras.backend import activations as formulas
from millrace.models.keras.backend.arrays import cast_to_floatx
from millrace.models.keras.engine.layer import Layer
from millrace.ops.math.cast import cast


class _Elementwise(Layer):
    """A layer whose outputs have the inputs' shape."""

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the inputs."""
        return TensorShape(input_shape)


@public("keras.layers.LeakyReLU")
class LeakyReLU(_Elementwise):
    """x where positive, else `alpha * x`.

    Args:
      alpha: the slope below zero.
      **kwargs: as for `Layer`.
    """

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha = cast_to_floatx(alpha)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return formulas.relu(inputs, alpha=self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "alpha": float(self.alpha)}


@public("keras.layers.PReLU")
class PReLU(_Elementwise):
    """x where positive, else `alpha * x`, with `alpha` a weight.

    Args:
      alpha_initializer, alpha_regularizer, alpha_constraint: of the weight.
      shared_axes: axes along which the weight is the same.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha_initializer = keras_initializers.get(alpha_initializer)
        self.alpha_regularizer = penalties.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = None if shared_axes is None else settings.as_list(shared_axes)
        if isinstance(shared_axes, int):
            self.shared_axes = [shared_axes]

    def build(self, input_shape: Any) -> None:
        """Makes `alpha`, of the inputs' shape without the batch."""
        dims = list(shapes.as_dims(input_shape) or ())
        param = dims[1:]
        for axis in self.shared_axes or []:
            param[axis - 1] = 1
        self.alpha = self.add_weight(
            shape=param,
            name="alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        fixed = {i: d for i, d in enumerate(dims) if i > 0 and i not in (self.shared_axes or [])}
        self.input_spec = InputSpec(ndim=len(dims), axes=fixed)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return raw.Relu(inputs) + -self.alpha * raw.Relu(-inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "alpha_initializer": keras_initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": penalties.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


@public("keras.layers.ELU")
class ELU(_Elementwise):
    """x where positive, else `alpha * (exp(x) - 1)`.

    Args:
      alpha: the factor.
      **kwargs: as for `Layer`.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha = cast_to_floatx(alpha)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return formulas.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "alpha": float(self.alpha)}


@public("keras.layers.ThresholdedReLU")
class ThresholdedReLU(_Elementwise):
    """x above `theta`, else 0.

    Args:
      theta: the threshold.
      **kwargs: as for `Layer`.
    """

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.theta = cast_to_floatx(theta)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return inputs * cast(raw.Greater(inputs, self.theta), settings.floatx())

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "theta": float(self.theta)}


@public("keras.layers.Softmax")
class Softmax(_Elementwise):
    """Exponentials that sum to 1 along an axis.

    Args:
      axis: the axis.
      **kwargs: as for `Layer`.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return formulas.softmax(inputs, axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


@public("keras.layers.ReLU")
class ReLU(_Elementwise):
    """x above `threshold`, at most `max_value`; below, `negative_slope * (x - threshold)`.

    Args:
      max_value: the greatest value; None for none.
      negative_slope: the slope below the threshold.
      threshold: the threshold.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: the greatest value or the slope is negative.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0, threshold: float = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0.0:
            raise ValueError(f"max_value of Relu layer cannot be negative value: {max_value}")
        if negative_slope < 0.0:
            raise ValueError(f"negative_slope of Relu layer cannot be negative value: {negative_slope}")
        self.max_value = None if max_value is None else cast_to_floatx(max_value)
        self.negative_slope = cast_to_floatx(negative_slope)
        self.threshold = cast_to_floatx(threshold)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return formulas.relu(
            inputs, alpha=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
