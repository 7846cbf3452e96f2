"""`tf.contrib.tpu`: what programs call around a TPU, answered for a machine without one."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import constant
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.saving import CheckpointSaverHook

_log = logging.getLogger("tensorflow")


@public("contrib.tpu.core", "tpu.core", "contrib.tpu.python.tpu.tpu.core")
def core(num: int) -> str:
    """The device of a core of a replica."""
    return f"device:TPU_REPLICATED_CORE:{num}"


@public(
    "contrib.tpu.initialize_system", "tpu.initialize_system", "contrib.tpu.python.tpu.tpu.initialize_system"
)
def initialize_system(embedding_config: Any = None, job: str | None = None) -> Tensor:
    """A serialized topology: of one device, as there is no TPU to bring up.

    Args:
      embedding_config: None.
      job: accepted.

    Raises:
      ValueError: embeddings are asked for; `tf.nn.embedding_lookup` finds them.
    """
    del job
    if embedding_config is not None:
        raise ValueError(
            "initialize_system: there is no TPU to hold embeddings; use tf.nn.embedding_lookup. "
            f"Received: embedding_config={embedding_config!r}"
        )
    return constant(Topology(mesh_shape=[1, 1, 1], device_coordinates=[[[0, 0, 0]]]).serialized())


@public("contrib.tpu.shutdown_system", "tpu.shutdown_system", "contrib.tpu.python.tpu.tpu.shutdown_system")
def shutdown_system(job: str | None = None) -> Any:
    """An operation that does nothing: there is no TPU to shut down."""
    del job
    return raw.NoOp()


def _varint(n: int) -> bytes:
    parts = bytearray()
    while n > 127:
        parts.append(n & 127 | 128)
        n >>= 7
    return bytes([*parts, n])


def _packed(field: int, numbers: Any) -> bytes:
    body = b"".join(_varint(int(n)) for n in numbers)
    return bytes([field << 3 | 2]) + _varint(len(body)) + body


def _fields(data: bytes) -> Iterator[tuple[int, list[int]]]:
    """(field, numbers) of a message of integers and packed integers."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            yield key >> 3, [number()]
            continue
        end = number() + at
        found = []
        while at < end:
            found.append(number())
        yield key >> 3, found


@public("contrib.tpu.Topology", "tpu.experimental.Topology")
class Topology:
    """How the devices of a system stand in a mesh.

    Args:
      serialized: a serialized topology; or None, and then
      mesh_shape: three lengths.
      device_coordinates: `[tasks, devices of a task, 3]`.

    Raises:
      ValueError: the parts do not fit.
    """

    def __init__(
        self, serialized: bytes | None = None, mesh_shape: Any = None, device_coordinates: Any = None
    ) -> None:
        if serialized is not None:
            found: dict[int, list[int]] = {}
            for field, numbers in _fields(bytes(serialized)):
                found.setdefault(field, []).extend(numbers)
            mesh_shape, tasks, devices = found.get(1, []), found.get(2, [0])[0], found.get(3, [0])[0]
            if tasks < 1 or devices < 1:
                raise ValueError(
                    f"`num_tasks` and `num_tpu_devices_per_task` must be > 0; got {tasks}, {devices}"
                )
            flat = np.array(found.get(4, []), np.int32)
            if flat.size != tasks * devices * len(mesh_shape):
                raise ValueError(
                    f"`device_coordinates` must have {tasks * devices * len(mesh_shape)} entries"
                )
            device_coordinates = flat.reshape(tasks, devices, len(mesh_shape))
        self._mesh_shape = np.asarray(mesh_shape, np.int32)
        self._device_coordinates = np.asarray(device_coordinates, np.int32)
        if self._mesh_shape.shape != (3,) or (self._mesh_shape < 1).any():
            raise ValueError(f"`mesh_shape` must be a sequence of 3 positive entries; got {mesh_shape!r}")
        if self._device_coordinates.ndim != 3 or self._device_coordinates.shape[2] != 3:
            raise ValueError(
                "`device_coordinates` must be a rank 3 int32 array with minor dimension equal to "
                f"the mesh shape rank; got shape {self._device_coordinates.shape}"
            )

    @property
    def mesh_shape(self) -> np.ndarray:
        """The lengths of the mesh."""
        return self._mesh_shape

    @property
    def mesh_rank(self) -> int:
        """How many axes it has."""
        return len(self._mesh_shape)

    @property
    def device_coordinates(self) -> np.ndarray:
        """`[tasks, devices of a task, 3]`: where each device stands."""
        return self._device_coordinates

    @property
    def num_tasks(self) -> int:
        """How many tasks there are."""
        return self._device_coordinates.shape[0]

    @property
    def num_tpus_per_task(self) -> int:
        """How many devices a task has."""
        return self._device_coordinates.shape[1]

    def task_ordinal_at_coordinates(self, device_coordinates: Any) -> int:
        """The task of the device that stands somewhere."""
        return self._at(device_coordinates)[0]

    def tpu_device_ordinal_at_coordinates(self, device_coordinates: Any) -> int:
        """The number within its task of the device that stands somewhere."""
        return self._at(device_coordinates)[1]

    def _at(self, place: Any) -> tuple[int, int]:
        hits = np.argwhere((self._device_coordinates == np.asarray(place)).all(-1))
        if not len(hits):
            raise KeyError(f"no device stands at {place}")
        return int(hits[0][0]), int(hits[0][1])

    def cpu_device_name_at_coordinates(self, device_coordinates: Any, job: str | None = None) -> str:
        """The name of the host of the device that stands somewhere."""
        task = self.task_ordinal_at_coordinates(device_coordinates)
        return ("" if job is None else f"/job:{job}") + f"/task:{task}/device:CPU:0"

    def tpu_device_name_at_coordinates(self, device_coordinates: Any, job: str | None = None) -> str:
        """The name of the device that stands somewhere."""
        task, device = self._at(device_coordinates)
        return ("" if job is None else f"/job:{job}") + f"/task:{task}/device:TPU:{device}"

    def serialized(self) -> bytes:
        """The topology as bytes."""
        tasks, devices, _ = self._device_coordinates.shape
        return b"".join(
            [
                _packed(1, self._mesh_shape),
                bytes([2 << 3]) + _varint(tasks),
                bytes([3 << 3]) + _varint(devices),
                _packed(4, self._device_coordinates.ravel()),
            ]
        )


@public("contrib.tpu.DeviceAssignment", "tpu.experimental.DeviceAssignment")
class DeviceAssignment:
    """Which device each logical core of each replica is.

    Args:
      topology: a `Topology`.
      core_assignment: `[replicas, cores of a replica, 3]`: places in the mesh.

    Raises:
      ValueError: the topology is another object, or the places have another shape.
    """

    def __init__(self, topology: Topology, core_assignment: Any) -> None:
        if not isinstance(topology, Topology):
            raise ValueError(f"topology must be a Topology object, got {type(topology)}")
        places = np.asarray(core_assignment, np.int32)
        if places.ndim != 3 or places.shape[2] != topology.mesh_rank:
            raise ValueError(
                f"core_assignment must be a rank 3 numpy array with shape (num_replicas, "
                f"num_cores_per_replica, {topology.mesh_rank}); got shape {places.shape}"
            )
        self._topology, self._core_assignment = topology, places

    @property
    def topology(self) -> Topology:
        """Where the devices stand."""
        return self._topology

    @property
    def num_replicas(self) -> int:
        """How many replicas there are."""
        return self._core_assignment.shape[0]

    @property
    def num_cores_per_replica(self) -> int:
        """How many logical cores each has."""
        return self._core_assignment.shape[1]

    @property
    def core_assignment(self) -> np.ndarray:
        """The place of each logical core."""
        return self._core_assignment

    def coordinates(self, replica: int, logical_core: int) -> tuple[int, ...]:
        """The place of a logical core."""
        return tuple(int(v) for v in self._core_assignment[replica, logical_core])

    def lookup_replicas(self, task_id: int, logical_core: int) -> list[int]:
        """The replicas whose logical core of this number belongs to a task."""
        tasks = [
            self._topology.task_ordinal_at_coordinates(self.coordinates(r, logical_core))
            for r in range(self.num_replicas)
        ]
        found = [r for r, task in enumerate(tasks) if task == task_id]
        if not found:
            raise ValueError(
                f"Can not find any replica in task: {task_id} contains logical_core: {logical_core}"
            )
        return found

    def tpu_ordinal(self, replica: int = 0, logical_core: int = 0) -> int:
        """The number of a logical core's device within its task."""
        return self._topology.tpu_device_ordinal_at_coordinates(self.coordinates(replica, logical_core))

    def host_device(self, replica: int = 0, logical_core: int = 0, job: str | None = None) -> str:
        """The name of the host of a logical core."""
        return self._topology.cpu_device_name_at_coordinates(self.coordinates(replica, logical_core), job)

    def tpu_device(self, replica: int = 0, logical_core: int = 0, job: str | None = None) -> str:
        """The name of the device of a logical core."""
        return self._topology.tpu_device_name_at_coordinates(self.coordinates(replica, logical_core), job)


@public("contrib.tpu.device_assignment")
def device_assignment(
    topology: Any, computation_shape: Any = None, computation_stride: Any = None, num_replicas: int = 1
) -> DeviceAssignment:
    """Places replicas in a mesh, one box of devices after the other, the last axis fastest.

    Args:
      topology: a `Topology`, or one serialized.
      computation_shape: the box of one replica; default `[1, 1, 1]`.
      computation_stride: how far apart the devices of a box stand; default `[1, 1, 1]`.
      num_replicas: how many replicas there are.

    Raises:
      ValueError: they do not fit into the mesh.
    """
    topology = topology if isinstance(topology, Topology) else Topology(serialized=topology)
    box = np.asarray([1, 1, 1] if computation_shape is None else computation_shape, np.int32)
    stride = np.asarray([1, 1, 1] if computation_stride is None else computation_stride, np.int32)
    block = box * stride
    mesh = topology.mesh_shape
    if (block > mesh).any():
        raise ValueError(f"computation shape {box} with stride {stride} does not fit in TPU topology {mesh}")
    counts = -(-mesh // block) * stride
    if num_replicas > counts.prod():
        raise ValueError(f"Cannot create {num_replicas} replicas of shape {box} in a TPU topology of {mesh}")
    places = []
    for replica in range(num_replicas):
        position, rest = [], replica
        for axis in (2, 1, 0):
            whole = int(counts[axis])
            where = rest % whole
            rest //= whole
            outer, inner = divmod(where, int(stride[axis]))
            position.insert(0, outer * int(block[axis]) + inner)
        offsets = np.stack(np.meshgrid(*(np.arange(n) for n in box[::-1]), indexing="ij"), -1)
        cores = offsets.reshape(-1, 3)[:, ::-1] * stride + position
        places.append(cores)
    return DeviceAssignment(topology, np.stack(places))


@public("contrib.tpu.python.tpu.tpu_context.TPUContext")
class TPUContext:
    """What an input function or a model function learns of the run: one host, one replica.

    Args:
      internal_ctx: the estimator's own context, or None.
      input_device, invocation_index: of the call of an input function.
      call_from_input_fn: whether an input function is called.
    """

    def __init__(
        self,
        internal_ctx: Any,
        input_device: str | None = None,
        invocation_index: int | None = None,
        call_from_input_fn: bool = True,
    ) -> None:
        self._internal_ctx = internal_ctx
        self._input_device, self._invocation_index = input_device, invocation_index
        self._from_input = call_from_input_fn

    def current_input_fn_deployment(self) -> tuple[str | None, int, int, int]:
        """(device, number of the call, number of calls, replicas of this host).

        Raises:
          RuntimeError: no input function is called.
        """
        if not self._from_input:
            raise RuntimeError("This TPUContext instance must not be called from model_fn.")
        return self._input_device, self._invocation_index or 0, 1, 1

    @property
    def num_replicas(self) -> int:
        """1."""
        return 1

    @property
    def num_hosts(self) -> int:
        """1."""
        return 1

    @property
    def current_host(self) -> int:
        """0."""
        return 0

    @property
    def num_of_replicas_per_host(self) -> int:
        """1."""
        return 1

    @property
    def device_assignment(self) -> Any:
        """None: no devices were assigned."""
        return None

    def device_for_replica(self, replica_id: int) -> tuple[str, int]:
        """The host of a replica and the number of its device."""
        return "", replica_id


@public("contrib.tpu.python.tpu.error_handling.ErrorRendezvous")
class ErrorRendezvous:
    """Gathers the errors of several threads, and raises the most telling one.

    Args:
      num_sources: how many threads there are.
    """

    def __init__(self, num_sources: int) -> None:
        self._num_sources = num_sources
        self._errors: dict[str, Any] = {}
        self._done = threading.Event()

    def record_error(self, source: str, exc_info: Any, session: Any = None) -> None:
        """Notes an error as `sys.exc_info` gives it; the session is closed."""
        if self._errors.get(source):
            return
        _log.error("Error recorded from %s: %s", source, exc_info[1])
        self._errors[source] = exc_info
        if session is not None:
            session.close()

    def record_done(self, source: str) -> None:
        """Notes that a thread ended well."""
        self._errors.setdefault(source, None)
        if len(self._errors) == self._num_sources:
            self._done.set()

    @contextlib.contextmanager
    def catch_errors(self, source: str, session: Any = None) -> Iterator[None]:
        """Notes the error that leaves the `with`, which ends without it."""
        try:
            yield
        except Exception:
            self.record_error(source, sys.exc_info(), session)

    def raise_errors(self, timeout_sec: float = 0) -> None:
        """Raises the first error; one that tells more than that something was aborted comes first."""
        if timeout_sec:
            self._done.wait(timeout_sec)
        found = [info for info in self._errors.values() if info is not None]
        telling = [i for i in found if type(i[1]).__name__ not in ("AbortedError", "CancelledError")]
        for info in [*telling, *found]:
            _, error, traceback = info
            raise error.with_traceback(traceback)


@public("contrib.tpu.python.tpu.session_support.ShutdownLameWorkers")
class ShutdownLameWorkers:
    """Called when workers are about to go: closes what is left. There are no such workers here."""

    def __call__(self, run_context: Any, worker_manager: Any, active_workers: Any) -> None:
        """Logs that there is nothing to shut down."""
        _log.info("No lame workers: %s", active_workers)


@public("contrib.tpu.python.tpu.session_support.GracefulShutdownHook")
class GracefulShutdownHook(SessionRunHook):
    """Saves and ends a run whose workers are about to go; a local run has none, so it does nothing.

    Args:
      checkpoint_prefix: where to save.
      saver: what saves; default: the scaffold's.
      on_shutdown_hooks: functions called then.
    """

    def __init__(self, checkpoint_prefix: str, saver: Any = None, on_shutdown_hooks: Any = None) -> None:
        self._prefix, self._saver = checkpoint_prefix, saver
        self._on_shutdown_hooks = list(on_shutdown_hooks or ())


@public("contrib.tpu.python.tpu.session_support.start_worker_watchdog")
def start_worker_watchdog(
    session: Any, devices: Any = None, ping_interval: float = 60, shutdown_timeout: float = 3600
) -> None:
    """Nothing: a watchdog ends workers whose coordinator is gone, and a local session has none."""
    del session, devices, ping_interval, shutdown_timeout


@public("contrib.tpu.python.tpu.tensor_tracer.TensorTracer")
class TensorTracer:
    """Traces tensors of TPU programs where a flag asks for it; no program runs on a TPU, so it never does."""

    @staticmethod
    def is_enabled() -> bool:
        """False."""
        return False

    def trace_tpu(self, graph: Any, tensor_fetches: Any, *args: Any, **kwargs: Any) -> Any:
        """The fetches as they are."""
        del graph, args, kwargs
        return tensor_fetches

    def trace_cpu(self, graph: Any, tensor_fetches: Any, *args: Any, **kwargs: Any) -> Any:
        """The fetches as they are."""
        del graph, args, kwargs
        return tensor_fetches


@public("contrib.tpu.python.tpu.util.MultiHostDatasetInitializerHook")
class MultiHostDatasetInitializerHook(SessionRunHook):
    """Runs the initializers of data sets when a session begins.

    Args:
      dataset_initializers: operations.
    """

    def __init__(self, dataset_initializers: Any) -> None:
        self._initializers = dataset_initializers

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs them."""
        del coord
        session.run(self._initializers)


@public("contrib.tpu.AsyncCheckpointSaverHook")
class AsyncCheckpointSaverHook(CheckpointSaverHook):
    """`tf.train.CheckpointSaverHook`: it saves between two steps.

    Args:
      checkpoint_dir, save_secs, save_steps, saver, checkpoint_basename, scaffold, listeners: see there.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Any = None,
    ) -> None:
        super().__init__(
            checkpoint_dir, save_secs, save_steps, saver, checkpoint_basename, scaffold, listeners
        )
