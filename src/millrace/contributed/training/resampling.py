"""Elements drawn more or less often than they come; strategies that spread variables over tasks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.variables.variable import Variable
from millrace.ops.array import gather
from millrace.ops.random.counts import random_poisson


@public("contrib.training.resample_at_rate")
def resample_at_rate(
    inputs: Sequence[Any],
    rates: Any,
    scope: str | None = None,
    seed: int | None = None,
    back_prop: bool = False,
) -> list[Tensor]:
    """Rows of `inputs`, each as often as a Poisson distribution of its rate says.

    Args:
      inputs: a list of tensors `[n, ...]`.
      rates: float `[n]`: how often each row is to come on average.
      scope: default "resample_at_rate".
      seed: makes the choice repeatable.
      back_prop: accepted; gradients flow to the rows that were drawn.

    Returns:
      The tensors with the rows drawn, in order.
    """
    with name_scope(scope, "resample_at_rate", list(inputs)):
        given = convert.to_tensor(rates, name="rates")
        count = raw.Shape(given)[0]
        drawn = cond(
            count > 0,
            lambda: random_poisson(given, (), given.dtype, seed=seed),
            lambda: raw.Fill([0], convert.to_tensor(0, given.dtype)),
        )
        times = raw.Cast(drawn, DstT=dtypes.int32)
        # the row of each drawn one is the number of rows whose last copy lies before it
        ends = raw.Cumsum(times, 0)
        total = raw.Sum(times, [0])
        places = raw.Range(0, total, 1)
        passed = raw.LessEqual(raw.ExpandDims(ends, 0), raw.ExpandDims(places, 1))
        rows = raw.Sum(raw.Cast(passed, DstT=dtypes.int32), [1])
        return [gather.gather(convert.to_tensor(x), rows) for x in inputs]


@public("contrib.training.weighted_resample")
def weighted_resample(
    inputs: Sequence[Any],
    weights: Any,
    overall_rate: Any,
    scope: str | None = None,
    mean_decay: float = 0.999,
    seed: int | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Rows of `inputs`, drawn in proportion to their weights.

    Args:
      inputs: a list of tensors `[n, ...]`.
      weights: float `[n]`.
      overall_rate: how many rows come out for each that goes in, on average.
      scope: default "weighted_resample".
      mean_decay: of the moving average of the weights, by which they are divided.
      seed: makes the choice repeatable.

    Returns:
      The tensors with the rows drawn, and their rates, float `[m]`.
    """
    with name_scope(scope, "weighted_resample", list(inputs)):
        given = convert.to_tensor(weights, name="weights")
        total = Variable(0.0, trainable=False, collections=["local_variables"], name="weight_sum")
        count = Variable(0.0, trainable=False, collections=["local_variables"], name="weight_count")
        mean = raw.Mean(given, [0])
        new_total = total.assign(total * mean_decay + mean * (1 - mean_decay))
        new_count = count.assign(count * mean_decay + (1 - mean_decay))
        with control_dependencies([new_total, new_count]):
            rates = raw.Mul(given, overall_rate * new_count / new_total)
        found = resample_at_rate([*inputs, rates], rates, seed=seed)
        return found[:-1], found[-1]


@public("contrib.training.RandomStrategy")
class RandomStrategy:
    """Puts each variable on a task chosen at random.

    Args:
      num_ps_tasks: how many tasks there are.
      seed: makes the choice repeatable.
    """

    def __init__(self, num_ps_tasks: int, seed: int = 0) -> None:
        self._num_tasks = num_ps_tasks
        self._random = random.Random(seed)

    def __call__(self, op: Any) -> int:
        """The task for the variable that `op` makes."""
        return self._random.randrange(self._num_tasks)


@public("contrib.training.GreedyLoadBalancingStrategy")
class GreedyLoadBalancingStrategy:
    """Puts each variable on the task that has the least so far.

    Args:
      num_tasks: how many tasks there are.
      load_fn: from the operation that makes a variable to how much it weighs.
    """

    def __init__(self, num_tasks: int, load_fn: Callable[[Any], float]) -> None:
        self._load_fn = load_fn
        self._loads = np.zeros(num_tasks)

    def __call__(self, op: Any) -> np.integer[Any]:
        """The task for the variable that `op` makes."""
        task = np.argmin(self._loads)
        self._loads[task] += self._load_fn(op)
        return task


@public("contrib.training.byte_size_load_fn")
def byte_size_load_fn(op: Any) -> int:
    """How many bytes a variable has.

    Raises:
      ValueError: `op` has not exactly one output.
    """
    if len(op.outputs) != 1:
        raise ValueError(f"Op {op.name} must have a single output. Received: {len(op.outputs)}")
    output = op.outputs[0]
    shape = op.attrs["shape"] if op.type == "VarHandleOp" else output.dims
    dtype = op.attrs["dtype"] if op.type == "VarHandleOp" else output.dtype.base_dtype
    size = dtype.size
    for length in shape:
        size *= length
    return size
