"""`tf.contrib.learn`: modes, kinds of tasks, and the older `RunConfig`."""

from __future__ import annotations

from typing import Any, ClassVar

from millrace.core import protos
from millrace.core.public import public
from millrace.models.estimator.cluster_task import ClusterTask, environment, target_of
from millrace.models.estimator.run_config import RunConfig as PlainRunConfig
from millrace.training.cluster_spec import ClusterSpec

_DEFAULT = object()


@public("contrib.learn.ModeKeys")
class ModeKeys:
    """The three modes: training, evaluation, inference."""

    TRAIN: ClassVar[str] = "train"
    EVAL: ClassVar[str] = "eval"
    INFER: ClassVar[str] = "infer"

    @classmethod
    def validate(cls, key: str) -> None:
        """Checks that a mode is one of the three.

        Raises:
          ValueError: it is another.
        """
        if key not in (cls.TRAIN, cls.EVAL, cls.INFER):
            raise ValueError(f"Invalid mode {key}.")


@public("contrib.learn.TaskType")
class TaskType:
    """The kinds of tasks of a cluster."""

    MASTER: ClassVar[str] = "master"
    PS: ClassVar[str] = "ps"
    WORKER: ClassVar[str] = "worker"


@public("contrib.learn.RunConfig")
class RunConfig(PlainRunConfig):
    """A `tf.estimator.RunConfig` with the older arguments.

    Args:
      master: the target of sessions.
      num_cores: how many threads a session has; 0 for all.
      log_device_placement: log where operations run.
      gpu_memory_fraction: the share of each GPU's memory.
      save_checkpoints_secs: seconds from one checkpoint to the next; default 600 where no steps are given.
      evaluation_master: the target of evaluations.
      tf_random_seed, save_summary_steps, save_checkpoints_steps, keep_checkpoint_max,
        keep_checkpoint_every_n_hours, log_step_count_steps, protocol, model_dir, session_config,
        session_creation_timeout_secs: as there.

    Raises:
      ValueError: an argument is not allowed.
    """

    def __init__(
        self,
        master: str | None = None,
        num_cores: int = 0,
        log_device_placement: bool = False,
        gpu_memory_fraction: float = 1,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_secs: Any = _DEFAULT,
        save_checkpoints_steps: int | None = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        protocol: str | None = None,
        evaluation_master: str = "",
        model_dir: Any = None,
        session_config: Any = None,
        session_creation_timeout_secs: int = 7200,
    ) -> None:
        if save_checkpoints_secs is _DEFAULT:
            save_checkpoints_secs = None if save_checkpoints_steps is not None else 600
        super().__init__(
            model_dir=model_dir,
            tf_random_seed=tf_random_seed,
            save_summary_steps=save_summary_steps,
            save_checkpoints_steps=save_checkpoints_steps,
            save_checkpoints_secs=save_checkpoints_secs,
            session_config=session_config,
            keep_checkpoint_max=keep_checkpoint_max,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            log_step_count_steps=log_step_count_steps,
            protocol=protocol,
            session_creation_timeout_secs=session_creation_timeout_secs,
        )
        self._session_config = session_config
        self._environment = environment().get("environment", "local")
        self._tf_config = protos.ConfigProto(
            log_device_placement=log_device_placement,
            inter_op_parallelism_threads=num_cores,
            intra_op_parallelism_threads=num_cores,
        )
        self._tf_config.gpu_options.per_process_gpu_memory_fraction = gpu_memory_fraction
        self._evaluation_master = evaluation_master
        if master is not None:
            self._master = master

    @staticmethod
    def _task_of(described: dict[str, Any]) -> ClusterTask:
        """The task that TF_CONFIG describes; it may leave the task out, and the cluster's chief."""
        cluster, task = ClusterSpec(described.get("cluster", {})), described.get("task", {})
        kind, number, tasks = task.get("type"), int(task.get("index", 0)), cluster.as_dict()
        chief = TaskType.MASTER if described.get("environment") == "cloud" else TaskType.WORKER
        return ClusterTask(
            cluster,
            kind,
            number,
            kind in (None, chief) and number == 0,
            len(tasks.get(TaskType.PS, ())),
            len(tasks.get(TaskType.WORKER, ())) + len(tasks.get(TaskType.MASTER, ())),
            master=target_of(cluster, kind, number) if cluster and kind else "",
        )
