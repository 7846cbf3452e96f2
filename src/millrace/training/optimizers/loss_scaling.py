"""`MixedPrecisionLossScaleOptimizer`: an optimizer of `tf.train` that minimizes a scaled loss."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.flow.static_branch import smart_cond
from millrace.training.optimizers.loss_scale import FixedLossScale, loss_scale_of, scaled_loss, times
from millrace.training.optimizers.optimizer import Optimizer


@public("train.experimental.MixedPrecisionLossScaleOptimizer")
class MixedPrecisionLossScaleOptimizer(Optimizer):
    """Minimizes a loss times a scale, and gives another optimizer the gradients divided by it.

    With a scale that adapts itself a step whose gradients are not all finite changes nothing but the scale.

    Args:
      opt: the optimizer that steps.
      loss_scale: a number, "dynamic", or a `LossScale`.

    Raises:
      TypeError: there is no scale.
      ValueError: `opt` is not an optimizer of `tf.train`, or `loss_scale` is something else.
    """

    def __init__(self, opt: Optimizer, loss_scale: Any) -> None:
        if not isinstance(opt, Optimizer):
            raise ValueError(f'"opt" must be an instance of Optimizer, but got: {type(opt)}')
        scale = loss_scale_of(loss_scale)
        if scale is None:
            raise TypeError("MixedPrecisionLossScaleOptimizer: loss_scale must be given. Received: None")
        super().__init__(getattr(opt, "_use_locking", False), opt.get_name())
        self._optimizer, self._loss_scale = opt, scale

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Pairs of gradients, those of the scaled loss divided by the scale, and variables."""
        pairs = self._optimizer.compute_gradients(
            scaled_loss(loss, self._loss_scale()),
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
        )
        factor = 1 / self._loss_scale()
        return [(times(g, factor), v) for g, v in pairs]

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """The operation that steps, where the scale finds the gradients fit, and adapts the scale."""
        pairs = list(grads_and_vars)
        if isinstance(self._loss_scale, FixedLossScale):
            return self._optimizer.apply_gradients(pairs, global_step, name)
        update, fit = self._loss_scale.update([g for g, _ in pairs])
        chosen = name or self._name

        def step() -> Any:
            convert.to_tensor(0)  # the number of the replica, which TensorFlow hands its updates
            return self._optimizer.apply_gradients(pairs, global_step, f"{chosen}-wrapped")

        collected = get_default_graph().get_collection_ref(GraphKeys.TRAIN_OP)
        before = list(collected)
        done = group(smart_cond(fit, step, raw.NoOp), update, name=chosen)
        collected[:] = [*before, done]  # not the step inside, which cannot run by itself
        return done

    def variables(self) -> list[Any]:
        """The variables of the optimizer inside."""
        return self._optimizer.variables()

    def get_slot(self, var: Any, name: str) -> Any:
        """A slot of the optimizer inside."""
        return self._optimizer.get_slot(var, name)

    def get_slot_names(self) -> list[str]:
        """The names of the slots of the optimizer inside."""
        return self._optimizer.get_slot_names()

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return [("base_optimizer", self._optimizer), ("loss_scale", self._loss_scale)]
