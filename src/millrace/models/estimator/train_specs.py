"""`TrainSpec` and `EvalSpec`: what `train_and_evaluate` trains and evaluates on."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.core.public import public
from millrace.models.estimator.exporters import Exporter
from millrace.training.hooks.base import SessionRunHook


def _check_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise TypeError(f"`input_fn` must be callable, given: {input_fn}")


def _hooks(hooks: Any) -> tuple[Any, ...]:
    found = tuple(hooks or ())
    for hook in found:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"All hooks must be `SessionRunHook` instances, given: {hook}")
    return found


@public("estimator.TrainSpec")
class TrainSpec(namedtuple("TrainSpec", ("input_fn", "max_steps", "hooks"))):
    """What to train on.

    Args:
      input_fn: gives features and labels, or a dataset of them.
      max_steps: up to which step; None for ever, or to the end of the data.
      hooks: `SessionRunHook`s.

    Raises:
      ValueError: `max_steps` is not positive.
      TypeError: `input_fn` is not callable, or a hook is not one.
    """

    __slots__ = ()

    def __new__(cls, input_fn: Any, max_steps: int | None = None, hooks: Any = None) -> TrainSpec:  # noqa: D102
        _check_input_fn(input_fn)
        if max_steps is not None and max_steps <= 0:
            raise ValueError(f"Must specify max_steps > 0, given: {max_steps}")
        return super().__new__(cls, input_fn, max_steps, _hooks(hooks))


_EVAL_FIELDS = ("input_fn", "steps", "name", "hooks", "exporters", "start_delay_secs", "throttle_secs")


@public("estimator.EvalSpec")
class EvalSpec(namedtuple("EvalSpec", _EVAL_FIELDS)):
    """What to evaluate on, and what to export then.

    Args:
      input_fn: gives features and labels, or a dataset of them.
      steps: how many batches; None for all.
      name: tells evaluations on different data apart.
      hooks: `SessionRunHook`s.
      exporters: `Exporter`s.
      start_delay_secs: how long an evaluator waits at first.
      throttle_secs: the least time between evaluations.

    Raises:
      ValueError: a number is not allowed, or two exporters have one name.
      TypeError: something is of another type.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        input_fn: Any,
        steps: int | None = 100,
        name: str | None = None,
        hooks: Any = None,
        exporters: Any = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
    ) -> EvalSpec:
        _check_input_fn(input_fn)
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"`name` must be string, given: {name}")
        found = _hooks(hooks)
        exporters = _exporters(exporters)
        if start_delay_secs < 0:
            raise ValueError(f"Must specify start_delay_secs >= 0, given: {start_delay_secs}")
        if throttle_secs < 0:
            raise ValueError(f"Must specify throttle_secs >= 0, given: {throttle_secs}")
        return super().__new__(cls, input_fn, steps, name, found, exporters, start_delay_secs, throttle_secs)


def _exporters(exporters: Any) -> tuple[Any, ...]:
    if not exporters:
        return ()
    found = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters)
    names = []
    for exporter in found:
        if not isinstance(exporter, Exporter):
            raise TypeError(
                f"`exporters` must be an Exporter, an iterable of Exporter, or `None`, found {exporter}."
            )
        if not exporter.name:
            raise ValueError(
                f"An Exporter cannot have a name that is `None` or empty. All exporter names: {names}"
            )
        if exporter.name in names:
            raise ValueError(
                f"`exporters` must have unique names. Such a name cannot be repeated: {exporter.name}"
            )
        names.append(exporter.name)
    return found
