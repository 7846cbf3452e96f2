"""Ragged rows as variants, one for all or one for each row: how they travel through lists and loops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.core.dtypes import ALL, INDEX, int64
from millrace.core.errors import refusal
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare


@dataclass(frozen=True)
class Ragged:
    """Ragged rows in one variant: row splits, the outermost first, and flat values."""

    splits: tuple[Any, ...]
    values: Any


def _row(splits: list[Any], values: Any, row: int) -> Ragged:
    """One row of ragged rows, which has one level of splits less."""
    begin, end = int(splits[0][row]), int(splits[0][row + 1])
    inner = []
    for part in splits[1:]:
        cut = part[begin : end + 1]
        begin, end = (int(cut[0]), int(cut[-1])) if len(cut) else (0, 0)
        inner.append(cut - begin)
    return Ragged(tuple(inner), values[begin:end])


@declare(
    "RaggedTensorToVariant(rt_nested_splits: RAGGED_RANK*Tsplits, rt_dense_values: Tvalues) -> "
    "encoded_ragged: variant",
    RAGGED_RANK=attrs.count(0),
    Tvalues=attrs.dtype(ALL),
    Tsplits=attrs.dtype(INDEX, int64),
    batched_input=attrs.flag(),
    host=True,
)
class RaggedTensorToVariant:
    """Ragged rows as one variant, or as a vector of one for each row."""

    def shape(rt_nested_splits, rt_dense_values, batched_input):
        if not batched_input:
            return ()
        outer = rt_nested_splits[0] if rt_nested_splits else rt_dense_values
        if outer is None or outer[0] is None:
            return (None,)
        return (outer[0] - 1 if rt_nested_splits else outer[0],)

    def kernel(xp, rt_nested_splits, rt_dense_values, batched_input):
        splits = [np.asarray(part) for part in rt_nested_splits]
        values = np.asarray(rt_dense_values)
        if not batched_input:
            made = np.empty((), object)
            made[()] = Ragged(tuple(splits), values)
            return made
        rows = len(splits[0]) - 1 if splits else len(values)
        found = np.empty(rows, object)
        for row in range(rows):
            found[row] = _row(splits, values, row) if splits else Ragged((), values[row])
        return found

    grad = NOT_DIFFERENTIABLE


@declare(
    "RaggedTensorToVariantGradient(encoded_ragged_grad: variant, row_splits: Tsplits, "
    "dense_values_shape: int32) -> dense_values_grad: Tvalues",
    Tvalues=attrs.dtype(ALL),
    Tsplits=attrs.dtype(INDEX, int64),
    static=("dense_values_shape",),
    host=True,
)
class RaggedTensorToVariantGradient:
    """The gradient of flat values from variants of gradients, one for each row or one for all."""

    def shape(encoded_ragged_grad, row_splits, dense_values_shape):
        return dense_values_shape.as_dims()

    def kernel(xp, encoded_ragged_grad, row_splits, dense_values_shape, Tvalues):
        shape = tuple(np.ravel(dense_values_shape).tolist())
        parts = [getattr(one, "values", one) for one in np.ravel(np.asarray(encoded_ragged_grad, object))]
        flat = [np.reshape(part, -1) for part in parts if part is not None]
        found = np.concatenate(flat) if flat else np.zeros(0, Tvalues.np_dtype)
        if found.size != math.prod(shape):
            raise refusal(
                f"The gradients of all rows have {found.size} elements. Received: dense_values_shape "
                f"{list(shape)}"
            )
        return found.astype(Tvalues.np_dtype).reshape(shape)

    grad = NOT_DIFFERENTIABLE


def _joined(items: list[Ragged], splits_type: Any) -> Ragged:
    """Variants one after the other, as the rows of one more level of splits."""
    depth = len(items[0].splits)
    if any(len(item.splits) != depth for item in items):
        raise refusal("All ragged rows must have one rank")
    counts = [len(item.splits[0]) - 1 if depth else len(item.values) for item in items]
    splits = [np.concatenate([[0], np.cumsum(counts)]).astype(splits_type)]
    for level in range(depth):
        sizes = np.concatenate([np.diff(item.splits[level]) for item in items])
        splits.append(np.concatenate([[0], np.cumsum(sizes)]).astype(splits_type))
    return Ragged(tuple(splits), np.concatenate([item.values for item in items]))


@declare(
    "RaggedTensorFromVariant(encoded_ragged: variant) -> output_nested_splits: output_ragged_rank*Tsplits, "
    "output_dense_values: Tvalues",
    input_ragged_rank=attrs.integer(minimum=-1),
    output_ragged_rank=attrs.integer(minimum=0),
    Tvalues=attrs.dtype(ALL),
    Tsplits=attrs.dtype(INDEX),
    host=True,
)
class RaggedTensorFromVariant:
    """The ragged rows of variants; each dimension of `encoded_ragged` becomes one of ragged rows."""

    def shape(encoded_ragged, output_ragged_rank):
        return [*[(None,)] * output_ragged_rank, None]

    def kernel(xp, encoded_ragged, input_ragged_rank, output_ragged_rank, Tvalues, Tsplits):
        encoded, kind = np.asarray(encoded_ragged, object), Tsplits.np_dtype
        inner = output_ragged_rank - encoded.ndim if input_ragged_rank == -1 else input_ragged_rank
        if inner + encoded.ndim != output_ragged_rank:
            raise refusal(
                "output_ragged_rank must be input_ragged_rank and the rank of encoded_ragged. Received: "
                f"{output_ragged_rank}, {input_ragged_rank} and {encoded.ndim}"
            )
        items = list(encoded.reshape(-1))
        if any(not isinstance(item, Ragged) or len(item.splits) != inner for item in items):
            raise refusal(f"encoded_ragged must hold ragged rows of rank {inner}")
        if not encoded.ndim:
            found = items[0]
        elif items:
            found = _joined(items, kind)
        else:
            found = Ragged((np.zeros(1, kind),) * (inner + 1), np.zeros(0, Tvalues.np_dtype))
        outer = [
            (np.arange(int(np.prod(encoded.shape[:k])) + 1) * encoded.shape[k]).astype(kind)
            for k in range(1, encoded.ndim)
        ]
        return [*outer, *(np.asarray(part, kind) for part in found.splits)], found.values

    grad = NOT_DIFFERENTIABLE
