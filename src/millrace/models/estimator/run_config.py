"""`RunConfig`: how an estimator runs: its folder, seed, checkpoints and sessions."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from millrace.core import protos
from millrace.core.public import public

_DEFAULT = object()
_REPLACEABLE = (
    "model_dir",
    "tf_random_seed",
    "save_summary_steps",
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "session_config",
    "keep_checkpoint_max",
    "keep_checkpoint_every_n_hours",
    "log_step_count_steps",
    "train_distribute",
    "device_fn",
    "protocol",
    "eval_distribute",
    "experimental_distribute",
    "experimental_max_worker_delay_secs",
    "session_creation_timeout_secs",
)


class TaskType:
    """The kinds of tasks of a cluster."""

    MASTER = "master"
    PS = "ps"
    WORKER = "worker"
    CHIEF = "chief"
    EVALUATOR = "evaluator"


@public("estimator.RunConfig", "python.estimator.run_config.RunConfig")
class RunConfig:
    """How an estimator runs.

    The environment variable TF_CONFIG (JSON: `cluster`, `task`, `model_dir`) describes a cluster.

    Args:
      model_dir: the folder of checkpoints and summaries.
      tf_random_seed: the graph's seed.
      save_summary_steps: steps from one summary to the next.
      save_checkpoints_steps: steps from one checkpoint to the next; instead of seconds.
      save_checkpoints_secs: seconds; default 600.
      session_config: a `ConfigProto`.
      keep_checkpoint_max: how many checkpoints to keep; 0 or None for all.
      keep_checkpoint_every_n_hours: one that is kept for good each so many hours.
      log_step_count_steps: steps from one line of the log to the next.
      train_distribute, eval_distribute, experimental_distribute: kept for programs that name them.
      device_fn: places operations.
      protocol: of servers.
      experimental_max_worker_delay_secs: the longest delay of a worker's start.
      session_creation_timeout_secs: how long to wait for a session.

    Raises:
      ValueError: an argument is not allowed, or steps and seconds are both given.
    """

    def __init__(
        self,
        model_dir: Any = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: Any = _DEFAULT,
        save_checkpoints_secs: Any = _DEFAULT,
        session_config: Any = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        device_fn: Any = None,
        protocol: str | None = None,
        eval_distribute: Any = None,
        experimental_distribute: Any = None,
        experimental_max_worker_delay_secs: int | None = None,
        session_creation_timeout_secs: float = 7200,
    ) -> None:
        if save_checkpoints_steps is _DEFAULT and save_checkpoints_secs is _DEFAULT:
            save_checkpoints_steps, save_checkpoints_secs = None, 600
        elif save_checkpoints_secs is _DEFAULT:
            save_checkpoints_secs = None
        elif save_checkpoints_steps is _DEFAULT:
            save_checkpoints_steps = None
        elif save_checkpoints_steps is not None and save_checkpoints_secs is not None:
            raise ValueError(
                "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set. "
                f"Received: {save_checkpoints_steps} and {save_checkpoints_secs}"
            )
        described = json.loads(os.environ.get("TF_CONFIG") or "{}")
        given = locals()
        self._set({name: given[name] for name in _REPLACEABLE})
        self._model_dir = _model_dir(described, model_dir)
        self._set_cluster(described)

    def _set(self, values: dict[str, Any]) -> None:
        _check(values)
        for name, value in values.items():
            setattr(self, f"_{name}", value)

    def _set_cluster(self, described: dict[str, Any]) -> None:
        cluster, task = described.get("cluster", {}), described.get("task", {})
        self._service = described.get("service")
        self._cluster_spec = _Cluster(cluster)
        self._task_type = task.get("type", TaskType.WORKER)
        self._task_id = int(task.get("index", 0))
        self._global_id_in_cluster: int | None = 0
        self._master = self._evaluation_master = ""
        self._num_ps_replicas, self._num_worker_replicas, self._is_chief = 0, 1, True
        if not cluster:
            if self._task_type not in (TaskType.WORKER, TaskType.EVALUATOR):
                raise ValueError(
                    f"If cluster is not set in TF_CONFIG, task type must be worker. Received: {task}"
                )
            return
        if self._task_type == TaskType.EVALUATOR:
            self._is_chief, self._num_worker_replicas, self._global_id_in_cluster = False, 0, None
            return
        if TaskType.CHIEF not in cluster and TaskType.MASTER not in cluster:
            raise ValueError(
                f'If "cluster" is set in TF_CONFIG, it must have one "chief" node. Received: {cluster}'
            )
        chief = TaskType.CHIEF if TaskType.CHIEF in cluster else TaskType.MASTER
        if self._task_type not in cluster or not 0 <= self._task_id < len(cluster[self._task_type]):
            raise ValueError(f"The task of TF_CONFIG is not in its cluster. Received: {task}, {cluster}")
        self._num_ps_replicas = len(cluster.get(TaskType.PS, ()))
        self._num_worker_replicas = len(cluster.get(TaskType.WORKER, ())) + len(cluster[chief])
        self._is_chief = self._task_type == chief
        if len(cluster) > 1 or sum(map(len, cluster.values())) > 1:
            address = cluster[self._task_type][self._task_id]
            self._master = address if "://" in address else f"grpc://{address}"
        order = [chief, TaskType.WORKER, TaskType.PS]
        nodes = [(kind, i) for kind in order for i in range(len(cluster.get(kind, ())))]
        self._global_id_in_cluster = nodes.index((self._task_type, self._task_id))

    def replace(self, **kwargs: Any) -> RunConfig:
        """A copy with other values.

        Args:
          **kwargs: any of the constructor's arguments.

        Raises:
          ValueError: an unknown one, or a value that is not allowed.
        """
        for name in kwargs:
            if name not in _REPLACEABLE:
                raise ValueError(f"Replacing {name} is not supported. Allowed properties are {_REPLACEABLE}.")
        if (
            kwargs.get("save_checkpoints_steps") is not None
            and kwargs.get("save_checkpoints_secs") is not None
        ):
            raise ValueError(
                "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set. "
                f"Received: {kwargs['save_checkpoints_steps']} and {kwargs['save_checkpoints_secs']}"
            )
        new = copy.deepcopy(self)
        if "save_checkpoints_steps" in kwargs:
            kwargs.setdefault("save_checkpoints_secs", None)
        elif "save_checkpoints_secs" in kwargs:
            kwargs.setdefault("save_checkpoints_steps", None)
        new._set(kwargs)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> RunConfig:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for name, value in self.__dict__.items():
            shared = callable(value) or "distribute" in name
            new.__dict__[name] = value if shared else copy.deepcopy(value, memo)
        return new

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and f"_{name}" in self.__dict__:
            return self.__dict__[f"_{name}"]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _Cluster:
    """The addresses of a cluster's tasks, by kind of task.

    Args:
      tasks: lists of addresses.
    """

    def __init__(self, tasks: dict[str, Any]) -> None:
        self._tasks = tasks

    def as_dict(self) -> dict[str, Any]:
        """Lists of addresses, by kind of task."""
        return self._tasks

    @property
    def jobs(self) -> list[str]:
        """The kinds of tasks."""
        return list(self._tasks)

    def __bool__(self) -> bool:
        return bool(self._tasks)


def _model_dir(described: dict[str, Any], given: Any) -> Any:
    environment = described.get("model_dir")
    if environment is not None:
        if environment == "":
            raise ValueError("model_dir should be non-empty in TF_CONFIG. Received: ''")
        if given is not None and given != environment:
            raise ValueError(
                "`model_dir` provided in RunConfig construct, if set, must be the same as the model_dir in "
                f"TF_CONFIG. Received: {given!r} and {environment!r}"
            )
    return given if given is not None else environment


def _check(values: dict[str, Any]) -> None:
    def refuse(name: str, rule: str) -> None:
        raise ValueError(f"RunConfig: {name} {rule}. Received: {values[name]!r}")

    def given(name: str) -> bool:
        return values.get(name) is not None

    if given("model_dir") and not values["model_dir"]:
        refuse("model_dir", "should be non-empty")
    if given("tf_random_seed") and (
        isinstance(values["tf_random_seed"], bool) or not isinstance(values["tf_random_seed"], int)
    ):
        refuse("tf_random_seed", "must be an integer")
    for name in (
        "save_summary_steps",
        "save_checkpoints_steps",
        "save_checkpoints_secs",
        "keep_checkpoint_max",
    ):
        if given(name) and values[name] < 0:
            refuse(name, "should be >= 0")
    for name in ("keep_checkpoint_every_n_hours", "log_step_count_steps"):
        if given(name) and values[name] <= 0:
            refuse(name, "should be > 0")
    if "session_creation_timeout_secs" in values and not values["session_creation_timeout_secs"] > 0:
        refuse("session_creation_timeout_secs", "should be > 0")
    if given("session_config") and not isinstance(values["session_config"], protos.ConfigProto):
        refuse("session_config", "must be an instance of ConfigProto")
    if given("device_fn") and not callable(values["device_fn"]):
        refuse("device_fn", "must be callable with exactly one argument")
    if given("protocol") and values["protocol"] not in (None, "grpc", "grpc+verbs"):
        refuse("protocol", 'must be "grpc" or "grpc+verbs"')
