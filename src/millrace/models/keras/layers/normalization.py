"""Normalization over the batch or over each sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.lib.layers import constraints, normalization, penalties, settings
from millrace.lib.layers.layer import SameShape
from millrace.lib.nn.moments import batch_normalization, moments
from millrace.lib.variables import keras_initializers


@public("keras.layers.BatchNormalization")
class BatchNormalization(normalization.BatchNormalizationLayer):
    """Normalizes each channel with the batch's mean and variance, or the moving ones; then scales and shifts.

    Args:
      axis: the channels' axis, or a list of axes.
      momentum: how much of the moving averages each step keeps.
      epsilon: added to the variance.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first values.
      beta_regularizer, gamma_regularizer: penalties of the weights.
      beta_constraint, gamma_constraint: what optimizers apply to a weight after each step.
      renorm, renorm_clipping, renorm_momentum: Batch Renormalization.
      fused: normalize in one operation; None: where that is possible.
      trainable: whether `beta` and `gamma` are trained.
      virtual_batch_size: normalize parts of the batch of that size on their own.
      adjustment: a function from the inputs' shape to a scale and a bias used before `gamma` in training.
      name: the layer's name.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, Any] | None = None,
        renorm_momentum: float = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Callable[[Any], Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            axis,
            momentum,
            epsilon,
            center,
            scale,
            keras_initializers.get(beta_initializer),
            keras_initializers.get(gamma_initializer),
            keras_initializers.get(moving_mean_initializer),
            keras_initializers.get(moving_variance_initializer),
            penalties.get(beta_regularizer),
            penalties.get(gamma_regularizer),
            constraints.get(beta_constraint),
            constraints.get(gamma_constraint),
            renorm,
            renorm_clipping,
            renorm_momentum,
            fused,
            trainable,
            virtual_batch_size,
            adjustment,
            name,
            **kwargs,
        )
        self.supports_masking = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, normalized.

        Args:
          inputs: `[...]`, floating.
          training: use the batch's moments and move the averages; default the learning phase.
        """
        if training is None:
            training = settings.learning_phase()
        if isinstance(training, int):
            training = bool(training)
        return super().call(inputs, training)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": keras_initializers.serialize(self.beta_initializer),
            "gamma_initializer": keras_initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": keras_initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": keras_initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": penalties.serialize(self.beta_regularizer),
            "gamma_regularizer": penalties.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }
        if self.renorm:
            config["renorm"] = True
            config["renorm_clipping"] = self.renorm_clipping
            config["renorm_momentum"] = self.renorm_momentum
        if self.virtual_batch_size is not None:
            config["virtual_batch_size"] = self.virtual_batch_size
        return config


@public("keras.layers.LayerNormalization")
class LayerNormalization(SameShape):
    """Normalizes each sample over axes; then scales and shifts.

    Args:
      axis: the axes.
      epsilon: added to the variance.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      beta_initializer, gamma_initializer: first values of the two weights.
      beta_regularizer, gamma_regularizer: penalties of the weights.
      beta_constraint, gamma_constraint: what optimizers apply to a weight after each step.
      trainable: whether the weights are trained.
      name: the layer's name.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: `axis` is neither an integer nor a list.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, trainable=trainable, **kwargs)
        if not isinstance(axis, int | list | tuple):
            raise ValueError("Expected an int or a list/tuple of ints for the argument 'axis', "
                             f"but received instead: {axis}")  # fmt: skip
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon, self.center, self.scale = epsilon, center, scale
        self.beta_initializer = keras_initializers.get(beta_initializer)
        self.gamma_initializer = keras_initializers.get(gamma_initializer)
        self.beta_regularizer = penalties.get(beta_regularizer)
        self.gamma_regularizer = penalties.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes `gamma` and `beta`.

        Raises:
          ValueError: the rank is unknown, or the axes do not fit.
        """
        dims = shapes.as_dims(input_shape)
        if dims is None:
            raise ValueError(f"Input shape {input_shape} has undefined rank.")
        rank = len(dims)
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        axes = [a + rank if a < 0 else a for a in axes]
        if any(not 0 <= a < rank for a in axes):
            raise ValueError(f"Invalid axis: {self.axis}")
        if len(axes) != len(set(axes)):
            raise ValueError(f"Duplicate axis: {tuple(axes)}")
        self._axes = axes
        param = [dims[a] for a in axes]
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=param,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                experimental_autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=param,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                experimental_autocast=False,
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The inputs, normalized."""
        dims = inputs.dims
        mean, variance = moments(inputs, self._axes, keep_dims=True)
        spread = [d if i in self._axes else 1 for i, d in enumerate(dims)]

        def widened(weight: Any) -> Any:
            if weight is None or (len(self._axes) == 1 and self._axes[0] == len(dims) - 1):
                return weight
            return raw.Reshape(weight, spread)

        outputs = batch_normalization(
            inputs, mean, variance, widened(self.beta), widened(self.gamma), self.epsilon
        )
        outputs.set_shape(dims)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "axis": self._axes if self.built else self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": keras_initializers.serialize(self.beta_initializer),
            "gamma_initializer": keras_initializers.serialize(self.gamma_initializer),
            "beta_regularizer": penalties.serialize(self.beta_regularizer),
            "gamma_regularizer": penalties.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


BatchNormalization.register(normalization.BatchNormalization)  # `tf.layers`', as in TensorFlow
