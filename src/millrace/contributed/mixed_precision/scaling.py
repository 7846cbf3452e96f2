"""`tf.contrib.mixed_precision`: scales of losses, and an optimizer that heeds them."""

from __future__ import annotations

import abc
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.reductions import reduce_all
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import stack
from millrace.training.optimizers.loss_scale import scaled_loss, times
from millrace.training.optimizers.optimizer import Optimizer


@public("contrib.mixed_precision.LossScaleManager")
class LossScaleManager(abc.ABC):
    """Says by what a loss is multiplied."""

    @abc.abstractmethod
    def get_loss_scale(self) -> Tensor:
        """The scale, a float32 scalar."""

    @abc.abstractmethod
    def update_loss_scale(self, finite_grads: Any) -> Any:
        """The operation that adapts the scale.

        Args:
          finite_grads: a bool scalar: whether all gradients are finite.
        """


@public("contrib.mixed_precision.FixedLossScaleManager")
class FixedLossScaleManager(LossScaleManager):
    """A scale that never changes.

    Args:
      loss_scale: at least 1.

    Raises:
      ValueError: it is less.
    """

    def __init__(self, loss_scale: float) -> None:
        if loss_scale < 1:
            raise ValueError(f"loss scale must be at least 1. Received: {loss_scale}")
        self._loss_scale = convert.to_tensor(loss_scale, float32)

    def get_loss_scale(self) -> Tensor:
        """The scale."""
        return self._loss_scale

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """An operation that does nothing."""
        del finite_grads
        return raw.NoOp()


@public("contrib.mixed_precision.ExponentialUpdateLossScaleManager")
class ExponentialUpdateLossScaleManager(LossScaleManager):
    """A scale that grows while gradients are finite, and shrinks when they are not.

    Args:
      init_loss_scale: the first scale, at least 1.
      incr_every_n_steps: after how many steps with finite gradients it grows.
      decr_every_n_nan_or_inf: after how many other steps it shrinks.
      incr_ratio, decr_ratio: by what it is multiplied then; it stays at least 1.
    """

    def __init__(
        self,
        init_loss_scale: float,
        incr_every_n_steps: int,
        decr_every_n_nan_or_inf: int = 2,
        incr_ratio: float = 2,
        decr_ratio: float = 0.8,
    ) -> None:
        self._incr_every, self._decr_every = incr_every_n_steps, decr_every_n_nan_or_inf
        self._incr_ratio, self._decr_ratio = incr_ratio, decr_ratio
        self._loss_scale = Variable(float(init_loss_scale), name="loss_scale", dtype=float32, trainable=False)
        self._good = Variable(0, name="good_steps", dtype=int32, trainable=False)
        self._bad = Variable(0, name="bad_steps", dtype=int32, trainable=False)

    def get_loss_scale(self) -> Tensor:
        """The scale now."""
        return self._loss_scale.value()

    def _moved(self, ratio: float) -> Any:
        return assign(self._loss_scale, raw.Maximum(self._loss_scale * ratio, 1.0)).op

    def _restarted(self) -> Any:
        return group(assign(self._good, 0).op, assign(self._bad, 0).op)

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """The operation that counts the step and adapts the scale."""

        def grown() -> Any:
            larger = self._loss_scale * self._incr_ratio
            held = assign(
                self._loss_scale, raw.Select(raw.IsFinite(larger), larger, self._loss_scale.value())
            ).op
            return _done(group(held, self._restarted()))

        def finite() -> Any:
            enough = raw.GreaterEqual(self._good + 1, self._incr_every)
            return cond(enough, grown, lambda: _done(self._good.assign_add(1).op))

        def not_finite() -> Any:
            enough = raw.GreaterEqual(self._bad + 1, self._decr_every)
            return cond(
                enough,
                lambda: _done(group(self._moved(self._decr_ratio), self._restarted())),
                lambda: _done(group(self._bad.assign_add(1).op, assign(self._good, 0).op)),
            )

        return cond(finite_grads, finite, not_finite).op


def _done(op: Any) -> Tensor:
    with control_dependencies([op]):
        return convert.to_tensor(True)


@public("contrib.mixed_precision.LossScaleOptimizer")
class LossScaleOptimizer(Optimizer):
    """An optimizer of a scaled loss, which steps only where all gradients are finite.

    Args:
      opt: the optimizer that steps.
      loss_scale_manager: says the scale.
    """

    def __init__(self, opt: Any, loss_scale_manager: LossScaleManager) -> None:
        super().__init__(False, "LossScaleOptimizer")
        self._opt, self._manager = opt, loss_scale_manager

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Pairs of gradients, those of the scaled loss divided by the scale, and variables."""
        scale = self._manager.get_loss_scale()
        pairs = self._opt.compute_gradients(
            scaled_loss(loss, scale),
            var_list,
            gate_gradients,
            aggregation_method,
            colocate_gradients_with_ops,
            grad_loss,
        )
        return [(times(g, raw.Reciprocal(scale)), v) for g, v in pairs]

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """The operation that steps where all gradients are finite, and adapts the scale."""
        pairs = list(grads_and_vars)
        values = [g.values if isinstance(g, IndexedSlices) else g for g, _ in pairs if g is not None]
        finite = reduce_all(stack([reduce_all(raw.IsFinite(g)) for g in values]))
        step = cond(
            finite,
            lambda: _done(self._opt.apply_gradients(pairs, global_step, name or self.get_name())),
            lambda: convert.to_tensor(False),
        )
        with control_dependencies([step]):
            return group(step.op, self._manager.update_loss_scale(finite))
