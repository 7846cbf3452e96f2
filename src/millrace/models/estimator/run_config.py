"""`RunConfig`: how an estimator runs: its folder, seed, checkpoints and sessions."""

from __future__ import annotations

import copy
import inspect
import os
import tempfile
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.models.estimator.cluster_task import ClusterTask, environment, session_config_of, task_of

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
_SAVING = ("save_checkpoints_steps", "save_checkpoints_secs")


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
        given = locals()
        described = environment()
        self._set({name: given[name] for name in _REPLACEABLE})
        self._model_dir = _model_dir(described, model_dir)
        self._service = described.get("service")
        task = self._task_of(described)
        vars(self).update((f"_{name}", value) for name, value in task._asdict().items())
        if session_config is None:
            self._session_config = session_config_of(task)

    @staticmethod
    def _task_of(described: dict[str, Any]) -> ClusterTask:
        return task_of(described)

    def _set(self, values: dict[str, Any]) -> None:
        _check(values)
        for name, value in values.items():
            setattr(self, f"_{name}", value)

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
        for given, other in (_SAVING, _SAVING[::-1]):
            if kwargs.get(given) is not None:
                kwargs[other] = None
        new._set(kwargs)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> RunConfig:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for name, value in self.__dict__.items():
            shared = callable(value) or "distribute" in name
            new.__dict__[name] = value if shared else copy.deepcopy(value, memo)
        return new

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and f"_{name}" in self.__dict__:
            raise AttributeError(f"can't set attribute {name!r} of a {type(self).__name__}; use replace")
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and f"_{name}" in self.__dict__:
            return self.__dict__[f"_{name}"]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


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
    for name in ("tf_random_seed", "experimental_max_worker_delay_secs"):
        if given(name) and not isinstance(values[name], int):
            refuse(name, "must be an integer")
    for name in (
        "save_summary_steps",
        "save_checkpoints_steps",
        "save_checkpoints_secs",
        "keep_checkpoint_max",
    ):
        if given(name) and values[name] < 0:
            refuse(name, "should be >= 0")
    for name in ("keep_checkpoint_every_n_hours", "log_step_count_steps", "session_creation_timeout_secs"):
        if given(name) and values[name] <= 0:
            refuse(name, "should be > 0")
    if given("session_config") and not isinstance(values["session_config"], protos.ConfigProto):
        refuse("session_config", "must be an instance of ConfigProto")
    place = values.get("device_fn")
    if place is not None and not (callable(place) and [*inspect.signature(place).parameters] == ["op"]):
        refuse("device_fn", 'must be callable with exactly one argument "op"')
    if given("protocol") and values["protocol"] not in (None, "grpc", "grpc+verbs"):
        refuse("protocol", 'must be "grpc" or "grpc+verbs"')


def settled(config: Any, model_dir: Any) -> Any:
    """A configuration with a folder and a session's configuration.

    Args:
      config: a `RunConfig`, or None.
      model_dir: the folder; None for that of the configuration, or a new one.

    Raises:
      ValueError: `config` is something else, or names another folder.
    """
    if config is None:
        log.info("Using default config.")
        config = RunConfig()
    if not isinstance(config, RunConfig):
        raise ValueError(f"config must be an instance of `RunConfig`. Received: {config}")
    model_dir = os.fspath(model_dir) if model_dir is not None else None
    if model_dir is not None and config.model_dir is not None and model_dir != config.model_dir:
        raise ValueError(
            "`model_dir` are set both in constructor and `RunConfig`, but with different values. "
            f"Received: {model_dir!r} and {config.model_dir!r}"
        )
    chosen = model_dir or config.model_dir
    if not chosen:
        chosen = tempfile.mkdtemp()
        log.warning("Using temporary folder as model directory: %s", chosen)
    changes: dict[str, Any] = {}
    if config.model_dir != chosen:
        changes["model_dir"] = chosen
    if config.session_config is None:
        session = protos.ConfigProto(allow_soft_placement=True)
        session.graph_options.rewrite_options.meta_optimizer_iterations = 1
        changes["session_config"] = session
    return config.replace(**changes) if changes else copy.deepcopy(config)
