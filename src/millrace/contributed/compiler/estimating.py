"""`tf.contrib.compiler.xla`: model functions for estimators whose training step is one cluster."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from millrace.building.scopes import control_dependencies
from millrace.core.public import public
from millrace.lib.flow.compiled import compile
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import EstimatorSpec
from millrace.ops.array.constant import identity


@public("contrib.compiler.xla.estimator_model_fn")
def estimator_model_fn(target_model_fn: Callable[..., Any] | None = None) -> Any:
    """Makes one cluster of an estimator's training step; a decorator, with brackets or without.

    Args:
      target_model_fn: a model function; None: what is returned decorates one.

    Returns:
      A model function of the same arguments. In training its EstimatorSpec holds only loss and train_op.
    """
    if target_model_fn is None:
        return estimator_model_fn
    model_fn = target_model_fn

    accepted = inspect.signature(model_fn).parameters

    @functools.wraps(model_fn)
    def compiled(
        features: Any, labels: Any = None, mode: Any = None, params: Any = None, config: Any = None
    ) -> Any:
        given = {"labels": labels, "mode": mode, "params": params, "config": config}
        made = functools.partial(model_fn, features, **{k: v for k, v in given.items() if k in accepted})
        if mode != ModeKeys.TRAIN:
            return made()

        def step() -> Any:
            spec = made()
            with control_dependencies([spec.train_op]):
                return identity(spec.loss)

        (loss,) = compile(step)
        return EstimatorSpec(mode, loss=loss, train_op=identity(loss))

    return compiled


@public("contrib.compiler.xla.check_function_argument_count")
def check_function_argument_count(
    func: Callable[..., Any], input_arity: int, infeed_queue: Any
) -> str | None:
    """What a function would have to take, where it does not take so many arguments; None where it does.

    Args:
      func: a function.
      input_arity: how many inputs it gets.
      infeed_queue: a queue whose element it gets besides, or None.
    """
    count = input_arity + (0 if infeed_queue is None else infeed_queue.number_of_tuple_elements)
    places = [p for p in inspect.signature(func).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    if any(p.kind is p.VAR_POSITIONAL for p in places):
        return None
    needed = sum(p.default is p.empty for p in places)
    if needed <= count <= len(places):
        return None
    bound = len(places) if count > len(places) else needed
    quantity = "exactly" if needed == len(places) else "at most" if count > len(places) else "at least"
    return f"{quantity} {bound} argument{'' if bound == 1 else 's'}"
