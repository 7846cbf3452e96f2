"""Layers that add noise while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.models.keras.backend import control, randomness
from millrace.models.keras.engine.layer import Layer
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast


class _Noise(Layer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the inputs."""
        return TensorShape(input_shape)


@public("keras.layers.GaussianNoise")
class GaussianNoise(_Noise):
    """Adds normal noise while training.

    Args:
      stddev: its deviation.
      **kwargs: as for `Layer`.
    """

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, noisy while training."""

        def noised() -> Any:
            return inputs + randomness.random_normal(
                shape=shape_of(inputs), mean=0.0, stddev=self.stddev, dtype=inputs.dtype
            )

        return control.in_train_phase(noised, inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "stddev": self.stddev}


@public("keras.layers.GaussianDropout")
class GaussianDropout(_Noise):
    """Multiplies with normal noise of mean 1 while training.

    Args:
      rate: as of a dropout: the noise's deviation is `sqrt(rate / (1 - rate))`.
      **kwargs: as for `Layer`.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, noisy while training."""
        if not 0 < self.rate < 1:
            return inputs

        def noised() -> Any:
            deviation = np.sqrt(self.rate / (1.0 - self.rate))
            return inputs * randomness.random_normal(
                shape=shape_of(inputs), mean=1.0, stddev=deviation, dtype=inputs.dtype
            )

        return control.in_train_phase(noised, inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "rate": self.rate}


@public("keras.layers.AlphaDropout")
class AlphaDropout(_Noise):
    """A dropout that keeps mean and variance of self-normalizing networks.

    Args:
      rate: the probability that an element goes.
      noise_shape: broadcasts with the inputs: elements that share a place in it live or die together.
      seed: of the random numbers.
      **kwargs: as for `Layer`.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs with elements dropped while training."""
        if not 0.0 < self.rate < 1.0:
            return inputs
        shape = self.noise_shape or shape_of(inputs)

        def dropped() -> Any:
            lowest = -1.7580993408473766  # -alpha * scale of SELU
            keep = raw.GreaterEqual(randomness.random_uniform(shape, seed=self.seed), self.rate)
            keep = cast(keep, inputs.dtype)
            a = ((1 - self.rate) * (1 + self.rate * lowest**2)) ** -0.5
            b = -a * lowest * self.rate
            return a * (inputs * keep + lowest * (1 - keep)) + b

        return control.in_train_phase(dropped, inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "rate": self.rate}
