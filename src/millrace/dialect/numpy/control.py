"""Branches, loops and tensor arrays on NumPy values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.core.waiting import time_left


class Stack(list[Any]):
    """The values of one tensor in each iteration of a loop; None where a gradient is zero."""


class TensorArrayValue:
    """The contents of a tensor array: a value, never changed once made.

    Attributes:
      items: one array for each index, None where nothing was written.
      dtype: of the elements.
      dynamic: writing beyond the end grows it.
      shape: the shape an element must have, as far as it is known, or None.
    """

    __slots__ = ("dtype", "dynamic", "items", "shape")

    def __init__(
        self, items: list[Any], dtype: np.dtype[Any], dynamic: bool = False, shape: Any = None
    ) -> None:
        self.items = items
        self.dtype = dtype
        self.dynamic = dynamic
        self.shape = shape

    def with_items(self, items: list[Any]) -> TensorArrayValue:
        """The same kind of array with other contents."""
        return TensorArrayValue(items, self.dtype, self.dynamic, self.shape)


class ControlVerbs:
    """What the kernels of branches, loops and tensor arrays call."""

    def branch(
        self, cond: Any, then: Callable[..., Any], other: Callable[..., Any], args: Sequence[Any]
    ) -> Any:
        return then(*args) if cond else other(*args)

    def while_loop(self, cond: Any, body: Any, carried: Any, captured: Any, state: Any) -> list[Any]:
        """Carried values, then stacks, then state, after the last iteration."""
        stacks: list[Stack] | None = None
        count = len(carried)
        while True:
            test = cond(*carried, *captured, *state)
            state = test[1:]
            if not test[0]:
                break
            _look_at_the_clock()
            results = body(*carried, *captured, *state)
            end = len(results) - len(state)
            carried, extra, state = results[:count], results[count:end], results[end:]
            if stacks is None:
                stacks = [Stack() for _ in extra]
            for stack, value in zip(stacks, extra, strict=True):
                stack.append(value)
        if stacks is None:
            stacks = [Stack()] * body.stacks
        return [*carried, *(stacks or ()), *state]

    def scan_loop(
        self, body: Any, carried: Any, scanned: Any, captured: Any, state: Any, reverse: bool
    ) -> list[Any]:
        """As `while_loop`, once for each element of the scanned stacks."""
        count, length = len(carried), max(len(s) for s in scanned)
        stacks: list[Stack] = [Stack([None] * length) for _ in range(body.stacks)]
        for i in reversed(range(length)) if reverse else range(length):
            results = body(*carried, *[s[i] for s in scanned], *captured, *state)
            end = len(results) - len(state)
            carried, extra, state = results[:count], results[count:end], results[end:]
            for stack, value in zip(stacks, extra, strict=True):
                stack[i] = value
        return [*carried, *(stacks or ()), *state]

    def variant_sum(self, values: Sequence[Any]) -> Any:
        """The sum of stacks or tensor arrays; None are those of a branch that did not run."""
        values = [v for v in values if v is not None]
        if not values:
            return None
        if isinstance(values[0], TensorArrayValue):
            return values[0].with_items(_summed([v.items for v in values]))
        return Stack(_summed(values))

    def variant_zeros(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, TensorArrayValue):
            return value.with_items([None] * len(value.items))
        return Stack([None if v is None else np.zeros_like(v) for v in value])

    def stack_concat(self, stack: Any, dtype: Any, dims: Any) -> Any:
        if stack:
            return np.concatenate(list(stack))
        return np.zeros((0, *[d or 0 for d in (dims or ())[1:]]), dtype.np_dtype)

    def stack_split(self, like: Any, value: Any) -> Stack:
        return Stack(np.split(value, np.cumsum([len(v) for v in like])[:-1])) if like else Stack()

    # --- tensor arrays: each verb takes the handle's value, an empty array of the kind, and the contents ----

    def ta_new(self, size: Any, dtype: Any, dynamic: bool, shape: Any) -> TensorArrayValue:
        if size < 0:
            raise refusal(f"Size should be >= 0. Received: {size}")
        return TensorArrayValue([None] * int(size), np.dtype(dtype), dynamic, shape)

    def ta_write(self, flow: TensorArrayValue, index: Any, value: Any) -> TensorArrayValue:
        items = _grown(flow, int(index), "write")
        if items[index] is not None:
            raise refusal(
                f"Could not write to TensorArray index {index} because it has already been written to.",
            )
        _check_element(flow, value, index)
        items[index] = value
        return flow.with_items(items)

    def ta_read(self, flow: TensorArrayValue, index: Any) -> Any:
        index = int(index)
        if not 0 <= index < len(flow.items):
            raise refusal(f"Tried to read from index {index} but array size is: {len(flow.items)}")
        value = flow.items[index]
        return _missing(flow, [index]) if value is None else value

    def ta_read_or_zero(self, flow: TensorArrayValue, index: Any, like: Any) -> Any:
        index = int(index)
        value = flow.items[index] if index < len(flow.items) else None
        return np.zeros_like(like) if value is None else value

    def ta_gather(self, flow: TensorArrayValue, indices: Any, dims: Any) -> Any:
        rows = [int(i) for i in np.ravel(indices)]
        for i in rows:
            if not 0 <= i < len(flow.items):
                raise refusal(f"Tried to read from index {i} but array size is: {len(flow.items)}")
        items = [flow.items[i] for i in rows]
        if any(v is None for v in items):
            filled = _missing(flow, rows) if all(v is None for v in items) else None
            zero = filled if filled is not None else np.zeros_like(next(v for v in items if v is not None))
            items = [zero if v is None else v for v in items]
        if not items:
            known = dims[1:] if dims else flow.shape or ()
            return np.zeros((0, *[d or 0 for d in known]), flow.dtype)
        if flow.dtype == object:  # texts: bytes alone would become an array of one width
            items = [np.asarray(v, object) for v in items]
        try:
            return np.stack(items)
        except ValueError:
            shown = sorted({np.shape(v) for v in items})
            raise refusal(
                f"TensorArray elements have different shapes and cannot be stacked. Received: {shown}",
            ) from None

    def ta_gather_or_zero(self, flow: TensorArrayValue, indices: Any, like: Any) -> Any:
        items = flow.items
        rows = [items[int(i)] if int(i) < len(items) else None for i in np.ravel(indices)]
        return (
            np.stack([np.zeros_like(z) if v is None else v for v, z in zip(rows, like, strict=True)])
            if rows
            else like
        )

    def ta_scatter(self, flow: TensorArrayValue, indices: Any, value: Any) -> TensorArrayValue:
        rows = [int(i) for i in np.ravel(indices)]
        if len(rows) != len(value):
            raise refusal(
                f"Expected one row of value for each index. Received: {len(rows)} indices, {len(value)} rows",
            )
        items = list(flow.items)
        for row, i in zip(value, rows, strict=True):
            items = _grown(flow.with_items(items), i, "scatter")
            if items[i] is not None:
                raise refusal(
                    f"Could not write to TensorArray index {i} because it has already been written to.",
                )
            _check_element(flow, row, i)
            items[i] = row
        return flow.with_items(items)

    def ta_accumulate(self, flow: TensorArrayValue, index: Any, value: Any) -> TensorArrayValue:
        items = _grown(flow, int(index), "accumulate")
        old = items[index]
        items[index] = value if old is None else old + value
        return flow.with_items(items)

    def ta_accumulate_rows(self, flow: TensorArrayValue, indices: Any, value: Any) -> TensorArrayValue:
        for row, i in zip(value, np.ravel(indices), strict=True):
            flow = self.ta_accumulate(flow, i, row)
        return flow

    def ta_concat(self, flow: TensorArrayValue, dims: Any) -> Any:
        items = flow.items
        if any(v is None for v in items):
            filled = _missing(flow, list(range(len(items))))
            items = [filled if v is None else v for v in items]
        lengths = np.array([np.shape(v)[0] if np.ndim(v) else -1 for v in items], np.int64)
        if (lengths < 0).any():
            raise refusal("Concat requires elements with at least one dimension")
        if not items:
            return np.zeros((0, *[d or 0 for d in (dims[1:] if dims else ())]), flow.dtype), lengths
        return np.concatenate(items), lengths

    def ta_concat_or_zero(self, flow: TensorArrayValue, lengths: Any, like: Any) -> Any:
        """Its elements end to end, zeros where nothing was written."""
        parts, start = [], 0
        for i, length in enumerate(np.ravel(lengths)):
            item = flow.items[i] if i < len(flow.items) else None
            parts.append(np.zeros_like(like[start : start + length]) if item is None else item)
            start += length
        return np.concatenate(parts) if parts else np.zeros_like(like)

    def ta_split(self, flow: TensorArrayValue, value: Any, lengths: Any) -> TensorArrayValue:
        lengths = np.ravel(lengths)
        if lengths.sum() != len(value):
            raise refusal(
                f"Expected lengths to sum to {len(value)}, the first dimension of value. Received: {lengths}",
            )
        if not flow.dynamic and len(lengths) != len(flow.items):
            raise refusal(
                f"TensorArray's size is not equal to the size of lengths ({len(flow.items)} vs. "
                f"{len(lengths)})",
            )
        cuts = np.cumsum(lengths)[:-1]
        return flow.with_items(list(np.split(value, cuts)))

    def ta_size(self, flow: TensorArrayValue) -> Any:
        return np.int32(len(flow.items))


def _look_at_the_clock() -> None:
    """Ends a loop that computes beyond the run's limit.

    Raises:
      DeadlineExceededError: the time is over.
    """
    left = time_left()
    if left is not None and left <= 0:
        raise errors.DeadlineExceededError(None, None, "Timed out in a loop")


def _summed(lists: Sequence[Sequence[Any]]) -> list[Any]:
    length = max(len(items) for items in lists)
    total: list[Any] = [None] * length
    for items in lists:
        for i, value in enumerate(items):
            if value is not None:
                total[i] = value if total[i] is None else total[i] + value
    return total


def _grown(flow: TensorArrayValue, index: int, verb: str) -> list[Any]:
    items = list(flow.items)
    if index >= len(items) and flow.dynamic:
        items.extend([None] * (index + 1 - len(items)))
    if not 0 <= index < len(items):
        raise refusal(
            f"Tried to {verb} to index {index} but array is not resizeable and size is: {len(items)}",
        )
    return items


def _check_element(flow: TensorArrayValue, value: Any, index: Any) -> None:
    shape = flow.shape
    found = np.shape(value)
    if shape is not None and (
        len(shape) != len(found) or any(d is not None and d != f for d, f in zip(shape, found, strict=True))
    ):
        raise refusal(
            f"Could not write to TensorArray index {index}: elements have shape {shape}. Received: {found}",
        )


def _missing(flow: TensorArrayValue, indices: list[int]) -> Any:
    """Zeros for an element never written, where the element's shape is known."""
    shape = flow.shape
    if shape is None or any(d is None for d in shape):
        known = next((v for v in flow.items if v is not None), None)
        if known is None or shape is None:
            raise refusal(
                f"Could not read index {indices[0]}: it has not been written to, and the shape of the "
                "elements is not known",
            )
        return np.zeros_like(known)
    return np.zeros(shape, flow.dtype)
