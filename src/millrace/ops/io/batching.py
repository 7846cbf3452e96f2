"""Requests that a server puts together into one batch: here each is a batch of its own.

Programs that serve models wait for several requests and run them at once. A run of a session is one
request, and the results are the same.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.graph.attrs import dtype, integer, ints, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_numbers = itertools.count(1)
_NAMES: dict[str, Any] = {"container": text(""), "shared_name": text("")}


def _any_rows(dims: Any) -> Any:
    return dims if dims is None else (None, *dims[1:])


@declare(
    "Batch(in_tensors: T) -> batched_tensors: T, batch_index: int64, id: int64",
    num_batch_threads=integer(),
    max_batch_size=integer(),
    max_enqueued_batches=integer(10),
    batch_timeout_micros=integer(),
    allowed_batch_sizes=ints(()),
    grad_timeout_micros=integer(),
    **_NAMES,
    batching_queue=text(""),
    T=types(minimum=1),
    effect=True,
    host=True,
)
class Batch:
    """The tensors of a request as a batch, which rows of it are whose, and the number of the request."""

    def shape(in_tensors):
        return [*map(_any_rows, in_tensors), (None, 3), ()]

    def kernel(xp, in_tensors, max_batch_size):
        if any(np.ndim(tensor) == 0 for tensor in in_tensors):
            raise refusal("Batching input tensors must have at least one dimension")
        rows = {len(tensor) for tensor in in_tensors}
        if len(rows) != 1:
            raise refusal(
                "Batching input tensors supplied in a given op invocation must have equal 0th-dimension "
                "size. "
                f"Received: {sorted(rows)}"
            )
        if max(rows) > max_batch_size:
            raise refusal(f"A batch has at most {max_batch_size} rows. Received: {max(rows)}")
        number = next(_numbers)
        return list(in_tensors), np.array([[number, 0, max(rows)]], np.int64), np.int64(number)

    grad = NOT_DIFFERENTIABLE


@declare(
    "Unbatch(batched_tensor: T, batch_index: int64, id: int64) -> unbatched_tensor: T",
    timeout_micros=integer(),
    T=dtype(ALL),
    host=True,
    alias=True,
    **_NAMES,
)
class Unbatch:
    """The rows of a batch that belong to one request."""

    def shape(batched_tensor, batch_index, id):
        return _any_rows(batched_tensor)

    def kernel(xp, batched_tensor, batch_index, id):
        for number, begin, end in np.reshape(batch_index, (-1, 3)).tolist():
            if number == int(id):
                return batched_tensor[begin:end]
        raise refusal(f"The batch has no rows of the request. Received: id {int(id)}")

    grad = NOT_DIFFERENTIABLE


@declare(
    "UnbatchGrad(original_input: T, batch_index: int64, grad: T, id: int64) -> batched_grad: T",
    T=dtype(ALL),
    host=True,
    alias=True,
    **_NAMES,
)
class UnbatchGrad:
    """The gradient of a batch from that of the one request in it."""

    def shape(original_input, batch_index, grad, id):
        return _any_rows(original_input)

    def kernel(xp, original_input, batch_index, grad, id):
        return grad

    grad = NOT_DIFFERENTIABLE
