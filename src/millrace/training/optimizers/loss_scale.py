"""By what a loss is multiplied, lest gradients in half precision vanish: `LossScale` and its kinds."""

from __future__ import annotations

import abc
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.layers.settings import track
from millrace.lib.math.reductions import reduce_all
from millrace.lib.variables.variable import Variable


@public("train.experimental.LossScale")
class LossScale(abc.ABC):
    """Says by what a loss is multiplied, and adapts it to the gradients.

    A subclass gives the scale when it is called, and says in `update` what follows from gradients.
    """

    def __init__(self) -> None:
        self._weights: dict[str, Any] = {}

    @abc.abstractmethod
    def __call__(self) -> Tensor:
        """The scale now, a float32 scalar."""

    @abc.abstractmethod
    def update(self, grads: Any) -> tuple[Any, Any]:
        """Adapts the scale.

        Args:
          grads: nested gradients of the scaled loss, divided by the scale; some may be None.

        Returns:
          The operation that adapts it, and whether the gradients are fit to be applied.
        """

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossScale:
        """The one that `get_config` describes."""
        return cls(**config)

    def _add_weight(self, name: str, initial_value: Any, dtype: Any = None) -> Any:
        """A new variable that checkpoints hold under `name`.

        Raises:
          RuntimeError: there is one of that name.
        """
        if name in self._weights:
            raise RuntimeError(f"Duplicate variables detected. {name}")
        made = Variable(initial_value, name=name, dtype=dtype, trainable=False, use_resource=True)
        self._weights[name] = track(made)
        return made

    def _trackable_children(self) -> list[tuple[str, Any]]:
        """What checkpoints of objects hold."""
        return sorted(self._weights.items())


@public("train.experimental.FixedLossScale")
class FixedLossScale(LossScale):
    """A scale that never changes.

    Args:
      loss_scale_value: a number, at least 1.

    Raises:
      ValueError: it is not a number, or less.
    """

    def __init__(self, loss_scale_value: float) -> None:
        super().__init__()
        if not isinstance(loss_scale_value, int | float):
            raise ValueError(
                f"loss_scale_value must be a Python int or float. Received: {loss_scale_value!r}"
            )
        if loss_scale_value < 1:
            raise ValueError(f"loss_scale_value must be at least 1. Received: {loss_scale_value}")
        self._loss_scale_value = float(loss_scale_value)

    def __call__(self) -> Tensor:
        """The scale."""
        return convert.to_tensor(self._loss_scale_value, dtypes.float32)

    def update(self, grads: Any) -> tuple[Any, Any]:
        """An operation that does nothing, and True: every gradient is applied."""
        del grads
        return raw.NoOp(), True

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one."""
        return {"loss_scale_value": self._loss_scale_value}

    def __repr__(self) -> str:
        return f"FixedLossScale({self._loss_scale_value})"


@public("train.experimental.DynamicLossScale")
class DynamicLossScale(LossScale):
    """A scale that grows while gradients are finite, and shrinks at once when they are not.

    Args:
      initial_loss_scale: the first scale.
      increment_period: after how many steps in a row with finite gradients it grows.
      multiplier: by what it is multiplied then, and divided after other gradients; it stays at least 1.
    """

    def __init__(
        self, initial_loss_scale: float = 2**15, increment_period: int = 2000, multiplier: float = 2.0
    ) -> None:
        super().__init__()
        self._initial_loss_scale = float(initial_loss_scale)
        self._increment_period = int(increment_period)
        self._multiplier = float(multiplier)
        self._current = self._add_weight("current_loss_scale", self._initial_loss_scale, dtypes.float32)
        self._good_steps = self._add_weight("good_steps", 0, dtypes.int64)

    @property
    def initial_loss_scale(self) -> float:
        """The first scale."""
        return self._initial_loss_scale

    @property
    def increment_period(self) -> int:
        """After how many steps it grows."""
        return self._increment_period

    @property
    def multiplier(self) -> float:
        """By what it grows and shrinks."""
        return self._multiplier

    def __call__(self) -> Tensor:
        """The scale now."""
        return self._current.value()

    def update(self, grads: Any) -> tuple[Any, Any]:
        """Counts the step and adapts the scale; see `LossScale`."""
        finite = _all_finite(nest.flatten(grads))
        return cond(finite, self._after_finite, self._after_others), finite

    def _after_finite(self) -> Any:
        def grown() -> Any:
            larger = self._current.value() * self._multiplier
            kept = cond(raw.IsFinite(larger), lambda: self._current.assign(larger).op, raw.NoOp)
            return group(kept, self._good_steps.assign(0).op)

        enough = raw.GreaterEqual(self._good_steps.value() + 1, self._increment_period)
        return cond(enough, grown, lambda: self._good_steps.assign_add(1).op)

    def _after_others(self) -> Any:
        smaller = raw.Maximum(self._current.value() / self._multiplier, 1.0)
        return group(self._good_steps.assign(0).op, self._current.assign(smaller).op)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one."""
        return {
            "initial_loss_scale": self.initial_loss_scale,
            "increment_period": self.increment_period,
            "multiplier": self.multiplier,
        }

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.get_config().items())
        return f"DynamicLossScale({given})"


def _all_finite(gradients: list[Any]) -> Tensor:
    found = [reduce_all(raw.IsFinite(convert.to_tensor(g))) for g in gradients if g is not None]
    return reduce_all(found)


def loss_scale_of(identifier: Any) -> LossScale | None:
    """The scale that a number, "dynamic", or a `LossScale` stands for; None for None.

    Raises:
      ValueError: another string, or a number below 1.
    """
    if isinstance(identifier, int | float):
        return FixedLossScale(identifier)
    if identifier == "dynamic":
        return DynamicLossScale()
    if isinstance(identifier, LossScale) or identifier is None:
        return identifier
    raise ValueError(f"Could not interpret loss scale identifier: {identifier}")


def scaled_loss(loss: Any, scale: Tensor) -> Any:
    """A loss, or a function that makes one, times the scale, in the loss's dtype."""
    if callable(loss) and not isinstance(loss, Tensor):
        return lambda: scaled_loss(loss(), scale)
    return loss * in_dtype(scale, loss.dtype)


def in_dtype(scale: Tensor, dtype: dtypes.DType) -> Tensor:
    """The scale in a dtype; itself where it has it."""
    base = dtype.base_dtype
    return scale if scale.dtype.base_dtype is base else raw.Cast(scale, DstT=base)


def times(gradient: Any, factor: Tensor) -> Any:
    """A gradient times a number; None for None."""
    if gradient is None:
        return None
    if isinstance(gradient, IndexedSlices):
        values = gradient.values * in_dtype(factor, gradient.values.dtype)
        return IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * in_dtype(factor, gradient.dtype)
