"""What TF_CONFIG says of a cluster and of this process's task in it."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from millrace.core import protos
from millrace.training.cluster_spec import ClusterSpec


class TaskType:
    """The kinds of tasks of a cluster."""

    MASTER = "master"
    PS = "ps"
    WORKER = "worker"
    CHIEF = "chief"
    EVALUATOR = "evaluator"


class ClusterTask(NamedTuple):
    """One task of a cluster; by default that of a process which is alone.

    Attributes:
      cluster_spec: the addresses of all tasks; none for an evaluator, which is not part of the training.
      task_type: one of `TaskType`.
      task_id: its number.
      is_chief: whether it initializes and saves.
      num_ps_replicas, num_worker_replicas: how many there are, the chief among the workers.
      global_id_in_cluster: its number among all tasks, the chief's first; None for an evaluator.
      master: the target of its sessions.
      evaluation_master: that of evaluations.
    """

    cluster_spec: ClusterSpec
    task_type: str = TaskType.WORKER
    task_id: int = 0
    is_chief: bool = True
    num_ps_replicas: int = 0
    num_worker_replicas: int = 1
    global_id_in_cluster: int | None = 0
    master: str = ""
    evaluation_master: str = ""


def environment() -> dict[str, Any]:
    """The JSON of TF_CONFIG; empty where it is not set.

    Raises:
      ValueError: it is not JSON.
      TypeError: it, or its task or service, is not a dictionary.
    """
    found = json.loads(os.environ.get("TF_CONFIG", "{}"))
    if not isinstance(found, dict) or not isinstance(found.get("task", {}), dict):
        raise TypeError(f"TF_CONFIG and its task must be dictionaries. Received: {found!r}")
    service = found.get("service")
    if service is not None and not isinstance(service, dict):
        raise TypeError(f'If "service" is set in TF_CONFIG, it must be a dict. Received: {service!r}')
    return found


def task_of(described: dict[str, Any]) -> ClusterTask:
    """The task that TF_CONFIG describes.

    Args:
      described: `environment()`.

    Raises:
      TypeError: the cluster is not what a `ClusterSpec` takes.
      ValueError: the task is not one of the cluster, or the cluster has no chief, or several.
    """
    cluster, task = ClusterSpec(described.get("cluster", {})), described.get("task", {})
    if not cluster:
        _check_alone(task)
        targets = described.get("session_master", ""), described.get("eval_session_master", "")
        return ClusterTask(cluster, master=targets[0], evaluation_master=targets[1])
    chief = TaskType.CHIEF
    if TaskType.MASTER in cluster.jobs:
        _check_master(cluster, task)
        chief = TaskType.MASTER
    found = _place(cluster, task, chief)
    if found.task_type == TaskType.EVALUATOR:
        return found
    return found._replace(master=described.get("session_master", found.master))


def _check_alone(task: dict[str, Any]) -> None:
    if task.get("type", TaskType.WORKER) != TaskType.WORKER:
        raise ValueError(f'If "cluster" is not set in TF_CONFIG, task type must be WORKER. Received: {task}')
    if int(task.get("index", 0)) != 0:
        raise ValueError(f'If "cluster" is not set in TF_CONFIG, task index must be 0. Received: {task}')


def _check_master(cluster: ClusterSpec, task: dict[str, Any]) -> None:
    if TaskType.CHIEF in cluster.jobs:
        raise ValueError(
            "If `master` node exists in `cluster`, job `chief` is not supported. "
            f"Received: {cluster.as_dict()}"
        )
    if task.get("type") == TaskType.EVALUATOR:
        raise ValueError(
            "If `master` node exists in `cluster`, task_type `evaluator` is not supported. "
            f"Received: {cluster.as_dict()}"
        )


def _place(cluster: ClusterSpec, task: dict[str, Any], chief: str) -> ClusterTask:
    """The place of a task in a cluster whose chief is the job `chief`."""
    tasks = cluster.as_dict()
    kind, index = task.get("type"), task.get("index")
    if chief not in tasks:
        raise ValueError(
            f'If "cluster" is set in TF_CONFIG, it must have one "chief" node. Received: {tasks}'
        )
    if len(tasks[chief]) != 1:
        raise ValueError(f'The "cluster" in TF_CONFIG must have only one "chief" node. Received: {tasks}')
    if not kind:
        raise ValueError(f'If "cluster" is set in TF_CONFIG, task type must be set. Received: {task}')
    if index is None:
        raise ValueError(f'If "cluster" is set in TF_CONFIG, task index must be set. Received: {task}')
    number = int(index)
    if number < 0:
        raise ValueError(f"Task index must be non-negative number. Received: {task}")
    if kind == TaskType.EVALUATOR:
        return ClusterTask(ClusterSpec({}), kind, number, False, 0, 0, None)
    master = target_of(cluster, kind, number)
    order = dict.fromkeys([chief, TaskType.WORKER, TaskType.PS, *sorted(tasks)])
    nodes = [(job, i) for job in order for i in range(len(tasks.get(job, ())))]
    return ClusterTask(
        cluster,
        kind,
        number,
        kind == chief,
        len(tasks.get(TaskType.PS, ())),
        len(tasks.get(TaskType.WORKER, ())) + 1,
        nodes.index((kind, number)),
        master,
    )


def target_of(cluster: ClusterSpec, kind: str, number: int) -> str:
    """The target of a task's sessions; empty where the cluster has no other task.

    Raises:
      ValueError: the cluster does not have the task.
    """
    tasks = cluster.as_dict()
    if kind not in tasks:
        raise ValueError(f"{kind} is not a valid task_type in the cluster_spec. Received: {tasks}")
    if number >= len(tasks[kind]):
        raise ValueError(
            f"{number} is not a valid task_id for task_type {kind} in the cluster_spec. Received: {tasks}"
        )
    if sum(map(len, tasks.values())) == 1:
        return ""
    address = tasks[kind][number]
    return address if "://" in address else f"grpc://{address}"


def session_config_of(task: ClusterTask) -> Any:
    """The `ConfigProto` by which a task sees no more of the cluster than it talks to; None without one."""
    kind, number = task.task_type, task.task_id
    seen = {
        TaskType.MASTER: ["/job:ps", "/job:master"],
        TaskType.CHIEF: ["/job:ps", "/job:chief"],
        TaskType.WORKER: ["/job:ps", f"/job:worker/task:{number}"],
        TaskType.PS: ["/job:ps", "/job:worker", "/job:chief", "/job:master"],
    }
    if not task.cluster_spec or kind not in seen:
        return None
    config = protos.ConfigProto(allow_soft_placement=True, device_filters=seen[kind])
    config.graph_options.rewrite_options.meta_optimizer_iterations = protos.RewriterConfig.ONE
    return config
