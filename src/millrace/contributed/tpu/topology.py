"""What programs for TPUs ask of their module: topologies, the context of a replica, sums over replicas.

There is no TPU here: a program's replica is the only one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import protos
from millrace.core.public import public


@public("contrib.tpu.Topology")
class Topology:
    """Where the devices of several tasks lie in a mesh.

    Args:
      serialized: a serialized `TopologyProto`; the other arguments are not looked at then.
      mesh_shape: the mesh's three sizes.
      device_coordinates: `[tasks, devices of each, 3]`, where each device lies.

    Raises:
      ValueError: the sizes are not three positive numbers, or the coordinates not of that shape.
    """

    def __init__(
        self, serialized: bytes | None = None, mesh_shape: Any = None, device_coordinates: Any = None
    ):
        if serialized is not None:
            proto = protos.TopologyProto.FromString(serialized)
            mesh_shape = list(proto.mesh_shape)
            device_coordinates = np.reshape(
                list(proto.device_coordinates), (proto.num_tasks, proto.num_tpu_devices_per_task, -1)
            )
        self._mesh_shape = np.asarray(mesh_shape, np.int32)
        self._device_coordinates = np.asarray(device_coordinates, np.int32)
        if self._mesh_shape.shape != (3,) or any(self._mesh_shape < 1):
            raise ValueError(f"`mesh_shape` must be a sequence of 3 positive entries; got {self._mesh_shape}")
        if self._device_coordinates.ndim != 3 or self._device_coordinates.shape[2] != 3:
            raise ValueError(
                "`device_coordinates` must be a rank 3 int32 array with minor dimension equal to the mesh "
                f"shape rank; got shape {self._device_coordinates.shape}"
            )
        places = self._device_coordinates.reshape(-1, 3)
        if np.any(places < 0) or np.any(places >= self._mesh_shape):
            raise ValueError(f"`device_coordinates` must lie in the mesh {self._mesh_shape}")
        self._places = {
            tuple(map(int, place)): (task, number)
            for task, devices in enumerate(self._device_coordinates)
            for number, place in enumerate(devices)
        }

    @property
    def mesh_shape(self) -> np.ndarray:
        """The mesh's sizes."""
        return self._mesh_shape

    @property
    def mesh_rank(self) -> int:
        """How many sizes there are: 3."""
        return len(self._mesh_shape)

    @property
    def device_coordinates(self) -> np.ndarray:
        """Where each device of each task lies."""
        return self._device_coordinates

    @property
    def num_tasks(self) -> int:
        """How many tasks there are."""
        return self._device_coordinates.shape[0]

    @property
    def num_tpus_per_task(self) -> int:
        """How many devices each task has."""
        return self._device_coordinates.shape[1]

    def task_ordinal_at_coordinates(self, device_coordinates: Any) -> int:
        """The task of the device that lies there."""
        return self._at(device_coordinates)[0]

    def tpu_device_ordinal_at_coordinates(self, device_coordinates: Any) -> int:
        """The number, in its task, of the device that lies there."""
        return self._at(device_coordinates)[1]

    def cpu_device_name_at_coordinates(self, device_coordinates: Any, job: str | None = None) -> str:
        """The name of the CPU beside the device that lies there."""
        return f"{_job(job)}/task:{self._at(device_coordinates)[0]}/device:CPU:0"

    def tpu_device_name_at_coordinates(self, device_coordinates: Any, job: str | None = None) -> str:
        """The name of the device that lies there."""
        task, number = self._at(device_coordinates)
        return f"{_job(job)}/task:{task}/device:TPU:{number}"

    def serialized(self) -> bytes:
        """The topology as a serialized `TopologyProto`."""
        return protos.TopologyProto(
            mesh_shape=self._mesh_shape.tolist(),
            num_tasks=self.num_tasks,
            num_tpu_devices_per_task=self.num_tpus_per_task,
            device_coordinates=self._device_coordinates.ravel().tolist(),
        ).SerializeToString()

    def _at(self, place: Any) -> tuple[int, int]:
        return self._places[tuple(map(int, place))]


def _job(name: str | None) -> str:
    return "" if name is None else f"/job:{name}"


@public("python.tpu.tpu_function.TpuContext")
class TpuContext:
    """How many replicas a program is split into; None outside of one that is."""

    def __init__(self) -> None:
        self._shards: int | None = None

    @property
    def number_of_shards(self) -> int | None:
        """How many there are."""
        return self._shards

    def set_number_of_shards(self, number_of_shards: int | None) -> None:
        """Says how many there are."""
        self._shards = number_of_shards


_context = TpuContext()


@public("python.tpu.tpu_function.get_tpu_context", "contrib.tpu.python.tpu.tpu_function.get_tpu_context")
def get_tpu_context() -> TpuContext:
    """How many replicas the program is split into."""
    return _context


@public("python.tpu.tpu_function.tpu_shard_context", "contrib.tpu.python.tpu.tpu_function.tpu_shard_context")
@contextlib.contextmanager
def tpu_shard_context(number_of_shards: int) -> Iterator[None]:
    """A context in which the program is split into so many replicas.

    Raises:
      NotImplementedError: one is open already.
    """
    if _context.number_of_shards is not None:
        raise NotImplementedError("tpu_shard_context cannot be nested.")
    _context.set_number_of_shards(number_of_shards)
    try:
        yield
    finally:
        _context.set_number_of_shards(None)


@public("tpu.cross_replica_sum", "python.tpu.ops.tpu_ops.cross_replica_sum")
def cross_replica_sum(x: Any, group_assignment: Any = None, name: str | None = None) -> Any:
    """The sum of a tensor over the replicas: of one, the tensor itself.

    Args:
      x: a numeric tensor.
      group_assignment: which replicas belong together; all without it.
      name: of the operation.
    """
    if group_assignment is None:
        count = _context.number_of_shards or 1
        group_assignment = [list(range(count))]
    return raw.CrossReplicaSum(convert_to_tensor(x), group_assignment, name=name)
