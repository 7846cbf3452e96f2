"""`tf.distribute.experimental`, and what `tf.distribute` has to combine the values of replicas."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.cluster.strategy import ReduceOp
from millrace.contributed.distribute.strategies import AllReduceCrossDeviceOps, CrossDeviceOps, OfOneReplica
from millrace.core.public import public
from millrace.ops.math.arithmetic import add_n


@public("distribute.experimental.CollectiveCommunication")
class CollectiveCommunication(enum.Enum):
    """How workers would tell one another their values."""

    AUTO = "AUTO"
    RING = "RING"
    NCCL = "NCCL"


@public("distribute.experimental.CentralStorageStrategy")
class CentralStorageStrategy(OfOneReplica):
    """One replica, which holds its variables itself.

    Args:
      compute_devices, parameter_device: accepted; there is one device.
    """

    def __init__(self, compute_devices: Any = None, parameter_device: Any = None) -> None:
        super().__init__(None)


@public(
    "distribute.experimental.MultiWorkerMirroredStrategy",
    "python.distribute.collective_all_reduce_strategy.CollectiveAllReduceStrategy",
)
class CollectiveAllReduceStrategy(OfOneReplica):
    """One replica in one process, whose gradients are the sum already.

    Args:
      communication: accepted.
    """

    def __init__(self, communication: CollectiveCommunication = CollectiveCommunication.AUTO) -> None:
        super().__init__(None)


@public("distribute.experimental.ParameterServerStrategy")
class ParameterServerStrategy(OfOneReplica):
    """One replica in one process, which holds its variables itself.

    Args:
      cluster_resolver: accepted.
    """

    def __init__(self, cluster_resolver: Any = None) -> None:
        super().__init__(None)


@public("distribute.experimental.TPUStrategy")
class TPUStrategy(OfOneReplica):
    """One replica on the device that there is instead of a TPU.

    Args:
      tpu_cluster_resolver, device_assignment: accepted.
    """

    def __init__(self, tpu_cluster_resolver: Any = None, device_assignment: Any = None) -> None:
        super().__init__(None)


class _InPacks(AllReduceCrossDeviceOps):
    """Adds up the values of replicas.

    Args:
      num_packs: in how many pieces values would travel; 0 for as they are.

    Raises:
      ValueError: `num_packs` is negative.
    """

    _way: str

    def __init__(self, num_packs: int = 1) -> None:
        if num_packs < 0:
            raise ValueError(f"all-reduce requires num_packs >= 0, but {num_packs} is specified")
        super().__init__(self._way, num_packs)


@public("distribute.NcclAllReduce")
class NcclAllReduce(_InPacks):
    """Adds up the values of replicas, as NCCL would, from device to device.

    `num_packs` says in how many pieces; 0 for values as they are.
    """

    _way = "nccl"


@public("distribute.HierarchicalCopyAllReduce")
class HierarchicalCopyAllReduce(_InPacks):
    """Adds up the values of replicas, as copies over the devices nearest to each other would.

    `num_packs` says in how many pieces; 0 for values as they are.
    """

    _way = "hierarchical_copy"


@public("distribute.ReductionToOneDevice")
class ReductionToOneDevice(CrossDeviceOps):
    """Combines the values of replicas by a function.

    Args:
      reduce_to_device: accepted; there is one device.
      accumulation_fn: of a list of tensors to their sum; default: `tf.add_n`.
    """

    def __init__(
        self, reduce_to_device: Any = None, accumulation_fn: Callable[[list[Any]], Any] | None = None
    ) -> None:
        self.reduce_to_device = reduce_to_device
        self.accumulation_fn = accumulation_fn or add_n

    def reduce_implementation(self, reduce_op: ReduceOp, per_replica_value: Any, destinations: Any) -> Any:
        """The sum or mean of values."""
        many = isinstance(per_replica_value, list | tuple)
        values = [convert_to_tensor(v) for v in (per_replica_value if many else [per_replica_value])]
        total = self.accumulation_fn(values)
        return total / len(values) if reduce_op is ReduceOp.MEAN else total
