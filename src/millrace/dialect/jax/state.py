"""JAX verbs that change rows of a variable's value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from millrace.core.errors import refusal
from millrace.dialect.jax import native as jax_native


def _occurrences(rows: Any) -> Any:
    """For each position, how many earlier positions name the same row."""
    order = jnp.argsort(rows, stable=True)
    ordered = rows[order]
    places = jnp.arange(rows.shape[0])
    starts = jnp.where(jnp.r_[True, ordered[1:] != ordered[:-1]], places, 0)
    counted = places - jax.lax.cummax(starts)
    return jnp.zeros(rows.shape, counted.dtype).at[order].set(counted)


class StateVerbs:
    """Variables and their rows: combined, and put through an optimizer's formula."""

    check: Callable[..., None]  # from MathVerbs
    inside: Callable[..., Any]  # from ArrayVerbs

    def adam_at_once(
        self, var: Any, m: Any, v: Any, grad: Any, rate: Any, keep_m: Any, keep_v: Any, epsilon: Any
    ) -> Any:
        """(var, m, v) after Adam's step in one pass over memory; None where no kernel does that."""
        arrays = tuple(jnp.asarray(a) for a in (var, m, v, grad))
        return jax_native.adam(arrays, (rate, keep_m, keep_v, epsilon))

    def scatter_rows(self, ref: Any, indices: Any, updates: Any, how: str) -> Any:
        """`ref` with its rows `indices` combined with `updates`; see the NumPy verb."""
        ref = jnp.asarray(ref)
        rows = self.inside(indices, ref.shape[0])
        updates = jnp.broadcast_to(jnp.asarray(updates), rows.shape + ref.shape[1:])
        if how in ("add", "sub"):
            found = jax_native.add_rows(ref, rows, updates, 1 if how == "add" else -1)
            if found is not None:
                return found
        at = ref.at[rows]
        if how == "add":
            return at.add(updates, mode="drop")
        if how == "sub":
            return at.add(-updates, mode="drop")
        if how == "min":
            return at.min(updates, mode="drop")
        if how == "max":
            return at.max(updates, mode="drop")
        if how == "div" and jnp.issubdtype(ref.dtype, jnp.integer):
            self.check(updates != 0, lambda: refusal("Integer division by zero"))
        combine = {"update": lambda _, u: u, "mul": jnp.multiply, "div": _divided}[how]
        flat = rows.reshape(-1)
        return self.update_rows(
            (ref,), flat, updates.reshape(flat.shape + ref.shape[1:]), lambda v, u: combine(v[0], u)
        )

    def update_rows(
        self,
        refs: tuple[Any, ...],
        indices: Any,
        gradient: Any,
        formula: Callable[[tuple[Any, ...], Any], Any],
    ) -> Any:
        """`refs` with their rows `indices` put through `formula`; see the NumPy verb."""
        length = refs[0].shape[0]
        rows = self.inside(indices, length)
        if rows.shape[0] == 0:
            return refs[0] if len(refs) == 1 else tuple(refs)
        occurrence = _occurrences(rows)
        last = jnp.max(jnp.where(rows < length, occurrence, 0))

        def turn(carry: tuple[Any, Any]) -> tuple[Any, Any]:
            k, values = carry
            here = jnp.where(occurrence == k, rows, length)
            found = formula(tuple([v.at[here].get(mode="clip") for v in values]), gradient)
            news = found if isinstance(found, tuple) else (found,)
            changed = tuple([v.at[here].set(new, mode="drop") for v, new in zip(values, news, strict=True)])
            return k + 1, changed

        start = (jnp.zeros((), last.dtype), tuple([jnp.asarray(r) for r in refs]))
        _, values = jax.lax.while_loop(lambda carry: carry[0] <= last, turn, start)
        return values[0] if len(values) == 1 else values


def _divided(values: Any, updates: Any) -> Any:
    if jnp.issubdtype(values.dtype, jnp.integer):
        return jax.lax.div(values, updates)
    return values / updates
