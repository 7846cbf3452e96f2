"""Batches of a wanted distribution, by throwing elements away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.variables.variable import Variable
from millrace.ops.array import constant, gather, one_hot
from millrace.ops.array.reshape import squeeze
from millrace.ops.random.draws import random_uniform
from millrace.training.coordination.batching import batch, maybe_batch

_SMOOTHING = 10  # how many elements of each class a distribution is thought to have been seen of before


@public("contrib.training.rejection_sample")
def rejection_sample(
    tensors: Sequence[Any],
    accept_prob_fn: Callable[[list[Tensor]], Any],
    batch_size: Any,
    queue_threads: int = 1,
    enqueue_many: bool = False,
    prebatch_capacity: int = 16,
    prebatch_threads: int = 1,
    runtime_checks: bool = False,
    name: str | None = None,
) -> list[Tensor]:
    """Batches of elements, each kept with a probability of its own.

    Args:
      tensors: a list of tensors: one element.
      accept_prob_fn: from the element to the probability, a scalar in [0, 1].
      batch_size: elements in a batch.
      queue_threads: how many threads fill the batch's queue.
      enqueue_many: `tensors` are rows of elements.
      prebatch_capacity: of the queue that takes rows apart.
      prebatch_threads: how many threads fill that.
      runtime_checks: check that probabilities lie in [0, 1].
      name: default "rejection_sample".

    Returns:
      A list of tensors `[batch_size, ...]`.
    """
    with name_scope(name, "rejection_sample", list(tensors)):
        element = _single(
            [convert.to_tensor(t) for t in tensors], enqueue_many, prebatch_capacity, prebatch_threads
        )
        chance = convert.to_tensor(accept_prob_fn(element))
        if runtime_checks:
            inside = raw.LogicalAnd(raw.GreaterEqual(chance, 0.0), raw.LessEqual(chance, 1.0))
            with control_dependencies([Assert(inside, ["Probability is not in [0, 1]:", chance])]):
                chance = constant.identity(chance)
        kept = maybe_batch(
            element,
            keep_input=raw.Less(random_uniform([]), chance),
            batch_size=batch_size,
            num_threads=queue_threads,
        )
        return [kept] if isinstance(kept, Tensor) else kept


def _single(tensors: list[Tensor], enqueue_many: bool, capacity: int, threads: int) -> list[Tensor]:
    """One element, where `tensors` are rows of them taken out of a queue."""
    if not enqueue_many:
        return tensors
    taken = batch(tensors, 1, num_threads=threads, capacity=capacity, enqueue_many=True)
    return [squeeze(t, [0]) for t in (taken if isinstance(taken, list) else [taken])]


@public("contrib.training.stratified_sample")
def stratified_sample(
    tensors: Sequence[Any],
    labels: Any,
    target_probs: Any,
    batch_size: Any,
    init_probs: Any = None,
    enqueue_many: bool = False,
    queue_capacity: int = 16,
    threads_per_queue: int = 1,
    name: str | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Batches whose labels are distributed as wanted.

    Args:
      tensors: a list of tensors: one element, or rows of them.
      labels: int32: its class, a scalar, or one for each row.
      target_probs: float `[classes]`: the distribution that is wanted.
      batch_size: elements in a batch.
      init_probs: float `[classes]`: the distribution there is; default: what has been seen so far.
      enqueue_many: `tensors` and `labels` are rows of elements.
      queue_capacity: of the queues.
      threads_per_queue: how many threads fill each of them.
      name: default "stratified_sample".

    Returns:
      A list of tensors `[batch_size, ...]`, and the labels, int32 `[batch_size]`.

    Raises:
      ValueError: a distribution is not one, or the two have not as many classes.
    """
    with name_scope(name, "stratified_sample", [*tensors, labels]):
        wanted = _distribution(target_probs, "target_probs")
        label = convert.to_tensor(labels, dtypes.int32)
        values = [convert.to_tensor(t) for t in tensors]
        given = batch(
            [*values, label],
            1,
            num_threads=threads_per_queue,
            capacity=queue_capacity,
            enqueue_many=enqueue_many,
        )
        *element, its_label = [squeeze(t, [0]) for t in given]
        if init_probs is None:
            there = _seen(its_label, len(wanted))
        else:
            there = constant.constant(_distribution(init_probs, "init_probs").astype(np.float32))
            if there.shape.as_list() != [len(wanted)]:
                raise ValueError(
                    "stratified_sample: init_probs and target_probs must have as many classes. "
                    f"Received: {there.shape.as_list()[0]} and {len(wanted)}"
                )
        ratio = raw.DivNoNan(constant.constant(wanted.astype(np.float32)), there)
        accepted = raw.DivNoNan(ratio, raw.Max(ratio, [0]))
        kept = maybe_batch(
            [*element, its_label],
            keep_input=raw.Less(random_uniform([]), gather.gather(accepted, its_label)),
            batch_size=batch_size,
            num_threads=threads_per_queue,
            capacity=queue_capacity,
        )
        return kept[:-1], kept[-1]


def _distribution(given: Any, what: str) -> np.ndarray:
    found = np.asarray(given, np.float64)
    if found.ndim != 1 or (found < 0).any() or abs(found.sum() - 1) > 1e-3:
        raise ValueError(
            f"stratified_sample: {what} must be probabilities that sum up to 1. Received: {given!r}"
        )
    return found


def _seen(label: Tensor, classes: int) -> Tensor:
    """How often each class has been seen, as a distribution, this label included."""
    counts = Variable(
        np.full(classes, _SMOOTHING, np.int64), trainable=False, name="class_count", dtype=dtypes.int64
    )
    total = raw.Cast(
        counts.assign_add(one_hot.one_hot(label, classes, dtype=dtypes.int64)), DstT=dtypes.float32
    )
    return raw.RealDiv(total, raw.Sum(total, [0]))
