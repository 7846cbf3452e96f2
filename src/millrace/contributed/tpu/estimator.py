"""`TPUEstimator` without a tensor processor: an estimator whose functions are told the batch size."""

from __future__ import annotations

import copy
import enum
import inspect
from collections import namedtuple
from typing import Any

from millrace.contributed.tpu.config import RunConfig, check_positive_integer
from millrace.core.public import public
from millrace.models.estimator.arguments import arguments_of
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import EstimatorSpec
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook

_FIELDS = (
    "mode",
    "predictions",
    "loss",
    "train_op",
    "eval_metrics",
    "export_outputs",
    "scaffold_fn",
    "host_call",
    "training_hooks",
    "evaluation_hooks",
    "prediction_hooks",
)


@public("contrib.tpu.python.tpu.tpu_estimator.ExportSavedModelApiVersion")
class ExportSavedModelApiVersion(enum.Enum):
    """How exports for tensor processors are drawn."""

    V1 = 1
    V2 = 2


@public(
    "contrib.tpu.TPUEstimatorSpec",
    "estimator.tpu.TPUEstimatorSpec",
    "python.estimator.model_fn._TPUEstimatorSpec",
    "contrib.tpu.python.tpu.tpu_estimator.TPUEstimatorSpec",
)
class TPUEstimatorSpec(namedtuple("TPUEstimatorSpec", _FIELDS)):
    """What a model is in one mode; metrics and host calls are functions with their tensors.

    Args:
      mode, predictions, loss, train_op, export_outputs: as for `tf.estimator.EstimatorSpec`.
      eval_metrics: a function that gives metrics, and its tensors: a list or a dict.
      scaffold_fn: makes a `Scaffold`.
      host_call: a function that runs on the host, and its tensors.
      training_hooks, evaluation_hooks, prediction_hooks: `SessionRunHook`s.

    Raises:
      ValueError: something is missing.
      TypeError: something is of another type.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metrics: Any = None,
        export_outputs: Any = None,
        scaffold_fn: Any = None,
        host_call: Any = None,
        training_hooks: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> TPUEstimatorSpec:
        for name, call in (("eval_metrics", eval_metrics), ("host_call", host_call)):
            if call is not None:
                _check_call(name, call)
        hooks = [tuple(h or ()) for h in (training_hooks, evaluation_hooks, prediction_hooks)]
        for hook in (*hooks[0], *hooks[1], *hooks[2]):
            if not isinstance(hook, SessionRunHook):
                raise TypeError(f"All hooks must be SessionRunHook instances, given: {hook}")
        checked = EstimatorSpec(
            mode,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            export_outputs=export_outputs,
        )
        return super().__new__(
            cls,
            mode,
            checked.predictions,
            checked.loss,
            checked.train_op,
            eval_metrics,
            checked.export_outputs,
            scaffold_fn,
            host_call,
            *hooks,
        )

    def as_estimator_spec(self) -> EstimatorSpec:
        """The same for an estimator on CPU and GPU."""
        updates = _called(self.host_call)
        hooks = [] if updates is None else [_HostCallHook(updates)]
        return EstimatorSpec(
            mode=self.mode,
            predictions=self.predictions,
            loss=self.loss,
            train_op=self.train_op,
            eval_metric_ops=_called(self.eval_metrics),
            export_outputs=self.export_outputs,
            scaffold=self.scaffold_fn() if self.scaffold_fn else None,
            training_hooks=(*self.training_hooks, *hooks),
            evaluation_hooks=(*self.evaluation_hooks, *hooks),
            prediction_hooks=(*self.prediction_hooks, *hooks),
        )


class _HostCallHook(SessionRunHook):
    """Runs what a host call gives beside each step.

    Args:
      tensors: a tensor, or nested ones.
    """

    def __init__(self, tensors: Any) -> None:
        self._tensors = tensors

    def before_run(self, run_context: Any) -> Any:
        """Asks for it."""
        del run_context
        return SessionRunArgs(self._tensors)


def _check_call(name: str, call: Any) -> None:
    if not isinstance(call, list | tuple):
        raise ValueError(f"{name} should be tuple or list. Received: {call}")
    if len(call) != 2:
        raise ValueError(f"{name} should have two elements. Received: {call}")
    if not callable(call[0]):
        raise TypeError(f"{name}[0] should be callable. Received: {call[0]}")
    if not isinstance(call[1], list | tuple | dict):
        raise ValueError(f"{name}[1] should be tuple or list, or dict. Received: {call[1]}")
    taken = arguments_of(call[0])
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(call[0]).parameters.values())
    if not isinstance(call[1], dict) and not takes_any and len(call[1]) != len(taken):
        raise RuntimeError(
            f"In TPUEstimatorSpec.{name}, length of tensors {len(call[1])} does not match method args of the "
            f"function, which takes {len(taken)}. Received: {list(taken)}"
        )


def _called(call: Any) -> Any:
    if call is None:
        return None
    function, tensors = call
    return function(**tensors) if isinstance(tensors, dict) else function(*tensors)


@public("contrib.tpu.TPUEstimator", "estimator.tpu.TPUEstimator")
class TPUEstimator(Estimator):
    """An estimator whose functions find the batch size in `params["batch_size"]`.

    There are no tensor processors here: with `use_tpu` it runs on CPU and GPU just the same, as with
    `use_tpu=False`, and the model function is told so in `params["use_tpu"]`.

    Args:
      model_fn: gives a `TPUEstimatorSpec` or an `EstimatorSpec`; takes `params`.
      model_dir: the folder of checkpoints and summaries.
      config: a `tf.contrib.tpu.RunConfig`.
      params: passed to both functions; without `batch_size` and `context`.
      use_tpu: needs `train_batch_size`.
      train_batch_size, eval_batch_size, predict_batch_size: batch sizes of the modes.
      batch_axis, eval_on_tpu, export_to_tpu, export_to_cpu, embedding_config_spec,
        export_saved_model_api_version: kept for programs that name them.
      warm_start_from: a checkpoint or `WarmStartSettings` to begin with.

    Raises:
      ValueError: an argument is not allowed.
    """

    def __init__(
        self,
        model_fn: Any = None,
        model_dir: Any = None,
        config: Any = None,
        params: Any = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        batch_axis: Any = None,
        eval_on_tpu: bool = True,
        export_to_tpu: bool = True,
        export_to_cpu: bool = True,
        warm_start_from: Any = None,
        embedding_config_spec: Any = None,
        export_saved_model_api_version: Any = ExportSavedModelApiVersion.V1,
    ) -> None:
        del batch_axis, eval_on_tpu, export_to_tpu, export_to_cpu, embedding_config_spec
        del export_saved_model_api_version
        if config is None or not isinstance(config, RunConfig):
            raise ValueError("`config` must be provided with type `tpu_config.RunConfig`")
        if params is not None and any(key in params for key in ("batch_size", "context")):
            raise ValueError(f"['batch_size', 'context'] are reserved keys but existed in params {params}.")
        if use_tpu and train_batch_size is None:
            raise ValueError("`train_batch_size` cannot be `None`")
        sizes = {
            ModeKeys.TRAIN: train_batch_size,
            ModeKeys.EVAL: eval_batch_size,
            ModeKeys.PREDICT: predict_batch_size,
        }
        for mode, size in sizes.items():
            if use_tpu and size is not None:
                check_positive_integer(size, f"{mode}_batch_size")
        self._sizes, self._use_tpu = sizes, use_tpu
        super().__init__(self._plain(model_fn), model_dir, config, params, warm_start_from)

    def _plain(self, model_fn: Any) -> Any:
        """A model function that gives an `EstimatorSpec`."""
        if model_fn is None:
            return None
        names = arguments_of(model_fn)

        def plain_model_fn(features: Any, labels: Any, mode: str, params: Any, config: Any) -> Any:
            told = copy.copy(params)
            if self._sizes[mode] is not None:
                told["batch_size"] = self._sizes[mode]
            told["use_tpu"] = False
            available = {"labels": labels, "mode": mode, "params": told, "config": config}
            given = {name: value for name, value in available.items() if name in names}
            spec = model_fn(features=features, **given)
            return spec.as_estimator_spec() if isinstance(spec, TPUEstimatorSpec) else spec

        return plain_model_fn

    def _call_input_fn(self, input_fn: Any, mode: str, input_context: Any = None) -> Any:
        names = arguments_of(input_fn)
        if "params" not in names:
            raise ValueError(
                f"input_fn ({input_fn}) does not include params argument, required by TPUEstimator to pass "
                "batch size as params['batch_size']"
            )
        told = self.params
        if self._sizes[mode] is not None:
            told["batch_size"] = self._sizes[mode]
        given: dict[str, Any] = {"params": told}
        if "mode" in names:
            given["mode"] = mode
        if "config" in names:
            given["config"] = self.config
        del input_context
        return input_fn(**given)


@public("contrib.tpu.export_estimator_savedmodel")
def export_estimator_savedmodel(
    estimator: Any,
    export_dir_base: Any,
    serving_input_receiver_fn: Any,
    assets_extra: Any = None,
    as_text: bool = False,
    checkpoint_path: Any = None,
) -> Any:
    """Writes a SavedModel of an estimator that was trained for TPUs; arguments as for `export_savedmodel`."""
    return estimator.export_savedmodel(
        export_dir_base,
        serving_input_receiver_fn,
        assets_extra=assets_extra,
        as_text=as_text,
        checkpoint_path=checkpoint_path,
    )
