"""What optimizers for workers with copies of their own share: copies of variables, and a step every so often.

A worker trains variables of its own, which are local. Beside each stands a global variable, the center, which
all workers move together every few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import int32
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.variable import Variable
from millrace.ops.math.comparison import equal
from millrace.training.hooks.base import SessionRunHook
from millrace.training.optimizers.optimizer import Optimizer

CENTER = "global_center_variable"


class CopyGetter:
    """Makes trainable variables local ones of a worker, each beside its center.

    Args:
      worker_device: where the copies are.
    """

    beside = ""
    """The name of a second local variable; empty where there is none."""

    def __init__(self, worker_device: Any) -> None:
        self._worker_device = worker_device
        self.centers: dict[Any, Any] = {}
        self.locals: dict[Any, Any] = {}

    def __call__(
        self,
        getter: Callable[..., Any],
        name: str,
        trainable: Any,
        collections: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """As `tf.get_variable` calls a custom getter."""
        if not trainable:
            return getter(name, *args, trainable=trainable, collections=collections, **kwargs)
        local = [GraphKeys.LOCAL_VARIABLES]
        with get_default_graph().device(self._worker_device):
            var = getter(name, *args, trainable=True, collections=local, **kwargs)
        self.centers[var] = self._center(var, getter, name, *args, **kwargs)
        if self.beside:
            with get_default_graph().device(self._worker_device):
                second = getter(f"{self.beside}/{name}", *args, trainable=False, collections=local, **kwargs)
            self.locals[var] = second
        return var

    def _center(self, var: Any, getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        """The center of `var`, which begins like it."""
        del var
        everywhere = [GraphKeys.GLOBAL_VARIABLES]
        return getter(f"{CENTER}/{name}", *args, trainable=False, collections=everywhere, **kwargs)


class LocalCopies(Optimizer):
    """An optimizer of local copies, which meets the centers every few steps.

    Args:
      opt: moves the copies.
      num_worker: how many workers there are.
      getter: made the variables.
      period: steps from one meeting to the next.
      use_locking: accepted; updates are always whole.
      name: of the optimizer.
    """

    def __init__(
        self, opt: Optimizer, num_worker: int, getter: CopyGetter, period: int, use_locking: bool, name: str
    ) -> None:
        super().__init__(use_locking, name)
        self._opt = opt
        self._num_worker = num_worker
        self._copies = getter
        self._period = period
        self._local_step = Variable(
            0, trainable=False, collections=[GraphKeys.LOCAL_VARIABLES], dtype=int32, name="local_step"
        )
        opt._prepare()

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """As the optimizer inside has it."""
        return self._opt.compute_gradients(*args, **kwargs)

    def _required(self, global_step: Any) -> None:
        if global_step is None:
            raise ValueError(f"{self.get_name()}: global_step is required. Received: None")

    def _due(self, before: Sequence[Any]) -> tuple[Any, Any]:
        """Counts a step after `before`; the count, and whether the centers are to be met."""
        with control_dependencies(before):
            counted = assign_add(self._local_step, 1, name="local_step_update")
        with control_dependencies([counted]):
            return counted, equal(self._local_step % self._period, 0)

    def _keep_local(self) -> None:
        """Makes the variables of the optimizer inside local ones."""
        graph = get_default_graph()
        own = {id(var) for var in self._opt.variables()}
        everywhere = graph.get_collection_ref(GraphKeys.GLOBAL_VARIABLES)
        for var in [v for v in everywhere if id(v) in own]:
            graph.add_to_collection(GraphKeys.LOCAL_VARIABLES, var)
        everywhere[:] = [v for v in everywhere if id(v) not in own]

    def _start(self, *more: Callable[[Any], Any]) -> Any:
        """Sets each copy to its center, and does `more` with each."""
        done = [var.assign(center) for var, center in self._copies.centers.items()]
        done += [make(var) for make in more for var in self._copies.centers]
        return group(*done)


class StartHook(SessionRunHook):
    """Runs an operation when there is a session.

    Args:
      make: makes the operation.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._operation: Any = None

    def begin(self) -> None:
        """Makes the operation."""
        self._operation = self._make()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs it."""
        session.run(self._operation)
