"""Weight decay apart from the gradient (Loshchilov and Hutter), for any optimizer."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables import assigning
from millrace.ops.array import gather
from millrace.ops.array.constant import no_op
from millrace.training.optimizers.adam import AdamOptimizer
from millrace.training.optimizers.momentum import MomentumOptimizer
from millrace.training.optimizers.optimizer import Optimizer


@public("contrib.opt.DecoupledWeightDecayExtension")
class DecoupledWeightDecayExtension:
    """Makes every step of the optimizer that follows it in the class's bases begin with var -= decay * var.

    Args:
      weight_decay: a scalar: number, tensor, or function that gives one.
      **kwargs: the optimizer's.
    """

    _use_locking: bool  # the optimizer's

    def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any) -> None:
        self._decay_var_list: set[Any] | None = None
        self._weight_decay = weight_decay
        self._weight_decay_tensor: Any = None
        super().__init__(*args, **kwargs)

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
        decay_var_list: Any = None,
    ) -> Any:
        """As every optimizer's.

        Args:
          decay_var_list: not heeded, as in 1.15, where `apply_gradients` takes its own; all weights decay.
          loss, global_step, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, name,
            grad_loss: the optimizer's.
        """
        return super().minimize(  # type: ignore[misc]
            loss,
            global_step=global_step,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            name=name,
            grad_loss=grad_loss,
        )

    def apply_gradients(
        self,
        grads_and_vars: Any,
        global_step: Any = None,
        name: str | None = None,
        decay_var_list: Any = None,
    ) -> Any:
        """As every optimizer's; `decay_var_list` says whose weights decay, by default all."""
        self._decay_var_list = set(decay_var_list) if decay_var_list else None
        return super().apply_gradients(grads_and_vars, global_step=global_step, name=name)  # type: ignore[misc]

    def _prepare(self) -> None:
        self._weight_decay_tensor = convert.to_tensor(self._weight_decay_value(), name="weight_decay")
        super()._prepare()  # type: ignore[misc]

    def _weight_decay_value(self) -> Any:
        decay = self._weight_decay
        return decay() if callable(decay) and not isinstance(decay, Tensor) else decay

    def _decays(self, var: Any) -> bool:
        return self._decay_var_list is None or var in self._decay_var_list

    def _decay_weights_op(self, var: Any) -> Any:
        if not self._decays(var):
            return no_op()
        return var.assign_sub(self._weight_decay_value() * var, use_locking=self._use_locking)

    def _decay_weights_sparse_op(self, var: Any, indices: Tensor) -> Any:
        if not self._decays(var):
            return no_op()
        update = -self._weight_decay_value() * gather.gather(var, indices)
        return assigning.scatter_add(var, indices, update, self._use_locking)

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        with control_dependencies([self._decay_weights_op(var)]):
            return super()._apply_dense(grad, var)  # type: ignore[misc]

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        with control_dependencies([self._decay_weights_op(handle)]):
            return super()._resource_apply_dense(grad, handle)  # type: ignore[misc]

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        with control_dependencies([self._decay_weights_sparse_op(var, grad.indices)]):
            return super()._apply_sparse(grad, var)  # type: ignore[misc]

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        with control_dependencies([self._decay_weights_sparse_op(handle, indices)]):
            return super()._resource_apply_sparse(grad, handle, indices)  # type: ignore[misc]


@public("contrib.opt.extend_with_decoupled_weight_decay")
def extend_with_decoupled_weight_decay(base_optimizer: type[Optimizer]) -> Any:
    """A class like `base_optimizer` whose first argument is the weight decay."""

    class OptimizerWithDecoupledWeightDecay(DecoupledWeightDecayExtension, base_optimizer):  # type: ignore
        """An optimizer whose weights decay apart from the gradient."""

    return OptimizerWithDecoupledWeightDecay


@public("contrib.opt.MomentumWOptimizer")
class MomentumWOptimizer(DecoupledWeightDecayExtension, MomentumOptimizer):
    """Momentum with weight decay apart from the gradient.

    Args:
      weight_decay: how much the weights decay at each step.
      learning_rate, momentum, use_locking, name, use_nesterov: as for `tf.train.MomentumOptimizer`.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "MomentumW",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            momentum=momentum,
            use_locking=use_locking,
            name=name,
            use_nesterov=use_nesterov,
        )


@public("contrib.opt.AdamWOptimizer")
class AdamWOptimizer(DecoupledWeightDecayExtension, AdamOptimizer):
    """Adam with weight decay apart from the gradient.

    Args:
      weight_decay: how much the weights decay at each step.
      learning_rate, beta1, beta2, epsilon, use_locking, name: as for `tf.train.AdamOptimizer`.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdamW",
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            use_locking=use_locking,
            name=name,
        )
