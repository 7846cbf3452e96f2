"""`tf.distribute`: strategies of one replica, which run a program as it is."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections.abc import Callable, Iterator
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import colocate_with, device
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.device import canonical
from millrace.session.devices import list_devices


@public("distribute.ReduceOp", "python.distribute.reduce_util.ReduceOp")
class ReduceOp(enum.Enum):
    """How the values of replicas become one."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        """What fits a variable's aggregation.

        Raises:
          ValueError: nothing does.
        """
        found = {"SUM": ReduceOp.SUM, "MEAN": ReduceOp.MEAN}.get(getattr(aggregation, "name", ""))
        if found is None:
            raise ValueError(f"Could not convert from `tf.VariableAggregation` {aggregation} to `ReduceOp`")
        return found


@public("distribute.InputReplicationMode")
class InputReplicationMode(enum.Enum):
    """How the function that makes the input is called."""

    PER_WORKER = "PER_WORKER"


@public("distribute.InputContext")
class InputContext:
    """What the function that makes the input is told.

    Args:
      num_input_pipelines: how many inputs there are.
      input_pipeline_id: which of them this is.
      num_replicas_in_sync: how many replicas take steps together.
    """

    def __init__(
        self, num_input_pipelines: int = 1, input_pipeline_id: int = 0, num_replicas_in_sync: int = 1
    ) -> None:
        self.num_input_pipelines = num_input_pipelines
        self.input_pipeline_id = input_pipeline_id
        self.num_replicas_in_sync = num_replicas_in_sync

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """The part of a batch that one replica gets.

        Raises:
          ValueError: it cannot be divided.
        """
        if global_batch_size % self.num_replicas_in_sync:
            raise ValueError(
                f"The global_batch_size {global_batch_size!r} is not divisible by num_replicas_in_sync "
                f"{self.num_replicas_in_sync!r}"
            )
        return global_batch_size // self.num_replicas_in_sync


class _Thread(threading.local):
    """What the scopes of this thread say: strategies, and whether code runs for all replicas at once."""

    def __init__(self) -> None:
        self.entered: list[tuple[Strategy, bool]] = []


_thread = _Thread()


@contextlib.contextmanager
def _entered(strategy: Strategy, across: bool) -> Iterator[Strategy]:
    _thread.entered.append((strategy, across))
    try:
        yield strategy
    finally:
        _thread.entered.pop()


@public("distribute.ReplicaContext")
class ReplicaContext:
    """What code of one replica can ask.

    Args:
      strategy: the strategy that runs it.
      replica_id_in_sync_group: the replica's number, a tensor.
    """

    def __init__(self, strategy: Strategy, replica_id_in_sync_group: Any) -> None:
        self._strategy = strategy
        self._replica_id = replica_id_in_sync_group

    @property
    def strategy(self) -> Strategy:
        """The strategy that runs the replica."""
        return self._strategy

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas take steps together: 1."""
        return self._strategy.num_replicas_in_sync

    @property
    def replica_id_in_sync_group(self) -> Any:
        """The replica's number, a tensor."""
        return convert_to_tensor(self._replica_id, name="replica_id_in_sync_group")

    @property
    def devices(self) -> tuple[str, ...]:
        """The replica's device."""
        return self._strategy.extended.worker_devices

    def merge_call(self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Calls `merge_fn(strategy, *args, **kwargs)` for all replicas at once."""
        with _entered(self._strategy, True):
            return merge_fn(self._strategy, *args, **(kwargs or {}))

    def all_reduce(self, reduce_op: Any, value: Any) -> Any:
        """The sum or mean over the replicas: of one, the value itself."""
        ReduceOp(getattr(reduce_op, "value", str(reduce_op).upper()))
        return nest.map_structure(convert_to_tensor, value)


@public("distribute.StrategyExtended")
class StrategyExtended:
    """What a strategy offers to libraries.

    Args:
      container_strategy: the strategy.
      where: its device; "" for the default one.
    """

    experimental_require_static_shapes = False

    def __init__(self, container_strategy: Strategy, where: str = "") -> None:
        self._strategy = container_strategy
        self._device = canonical(where)

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The devices that replicas run on."""
        return (self._device or list_devices()[0].name,)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """The devices that hold variables."""
        return self.worker_devices

    @property
    def experimental_between_graph(self) -> bool:
        """Whether each worker has a graph of its own: no."""
        return False

    @property
    def should_checkpoint(self) -> bool:
        """Whether this process writes checkpoints: yes."""
        return True

    @property
    def should_save_summary(self) -> bool:
        """Whether this process writes summaries: yes."""
        return True

    @contextlib.contextmanager
    def _placed(self) -> Iterator[None]:
        with device(self._device) if self._device else contextlib.nullcontext():
            yield

    def call_for_each_replica(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Calls `fn` for the replica."""
        with _entered(self._strategy, False), self._placed():
            return fn(*args, **(kwargs or {}))

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any) -> Any:
        """The value of the only replica."""
        return value

    def batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Any) -> list[Any]:
        """The values of the only replica."""
        return [value for value, _ in value_destination_pairs]

    def broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        """The tensor."""
        return tensor

    def colocate_vars_with(self, colocate_with_variable: Any) -> Any:
        """A context that places variables where another one is."""
        return colocate_with(colocate_with_variable)

    def update(
        self, var: Any, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, group: bool = True
    ) -> Any:
        """Calls `fn(var, *args, **kwargs)`.

        Args:
          var: a variable.
          fn: changes it.
          args, kwargs: what else it takes.
          group: give the result as it is; without it, in a list.
        """
        with _entered(self._strategy, True):
            result = fn(var, *args, **(kwargs or {}))
        return result if group else nest.map_structure(lambda value: (value,), result)

    def update_non_slot(
        self,
        colocate_with: Any,
        fn: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        group: bool = True,
    ) -> Any:
        """Calls `fn(*args, **kwargs)`; arguments as for `update`."""
        with _entered(self._strategy, True):
            result = fn(*args, **(kwargs or {}))
        return result if group else nest.map_structure(lambda value: (value,), result)

    def value_container(self, value: Any) -> Any:
        """What holds a value of one replica: the value."""
        return value

    def variable_created_in_scope(self, v: Any) -> bool:
        """Whether the strategy answers for a variable: for all."""
        return True

    def non_slot_devices(self, var_list: Any) -> Any:
        """The device of variables that belong to no other."""
        return min(var_list, key=lambda v: v.name)

    def read_var(self, v: Any) -> Any:
        """A variable's value."""
        return convert_to_tensor(v)


@public("distribute.Strategy", "python.distribute.distribute_lib.StrategyV1")
class Strategy:
    """A strategy of one replica.

    Args:
      extended: what it offers to libraries; made without it.
    """

    def __init__(self, extended: Any = None) -> None:
        self._extended = StrategyExtended(self) if extended is None else extended

    @property
    def extended(self) -> Any:
        """What the strategy offers to libraries."""
        return self._extended

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas take steps together: 1."""
        return 1

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """A context in which this is the strategy.

        Raises:
          RuntimeError: another strategy's scope is open.
        """
        if _thread.entered and _thread.entered[-1][0] is not self:
            raise RuntimeError("Must not nest tf.distribute.Strategy scopes.")
        with _entered(self, True), self._extended._placed():
            yield self

    def experimental_run_v2(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Calls `fn` once for each replica."""
        return self._extended.call_for_each_replica(fn, args, kwargs)

    def experimental_run(self, fn: Callable[..., Any], input_iterator: Any = None) -> Any:
        """Calls `fn` once for each replica, with the next element of an iterator if there is one."""
        args = () if input_iterator is None else (input_iterator.get_next(),)
        return self.experimental_run_v2(fn, args)

    def reduce(self, reduce_op: Any, value: Any, axis: int | None = None) -> Any:
        """The sum or mean over the replicas, and over an axis of their values.

        Args:
          reduce_op: a ReduceOp or its name.
          value: what `experimental_run_v2` returned.
          axis: also reduce this axis.
        """
        from millrace.lib.math.reductions import reduce_mean, reduce_sum

        kind = ReduceOp(getattr(reduce_op, "value", str(reduce_op).upper()))
        if axis is None:
            return nest.map_structure(convert_to_tensor, value)
        along = reduce_mean if kind is ReduceOp.MEAN else reduce_sum
        return nest.map_structure(lambda v: along(v, axis), value)

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """The values of the replicas of this process."""
        return (value,)

    def unwrap(self, value: Any) -> tuple[Any, ...]:
        """The same under its older name."""
        return (value,)

    def group(self, value: Any, name: str | None = None) -> Any:
        """An operation that does what the replicas returned."""
        from millrace.lib.flow.control_flow import group

        return group(*nest.flatten(value), name=name)

    def experimental_distribute_dataset(self, dataset: Any) -> Any:
        """The part of a dataset for this process: all of it."""
        return dataset

    def experimental_distribute_datasets_from_function(self, dataset_fn: Callable[..., Any]) -> Any:
        """What `dataset_fn(InputContext())` returns."""
        return dataset_fn(InputContext())

    def experimental_make_numpy_dataset(self, numpy_input: Any, session: Any = None) -> Any:
        """A dataset of the rows of arrays."""
        from millrace.datasets.dataset import Dataset

        return Dataset.from_tensor_slices(numpy_input)

    def make_dataset_iterator(self, dataset: Any) -> Any:
        """An iterator over the part of a dataset for this process."""
        return dataset.make_initializable_iterator()

    def make_input_fn_iterator(self, input_fn: Callable[..., Any], replication_mode: Any = None) -> Any:
        """An iterator over what `input_fn(InputContext())` returns."""
        return self.make_dataset_iterator(input_fn(InputContext()))

    def update_config_proto(self, config_proto: Any) -> Any:
        """A session's config as the strategy needs it: the one given."""
        return config_proto

    def configure(
        self, session_config: Any = None, cluster_spec: Any = None, task_type: Any = None, task_id: Any = None
    ) -> None:
        """Accepted: one replica needs no configuration."""

    def colocate_vars_with(self, colocate_with_variable: Any) -> Any:
        """A context in which variables are made on the device of one that exists."""
        return self._extended.colocate_vars_with(colocate_with_variable)

    def __deepcopy__(self, memo: Any) -> Strategy:
        return self


@public("distribute.OneDeviceStrategy")
class OneDeviceStrategy(Strategy):
    """Places a program on one device.

    Args:
      device: its name.
    """

    def __init__(self, device: str) -> None:
        super().__init__(StrategyExtended(self, device))


@public("distribute.MirroredStrategy")
class MirroredStrategy(Strategy):
    """One replica on one device; several devices are not there.

    Args:
      devices: a list of one device; without it the first accelerator, or the CPU.
      cross_device_ops: accepted; of one replica nothing is to be combined.

    Raises:
      ValueError: there are several devices.
    """

    def __init__(self, devices: Any = None, cross_device_ops: Any = None) -> None:
        given = [devices] if isinstance(devices, str) else list(devices or [list_devices()[-1].name])
        if len(given) != 1:
            raise ValueError(
                f"MirroredStrategy: millrace runs one replica on one device. Received: {len(given)} devices"
            )
        super().__init__(StrategyExtended(self, given[0]))


class _Process:
    """The strategy outside of all scopes, and the one that the program has set."""

    default: Strategy | None = None
    chosen: Strategy | None = None


def _default() -> Strategy:
    if _Process.default is None:
        _Process.default = Strategy()
    return _Process.chosen or _Process.default


@public("distribute.get_strategy", "python.distribute.distribution_strategy_context.get_strategy")
def get_strategy() -> Strategy:
    """The strategy of the innermost scope; the default one outside of all."""
    return _thread.entered[-1][0] if _thread.entered else _default()


@public("distribute.has_strategy")
def has_strategy() -> bool:
    """Whether a strategy other than the default one is there."""
    return get_strategy() is not _Process.default


@public("distribute.in_cross_replica_context")
def in_cross_replica_context() -> bool:
    """Whether code runs for all replicas at once."""
    return _thread.entered[-1][1] if _thread.entered else _Process.chosen is not None


@public("distribute.get_replica_context")
def get_replica_context() -> ReplicaContext | None:
    """What code of one replica can ask; None where code runs for all at once."""
    return None if in_cross_replica_context() else ReplicaContext(get_strategy(), 0)


@public("distribute.experimental_set_strategy")
def experimental_set_strategy(strategy: Strategy | None) -> None:
    """Makes a strategy the one of everything that follows; None for the default one.

    Raises:
      RuntimeError: a strategy's scope is open.
    """
    if _thread.entered:
        raise RuntimeError("Must not be called inside a `tf.distribute.Strategy` scope.")
    _default()
    _Process.chosen = strategy


@public("distribute.get_loss_reduction")
def get_loss_reduction() -> ReduceOp:
    """How losses of replicas become one."""
    return ReduceOp.MEAN
