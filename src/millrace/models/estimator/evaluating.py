"""An estimator's evaluation: metrics brought together, run over a checkpoint, and written down."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.lib.flow.control_flow import group
from millrace.lib.metrics.means import mean
from millrace.lib.platform import log
from millrace.models.estimator.modes import LOSS_METRIC_KEY
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.evaluating import StopAfterNEvalsHook, evaluate_once, get_or_create_eval_step
from millrace.training.sessions.scaffold import Scaffold


def stop_after(steps: int) -> StopAfterNEvalsHook:
    """A hook that ends an evaluation after some batches."""
    return StopAfterNEvalsHook(num_evals=steps)


def metric_operations(spec: Any, global_step: Any, loss: Any = None) -> tuple[Any, dict[str, Any]]:
    """What updates all metrics, and their values by name.

    Args:
      spec: of an evaluation.
      global_step: the step.
      loss: a pair of value and update; default: the mean of the spec's loss.

    Raises:
      ValueError: a metric is called as the loss, or `global_step`.
    """
    metrics = dict(spec.eval_metric_ops)
    if "global_step" in metrics:
        raise ValueError(
            "Metric with name `global_step` is not allowed, because Estimator already defines a default "
            "metric with the same name."
        )
    if LOSS_METRIC_KEY in metrics:
        raise ValueError(
            f'Metric with name "{LOSS_METRIC_KEY}" is not allowed, because Estimator already defines a '
            "default metric with the same name."
        )
    metrics[LOSS_METRIC_KEY] = loss or mean(spec.loss)
    values, updates = {}, []
    for name, (value, update) in sorted(metrics.items()):
        values[name] = value
        updates.append(update)
    values["global_step"] = global_step
    return (group(*updates) if updates else None), values


def run_evaluation(
    checkpoint_path: Any,
    master: str,
    scaffold: Any,
    update: Any,
    values: dict[str, Any],
    hooks: list[Any],
    config: Any,
) -> dict[str, Any]:
    """The values of all metrics after the evaluation."""
    if scaffold is not None and scaffold.local_init_op is not None:
        get_or_create_eval_step()  # which has its place among the local variables
        everything = group(scaffold.local_init_op, Scaffold.default_local_init_op())
        scaffold = Scaffold(local_init_op=everything, copy_from_scaffold=scaffold)
    return evaluate_once(
        checkpoint_path=checkpoint_path,
        master=master,
        scaffold=scaffold,
        eval_ops=update,
        final_ops=values,
        hooks=hooks,
        config=config,
    )


def write_metrics(folder: str, found: dict[str, Any], step: Any) -> None:
    """Writes metrics as a summary, and into the log."""
    shown = ", ".join(f"{k} = {v!s}" for k, v in sorted(found.items()) if not isinstance(v, bytes))
    log.info("Saving dict for global step %d: %s", step, shown)
    summary = protos.Summary()
    for name, value in sorted(found.items()):
        if value is None or name == "global_step":
            continue
        if isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool):
            summary.value.add(tag=name).simple_value = float(value)
        elif isinstance(value, bytes):
            try:
                read = protos.Summary.FromString(value)
            except Exception:
                log.warning("Skipping summary for %s, cannot parse string to Summary.", name)
                continue
            for number, part in enumerate(read.value):
                part.tag = f"{name}/{number}"
                summary.value.add().CopyFrom(part)
        elif isinstance(value, np.ndarray):
            _add_array(summary, name, value)
        else:
            log.warning("Skipping summary for %s, must be a float, np.float32, np.int64, np.int32 or int or "
                        "np.ndarray or a serialized string of Summary.", name)  # fmt: skip
    writer = FileWriterCache.get(os.fspath(folder))
    writer.add_summary(summary, step)
    writer.flush()


def _add_array(summary: Any, name: str, value: Any) -> None:
    if value.ndim == 0 and value.dtype.kind in "fi":
        summary.value.add(tag=name).simple_value = float(value)
        return
    kinds = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}
    added = summary.value.add(tag=name)
    added.tensor.dtype = kinds.get(value.dtype.name, 1)
    for size in value.shape:
        added.tensor.tensor_shape.dim.add(size=size)
    added.tensor.tensor_content = np.ascontiguousarray(value).tobytes()


def write_checkpoint_path(folder: str, path: Any, step: Any) -> None:
    """Writes which checkpoint was evaluated as a summary."""
    log.info("Saving '%s' summary for global step %d: %s", "checkpoint_path", step, path)
    summary = protos.Summary()
    added = summary.value.add(tag="checkpoint_path")
    added.tensor.dtype = 7
    added.tensor.tensor_shape.SetInParent()
    added.tensor.string_val.append(os.fsencode(path))
    writer = FileWriterCache.get(os.fspath(folder))
    writer.add_summary(summary, step)
    writer.flush()
