"""`TPUConfig` and the `RunConfig` that has one."""

from __future__ import annotations

from collections import namedtuple
from typing import Any, ClassVar

from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.models.estimator.run_config import RunConfig as PlainRunConfig

_FIELDS = (
    "iterations_per_loop",
    "num_shards",
    "num_cores_per_replica",
    "per_host_input_for_training",
    "tpu_job_name",
    "initial_infeed_sleep_secs",
    "input_partition_dims",
    "eval_training_input_configuration",
    "experimental_host_call_every_n_steps",
)


@public(
    "contrib.tpu.InputPipelineConfig",
    "estimator.tpu.InputPipelineConfig",
    "contrib.tpu.python.tpu.tpu_config.InputPipelineConfig",
)
class InputPipelineConfig:
    """Who calls the input function: each shard, or each host."""

    PER_SHARD_V1: ClassVar[int] = 1
    PER_HOST_V1: ClassVar[int] = 2
    PER_HOST_V2: ClassVar[int] = 3
    BROADCAST: ClassVar[int] = 4
    SLICED: ClassVar[int] = 5


@public("contrib.tpu.python.tpu.util.check_positive_integer")
def check_positive_integer(value: Any, name: str) -> None:
    """A number that must be an integer above 0.

    Raises:
      TypeError: it is not an integer.
      ValueError: it is not positive.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be int, got {type(value)}")
    if value <= 0:
        raise ValueError(f"{name} must be positive, got {value}")


def _check_partitions(dims: Any, per_host: int) -> None:
    """How features, and labels, are cut for the cores of a replica.

    Raises:
      ValueError: there are no one or two of them, or hosts do not read by `PER_HOST_V2`.
    """
    if not isinstance(dims, LISTS) or len(dims) not in (1, 2):
        raise ValueError(
            f"input_partition_dims must be a list/tuple with one or two elements. Received: {dims}"
        )
    if per_host != InputPipelineConfig.PER_HOST_V2:
        raise ValueError(f"input_partition_dims is only supported in PER_HOST_V2 mode. Received: {per_host}")


@public("contrib.tpu.TPUConfig", "estimator.tpu.TPUConfig")
class TPUConfig(namedtuple("TPUConfig", _FIELDS)):
    """How a model runs on tensor processors; without one, only its checks matter.

    Args:
      iterations_per_loop: steps of one call.
      num_shards: how many shards a batch has.
      num_cores_per_replica: 1, 2, 4, 8, 16, 32, 64 or 128.
      per_host_input_for_training: an `InputPipelineConfig`, or whether each host reads.
      tpu_job_name, initial_infeed_sleep_secs, input_partition_dims: kept.
      eval_training_input_configuration: 2, or 5 to slice.
      experimental_host_call_every_n_steps: kept.

    Raises:
      ValueError: an argument is not allowed.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        iterations_per_loop: Any = 2,
        num_shards: int | None = None,
        num_cores_per_replica: int | None = None,
        per_host_input_for_training: Any = True,
        tpu_job_name: str | None = None,
        initial_infeed_sleep_secs: int | None = None,
        input_partition_dims: Any = None,
        eval_training_input_configuration: int = InputPipelineConfig.PER_HOST_V1,
        experimental_host_call_every_n_steps: int = 1,
    ) -> TPUConfig:
        if not isinstance(iterations_per_loop, str) and iterations_per_loop < 1:
            raise ValueError(
                "Invalid TPUConfig `iterations_per_loop` value. Value must be positive integer value or "
                f"time-based value. Received: {iterations_per_loop}"
            )
        if num_shards is not None:
            check_positive_integer(num_shards, "TPUConfig num_shards")
        if num_cores_per_replica is not None and num_cores_per_replica not in (1, 2, 4, 8, 16, 32, 64, 128):
            raise ValueError(
                f"num_cores_per_replica must be 1, 2, 4, 8, 16, 32, 64, 128; got {num_cores_per_replica}"
            )
        if input_partition_dims is not None and num_cores_per_replica is None:
            raise ValueError(
                "input_partition_dims requires setting num_cores_per_replica. "
                f"Received: {input_partition_dims}"
            )
        if isinstance(per_host_input_for_training, bool):
            per_host_input_for_training = 2 if per_host_input_for_training else 1
        if input_partition_dims is not None:
            _check_partitions(input_partition_dims, per_host_input_for_training)
        allowed = InputPipelineConfig.PER_HOST_V1, InputPipelineConfig.SLICED
        if eval_training_input_configuration not in allowed:
            raise ValueError(
                "eval_training_input_configuration must be PER_HOST_V1 or SLICED; "
                f"got {eval_training_input_configuration}"
            )
        if initial_infeed_sleep_secs:
            check_positive_integer(initial_infeed_sleep_secs, "TPUConfig initial_infeed_sleep_secs")
        return super().__new__(
            cls,
            iterations_per_loop,
            num_shards,
            num_cores_per_replica,
            per_host_input_for_training,
            tpu_job_name,
            initial_infeed_sleep_secs,
            input_partition_dims,
            eval_training_input_configuration,
            experimental_host_call_every_n_steps,
        )


@public("contrib.tpu.RunConfig", "estimator.tpu.RunConfig", "contrib.tpu.python.tpu.tpu_config.RunConfig")
class RunConfig(PlainRunConfig):
    """A `tf.estimator.RunConfig` with a `TPUConfig`.

    Args:
      tpu_config: a `TPUConfig`; default, one with its defaults.
      evaluation_master: the target of evaluations; default `master`.
      master: the target of sessions.
      cluster: a resolver of a cluster, whose `master()` is taken.
      **kwargs: as for `tf.estimator.RunConfig`.

    Raises:
      ValueError: `cluster` and `master` are both given.
    """

    def __init__(
        self,
        tpu_config: Any = None,
        evaluation_master: str | None = None,
        master: str | None = None,
        cluster: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._tpu_config = tpu_config or TPUConfig()
        self._cluster = cluster
        if cluster is not None:
            if master is not None:
                raise ValueError(f"You cannot provide both cluster and master. Received: {cluster}, {master}")
            master = cluster.master()
        self._master = master or ""
        self._evaluation_master = self._master if evaluation_master is None else evaluation_master

    def replace(self, **kwargs: Any) -> RunConfig:
        """A copy with other values; `tpu_config` may be among them."""
        tpu_config = kwargs.pop("tpu_config", self._tpu_config)
        new: Any = super().replace(**kwargs)
        new._tpu_config = tpu_config
        return new
