"""Segment verbs of the JAX dialect."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

_CUMULATIVE = {"sum": lax.cumsum, "prod": lax.cumprod, "logsumexp": lax.cumlogsumexp}


def _worst(kind: str, dtype: Any) -> Any:
    """What every number replaces in a search for the largest or smallest."""
    if jnp.issubdtype(dtype, jnp.integer):
        return jnp.iinfo(dtype).min if kind == "max" else jnp.iinfo(dtype).max
    return -jnp.inf if kind == "max" else jnp.inf


class SegmentVerbs:
    """Reductions over segments, running sums and products."""

    def segment_reduce(self, kind: str, data: Any, ids: Any, count: int, empty: Any) -> Any:
        """Combines the rows of `data` that have one number; arguments as in the NumPy dialect."""
        ids = jnp.asarray(ids)
        rows = data.reshape(-1, *data.shape[ids.ndim :])
        ids = ids.reshape(-1)
        ids = jnp.where(
            ids < 0, count, ids
        )  # JAX counts negative numbers from the end; past it, rows are dropped
        if kind in ("sum", "prod"):
            start = jnp.full((count, *rows.shape[1:]), empty, rows.dtype).at[ids]
            return (start.add if kind == "sum" else start.multiply)(rows, mode="drop")
        worst = jnp.full((count, *rows.shape[1:]), _worst(kind, rows.dtype), rows.dtype)
        start = worst.at[ids]
        if jnp.issubdtype(rows.dtype, jnp.floating):
            numbers = ~jnp.isnan(rows)
            found = (start.max if kind == "max" else start.min)(
                jnp.where(numbers, rows, worst.dtype.type(_worst(kind, rows.dtype))), mode="drop"
            )
            some = jnp.zeros(worst.shape, bool).at[ids].max(numbers, mode="drop")
            found = jnp.where(some, found, jnp.asarray(jnp.nan, rows.dtype))
        else:
            found = (start.max if kind == "max" else start.min)(rows, mode="drop")
        full = jnp.zeros(count, bool).at[ids].set(True, mode="drop")
        return jnp.where(full.reshape((-1,) + (1,) * (rows.ndim - 1)), found, jnp.asarray(empty, rows.dtype))

    def cumulative(self, kind: str, x: Any, axis: int, exclusive: bool, reverse: bool, neutral: Any) -> Any:
        """Running sums, products or log-sum-exps along an axis; arguments as in the NumPy dialect."""
        run = _CUMULATIVE[kind]
        if exclusive:
            size = x.shape[axis]
            first = jnp.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), neutral, x.dtype)
            if reverse:
                x = lax.slice_in_dim(jnp.concatenate([x, first], axis), 1, size + 1, axis=axis)
            else:
                x = lax.slice_in_dim(jnp.concatenate([first, x], axis), 0, size, axis=axis)
        return run(x, axis=axis, reverse=reverse)
