"""`LossScaleOptimizer`: an optimizer of Keras that minimizes a scaled loss."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.flow.static_branch import smart_cond
from millrace.lib.layers import registry
from millrace.models.keras.optimizers import named
from millrace.models.keras.optimizers.base import Optimizer
from millrace.training.optimizers import loss_scale as scales


@public("keras.mixed_precision.experimental.LossScaleOptimizer")
class LossScaleOptimizer(Optimizer):
    """Minimizes a loss times a scale, and gives another optimizer the gradients divided by it.

    With a scale that adapts itself a step whose gradients are not all finite changes nothing but the scale.

    Args:
      opt: the optimizer that steps; without bounds of gradients.
      loss_scale: a number, "dynamic", or a `LossScale`.

    Raises:
      ValueError: `opt` is not an optimizer of Keras or bounds its gradients; there is no scale.
    """

    def __init__(self, opt: Optimizer, loss_scale: Any) -> None:
        if not isinstance(opt, Optimizer):
            raise ValueError(f'"opt" must be an instance of OptimizerV2, but got: {opt}')
        for bound in ("clipnorm", "clipvalue"):
            if getattr(opt, bound, None) is not None:
                raise ValueError(
                    f"LossScaleOptimizer does not support wrapping optimizers with a {bound}. "
                    f"Optimizer {opt} has {bound} {getattr(opt, bound)}"
                )
        scale = scales.loss_scale_of(loss_scale)
        if scale is None:
            raise ValueError("LossScaleOptimizer: loss_scale must be given. Received: None")
        object.__setattr__(self, "_optimizer", opt)
        self._loss_scale = scale

    @property
    def loss_scale(self) -> scales.LossScale:
        """The scale."""
        return self._loss_scale

    def get_scaled_loss(self, loss: Any) -> Any:
        """The loss, or a function that makes one, times the scale."""
        return scales.scaled_loss(loss, self._loss_scale())

    def get_unscaled_gradients(self, grads: Any) -> list[Any]:
        """Gradients of a scaled loss, divided by the scale; each None stays None."""
        factor = 1.0 / self._loss_scale()
        return [None if g is None else scales.times(convert.to_tensor(g), factor) for g in grads]

    def _compute_gradients(self, loss: Any, var_list: Any, grad_loss: Any = None) -> list[Any]:
        pairs = self._optimizer._compute_gradients(self.get_scaled_loss(loss), var_list, grad_loss)
        unscaled = self.get_unscaled_gradients([g for g, _ in pairs])
        return list(zip(unscaled, [v for _, v in pairs], strict=True))

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The gradients of `loss`, computed from the scaled one."""
        return self.get_unscaled_gradients(self._optimizer.get_gradients(self.get_scaled_loss(loss), params))

    def apply_gradients(self, grads_and_vars: Any, name: str | None = None) -> Any:
        """The operation that steps, where the scale finds the gradients fit, and adapts the scale."""
        pairs = list(grads_and_vars)
        update, fit = self._loss_scale.update([g for g, _ in pairs])

        def step() -> Any:
            convert.to_tensor(0)  # the number of the replica, which TensorFlow hands its updates
            return self._optimizer.apply_gradients(pairs, name)

        return group(smart_cond(fit, step, raw.NoOp), update)

    # --- the optimizer inside -------------------------------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """The variable that counts the steps that were taken."""
        return self._optimizer.iterations

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        self._optimizer.iterations = variable

    def __getattribute__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, name)
        except AttributeError:
            if name.startswith("__") or "_optimizer" not in self.__dict__:
                raise
            return getattr(self._optimizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_loss_scale", "iterations"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._optimizer, name, value)

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return [("base_optimizer", self._optimizer), ("loss_scale", self._loss_scale)]

    # --- saving ---------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one, described by class and arguments."""
        return {
            "optimizer": named.serialize(self._optimizer),
            "loss_scale": registry.serialize_keras_object(self._loss_scale),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The one that `get_config` describes."""
        kinds = {"FixedLossScale": scales.FixedLossScale, "DynamicLossScale": scales.DynamicLossScale}
        scale = registry.deserialize_keras_object(config["loss_scale"], kinds, custom_objects, "loss scale")
        return cls(named.deserialize(config["optimizer"], custom_objects), scale)
