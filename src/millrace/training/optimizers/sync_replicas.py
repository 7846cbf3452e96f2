"""`SyncReplicasOptimizer`: one step of the gradients of several replicas, added up."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.input.accumulators import ConditionalAccumulator, SparseConditionalAccumulator
from millrace.lib.input.queues import FIFOQueue
from millrace.lib.platform import log
from millrace.lib.variables import sets
from millrace.lib.variables.variable import Variable
from millrace.ops.array import constant
from millrace.training.coordination.queue_runner import QueueRunner
from millrace.training.hooks.base import SessionRunHook
from millrace.training.optimizers.optimizer import Optimizer
from millrace.training.sessions.manager import SessionManager


@public("train.SyncReplicasOptimizer", "python.training.sync_replicas_optimizer.SyncReplicasOptimizer")
class SyncReplicasOptimizer(Optimizer):
    """Waits for the gradients of several replicas, and makes one step of their mean with another optimizer.

    Each replica puts its gradients into accumulators and waits for a token. The chief's queue runner takes
    the mean as soon as there are enough, makes the step, and hands out tokens.

    Args:
      opt: makes the step.
      replicas_to_aggregate: how many gradients make a step.
      total_num_replicas: how many replicas there are; default: as many.
      variable_averages: an `ExponentialMovingAverage` to move after each step.
      variables_to_average: its variables.
      use_locking: accepted; updates are always whole.
      name: default "sync_replicas".
    """

    def __init__(
        self,
        opt: Optimizer,
        replicas_to_aggregate: int,
        total_num_replicas: int | None = None,
        variable_averages: Any = None,
        variables_to_average: Any = None,
        use_locking: bool = False,
        name: str = "sync_replicas",
    ) -> None:
        super().__init__(use_locking, name)
        self._opt = opt
        self._replicas_to_aggregate = replicas_to_aggregate
        self._total_num_replicas = replicas_to_aggregate if total_num_replicas is None else total_num_replicas
        self._tokens_per_step = max(self._total_num_replicas, replicas_to_aggregate)
        self._variable_averages = variable_averages
        self._variables_to_average = variables_to_average
        self._gradients_applied = False
        self._global_step: Any = None
        self._sync_token_queue: Any = None
        self._chief_queue_runner: Any = None
        self.local_step_init_op: Any = None
        self.chief_init_op: Any = None
        self.ready_for_local_init_op: Any = None
        log.info(
            "SyncReplicasV2: replicas_to_aggregate=%s; total_num_replicas=%s",
            replicas_to_aggregate,
            self._total_num_replicas,
        )

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """As the optimizer inside has it."""
        return self._opt.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """An operation that hands gradients in and waits for the step.

        Args:
          grads_and_vars: pairs, as `compute_gradients` gives them.
          global_step: the step's variable, which says whether a gradient is too old.
          name: accepted.

        Raises:
          ValueError: there are no pairs, or no global step.
        """
        pairs = list(grads_and_vars or ())
        if not pairs:
            raise ValueError("Must supply at least one variable")
        if global_step is None:
            raise ValueError("Global step is required to check staleness")
        self._global_step = global_step
        graph = get_default_graph()
        anchor = constant.no_op()
        with graph.colocate_with(anchor):
            self._local_step = Variable(
                0,
                trainable=False,
                collections=[GraphKeys.LOCAL_VARIABLES],
                dtype=global_step.dtype.base_dtype,
                name="sync_rep_local_step",
            )
        self.local_step_init_op = self._local_step.assign(global_step)
        self.ready_for_local_init_op = sets.report_uninitialized_variables(sets.global_variables())
        with name_scope(None, self._name) as scope:
            handed_in, means, accumulators = self._accumulated(pairs)
        with graph.device(global_step.device), name_scope(""):
            update = self._opt.apply_gradients(means, global_step)
            tokens = self._sync_token_queue = FIFOQueue(
                -1, global_step.dtype.base_dtype, shapes=(), name="sync_token_q", shared_name="sync_token_q"
            )
            dummy = FIFOQueue(1, "int32", shapes=(), name="dummy_queue", shared_name="dummy_queue")
            with control_dependencies(handed_in):
                train_op = self._local_step.assign(tokens.dequeue())
            with control_dependencies([update]):
                sync_op = tokens.enqueue_many((raw.Fill([self._tokens_per_step], global_step),))
            if self._variable_averages is not None:
                with control_dependencies([sync_op]), name_scope(""):
                    sync_op = self._variable_averages.apply(self._variables_to_average)
            self._chief_queue_runner = QueueRunner(dummy, [sync_op])
        with name_scope(scope):
            starts = [a.set_global_step(global_step, name="SetGlobalStep") for a in accumulators]
            self.chief_init_op = group(self.local_step_init_op, *starts)
        self._gradients_applied = True
        return train_op

    def _accumulated(self, pairs: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """The operations that hand gradients in, the pairs of means, and the accumulators."""
        handed_in, means, accumulators = [], [], []
        for gradient, var in pairs:
            with get_default_graph().device(var.device):
                if gradient is None:
                    means.append((None, var))
                    continue
                name = f"{var.name}/grad_accum"
                if isinstance(gradient, IndexedSlices):
                    sparse = SparseConditionalAccumulator(gradient.dtype, shape=(), shared_name=name)
                    handed_in.append(sparse.apply_indexed_slices_grad(gradient, local_step=self._local_step))
                    means.append((sparse.take_indexed_slices_grad(self._replicas_to_aggregate), var))
                    accumulators.append(sparse)
                    continue
                dense = ConditionalAccumulator(gradient.dtype, shape=var.get_shape(), shared_name=name)
                handed_in.append(dense.apply_grad(gradient, local_step=self._local_step))
                means.append((dense.take_grad(self._replicas_to_aggregate), var))
                accumulators.append(dense)
        return handed_in, means, accumulators

    def get_chief_queue_runner(self) -> QueueRunner:
        """The chief's runner, which makes the steps.

        Raises:
          ValueError: `apply_gradients` was not called yet.
        """
        if not self._gradients_applied:
            raise ValueError("Should be called after apply_gradients().")
        return self._chief_queue_runner

    def get_init_tokens_op(self, num_tokens: int = -1) -> Any:
        """An operation that hands out the first tokens.

        Args:
          num_tokens: how many; -1 for `replicas_to_aggregate`.

        Raises:
          ValueError: they are too few for the first step, or `apply_gradients` was not called yet.
        """
        if not self._gradients_applied:
            raise ValueError("get_init_tokens_op() should be called after apply_gradients().")
        needed = self._replicas_to_aggregate - self._total_num_replicas
        if num_tokens == -1:
            num_tokens = self._replicas_to_aggregate
        elif num_tokens < needed:
            raise ValueError(
                f"Too few tokens to finish the first step: {num_tokens} (given) vs {needed} (needed)"
            )
        if num_tokens <= 0:
            return constant.no_op(name="no_init_tokens")
        with get_default_graph().device(self._global_step.device), name_scope(""):
            return self._sync_token_queue.enqueue_many((raw.Fill([num_tokens], self._global_step),))

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """As the optimizer inside has it."""
        return self._opt.get_slot(*args, **kwargs)

    def variables(self) -> list[Any]:
        """As the optimizer inside has them."""
        return self._opt.variables()

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        """As the optimizer inside has them."""
        return self._opt.get_slot_names(*args, **kwargs)

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SessionRunHook:
        """A hook that sets the tokens out and starts the chief's runner."""
        return _SyncHook(self, is_chief, num_tokens)


class _SyncHook(SessionRunHook):
    """Begins a session of a `SyncReplicasOptimizer`."""

    def __init__(self, optimizer: SyncReplicasOptimizer, is_chief: bool, num_tokens: int) -> None:
        self._optimizer = optimizer
        self._is_chief = is_chief
        self._num_tokens = num_tokens

    def begin(self) -> None:
        optimizer = self._optimizer
        if not optimizer._gradients_applied:
            raise ValueError("SyncReplicasOptimizer.apply_gradient should be called before using the hook.")
        self._runner = self._tokens = None
        self._local_init_op = optimizer.local_step_init_op
        if self._is_chief:
            self._local_init_op = optimizer.chief_init_op
            self._runner = optimizer.get_chief_queue_runner()
            self._tokens = optimizer.get_init_tokens_op(self._num_tokens)

    def after_create_session(self, session: Any, coord: Any) -> None:
        ready = SessionManager(graph=session.graph)._ready(self._optimizer.ready_for_local_init_op, session)
        if not ready[0]:
            raise RuntimeError(
                "Init operations did not make model ready for SyncReplicasOptimizer local_init. Init op: "
                f"{self._local_init_op.name}, error: {ready[1]}"
            )
        session.run(self._local_init_op)
        if self._tokens is not None:
            session.run(self._tokens)
        if self._runner is not None:
            self._runner.create_threads(session, coord=coord, daemon=True, start=True)
