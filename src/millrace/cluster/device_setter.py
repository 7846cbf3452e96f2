"""`tf.train.replica_device_setter`: variables on the tasks that keep them, the rest on the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.graph.device import DeviceSpec
from millrace.training.cluster_spec import ClusterSpec

STANDARD_PS_OPS = public("python.training.device_setter.STANDARD_PS_OPS")(
    (
        "Variable",
        "VariableV2",
        "AutoReloadVariable",
        "MutableHashTable",
        "MutableHashTableV2",
        "MutableHashTableOfTensors",
        "MutableHashTableOfTensorsV2",
        "MutableDenseHashTable",
        "MutableDenseHashTableV2",
        "VarHandleOp",
        "BoostedTreesEnsembleResourceHandleOp",
        "BoostedTreesQuantileStreamResourceHandleOp",
    )
)


@public("python.training.device_setter._RoundRobinStrategy")
class RoundRobinStrategy:
    """Puts variables on the tasks one after the other.

    Args:
      num_tasks: how many tasks there are.
    """

    def __init__(self, num_tasks: int) -> None:
        self._num_tasks = num_tasks
        self._next_task = 0

    def __call__(self, op: Any) -> int:
        """The task for the variable that `op` makes."""
        task = self._next_task
        self._next_task = (task + 1) % self._num_tasks
        return task


@public("python.training.device_setter._ReplicaDeviceChooser")
class ReplicaDeviceChooser:
    """A device function: the tasks of `ps_device` for operations of `ps_ops`, `worker_device` for others.

    Args:
      ps_tasks, ps_device, worker_device, merge_devices, ps_ops, ps_strategy: as for
        `replica_device_setter`.
    """

    def __init__(
        self,
        ps_tasks: int,
        ps_device: str,
        worker_device: str,
        merge_devices: bool,
        ps_ops: Any,
        ps_strategy: Callable[[Any], int],
    ) -> None:
        self._ps_tasks = ps_tasks
        self._ps_device = ps_device
        self._worker_device = worker_device
        self._merge_devices = merge_devices
        self._ps_ops = ps_ops
        self._ps_strategy = ps_strategy

    def device_function(self, op: Any) -> str:
        """The device for one operation."""
        given = op.device
        if not self._merge_devices and given:
            return given
        current = DeviceSpec.from_string(given or "")
        kind = op if isinstance(op, protos.NodeDef) else op.node_def
        if self._ps_tasks and self._ps_device and kind.op in self._ps_ops:
            task = DeviceSpec.from_string(self._ps_device)
            if task.job and (current.job is None or current.job == task.job):
                task.task = int(self._ps_strategy(op))
            return task.make_merged_spec(current).to_string()
        return DeviceSpec.from_string(self._worker_device or "").make_merged_spec(current).to_string()


@public("train.replica_device_setter")
def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Any = None,
    ps_strategy: Callable[[Any], int] | None = None,
) -> Callable[[Any], str] | None:
    """A device function for `tf.device`, for variables on some tasks and everything else on a worker.

    Args:
      ps_tasks: how many tasks keep variables; not looked at where `cluster` is given.
      ps_device: the job that keeps them; "" for none.
      worker_device: the device of the rest.
      merge_devices: whether outer and inner devices are merged, the inner ones winning.
      cluster: a ClusterDef or ClusterSpec, which says how many tasks the job has.
      ps_ops: the types of operations that are kept there; variables and tables without it.
      ps_strategy: from an operation to the number of its task; one after the other without it.

    Returns:
      The function; None where no task keeps variables.

    Raises:
      TypeError: `cluster` is not a cluster, or `ps_strategy` cannot be called.
    """
    if cluster is not None:
        spec = cluster if isinstance(cluster, ClusterSpec) else ClusterSpec(cluster)
        job = DeviceSpec.from_string(ps_device).job if ps_device else None
        tasks = spec.as_dict().get(job or "")
        if not tasks:
            return None
        ps_tasks = len(tasks)
    if not ps_tasks:
        return None
    if ps_strategy is None:
        ps_strategy = RoundRobinStrategy(ps_tasks)
    if not callable(ps_strategy):
        raise TypeError(f"ps_strategy must be callable. Received: {ps_strategy!r}")
    kept = list(STANDARD_PS_OPS) if ps_ops is None else ps_ops
    return ReplicaDeviceChooser(
        ps_tasks, ps_device, worker_device, merge_devices, kept, ps_strategy
    ).device_function
