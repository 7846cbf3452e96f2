"""Optimizers around others: averages, clipped variables, tasks that take turns, old gradients."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import colocate_with, control_dependencies, name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.linalg.norms import clip_by_global_norm as clip_all
from millrace.lib.linalg.norms import clip_by_norm, global_norm
from millrace.lib.math.reductions import count_nonzero
from millrace.lib.variables import assigning
from millrace.lib.variables.sets import global_variables
from millrace.lib.variables.variable import Variable
from millrace.ops.array import constant, gather
from millrace.saver.saver import Saver
from millrace.training.global_step import get_global_step
from millrace.training.moving_averages import ExponentialMovingAverage
from millrace.training.optimizers.optimizer import Optimizer


class _Around(Optimizer):
    """Leaves gradients and slots to another optimizer."""

    def __init__(self, opt: Optimizer, use_locking: bool, name: str) -> None:
        super().__init__(use_locking, name)
        self._opt = opt

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """As the optimizer inside has it."""
        return self._opt.compute_gradients(*args, **kwargs)

    def get_slot(self, var: Any, name: str) -> Any:
        """As the optimizer inside has it."""
        return self._opt.get_slot(var, name)

    def get_slot_names(self) -> list[str]:
        """As the optimizer inside has it."""
        return self._opt.get_slot_names()


@public("contrib.opt.MovingAverageOptimizer")
class MovingAverageOptimizer(_Around):
    """Keeps moving averages of the variables that `opt` changes, and savers that save these in their place.

    Args:
      opt: the optimizer inside.
      average_decay: of the averages.
      num_updates: a count of steps; averages move faster at first.
      sequential_update: move the averages after the step, and not beside it.
    """

    def __init__(
        self,
        opt: Optimizer,
        average_decay: float = 0.9999,
        num_updates: Any = None,
        sequential_update: bool = True,
    ) -> None:
        self._optimizer = opt
        super().__init__(opt, getattr(opt, "_use_locking", False), opt.get_name())
        self._ema = ExponentialMovingAverage(average_decay, num_updates=num_updates)
        self._swapped: dict[str, str] | None = None
        self._sequential_update = sequential_update

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As every optimizer's; then the averages move."""
        pairs = list(grads_and_vars)
        train_op = self._opt.apply_gradients(pairs, global_step=global_step, name=name)
        changed = [v for g, v in pairs if g is not None]
        with control_dependencies([train_op] if self._sequential_update else []):
            moved = self._ema.apply(changed)
        self._swapped = {}
        for var in changed:
            average = self._ema.average(var)
            assert average is not None
            self._swapped[var.op.name] = average.op.name
            self._swapped[average.op.name] = var.op.name
        return group(train_op, moved, name="train_with_avg")

    def swapping_saver(self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any) -> Saver:
        """A `Saver` that saves averages under the names of their variables.

        Args:
          var_list: a list or dictionary of variables; default: all global ones.
          name: of the saver.
          **kwargs: a saver's.

        Raises:
          RuntimeError: no step was made yet, or an average is not among `var_list`.
        """
        if self._swapped is None:
            raise RuntimeError("Must call apply_gradients or minimize before creating the swapping_saver")
        given = global_variables() if var_list is None else var_list
        named = dict(given) if isinstance(given, dict) else {v.op.name: v for v in given}
        by_name = {v.op.name: v for v in named.values()}
        swapped = {}
        for key, var in named.items():
            other = self._swapped.get(var.op.name)
            if other is None:
                swapped[key] = var
            elif other in by_name:
                swapped[key] = by_name[other]
            else:
                raise RuntimeError(f"Variable to swap {other} is not part of variables to save.")
        return Saver(swapped, name=name, **kwargs)


@public("contrib.opt.VariableClippingOptimizer")
class VariableClippingOptimizer(_Around):
    """Clips the norms of variables after each step of `opt`.

    Args:
      opt: the optimizer inside.
      vars_to_clip_dims: variable -> the dimensions over which its norm is taken.
      max_norm: the largest norm.
      use_locking: accepted; updates are always whole.
      colocate_clip_ops_with_vars: accepted.
      name: default "VariableClipping".
    """

    def __init__(
        self,
        opt: Optimizer,
        vars_to_clip_dims: dict[Any, Any],
        max_norm: Any,
        use_locking: bool = False,
        colocate_clip_ops_with_vars: bool = False,
        name: str = "VariableClipping",
    ) -> None:
        super().__init__(opt, use_locking, name)
        self._clip_dims = dict(vars_to_clip_dims)
        self._max_norm = max_norm

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As every optimizer's; then variables are clipped."""
        pairs = list(grads_and_vars)
        with name_scope(name, self._name) as scope:
            update = self._opt.apply_gradients(pairs, global_step=global_step)
            clips = []
            with control_dependencies([update]):
                for gradient, var in pairs:
                    if gradient is None or var not in self._clip_dims:
                        continue
                    with name_scope(f"clip_{var.op.name}"), colocate_with(var.op):
                        clips.append(self._clip(gradient, var))
            return group(*clips, update, name=scope)

    def _clip(self, gradient: Any, var: Any) -> Any:
        dims = self._clip_dims[var]
        if not isinstance(gradient, IndexedSlices) or 0 in dims:
            value = var.read_value()
            return var.assign_sub(value - clip_by_norm(value, self._max_norm, dims))
        rows = gather.gather(var, gradient.indices)
        change = rows - clip_by_norm(rows, self._max_norm, dims)
        return assigning.scatter_sub(var, gradient.indices, change)


@public("contrib.opt.DropStaleGradientOptimizer")
class DropStaleGradientOptimizer(_Around):
    """Drops gradients that were computed more than `staleness` steps ago, and counts them.

    Args:
      opt: the optimizer inside.
      staleness: how old a gradient may be.
      use_locking: accepted; updates are always whole.
      name: default "DropStaleGradient".
    """

    def __init__(
        self, opt: Optimizer, staleness: int, use_locking: bool = False, name: str = "DropStaleGradient"
    ) -> None:
        super().__init__(opt, use_locking, name)
        self._staleness = staleness
        self._local_step: Any = None

    def compute_gradients(self, loss: Any, *args: Any, **kwargs: Any) -> Any:
        """As every optimizer's; notes the step at which it begins."""
        step = get_global_step()
        if step is None:
            raise ValueError("Global step is required")
        self._local_step = step + 0
        with control_dependencies([self._local_step]):
            return self._opt.compute_gradients(constant.identity(loss), *args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As every optimizer's, where the gradients are fresh.

        Raises:
          ValueError: there is no global step.
        """
        if global_step is None:
            raise ValueError("Global step is required")
        pairs = list(grads_and_vars)
        counter = Variable(0.0, trainable=False, name="stale_counter")

        def accept() -> Tensor:
            with control_dependencies([self._opt.apply_gradients(pairs, global_step=global_step, name=name)]):
                return constant.identity(constant.constant(0.0))

        age = raw.Abs(global_step - self._local_step) if self._local_step is not None else global_step * 0
        dropped = cond(age > self._staleness, lambda: constant.constant(1.0), accept)
        return counter.assign_add(dropped)


@public("contrib.opt.MultitaskOptimizerWrapper")
class MultitaskOptimizerWrapper(_Around):
    """Leaves variables and slots alone whose gradients are all zero: those of tasks whose turn it is not.

    Args:
      opt: the optimizer inside.

    Raises:
      TypeError: it is not an optimizer.
    """

    def __init__(self, opt: Optimizer) -> None:
        if not isinstance(opt, Optimizer):
            raise TypeError(
                f"Supplied optimizer must be an instance of tf.train.Optimizer. Received: {opt!r}"
            )
        super().__init__(opt, False, f"Multitask{type(opt).__name__}")

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As every optimizer's, for the variables with a gradient that is not zero."""
        inside = self._opt
        update = inside._update

        def guarded(gradient: Any, variable: Any) -> Any:
            return cond(_all_zero(gradient), constant.no_op, lambda: group(update(gradient, variable))).op

        inside._update = guarded  # type: ignore[method-assign]
        try:
            return inside.apply_gradients(grads_and_vars, global_step=global_step, name=name)
        finally:
            del inside._update


def _all_zero(gradient: Any) -> Tensor:
    """Whether no element of the gradient is other than zero."""
    values = gradient.values if isinstance(gradient, IndexedSlices) else gradient
    return raw.Equal(count_nonzero(values), 0)


@public("contrib.opt.clip_gradients_by_global_norm")
def clip_gradients_by_global_norm(
    gradients_variables: Any, clip_norm: Any = 20.0
) -> tuple[list[tuple[Any, Any]], Tensor]:
    """Pairs whose gradients are clipped by their common norm.

    Args:
      gradients_variables: pairs of gradient and variable; a gradient may be None.
      clip_norm: the largest norm.

    Returns:
      The pairs, and the norm before they were clipped, a scalar.
    """
    gradients, variables = zip(*gradients_variables, strict=True)

    def counted(gradient: Any) -> Any:
        if gradient is None:
            return None
        return cond(_all_zero(gradient), lambda: constant.zeros([], gradient.dtype), lambda: gradient)

    norm = global_norm([counted(gradient) for gradient in gradients])
    clipped, _ = clip_all(gradients, clip_norm, use_norm=norm)
    return list(zip(clipped, variables, strict=True)), norm
