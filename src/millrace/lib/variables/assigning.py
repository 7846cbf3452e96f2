"""Writes as functions: `tf.assign`, `tf.scatter_add` and their family, on variables and references."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable


class NotAVariableError(TypeError, AttributeError):
    """Something else than a variable is to be written: it lacks the attribute, and is of a wrong type."""


def _reference(ref: Any) -> Tensor | None:
    """The reference that `ref` is or has; None for a variable named by a handle.

    Raises:
      AttributeError: `ref` is neither a variable nor a reference.
    """
    if isinstance(ref, Variable):
        return None if ref._is_resource else ref._target
    if isinstance(ref, Tensor) and ref.dtype.is_ref_dtype:
        return ref
    if hasattr(ref, "assign"):
        return None
    raise NotAVariableError(f"only a variable or a mutable tensor has 'assign'. Received: {ref!r}")


@public("assign", "python.ops.state_ops.assign")
def assign(
    ref: Any,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """Sets a variable.

    Args:
      ref: the variable.
      value: the new value, of its dtype and shape.
      validate_shape: False lets the shape change; default True.
      use_locking: accepted; writes are always whole.
      name: default "Assign".

    Returns:
      The new value.

    Raises:
      ValueError: the shapes differ.

    Example:
      >>> w = tf.Variable(1.0)
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(tf.assign(w, 5.0)))
      5.0
    """
    target = _reference(ref)
    if target is None:
        return ref.assign(value, name=name)
    flags = {"validate_shape": validate_shape, "use_locking": use_locking}
    return raw.Assign(target, value, name=name, **{k: v for k, v in flags.items() if v is not None})


@public("assign_add", "python.ops.state_ops.assign_add")
def assign_add(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Adds `value` to a variable; gives the new value. Arguments as for `assign`.

    Example:
      >>> w = tf.Variable(1.0)
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(tf.assign_add(w, 5.0)))
      6.0
    """
    target = _reference(ref)
    if target is None:
        return ref.assign_add(value)
    return raw.AssignAdd(target, value, use_locking=bool(use_locking), name=name)


@public("assign_sub", "python.ops.state_ops.assign_sub")
def assign_sub(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Subtracts `value` from a variable; gives the new value. Arguments as for `assign`."""
    target = _reference(ref)
    if target is None:
        return ref.assign_sub(value)
    return raw.AssignSub(target, value, use_locking=bool(use_locking), name=name)


@public("count_up_to", "python.ops.state_ops.count_up_to")
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """Increments a scalar integer variable.

    Args:
      ref: the variable, int32 or int64.
      limit: once the value has reached it, the run fails with OutOfRangeError.
      name: default "CountUpTo".

    Returns:
      The value before.
    """
    target = _reference(ref)
    if target is None:
        return raw.ResourceCountUpTo(ref.handle, limit=limit, T=ref.dtype, name=name)
    return raw.CountUpTo(target, limit=limit, name=name)


def _scatter(kind: str, ref: Any, indices: Any, updates: Any, use_locking: bool, name: str | None) -> Any:
    target = _reference(ref)
    if target is None:
        return ref._scatter(kind, indices, updates, use_locking, name)
    return getattr(raw, f"Scatter{kind}")(target, indices, updates, use_locking=use_locking, name=name)


@public("scatter_update", "python.ops.state_ops.scatter_update")
def scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Sets rows of a variable: `ref[indices, ...] = updates`. Of rows named twice, the last one stays.

    Args:
      ref: the variable, `[n, ...]`.
      indices: `[...]`, int32 or int64, row numbers.
      updates: `indices.shape + ref.shape[1:]`, or a scalar for all.
      use_locking: accepted; writes are always whole.
      name: op name.

    Returns:
      The new value of the variable.

    Raises:
      ValueError: the shapes do not fit.
      InvalidArgumentError: while running, an index is out of range.
    """
    return _scatter("Update", ref, indices, updates, use_locking, name)


@public("scatter_add", "python.ops.state_ops.scatter_add")
def scatter_add(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Adds to rows of a variable; rows named twice get both. Arguments as for `scatter_update`."""
    return _scatter("Add", ref, indices, updates, use_locking, name)


@public("scatter_sub", "python.ops.state_ops.scatter_sub")
def scatter_sub(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Subtracts from rows of a variable; arguments as for `scatter_update`."""
    return _scatter("Sub", ref, indices, updates, use_locking, name)


@public("scatter_mul", "python.ops.state_ops.scatter_mul")
def scatter_mul(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Multiplies rows of a variable; arguments as for `scatter_update`."""
    return _scatter("Mul", ref, indices, updates, use_locking, name)


@public("scatter_div", "python.ops.state_ops.scatter_div")
def scatter_div(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Divides rows of a variable; arguments as for `scatter_update`."""
    return _scatter("Div", ref, indices, updates, use_locking, name)


@public("scatter_min", "python.ops.state_ops.scatter_min")
def scatter_min(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Takes the smaller of rows of a variable and updates; arguments as for `scatter_update`."""
    return _scatter("Min", ref, indices, updates, use_locking, name)


@public("scatter_max", "python.ops.state_ops.scatter_max")
def scatter_max(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Takes the larger of rows of a variable and updates; arguments as for `scatter_update`."""
    return _scatter("Max", ref, indices, updates, use_locking, name)


@public("scatter_nd_update", "python.ops.state_ops.scatter_nd_update")
def scatter_nd_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Sets slices of a variable.

    Args:
      ref: the variable.
      indices: `[..., k]`, int32 or int64; each row is a place in the first k dimensions.
      updates: `indices.shape[:-1] + ref.shape[k:]`.
      use_locking: accepted; writes are always whole.
      name: op name.

    Returns:
      The new value of the variable.

    Raises:
      ValueError: the shapes do not fit.
      InvalidArgumentError: while running, an index is out of range.
    """
    return _scatter("NdUpdate", ref, indices, updates, use_locking, name)


@public("scatter_nd_add", "python.ops.state_ops.scatter_nd_add")
def scatter_nd_add(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Adds to slices of a variable; places named twice get both. Arguments as for `scatter_nd_update`."""
    return _scatter("NdAdd", ref, indices, updates, use_locking, name)


@public("scatter_nd_sub", "python.ops.state_ops.scatter_nd_sub")
def scatter_nd_sub(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
) -> Any:
    """Subtracts from slices of a variable; arguments as for `scatter_nd_update`."""
    return _scatter("NdSub", ref, indices, updates, use_locking, name)


@public("batch_scatter_update", "python.ops.state_ops.batch_scatter_update")
def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Sets rows in each element of a batch: `ref[i..., indices[i..., j], ...] = updates[i..., j, ...]`.

    Args:
      ref: the variable, `[batch..., n, ...]`.
      indices: `[batch..., m]`, int32 or int64.
      updates: `[batch..., m, ...]`.
      use_locking: accepted; writes are always whole.
      name: op name; default "batch_scatter_update".

    Returns:
      The new value of the variable.
    """
    with name_scope(name, "batch_scatter_update"):
        indices = convert.to_tensor(indices, name="indices")
        shape = raw.Shape(indices)
        rank = len(indices.shape)
        if rank == 1:
            return _scatter("NdUpdate", ref, raw.ExpandDims(indices, -1), updates, use_locking, None)
        places = []
        for axis in range(rank - 1):
            count = raw.Range(0, shape[axis], 1)
            ones = [1] * rank
            ones[axis] = -1
            column = raw.Reshape(raw.Cast(count, DstT=indices.dtype), ones)
            places.append(raw.Add(column, raw.ZerosLike(indices)))
        return _scatter("NdUpdate", ref, raw.Pack([*places, indices], axis=-1), updates, use_locking, None)
