"""`tf.train.Server`: the tasks of a cluster, as many as one likes in this process."""

from __future__ import annotations

import itertools
import socket
import threading
from typing import Any

from millrace.core import protos
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.session import served
from millrace.training.cluster_spec import ClusterSpec

_numbers = itertools.count()


@public("train.Server", "distribute.Server", "python.training.server_lib.Server")
class Server:
    """One task of a cluster in this process: sessions with its target share its variables.

    Nothing is sent to other processes. Variables that are placed on another task of the same cluster are
    found where that task's server is in this process too, and are this one's otherwise.

    Args:
      server_or_cluster_def: a ServerDef, ClusterDef, ClusterSpec or dict of jobs.
      job_name, task_index: which task this is; needed unless there is only one.
      protocol: "grpc", which is also the default.
      config: kept in `server_def`.
      start: begin at once.

    Raises:
      ValueError: the job or task is not told, or is not in the cluster.
      TypeError: it is not a cluster.
    """

    def __init__(
        self,
        server_or_cluster_def: Any,
        job_name: str | None = None,
        task_index: int | None = None,
        protocol: str | None = None,
        config: Any = None,
        start: bool = True,
    ) -> None:
        self._server_def = _server_def(server_or_cluster_def, job_name, task_index, protocol)
        if config is not None:
            self._server_def.default_session_config.MergeFrom(config)
        spec = ClusterSpec(self._server_def.cluster)
        job, task = self._server_def.job_name, self._server_def.task_index
        address = spec.task_address(job, task)
        if address.endswith(":0"):
            address = f"localhost:{_free_port()}"
        self._target = f"{self._server_def.protocol}://{address}"
        places = {(j, t): spec.task_address(j, t) for j in spec.jobs for t in spec.task_indices(j)}
        peers = {place: f"{self._server_def.protocol}://{at}".encode() for place, at in places.items()}
        self._task = served.ServedTask(self._target.encode(), job, task, peers)
        self._done = threading.Event()
        if start:
            self.start()

    @property
    def server_def(self) -> Any:
        """The server's ServerDef."""
        return self._server_def

    @property
    def target(self) -> str:
        """What a session of this server is given."""
        return self._target

    def start(self) -> None:
        """Lets sessions find the server."""
        served.serve(self._task)

    def join(self) -> None:
        """Waits for as long as the process lives: the server's sessions are in this process."""
        self._done.wait()

    @staticmethod
    def create_local_server(config: Any = None, start: bool = True) -> Server:
        """A server that is a cluster of its own.

        Args:
          config, start: as for a Server.
        """
        return Server({"local": ["localhost:0"]}, protocol="grpc", config=config, start=start)


def _free_port() -> int:
    """A port that nothing else uses now, so that targets differ."""
    try:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            return probe.getsockname()[1]
    except OSError:
        return 50_000 + next(_numbers)


def _server_def(given: Any, job_name: str | None, task_index: int | None, protocol: str | None) -> Any:
    made = protos.ServerDef(protocol="grpc")
    if isinstance(given, protos.ServerDef):
        made.MergeFrom(given)
    else:
        made.cluster.MergeFrom(ClusterSpec(given).as_cluster_def())
    if job_name is not None:
        made.job_name = job_name
    if task_index is not None:
        made.task_index = task_index
    if protocol is not None:
        made.protocol = protocol
    elif not made.protocol:
        made.protocol = "grpc"
    if not made.job_name:
        if len(made.cluster.job) != 1:
            raise ValueError("Must specify an explicit `job_name` when the cluster has several jobs.")
        made.job_name = made.cluster.job[0].name
        if task_index is None and len(made.cluster.job[0].tasks) != 1:
            raise ValueError("Must specify an explicit `task_index` when the job has several tasks.")
        if task_index is None:
            made.task_index = next(iter(made.cluster.job[0].tasks))
    if made.protocol != "grpc":
        raise refusal(f"Server: the protocol is 'grpc'. Received: {made.protocol!r}")
    return made


@public("test.create_local_cluster", "python.framework.test_util.create_local_cluster")
def create_local_cluster(
    num_workers: int,
    num_ps: int,
    protocol: str = "grpc",
    worker_config: Any = None,
    ps_config: Any = None,
) -> tuple[list[Server], list[Server]]:
    """Servers of a cluster of jobs "worker" and "ps", started.

    Args:
      num_workers, num_ps: how many tasks the jobs have.
      protocol: "grpc".
      worker_config, ps_config: kept in the servers' definitions.

    Returns:
      The workers' servers and those that keep variables.
    """
    ports = iter(_different_ports(num_workers + num_ps))
    cluster = {
        "worker": [f"localhost:{next(ports)}" for _ in range(num_workers)],
        "ps": [f"localhost:{next(ports)}" for _ in range(num_ps)],
    }

    def servers(job: str, count: int, config: Any) -> list[Server]:
        return [Server(cluster, job, i, protocol, config) for i in range(count)]

    return servers("worker", num_workers, worker_config), servers("ps", num_ps, ps_config)


def _different_ports(count: int) -> list[int]:
    found: dict[int, None] = {}
    while len(found) < count:
        found[_free_port()] = None
    return list(found)
