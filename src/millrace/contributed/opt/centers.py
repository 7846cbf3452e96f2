"""Workers with copies of their own: elastic averages, accumulated gradients, averages of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.opt.local_copies import CENTER, CopyGetter, LocalCopies, StartHook
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.input.accumulators import ConditionalAccumulator
from millrace.lib.input.queues import FIFOQueue
from millrace.lib.variables.variable import Variable
from millrace.ops.array.constant import no_op
from millrace.ops.array.fill import fill, zeros_like
from millrace.ops.math.arithmetic import add_n
from millrace.ops.nn.bias import l2_loss
from millrace.saver.saver import Saver
from millrace.training.optimizers.optimizer import Optimizer


@public("contrib.opt.ElasticAverageCustomGetter")
class ElasticAverageCustomGetter(CopyGetter):
    """Makes trainable variables local ones of a worker, each beside its center and what it last saw of it.

    Args:
      worker_device: where the local ones are.
    """

    beside = "local_center_variable"


@public("contrib.opt.ElasticAverageOptimizer")
class ElasticAverageOptimizer(LocalCopies):
    """Elastic averaging (Zhang, Choromanska and LeCun): a worker and the center pull at each other.

    Args:
      opt: moves the worker's variables.
      num_worker: how many workers there are.
      ea_custom_getter: made the variables.
      communication_period: steps from one pull to the next.
      moving_rate: how far a pull goes; default BETA / communication_period / num_worker.
      rho: the weight of the distance in the loss; default, moving_rate over the learning rate.
      use_locking: accepted; updates are always whole.
      synchronous: workers begin together; one alone begins at once.
      name: default "ElasticAverageOptimizer".
    """

    BETA = 0.9

    def __init__(
        self,
        opt: Any,
        num_worker: int,
        ea_custom_getter: ElasticAverageCustomGetter,
        communication_period: int = 10,
        moving_rate: float | None = None,
        rho: float | None = None,
        use_locking: bool = True,
        synchronous: bool = False,
        name: str = "ElasticAverageOptimizer",
    ) -> None:
        super().__init__(opt, num_worker, ea_custom_getter, communication_period, use_locking, name)
        self._synchronous = synchronous
        rate = self.BETA / communication_period / num_worker if moving_rate is None else moving_rate
        self._moving_rate = rate
        self._rho = rate / opt._learning_rate if rho is None else rho

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> Any:
        """The gradients of the loss with the distance from the center; arguments as for every optimizer."""
        seen = self._copies.locals
        distances = [var - center for var, center in seen.items()]
        total = loss + self._rho * add_n([l2_loss(distance) for distance in distances])
        return self._opt.compute_gradients(
            total, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Moves the worker's variables and, every so often, them and the center towards each other.

        Raises:
          ValueError: there is no global step, which counts the pulls.
        """
        self._required(global_step)
        update = self._opt.apply_gradients(grads_and_vars)
        self._keep_local()
        counted, due = self._due([update])
        with control_dependencies([counted]):
            return cond(due, lambda: self._pull(global_step), no_op)

    def _pull(self, global_step: Any) -> Any:
        centers, seen = self._copies.centers, self._copies.locals
        looked = [seen[var].assign(center) for var, center in centers.items()]
        with control_dependencies(looked):
            distances = [var - seen[var] for var in centers]
            moved = [var.assign_sub(self._moving_rate * d) for var, d in zip(centers, distances, strict=True)]
            moved += [
                center.assign_add(self._moving_rate * d)
                for center, d in zip(centers.values(), distances, strict=True)
            ]
            return group(*moved, global_step.assign_add(1))

    def get_init_op(self, task_index: int) -> Any:
        """What sets the worker's variables to the center."""
        del task_index
        return self._start(lambda var: self._copies.locals[var].assign(self._copies.centers[var]))

    def make_session_run_hook(self, is_chief: bool, task_index: int) -> StartHook:
        """A hook that begins the worker's variables at the center."""
        del is_chief
        return StartHook(lambda: self.get_init_op(task_index))

    def swapping_saver(self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any) -> Saver:
        """A `Saver` that saves the centers under the names of the worker's variables.

        Args:
          var_list: a list or dictionary of variables; default: all trainable ones.
          name: of the saver.
          **kwargs: a saver's.
        """
        return center_saver(self._copies, var_list, name, **kwargs)


def center_saver(copies: CopyGetter, var_list: Any, name: str, **kwargs: Any) -> Saver:
    """A saver of some variables, or of all copies, whose centers stand for them."""
    given = list(copies.centers) if var_list is None else var_list
    named = dict(given) if isinstance(given, dict) else {v.op.name: v for v in given}
    return Saver({key: copies.centers.get(var, var) for key, var in named.items()}, name=name, **kwargs)


@public("contrib.opt.AGNCustomGetter")
class AGNCustomGetter(CopyGetter):
    """Makes trainable variables local ones of a worker, each beside its center and the sum of its gradients.

    Args:
      worker_device: where the local ones are.
    """

    beside = "grad_variable"


@public("contrib.opt.AGNOptimizer")
class AGNOptimizer(LocalCopies):
    """Accumulated gradient normalization (Hermans): a worker's mean gradient of some steps moves the center.

    Args:
      optimizer: moves the worker's variables, and the center.
      num_worker: how many workers there are.
      custom_getter: made the variables.
      communication_period: steps from one move of the center to the next.
      use_locking: accepted; updates are always whole.
      name: default "AGNOptimizer".
    """

    def __init__(
        self,
        optimizer: Any,
        num_worker: int,
        custom_getter: AGNCustomGetter,
        communication_period: int = 10,
        use_locking: bool = True,
        name: str = "AGNOptimizer",
    ) -> None:
        super().__init__(optimizer, num_worker, custom_getter, communication_period, use_locking, name)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Moves the worker's variables and, every so often, the center, from which they go on.

        Raises:
          ValueError: there is no global step, which counts the moves of the center.
        """
        self._required(global_step)
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        update = self._opt.apply_gradients(pairs)
        self._keep_local()
        sums = self._copies.locals
        added = [sums[var].assign_add(gradient) for gradient, var in pairs]
        _, due = self._due([])
        with control_dependencies([update, *added]):
            return cond(due, lambda: self._move([v for _, v in pairs], global_step), no_op)

    def _move(self, changed: list[Any], global_step: Any) -> Any:
        """Moves the center by the mean gradients, takes its place, and begins the sums anew."""
        sums, centers = self._copies.locals, self._copies.centers
        means = [sums[var].assign(sums[var] / self._period) for var in changed]
        pairs = [(mean, centers[var]) for mean, var in zip(means, changed, strict=True)]
        update = self._opt.apply_gradients(pairs)
        with control_dependencies([update]):
            counted = global_step.assign_add(1)
            moved = [var.assign(centers[var].read_value()) for var in changed]
            cleared = [sums[var].assign(zeros_like(sums[var])) for var in changed]
        return group(counted, *moved, *cleared)

    def get_init_op(self, task_index: int) -> Any:
        """What sets the worker's variables to the center, and the sums to zero."""
        del task_index
        sums = self._copies.locals
        return self._start(lambda var: sums[var].assign(zeros_like(sums[var])))

    def make_session_run_hook(self, is_chief: bool, task_index: int) -> StartHook:
        """A hook that begins the worker's variables at the center."""
        del is_chief
        return StartHook(lambda: self.get_init_op(task_index))


@public("contrib.opt.ModelAverageCustomGetter")
class ModelAverageCustomGetter(CopyGetter):
    """Makes trainable variables local ones of a worker, each beside a center that begins with its value.

    Args:
      worker_device: where the local ones are.
    """

    def _center(self, var: Any, getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        del getter, args, kwargs
        everywhere = [GraphKeys.GLOBAL_VARIABLES]
        start = var.initialized_value()
        return Variable(start, name=f"{CENTER}/{name}", trainable=False, collections=everywhere)


@public("contrib.opt.ModelAverageOptimizer")
class ModelAverageOptimizer(LocalCopies):
    """Workers average their variables every few steps, and go on from the average.

    Args:
      opt: moves the worker's variables.
      num_worker: how many workers there are.
      is_chief: this one averages; the others wait for it.
      ma_custom_getter: made the variables.
      interval_steps: steps from one average to the next.
      use_locking: accepted; updates are always whole.
      name: default "ModelAverageOptimizer".
    """

    def __init__(
        self,
        opt: Any,
        num_worker: int,
        is_chief: bool,
        ma_custom_getter: ModelAverageCustomGetter,
        interval_steps: int = 100,
        use_locking: bool = True,
        name: str = "ModelAverageOptimizer",
    ) -> None:
        super().__init__(opt, num_worker, ma_custom_getter, interval_steps, use_locking, name)
        self._is_chief = is_chief
        self._begin: list[Any] = []

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Moves the worker's variables and, every so often, averages those of all workers.

        Raises:
          ValueError: there is no global step, which counts the averages, or there are no gradients.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("Must supply at least one variable")
        self._required(global_step)
        update = self._opt.apply_gradients(pairs)
        tokens = FIFOQueue(-1, [dtypes.bool_], [()], shared_name="sync_token_q")
        accumulators = []
        with name_scope(f"{self._name}/global"):
            for var in self._copies.centers:
                kept = ConditionalAccumulator(
                    var.dtype.base_dtype, var.get_shape(), f"{var.name}/accumulator"
                )
                accumulators.append(kept)
        self._begin = [kept.set_global_step(global_step) for kept in accumulators]
        counted, due = self._due([update])
        with control_dependencies([counted]):
            return cond(due, lambda: self._average(accumulators, tokens, global_step), no_op)

    def _average(self, accumulators: list[Any], tokens: Any, global_step: Any) -> Any:
        centers = self._copies.centers
        given = [
            kept.apply_grad(var.read_value(), local_step=global_step)
            for kept, var in zip(accumulators, centers, strict=True)
        ]
        if self._is_chief:
            with control_dependencies(given):
                means = [kept.take_grad(self._num_worker) for kept in accumulators]
                moved = [center.assign(m) for center, m in zip(centers.values(), means, strict=True)]
                moved.append(global_step.assign_add(1))
            with control_dependencies(moved):
                ready = (
                    tokens.enqueue_many(fill([self._num_worker - 1], True)) if self._num_worker > 1 else None
                )
            before = moved if ready is None else [ready]
        else:
            with control_dependencies(given):
                before = [tokens.dequeue().op]
        with control_dependencies(before):
            return group(*[var.assign(center.read_value()) for var, center in centers.items()])

    def get_init_op(self) -> Any:
        """What sets the worker's variables to the average, once a step was defined."""
        return group(self._start(), *self._begin)

    def make_session_run_hook(self) -> StartHook:
        """A hook that begins the worker's variables at the average."""
        return StartHook(self.get_init_op)
