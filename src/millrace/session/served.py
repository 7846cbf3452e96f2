"""The values of servers: sessions with a server's target share what its tasks keep.

All servers live in this process. A variable lives on the task that its device names, or on the session's own
server where its device names none.
"""

from __future__ import annotations

import threading
from typing import Any

from millrace.graph.device import DeviceSpec
from millrace.graph.graph import Graph
from millrace.graph.references import cell_key
from millrace.runtime.store import Cell, Store

_stores: dict[bytes, ServedTask] = {}
_lock = threading.RLock()  # of the steps of all servers: a step may write on several of them


class ServedTask:
    """What one task of a cluster keeps.

    Args:
      target: what its sessions are given.
      job, task: its place in the cluster.
      peers: from (job, task) to the target of each task of the cluster.
    """

    def __init__(self, target: bytes, job: str, task: int, peers: dict[tuple[str, int], bytes]) -> None:
        self.target = target
        self.job = job
        self.task = task
        self.peers = peers
        self.cells: dict[str, Cell] = {}

    def task_of(self, device: str) -> ServedTask:
        """The task that keeps what is placed on `device`; this one where none is named, or none is there."""
        spec = DeviceSpec.from_string(device)
        if spec.job is None and spec.task is None:
            return self
        place = (spec.job or self.job, spec.task or 0)
        return _stores.get(self.peers.get(place, b""), self)


class SharedStore(Store):
    """The store of a session of a server: its cells are those of the tasks.

    Args:
      task: the session's server.
      graph: the session's graph, which says where variables are placed.
    """

    def __init__(self, task: ServedTask, graph: Graph) -> None:
        super().__init__()
        self.lock = _lock
        self._task = task
        self._graph = graph
        self._placed: dict[str, str] = {}
        self._seen = 0

    def cell(self, key: str) -> Cell:
        """The cell called `key` on the task that keeps it, made empty when it is new."""
        found = self.cells.get(key)
        if found is None:
            cells = self._task.task_of(self._device_of(key)).cells
            found = self.cells[key] = cells.setdefault(key, Cell(key))
        return found

    def clear(self, containers: tuple[str, ...] = ()) -> None:
        """Frees the values in `containers`; without any, what the tasks keep stays."""
        if containers:
            super().clear(containers)

    def _device_of(self, key: str) -> str:
        ops = self._graph.ops
        for op in ops[self._seen :]:
            if op.device:
                self._placed.setdefault(cell_key(op), op.device)
        self._seen = len(ops)
        return self._placed.get(key, "")


def serve(task: ServedTask) -> None:
    """Lets sessions with the task's target find it."""
    _stores[task.target] = task


def store_for(target: bytes, graph: Graph) -> Store:
    """The store of a new session with `target`: of its own unless there is a server."""
    task = _stores.get(target)
    return Store() if task is None else SharedStore(task, graph)


def reset(target: bytes) -> None:
    """Forgets what the server with `target` keeps."""
    task: Any = _stores.get(target)
    for cell in () if task is None else task.cells.values():
        cell.value = None
