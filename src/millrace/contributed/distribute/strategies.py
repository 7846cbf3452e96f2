"""`tf.contrib.distribute`: strategies, all of which run one replica here, and what they are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple

from millrace.building import operators  # noqa: F401 - gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.cluster import strategy
from millrace.cluster.strategy import ReduceOp, ReplicaContext, Strategy, StrategyExtended
from millrace.core.public import public
from millrace.lib.platform import log as logging
from millrace.ops.math.arithmetic import add_n
from millrace.session.devices import list_devices

public("contrib.distribute.DistributionStrategy")(Strategy)
public("contrib.distribute.ReplicaContext")(ReplicaContext)
OneDeviceStrategy = public("contrib.distribute.OneDeviceStrategy")(strategy.OneDeviceStrategy)
get_strategy = public("contrib.distribute.get_strategy", "contrib.distribute.get_distribution_strategy")(
    strategy.get_strategy
)
has_strategy = public("contrib.distribute.has_strategy", "contrib.distribute.has_distribution_strategy")(
    strategy.has_strategy
)
get_replica_context = public("contrib.distribute.get_replica_context")(strategy.get_replica_context)
in_cross_replica_context = public("contrib.distribute.in_cross_replica_context")(
    strategy.in_cross_replica_context
)
get_loss_reduction = public("contrib.distribute.get_loss_reduction")(strategy.get_loss_reduction)


@public("contrib.distribute.MirroredStrategy")
class MirroredStrategy(strategy.MirroredStrategy):
    """One replica on one device; where more are asked for, a line of the log says so.

    Args:
      devices: a list of one device.
      num_gpus, num_gpus_per_worker: how many GPUs to use; 0 is the CPU.
      cross_device_ops, cross_tower_ops: accepted; of one replica nothing is to be combined.
      auto_shard_dataset: accepted; there is one part.

    Raises:
      ValueError: arguments exclude each other, or several devices are named.
    """

    def __init__(
        self,
        devices: Any = None,
        num_gpus: int | None = None,
        num_gpus_per_worker: int | None = None,
        cross_device_ops: Any = None,
        auto_shard_dataset: bool = False,
        cross_tower_ops: Any = None,
    ) -> None:
        if cross_device_ops is not None and cross_tower_ops is not None:
            raise ValueError("Can't set both cross_device_ops and cross_tower_ops.")
        if num_gpus is not None and num_gpus_per_worker is not None:
            raise ValueError("You cannot specify both `num_gpus` and `num_gpus_per_worker`.")
        count = num_gpus_per_worker if num_gpus is None else num_gpus
        if devices is not None and count is not None:
            raise ValueError("Must only specify one of `devices` and `num_gpus`.")
        super().__init__(devices or _one_device(count), cross_device_ops or cross_tower_ops)


def _one_device(count: int | None) -> list[str] | None:
    """The device for so many GPUs."""
    if count is None:
        return None
    if count > 1:
        logging.warning("%d GPUs are asked for; the strategy runs one replica on one device.", count)
    found = [device.name for device in list_devices() if device.device_type != "CPU"]
    return found[:1] if count and found else [list_devices()[0].name]


class OfOneReplica(Strategy):
    """A strategy whose one replica is on the first device that it may use."""

    def __init__(self, count: int | None) -> None:
        devices = _one_device(count) or [list_devices()[-1].name]
        super().__init__(StrategyExtended(self, devices[0]))


@public("contrib.distribute.CollectiveAllReduceStrategy")
class CollectiveAllReduceStrategy(OfOneReplica):
    """One replica in one process, whose gradients are the sum already.

    Args:
      num_gpus_per_worker: how many GPUs to use; 0 is the CPU.
      communication: accepted.
    """

    def __init__(self, num_gpus_per_worker: int = 0, communication: Any = None) -> None:
        super().__init__(num_gpus_per_worker)


@public("contrib.distribute.ParameterServerStrategy")
class ParameterServerStrategy(OfOneReplica):
    """One replica in one process, which holds its variables itself.

    Args:
      num_gpus_per_worker: how many GPUs to use; 0 is the CPU.
    """

    def __init__(self, num_gpus_per_worker: int = 0) -> None:
        super().__init__(num_gpus_per_worker)


@public("contrib.distribute.TPUStrategy")
class TPUStrategy(OfOneReplica):
    """One replica on the device that there is instead of a TPU.

    Args:
      tpu_cluster_resolver: where TPUs are; of this process.
      steps_per_run: how many steps a host loop takes.
      device_assignment: accepted.
    """

    def __init__(
        self,
        tpu_cluster_resolver: Any = None,
        steps_per_run: int | None = None,
        device_assignment: Any = None,
    ) -> None:
        self.steps_per_run = 1 if steps_per_run is None else steps_per_run
        super().__init__(None)


@public("contrib.tpu.TPUDistributionStrategy")
class TPUDistributionStrategy(OfOneReplica):
    """One replica on the device that there is instead of a TPU, for `keras_to_tpu_model`.

    Args:
      tpu_cluster_resolver: where TPUs are; of this process.
      using_single_core: accepted.
    """

    def __init__(self, tpu_cluster_resolver: Any = None, using_single_core: bool = False) -> None:
        super().__init__(None)


@public("contrib.distribute.initialize_tpu_system", "tpu.experimental.initialize_tpu_system")
def initialize_tpu_system(cluster_resolver: Any = None) -> None:
    """Prepares TPUs; the devices of this process need nothing."""


@public("contrib.distribute.get_cross_replica_context")
def get_cross_replica_context() -> Any:
    """The strategy, where code runs for all replicas at once; None inside of one."""
    return strategy.get_strategy() if strategy.in_cross_replica_context() else None


@public("contrib.distribute.require_replica_context")
def require_replica_context(replica_ctx: Any) -> None:
    """Checks that code runs inside of a replica.

    Raises:
      RuntimeError: it does not, or in another replica.
    """
    current = strategy.get_replica_context()
    if current is None:
        raise RuntimeError("Need to be inside `call_for_each_replica()`")
    if current.strategy is not replica_ctx.strategy:
        raise RuntimeError("Mismatching ReplicaContext.")


@public("contrib.distribute.UpdateContext")
class UpdateContext:
    """Says on which device a variable is being updated.

    Args:
      device: its name.
    """

    _entered: list[Any] = []

    def __init__(self, device: Any) -> None:
        self._device = device

    def __enter__(self) -> None:
        self._entered.append(self._device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop()


@public("contrib.distribute.CrossDeviceOps", "distribute.CrossDeviceOps")
class CrossDeviceOps(ABC):
    """Combines the values of replicas."""

    @abstractmethod
    def reduce_implementation(self, reduce_op: ReduceOp, per_replica_value: Any, destinations: Any) -> Any:
        """The sum or mean of values."""

    def reduce(self, reduce_op: ReduceOp, per_replica_value: Any, destinations: Any) -> Any:
        """The sum or mean of values.

        Args:
          reduce_op: a `ReduceOp`.
          per_replica_value: a tensor, or one for each replica.
          destinations: where it is wanted.
        """
        return self.reduce_implementation(reduce_op, per_replica_value, destinations)

    def batch_reduce(self, reduce_op: ReduceOp, value_destination_pairs: Any) -> list[Any]:
        """As `reduce`, for pairs of value and destination."""
        return [self.reduce(reduce_op, value, where) for value, where in value_destination_pairs]

    def broadcast(self, tensor: Any, destinations: Any) -> Any:
        """The same value for every replica."""
        return convert_to_tensor(tensor)


@public("contrib.distribute.AllReduceCrossDeviceOps")
class AllReduceCrossDeviceOps(CrossDeviceOps):
    """Adds up the values of replicas.

    Args:
      all_reduce_alg, num_packs, agg_small_grads_max_bytes, agg_small_grads_max_group: how values would travel
        between devices; accepted.
    """

    def __init__(
        self,
        all_reduce_alg: str = "nccl",
        num_packs: int = 1,
        agg_small_grads_max_bytes: int = 0,
        agg_small_grads_max_group: int = 10,
    ) -> None:
        self._all_reduce_alg, self._num_packs = all_reduce_alg, num_packs

    def reduce_implementation(self, reduce_op: ReduceOp, per_replica_value: Any, destinations: Any) -> Any:
        """The sum or mean of values."""
        many = isinstance(per_replica_value, list | tuple)
        values = list(per_replica_value) if many else [per_replica_value]
        total = add_n(values) if len(values) > 1 else convert_to_tensor(values[0])
        return total / len(values) if reduce_op is ReduceOp.MEAN and len(values) > 1 else total


class AllReduceSpec(NamedTuple):
    """An algorithm, its shards, and the largest value it is used for."""

    alg: str
    shards: int
    limit: int


@public("contrib.distribute.MultiWorkerAllReduce")
class MultiWorkerAllReduce(AllReduceCrossDeviceOps):
    """Adds up the values of the replicas of several workers.

    Args:
      worker_devices: the devices of each worker.
      num_gpus_per_worker: how many each has.
      all_reduce_spec: one or several triples of algorithm, shards and limit.
      num_packs, agg_small_grads_max_bytes, agg_small_grads_max_group: accepted.
    """

    def __init__(
        self,
        worker_devices: Sequence[Any],
        num_gpus_per_worker: int,
        all_reduce_spec: Any = ("pscpu/pscpu", 2, -1),
        num_packs: int = 0,
        agg_small_grads_max_bytes: int = 0,
        agg_small_grads_max_group: int = 10,
    ) -> None:
        super().__init__(num_packs=num_packs)
        self._worker_devices, self._num_gpus_per_worker = worker_devices, num_gpus_per_worker
        specs = [all_reduce_spec] if isinstance(all_reduce_spec, tuple) else list(all_reduce_spec)
        self._all_reduce_spec = [AllReduceSpec(*spec) for spec in specs]


@public("contrib.distribute.DistributeConfig")
class DistributeConfig(NamedTuple):
    """How an estimator's parts are distributed.

    Attributes:
      train_distribute: the strategy of training.
      eval_distribute: that of evaluation.
      remote_cluster: a cluster that is not this process's.
    """

    train_distribute: Any = None
    eval_distribute: Any = None
    remote_cluster: Any = None


@public("contrib.distribute.run_standard_tensorflow_server")
def run_standard_tensorflow_server(session_config: Any = None) -> Any:
    """Starts the server of this task, as the environment variable TF_CONFIG describes it.

    Args:
      session_config: a `ConfigProto`.

    Raises:
      ValueError: TF_CONFIG does not name a cluster and a task.
    """
    from millrace.cluster.resolvers import TFConfigClusterResolver
    from millrace.cluster.server import Server

    resolver = TFConfigClusterResolver()
    spec = resolver.cluster_spec()
    if not spec.as_dict() or resolver.task_type is None or resolver.task_id is None:
        raise ValueError(
            "TF_CONFIG must name a cluster and a task. "
            f"Received: cluster {spec.as_dict()}, task {resolver.task_type}:{resolver.task_id}"
        )
    return Server(spec, job_name=resolver.task_type, task_index=resolver.task_id, config=session_config)
