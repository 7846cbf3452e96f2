"""The array verbs of `numpy_array` for the compiled tier; indices are checked when the program has run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from millrace.core.errors import refusal
from millrace.dialect.numpy.array import _axis_back, batched_key


class ArrayVerbs:
    """Gathers, scatters and fills on JAX arrays."""

    check: Callable[..., None]  # from MathVerbs: an index out of range is reported when the program has run

    def known(self, x: Any) -> Any:
        """`x` as a NumPy array where its numbers exist while tracing, else None."""
        return None if isinstance(x, Tracer) else np.asarray(x)

    def filled(self, dims: tuple[int, ...], value: Any) -> Any:
        """`value` everywhere in a new array of shape `dims`."""
        return jnp.full(dims, value, value.dtype)

    def zeros_of(self, x: Any) -> Any:
        """Zeros in the shape of `x`."""
        return jnp.zeros(np.shape(x), x.dtype)

    def updated(self, x: Any, key: Any, value: Any) -> Any:
        """A copy of `x` with `x[key]` set to `value`."""
        return jnp.asarray(x).at[key].set(value)

    def packed(self, values: Any, axis: int) -> Any:
        """Arrays of one shape along a new axis."""
        return jnp.stack(values, axis)

    def inverse_permutation(self, x: Any) -> Any:
        """y[x[i]] = i."""
        size = x.shape[0]
        found = jnp.zeros(size, bool).at[x].set(True, mode="drop")
        self.check(found, lambda: refusal(f"x must hold each of 0 to {size - 1} once"))
        return jnp.zeros_like(x).at[x].set(jnp.arange(x.shape[0], dtype=x.dtype))

    def inside(self, indices: Any, length: int) -> Any:
        """`indices`, checked to be in [0, length); what is not is at `length`, where JAX drops it."""
        self.check((indices >= 0) & (indices < length), lambda: out_of_range(length))
        return jnp.where(indices < 0, length, indices)

    def gathered(self, params: Any, indices: Any, axis: int) -> Any:
        """The slices `indices` of `params` along `axis`.

        Where an index is out of range the program fails, so what it takes there does not matter: the last
        slice costs less than zeros, which are chosen for each element of each result.
        """
        length = params.shape[axis]
        places = self.inside(indices, length)
        if length == 0:
            return jnp.take(params, places, axis, mode="fill", fill_value=0)
        return jnp.take(params, places, axis, mode="clip")

    def batch_gathered(self, params: Any, indices: Any, axis: int, batch: int) -> Any:
        """`gathered` for each place of the first `batch` dimensions."""
        places = self.inside(indices, params.shape[axis])
        key, own = batched_key(params.shape, places, axis, batch, jnp)
        front = jnp.moveaxis(jnp.asarray(params), axis, batch).at[key].get(mode="fill", fill_value=0)
        return _axis_back(jnp, front, own, batch, axis)

    def gathered_nd(self, params: Any, indices: Any) -> Any:
        """The slices of `params` at coordinates."""
        key = self._coordinates(jnp.asarray(indices), params.shape)
        if not key:
            return jnp.broadcast_to(params, (*indices.shape[:-1], *params.shape))
        return jnp.asarray(params).at[key].get(mode="fill", fill_value=0)

    def scattered_nd(self, x: Any, dims: Any, indices: Any, updates: Any, how: str) -> Any:
        """`x`, or zeros of `dims`, with `updates` set, added or subtracted at coordinates."""
        base = jnp.zeros(dims, updates.dtype) if x is None else jnp.asarray(x)
        key = self._coordinates(jnp.asarray(indices), base.shape)
        if not key:
            parts = jnp.reshape(updates, (-1, *base.shape))
            if how == "set":
                return parts[-1] if parts.shape[0] else base
            total = jnp.sum(parts, 0, dtype=base.dtype)
            return base + total if how == "add" else base - total
        if base.dtype == bool:
            return base.at[key].max(updates, mode="drop")
        at = base.at[key]
        if how == "set":
            return at.set(updates, mode="drop")
        return at.add(updates if how == "add" else -updates, mode="drop")

    def padded(self, x: Any, paddings: Any, value: Any) -> Any:
        """`x` inside a larger array of `value`, `paddings[i]` = (before, after)."""
        return jax.lax.pad(x, jnp.asarray(value, x.dtype), [(int(b), int(a), 0) for b, a in paddings])

    def repeated(self, x: Any, dims: tuple[int, ...]) -> Any:
        """`x` broadcast to `dims`."""
        return jnp.broadcast_to(x, dims)

    def chosen(self, where: Any, on: Any, off: Any) -> Any:
        """The scalar `on` where `where` is True, the scalar `off` elsewhere."""
        return jnp.where(where, on, off)

    def window(self, x: Any, begin: Any, size: Any) -> Any:
        """`size` elements of `x` from `begin` on, per dimension."""
        return jax.lax.dynamic_slice(x, begin, size.tolist())

    def searched(self, rows: Any, values: Any, side: str) -> Any:
        """For each row, where each of the row's `values` belongs in the sorted row."""
        return jax.vmap(lambda row, wanted: jnp.searchsorted(row, wanted, side=side))(rows, values)

    def _coordinates(self, indices: Any, dims: tuple[int, ...]) -> tuple[Any, ...]:
        """One index array per dimension; negative ones are put out of range, which XLA drops."""
        return tuple([self.inside(indices[..., axis], dims[axis]) for axis in range(indices.shape[-1])])


def out_of_range(bounds: Any) -> Exception:
    """The error of an index that is not below its bounds."""
    return refusal(f"an index is out of range: it must be in [0, {bounds})")
