"""`tf.distribute.cluster_resolver`: where the tasks of a cluster are."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from typing import Any

from millrace.core.public import public
from millrace.session.devices import list_devices
from millrace.training.cluster_spec import ClusterSpec


def format_master_url(master: str, rpc_layer: str | None = None) -> str:
    """An address with its protocol, such as "grpc://host:1"."""
    return f"{rpc_layer}://{master}" if rpc_layer and master else master


@public("distribute.cluster_resolver.ClusterResolver", "contrib.cluster_resolver.ClusterResolver")
class ClusterResolver(ABC):
    """Tells where the tasks of a cluster are."""

    task_type: Any = None
    task_id: Any = None
    rpc_layer: Any = None

    @abstractmethod
    def cluster_spec(self) -> ClusterSpec:
        """The addresses of all tasks."""

    @abstractmethod
    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address that a session connects to; "" for this process."""

    @property
    def environment(self) -> str:
        """Where the program runs; empty outside of Google's own machines."""
        return ""

    def num_accelerators(
        self, task_type: Any = None, task_id: Any = None, config_proto: Any = None
    ) -> dict[str, int]:
        """How many accelerators of each kind a task has; of this process, where it is asked."""
        found: dict[str, int] = {}
        for device in list_devices():
            if device.device_type != "CPU":
                found[device.device_type] = found.get(device.device_type, 0) + 1
        return found

    def _address(self, task_type: Any, task_id: Any, rpc_layer: Any) -> str:
        """The address of a task, by default this one; "" where neither is known."""
        job = self.task_type if task_type is None else task_type
        number = self.task_id if task_id is None else task_id
        if job is None or number is None:
            return ""
        address = self.cluster_spec().task_address(job, number)
        return format_master_url(address, rpc_layer or self.rpc_layer)


@public("distribute.cluster_resolver.SimpleClusterResolver", "contrib.cluster_resolver.SimpleClusterResolver")
class SimpleClusterResolver(ClusterResolver):
    """A cluster that is known.

    Args:
      cluster_spec: a `ClusterSpec`.
      master: the address for sessions.
      task_type, task_id: which task this is.
      environment: as `environment` gives it.
      num_accelerators: as `num_accelerators` gives it.
      rpc_layer: the protocol of addresses.

    Raises:
      TypeError: `cluster_spec` is not one.
    """

    def __init__(
        self,
        cluster_spec: Any,
        master: str = "",
        task_type: Any = None,
        task_id: Any = None,
        environment: str = "",
        num_accelerators: Any = None,
        rpc_layer: Any = None,
    ) -> None:
        if not isinstance(cluster_spec, ClusterSpec):
            raise TypeError(f"cluster_spec must be a ClusterSpec. Received: {cluster_spec!r}")
        self._cluster_spec, self._master, self._environment = cluster_spec, master, environment
        self.task_type, self.task_id, self.rpc_layer = task_type, task_id, rpc_layer
        self._num_accelerators = num_accelerators

    def cluster_spec(self) -> ClusterSpec:
        """The `ClusterSpec` that was given."""
        return self._cluster_spec

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of a task, or the one that was given."""
        if task_type is not None and task_id is not None:
            return self._address(task_type, task_id, rpc_layer)
        return format_master_url(self._master, rpc_layer or self.rpc_layer)

    @property
    def environment(self) -> str:
        """What was given."""
        return self._environment

    def num_accelerators(
        self, task_type: Any = None, task_id: Any = None, config_proto: Any = None
    ) -> dict[str, int]:
        """What was given, or what this process has."""
        if self._num_accelerators is None:
            return super().num_accelerators(task_type, task_id, config_proto)
        return self._num_accelerators


@public(
    "distribute.cluster_resolver.TFConfigClusterResolver", "contrib.cluster_resolver.TFConfigClusterResolver"
)
class TFConfigClusterResolver(ClusterResolver):
    """The cluster that the environment variable TF_CONFIG describes.

    Args:
      task_type, task_id, rpc_layer, environment: instead of what it says.
    """

    def __init__(
        self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None, environment: Any = None
    ) -> None:
        config = _tf_config()
        task = config.get("task", {})
        self.task_type = str(task["type"]) if task_type is None and "type" in task else task_type
        self.task_id = int(task["index"]) if task_id is None and "index" in task else task_id
        self.rpc_layer = config.get("rpc_layer", "grpc") if rpc_layer is None else rpc_layer
        self._environment = environment

    @property
    def environment(self) -> str | None:
        """What was given; TF_CONFIG is not asked."""
        return self._environment

    def cluster_spec(self) -> ClusterSpec:
        """The cluster of TF_CONFIG; an empty one without it."""
        return ClusterSpec(_tf_config().get("cluster", {}))

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of a task; "" in a cluster of one or none."""
        jobs = self.cluster_spec().as_dict()
        if not jobs or (len(jobs) == 1 and len(next(iter(jobs.values()))) == 1):
            return ""
        return self._address(task_type, task_id, rpc_layer)


def _tf_config() -> dict[str, Any]:
    return json.loads(os.environ.get("TF_CONFIG", "{}"))


@public("distribute.cluster_resolver.UnionResolver", "contrib.cluster_resolver.UnionClusterResolver")
class UnionClusterResolver(ClusterResolver):
    """Several clusters as one.

    Args:
      *args: their resolvers; the first answers all questions but where the tasks are.
      **kwargs: `task_type`, `task_id`, `rpc_layer`, instead of the first one's.

    Raises:
      ValueError: there are none.
      TypeError: one is not a resolver.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not args:
            raise ValueError("At least one ClusterResolver is required. Received: none")
        for resolver in args:
            if not isinstance(resolver, ClusterResolver):
                raise TypeError(
                    f"All arguments must be a sub-class of ClusterResolver. Received: {resolver!r}"
                )
        self._resolvers = args
        self.rpc_layer = kwargs.pop("rpc_layer", args[0].rpc_layer)
        self.task_type = kwargs.pop("task_type", args[0].task_type)
        self.task_id = kwargs.pop("task_id", args[0].task_id)
        if kwargs:
            raise ValueError(f"Unexpected kwargs provided {kwargs!r}")

    def cluster_spec(self) -> ClusterSpec:
        """All jobs; tasks of one job follow one another.

        Raises:
          KeyError: two clusters give one task different addresses.
        """
        merged: dict[str, Any] = {}
        for resolver in self._resolvers:
            for job, tasks in resolver.cluster_spec().as_dict().items():
                known = merged.setdefault(job, [] if isinstance(tasks, list) else {})
                if isinstance(known, list) and isinstance(tasks, list):
                    known += [task for task in tasks if task not in known]
                    continue
                if isinstance(known, list):
                    known = merged[job] = dict(enumerate(known))
                numbered = dict(enumerate(tasks)) if isinstance(tasks, list) else tasks
                if any(known.get(number, task) != task for number, task in numbered.items()):
                    raise KeyError(f"Duplicate keys detected when merging two ClusterSpecs: {job}")
                known.update(numbered)
        return ClusterSpec(merged)

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of a task, or the first cluster's."""
        if task_type is not None and task_id is not None:
            return self._address(task_type, task_id, rpc_layer)
        return self._resolvers[0].master(rpc_layer=rpc_layer)

    @property
    def environment(self) -> str:
        """The first cluster's."""
        return self._resolvers[0].environment

    def num_accelerators(
        self, task_type: Any = None, task_id: Any = None, config_proto: Any = None
    ) -> dict[str, int]:
        """The first cluster's."""
        return self._resolvers[0].num_accelerators(task_type, task_id, config_proto)


@public("distribute.cluster_resolver.SlurmClusterResolver", "contrib.cluster_resolver.SlurmClusterResolver")
class SlurmClusterResolver(ClusterResolver):
    """The cluster of a job of Slurm, from its environment variables.

    Args:
      jobs: how many tasks each job has, in order.
      port_base: the first port on each host.
      gpus_per_node, gpus_per_task: how many there are.
      tasks_per_node: default, what Slurm says.
      auto_set_gpu: let each task see its own GPUs only.
      rpc_layer: the protocol of addresses.

    Raises:
      RuntimeError: there are more or fewer tasks than in `jobs`.
    """

    def __init__(
        self,
        jobs: dict[str, int],
        port_base: int = 8888,
        gpus_per_node: int = 1,
        gpus_per_task: int = 1,
        tasks_per_node: Any = None,
        auto_set_gpu: bool = True,
        rpc_layer: str = "grpc",
    ) -> None:
        self._jobs, self._port_base, self.rpc_layer = jobs, port_base, rpc_layer
        self._gpus_per_node, self._gpus_per_task, self._auto = gpus_per_node, gpus_per_task, auto_set_gpu
        self._rank = int(os.environ["SLURM_PROCID"])
        tasks = int(os.environ["SLURM_NTASKS"])
        nodes = int(os.environ["SLURM_NNODES"])
        self._per_node = int(tasks_per_node or -(-tasks // nodes))
        if sum(jobs.values()) != tasks:
            raise RuntimeError(f"The jobs must have {tasks} tasks in all. Received: {jobs}")

    def cluster_spec(self) -> ClusterSpec:
        """The addresses of all tasks; also finds out which of them this is."""
        places = [
            f"{host}:{self._port_base + number}"
            for host in _hosts(os.environ["SLURM_JOB_NODELIST"])
            for number in range(self._per_node)
        ]
        cluster, begin = {}, 0
        for job, count in self._jobs.items():
            cluster[job] = places[begin : begin + count]
            if begin <= self._rank < begin + count:
                self.task_type, self.task_id = job, self._rank - begin
            begin += count
        if self._auto and self._gpus_per_task:
            first = self._rank % self._per_node * self._gpus_per_task
            own = range(first, first + self._gpus_per_task)
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, own))
        return ClusterSpec(cluster)

    def get_task_info(self) -> tuple[str, int]:
        """The job and the number of this task."""
        return self.task_type, self.task_id

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of a task; "" where `cluster_spec` has not been asked yet."""
        return self._address(task_type, task_id, rpc_layer)

    def num_accelerators(
        self, task_type: Any = None, task_id: Any = None, config_proto: Any = None
    ) -> dict[str, int]:
        """The GPUs of a task."""
        return {"GPU": self._gpus_per_task}


def _hosts(text: str) -> list[str]:
    """The hosts of a list such as "n[1-3,07],m"."""
    found = []
    for prefix, inner, suffix in re.findall(r"([^,\[]+)(?:\[([^\]]*)\])?([^,\[]*)", text):
        if not inner:
            found.append(prefix)
        for part in inner.split(",") if inner else ():
            first, _, last = part.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            found += [f"{prefix}{number:0{len(first)}d}{suffix}" for number in numbers]
    return found


@public("distribute.cluster_resolver.TPUClusterResolver", "contrib.cluster_resolver.TPUClusterResolver")
class TPUClusterResolver(ClusterResolver):
    """Where TPUs are, as far as their address says it.

    Args:
      tpu: "" or "local" for this process; or addresses "grpc://host:port", joined by commas; default, what
        the environment variables TPU_NAME or KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS say. A mere name has to be asked
        of Google's cloud, for which `service` is needed.
      zone, project, credentials, discovery_url: of the service.
      job_name: of the TPUs' tasks.
      coordinator_name, coordinator_address: of the task that leads them.
      service: a client of the cloud's TPU interface.

    Raises:
      ValueError: nothing says where they are.
      ImportError: a name was given, and no service.
    """

    def __init__(
        self,
        tpu: Any = None,
        zone: Any = None,
        project: Any = None,
        job_name: str = "worker",
        coordinator_name: Any = None,
        coordinator_address: Any = None,
        credentials: Any = "default",
        service: Any = None,
        discovery_url: Any = None,
    ) -> None:
        if isinstance(tpu, list):
            tpu = tpu[0] if tpu else None
        if tpu is None:
            tpu = os.environ.get("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS") or os.environ.get("TPU_NAME")
        if tpu is None:
            raise ValueError("Please provide a TPU Name to connect to. Received: None")
        self._tpu = tpu.decode() if isinstance(tpu, bytes) else str(tpu)
        self._job_name, self._zone, self._project = job_name, zone, project
        self._coordinator_name, self._coordinator_address = coordinator_name, coordinator_address
        self._service = service
        self.rpc_layer, self.task_type, self.task_id = "grpc", job_name, 0
        if self._named and service is None:
            raise ImportError(
                f"The TPU {self._tpu!r} has to be asked of Google's cloud, which needs a service. "
                "Give an address such as 'grpc://host:8470', or '' for the devices of this process"
            )

    @property
    def _local(self) -> bool:
        return self._tpu in ("", "local")

    @property
    def _named(self) -> bool:
        return not self._local and "://" not in self._tpu and ":" not in self._tpu

    def _addresses(self) -> list[str]:
        if not self._named:
            return [part.partition("://")[2] or part for part in self._tpu.split(",")]
        name = f"projects/{self._project}/locations/{self._zone}/nodes/{self._tpu}"
        found = self._service.projects().locations().nodes().get(name=name).execute()
        if "state" in found and found["state"] != "READY":
            raise RuntimeError(f'TPU "{self._tpu}" is not yet ready; state: "{found["state"]}"')
        ends = found.get("networkEndpoints", [found])
        return [f"{end['ipAddress']}:{end['port']}" for end in ends]

    def cluster_spec(self) -> ClusterSpec:
        """The addresses of the TPUs; an empty cluster for this process."""
        if self._local:
            return ClusterSpec({})
        jobs = {self._job_name: self._addresses()}
        if self._coordinator_address:
            jobs[self._coordinator_name or "coordinator"] = [self._coordinator_address]
        return ClusterSpec(jobs)

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of the first TPU; "" for this process."""
        if self._local:
            return ""
        return format_master_url(self._addresses()[task_id or 0], rpc_layer or self.rpc_layer)

    def get_master(self) -> str:
        """As `master`."""
        return self.master()

    def get_job_name(self) -> str:
        """The name of the TPUs' tasks."""
        return self._job_name


@public("distribute.cluster_resolver.GCEClusterResolver", "contrib.cluster_resolver.GCEClusterResolver")
class GCEClusterResolver(ClusterResolver):
    """The running machines of a group in Google's cloud, asked through a client of its interface.

    Args:
      project, zone, instance_group: of the group.
      port: of each machine's server.
      task_type, task_id: which task this is.
      rpc_layer: the protocol of addresses.
      credentials: unused; `service` holds them.
      service: the client.

    Raises:
      ImportError: there is no client.
    """

    def __init__(
        self,
        project: Any,
        zone: Any,
        instance_group: Any,
        port: int,
        task_type: str = "worker",
        task_id: int = 0,
        rpc_layer: str = "grpc",
        credentials: Any = "default",
        service: Any = None,
    ) -> None:
        if service is None:
            raise ImportError(
                "GCEClusterResolver asks a service of Google's cloud: pass a client of it as `service`, "
                "or use SimpleClusterResolver"
            )
        self._group = {"project": project, "zone": zone, "instanceGroup": instance_group}
        self._port, self._service = port, service
        self.task_type, self.task_id, self.rpc_layer = task_type, task_id, rpc_layer

    def cluster_spec(self) -> ClusterSpec:
        """The machines that run, in the order of their names."""
        places = []
        request = self._service.instanceGroups().listInstances(
            **self._group, body={"instanceState": "RUNNING"}, orderBy="name"
        )
        while request is not None:
            response = request.execute()
            for item in response["items"]:
                machine = item["instance"].rsplit("/", 1)[-1]
                asked = {k: v for k, v in self._group.items() if k != "instanceGroup"}
                found = self._service.instances().get(**asked, instance=machine).execute()
                places.append(f"{found['networkInterfaces'][0]['networkIP']}:{self._port}")
            request = self._service.instanceGroups().listInstances_next(
                previous_request=request, previous_response=response
            )
        return ClusterSpec({self.task_type: sorted(places)})

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of a task."""
        return self._address(task_type, task_id, rpc_layer)


@public(
    "distribute.cluster_resolver.KubernetesClusterResolver",
    "contrib.cluster_resolver.KubernetesClusterResolver",
)
class KubernetesClusterResolver(ClusterResolver):
    """The running pods of a Kubernetes cluster, asked through its client.

    Args:
      job_to_label_mapping: for each job selectors of its pods; default {"worker": ["job-name=tensorflow"]}.
      tf_server_port: the port of each pod's server.
      rpc_layer: the protocol of addresses.
      override_client: the client.

    Raises:
      ImportError: there is no client.
    """

    def __init__(
        self,
        job_to_label_mapping: Any = None,
        tf_server_port: int = 8470,
        rpc_layer: str = "grpc",
        override_client: Any = None,
    ) -> None:
        if override_client is None:
            raise ImportError(
                "KubernetesClusterResolver asks a Kubernetes cluster: pass its client as `override_client`, "
                "or use SimpleClusterResolver"
            )
        self._jobs = job_to_label_mapping or {"worker": ["job-name=tensorflow"]}
        self._port, self._client, self.rpc_layer = tf_server_port, override_client, rpc_layer

    def cluster_spec(self) -> ClusterSpec:
        """The pods that run, in the order of their names.

        Raises:
          RuntimeError: a pod does not run.
        """
        cluster: dict[str, list[str]] = {}
        for job, selectors in self._jobs.items():
            places: list[str] = []
            for selector in selectors:
                pods = self._client.list_pod_for_all_namespaces(label_selector=selector).items
                for pod in sorted(pods, key=lambda pod: pod.metadata.name):
                    if pod.status.phase != "Running":
                        raise RuntimeError(
                            f"Pod {pod.metadata.name!r} is not running; phase: {pod.status.phase!r}"
                        )
                    places.append(f"{pod.status.host_ip}:{self._port}")
            cluster[job] = places
        return ClusterSpec(cluster)

    def master(self, task_type: Any = None, task_id: Any = None, rpc_layer: Any = None) -> str:
        """The address of a task; "" where none is named."""
        return self._address(task_type, task_id, rpc_layer)
