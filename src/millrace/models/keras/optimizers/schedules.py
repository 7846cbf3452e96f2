"""`tf.keras.optimizers.schedules`: learning rates that depend on the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.building import convert
from millrace.core.public import public
from millrace.lib.layers import registry
from millrace.ops.math.cast import cast
from millrace.training import schedules as rates


@public("keras.optimizers.schedules.LearningRateSchedule")
class LearningRateSchedule:
    """Base of schedules: a function from a step to a learning rate."""

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`; subclasses say which.

        Raises:
          NotImplementedError: the subclass does not.
        """
        raise NotImplementedError("Learning rate schedule must override __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal schedule.

        Raises:
          NotImplementedError: the subclass does not say which.
        """
        raise NotImplementedError("Learning rate schedule must override get_config")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The schedule that `get_config` describes."""
        return cls(**config)


class _Given(LearningRateSchedule):
    """A schedule whose arguments are its settings."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self, name, value)
        self._names = list(settings)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal schedule."""
        return {name: getattr(self, name) for name in self._names}


@public("keras.optimizers.schedules.ExponentialDecay")
class ExponentialDecay(_Given):
    """initial_learning_rate * decay_rate ^ (step / decay_steps).

    Args:
      initial_learning_rate: the first rate.
      decay_steps: in how many steps the rate falls by `decay_rate`.
      decay_rate: the factor.
      staircase: round the exponent down.
      name: scope; default "ExponentialDecay".
    """

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            staircase=staircase,
            name=name,
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.exponential_decay(
            self.initial_learning_rate, step, self.decay_steps, self.decay_rate, self.staircase, self.name
        )


@public("keras.optimizers.schedules.PiecewiseConstantDecay")
class PiecewiseConstantDecay(_Given):
    """One rate up to each boundary.

    Args:
      boundaries: steps, increasing.
      values: one rate more than boundaries.
      name: scope; default "PiecewiseConstant".

    Raises:
      ValueError: the numbers of boundaries and values do not fit.
    """

    def __init__(self, boundaries: Any, values: Any, name: str | None = None) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. "
                f"Received: {len(boundaries)} and {len(values)}"
            )
        super().__init__(boundaries=boundaries, values=values, name=name)

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        step = convert.to_tensor(step)
        bounds = [cast(b, step.dtype.base_dtype) for b in self.boundaries]
        return rates.piecewise_constant(step, bounds, self.values, self.name)


@public("keras.optimizers.schedules.PolynomialDecay")
class PolynomialDecay(_Given):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps` along a power.

    Args:
      initial_learning_rate, end_learning_rate: the first and the last rate.
      decay_steps: in how many steps.
      power: 1 for a straight line.
      cycle: begin anew, longer, whenever the end is reached.
      name: scope; default "PolynomialDecay".
    """

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        end_learning_rate: Any = 0.0001,
        power: Any = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            end_learning_rate=end_learning_rate,
            power=power,
            cycle=cycle,
            name=name,
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.polynomial_decay(
            self.initial_learning_rate,
            step,
            self.decay_steps,
            self.end_learning_rate,
            self.power,
            self.cycle,
            self.name,
        )


@public("keras.optimizers.schedules.InverseTimeDecay")
class InverseTimeDecay(_Given):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps).

    Args:
      initial_learning_rate: the first rate.
      decay_steps, decay_rate: how fast it falls.
      staircase: round `step / decay_steps` down.
      name: scope; default "InverseTimeDecay".
    """

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            staircase=staircase,
            name=name,
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.inverse_time_decay(
            self.initial_learning_rate, step, self.decay_steps, self.decay_rate, self.staircase, self.name
        )


@public("keras.experimental.CosineDecay")
class CosineDecay(_Given):
    """From `initial_learning_rate` down to `alpha` times it along half a cosine.

    Args:
      initial_learning_rate: the first rate.
      decay_steps: in how many steps.
      alpha: the last rate as a share of the first.
      name: scope; default "CosineDecay".
    """

    def __init__(
        self, initial_learning_rate: Any, decay_steps: Any, alpha: Any = 0.0, name: str | None = None
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, alpha=alpha, name=name
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.cosine_decay(self.initial_learning_rate, step, self.decay_steps, self.alpha, self.name)


@public("keras.experimental.CosineDecayRestarts")
class CosineDecayRestarts(_Given):
    """Half cosines one after the other.

    Args:
      initial_learning_rate: the first rate.
      first_decay_steps: how long the first lasts.
      t_mul, m_mul: by which factors the next one is longer and higher.
      alpha: the lowest rate as a share of the first.
      name: scope; default "SGDRDecay".
    """

    def __init__(
        self,
        initial_learning_rate: Any,
        first_decay_steps: Any,
        t_mul: Any = 2.0,
        m_mul: Any = 1.0,
        alpha: Any = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            first_decay_steps=first_decay_steps,
            t_mul=t_mul,
            m_mul=m_mul,
            alpha=alpha,
            name=name,
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.cosine_decay_restarts(
            self.initial_learning_rate,
            step,
            self.first_decay_steps,
            self.t_mul,
            self.m_mul,
            self.alpha,
            self.name,
        )


@public("keras.experimental.LinearCosineDecay")
class LinearCosineDecay(_Given):
    """A straight line times a cosine.

    Args:
      initial_learning_rate: the first rate.
      decay_steps: in how many steps.
      num_periods: how many periods the cosine has.
      alpha, beta: added to the line and to the product.
      name: scope; default "LinearCosineDecay".
    """

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        num_periods: Any = 0.5,
        alpha: Any = 0.0,
        beta: Any = 0.001,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            num_periods=num_periods,
            alpha=alpha,
            beta=beta,
            name=name,
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.linear_cosine_decay(
            self.initial_learning_rate,
            step,
            self.decay_steps,
            self.num_periods,
            self.alpha,
            self.beta,
            self.name,
        )


@public("keras.experimental.NoisyLinearCosineDecay")
class NoisyLinearCosineDecay(_Given):
    """A noisy straight line times a cosine.

    Args:
      initial_learning_rate: the first rate.
      decay_steps: in how many steps.
      initial_variance, variance_decay: of the noise.
      num_periods: how many periods the cosine has.
      alpha, beta: added to the line and to the product.
      name: scope; default "NoisyLinearCosineDecay".
    """

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        initial_variance: Any = 1.0,
        variance_decay: Any = 0.55,
        num_periods: Any = 0.5,
        alpha: Any = 0.0,
        beta: Any = 0.001,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            initial_variance=initial_variance,
            variance_decay=variance_decay,
            num_periods=num_periods,
            alpha=alpha,
            beta=beta,
            name=name,
        )

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        return rates.noisy_linear_cosine_decay(
            self.initial_learning_rate,
            step,
            self.decay_steps,
            self.initial_variance,
            self.variance_decay,
            self.num_periods,
            self.alpha,
            self.beta,
            self.name,
        )


_BY_NAME = {k: v for k, v in list(globals().items()) if isinstance(v, type) and k[0] != "_"}


@public("keras.optimizers.schedules.serialize")
def serialize(learning_rate_schedule: Any) -> Any:
    """How a schedule is saved."""
    return registry.serialize_keras_object(learning_rate_schedule)


@public("keras.optimizers.schedules.deserialize")
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The schedule that `serialize` described.

    Raises:
      ValueError: the name is unknown.
    """
    return registry.deserialize_keras_object(config, _BY_NAME, custom_objects, "decay")
