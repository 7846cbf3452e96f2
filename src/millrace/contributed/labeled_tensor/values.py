"""`tf.contrib.labeled_tensor`: products, reductions, choices, constants, loops over the first axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw, slicing  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.labeled_tensor.axes import (
    Axes,
    LabeledTensor,
    as_axis,
    convert_to_labeled_tensor,
    current_order,
    impose_axis_order,
    named,
    transpose,
)
from millrace.core.public import public
from millrace.lib.flow import functional
from millrace.lib.math import numeric_checks, reductions
from millrace.ops.array import constant as constants
from millrace.ops.array import fill
from millrace.ops.array.reshape import squeeze as squeezed
from millrace.ops.linalg.matmul import matmul as product
from millrace.ops.math.cast import cast as converted
from millrace.ops.math.select import where as chosen


@public("contrib.labeled_tensor.matmul")
def matmul(a: Any, b: Any, name: str | None = None) -> LabeledTensor:
    """The product of matrices or vectors over the one axis that they share.

    Raises:
      NotImplementedError: a tensor has more than two axes.
      ValueError: they share no axis, or more than one.
    """
    with name_scope(name, "lt_matmul", [a, b]) as scope:
        a, b = convert_to_labeled_tensor(a), convert_to_labeled_tensor(b)
        for one in (a, b):
            if not 1 <= len(one.axes) <= 2:
                raise NotImplementedError(
                    f"matmul currently only supports inputs with 1 or 2 axes; take tf.einsum. Received: {one}"
                )
        shared = [n for n in a.axes if n in b.axes]
        if len(shared) != 1:
            raise ValueError(
                f"matmul: exactly one axis must be shared. Received: {list(a.axes)} and {list(b.axes)}"
            )
        over = shared[0]
        if a.axes[over] != b.axes[over]:
            raise ValueError(f"mismatched axis {over!r}: {a.axes[over]!r} and {b.axes[over]!r}")
        rows = [n for n in a.axes if n != over]
        columns = [n for n in b.axes if n != over]
        left = transpose(a, [*rows, over]).tensor
        right = transpose(b, [over, *columns]).tensor
        left = left if rows else raw.ExpandDims(left, 0)
        right = right if columns else raw.ExpandDims(right, 1)
        made = product(left, right)
        flat = [i for i, kept in enumerate((rows, columns)) if not kept]
        if flat:
            made = squeezed(made, flat)
        axes = [a.axes[n] for n in rows] + [b.axes[n] for n in columns]
        order = current_order()
        result = LabeledTensor(made, axes)
        if order is not None:
            result = impose_axis_order(result, order)
        return named(result.tensor, result.axes, scope)


@public("contrib.labeled_tensor.define_reduce_op")
def define_reduce_op(op_name: str, reduce_fn: Callable[..., Any]) -> Callable[..., LabeledTensor]:
    """Makes a reduction of labeled tensors of one of tensors.

    Args:
      op_name: for names of results.
      reduce_fn: of a tensor, axes and `keepdims`.
    """

    def op(labeled_tensor: Any, axes: Any = None, name: str | None = None) -> LabeledTensor:
        with name_scope(name, f"lt_{op_name}", [labeled_tensor]) as scope:
            labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
            wanted = list(labeled_tensor.axes) if axes is None else axes
            wanted = [wanted] if isinstance(wanted, str) else wanted
            kept, gone = {}, []
            for one in wanted:
                axis_name = one if isinstance(one, str) else one[0]
                if axis_name not in labeled_tensor.axes:
                    raise ValueError(f"Axis {axis_name} not in tensor with axes {list(labeled_tensor.axes)}.")
                gone.append(axis_name)
                if not isinstance(one, str):
                    kept[axis_name] = (axis_name, [one[1]])
            places = [list(labeled_tensor.axes).index(n) for n in gone]
            tensor = reduce_fn(labeled_tensor.tensor, places, keepdims=True)
            drop = [p for p, n in zip(places, gone, strict=True) if n not in kept]
            if drop:
                tensor = squeezed(tensor, drop)
            left = [kept.get(n, a) for n, a in labeled_tensor.axes.items() if n not in gone or n in kept]
            return named(tensor, left, scope)

    op.__doc__ = (
        f"`tf.{op_name}` over axes by name; a pair of a name and a label keeps the axis, of length 1."
    )
    op.__name__ = op_name
    return op


reduce_all = public("contrib.labeled_tensor.reduce_all")(
    define_reduce_op("reduce_all", reductions.reduce_all)
)
reduce_any = public("contrib.labeled_tensor.reduce_any")(
    define_reduce_op("reduce_any", reductions.reduce_any)
)
reduce_logsumexp = public("contrib.labeled_tensor.reduce_logsumexp")(
    define_reduce_op("reduce_logsumexp", reductions.reduce_logsumexp)
)
reduce_max = public("contrib.labeled_tensor.reduce_max")(
    define_reduce_op("reduce_max", reductions.reduce_max)
)
reduce_mean = public("contrib.labeled_tensor.reduce_mean")(
    define_reduce_op("reduce_mean", reductions.reduce_mean)
)
reduce_min = public("contrib.labeled_tensor.reduce_min")(
    define_reduce_op("reduce_min", reductions.reduce_min)
)
reduce_prod = public("contrib.labeled_tensor.reduce_prod")(
    define_reduce_op("reduce_prod", reductions.reduce_prod)
)
reduce_sum = public("contrib.labeled_tensor.reduce_sum")(
    define_reduce_op("reduce_sum", reductions.reduce_sum)
)


@public("contrib.labeled_tensor.cast")
def cast(labeled_tensor: Any, dtype: Any = None, name: str | None = None) -> LabeledTensor:
    """The tensor with another dtype."""
    with name_scope(name, "lt_cast", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        return named(converted(labeled_tensor.tensor, dtype), labeled_tensor.axes, scope)


@public("contrib.labeled_tensor.verify_tensor_all_finite")
def verify_tensor_all_finite(labeled_tensor: Any, message: str, name: str | None = None) -> LabeledTensor:
    """The tensor, checked when run to be finite; else InvalidArgumentError with the message."""
    with name_scope(name, "lt_verify_tensor_all_finite", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        checked = numeric_checks.verify_tensor_all_finite(labeled_tensor.tensor, message)
        return named(checked, labeled_tensor.axes, scope)


@public("contrib.labeled_tensor.where")
def where(condition: Any, x: Any, y: Any, name: str | None = None) -> LabeledTensor:
    """Elements of x where a condition holds, else of y; all have the same axes.

    Raises:
      ValueError: their axes differ.
    """
    with name_scope(name, "lt_where", [condition, x, y]) as scope:
        condition, x, y = (convert_to_labeled_tensor(t) for t in (condition, x, y))
        if not condition.axes == x.axes == y.axes:
            raise ValueError("all inputs to `where` must have equal axes")
        return named(chosen(condition.tensor, x.tensor, y.tensor), x.axes, scope)


@public("contrib.labeled_tensor.ones_like")
def ones_like(labeled_tensor: Any, dtype: Any = None, name: str | None = None) -> LabeledTensor:
    """Ones with the axes of a tensor."""
    with name_scope(name, "lt_ones_like", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        return named(fill.ones_like(labeled_tensor.tensor, dtype), labeled_tensor.axes, scope)


@public("contrib.labeled_tensor.zeros_like")
def zeros_like(labeled_tensor: Any, dtype: Any = None, name: str | None = None) -> LabeledTensor:
    """Zeros with the axes of a tensor."""
    with name_scope(name, "lt_zeros_like", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        return named(fill.zeros_like(labeled_tensor.tensor, dtype), labeled_tensor.axes, scope)


@public("contrib.labeled_tensor.constant")
def constant(value: Any, dtype: Any = None, axes: Any = None, name: str | None = None) -> LabeledTensor:
    """A constant with axes: names, or pairs of a name and a length or labels."""
    with name_scope(name, "lt_constant", []) as scope:
        kept = [] if axes is None else axes
        if all(not isinstance(a, str) for a in kept) and kept:
            sizes = [as_axis(a).size for a in kept]
            return LabeledTensor(constants.constant(value, dtype, sizes, name=scope), kept)
        return LabeledTensor(constants.constant(value, dtype, name=scope), kept)


@public("contrib.labeled_tensor.placeholder")
def placeholder(dtype: Any, axes: Any, name: str | None = None) -> LabeledTensor:
    """What is fed, with axes: names of axes of unknown length, or pairs of a name and a length or labels."""
    with name_scope(name, "lt_placeholder", []) as scope:
        made = Axes([(a, None) if isinstance(a, str) else a for a in axes])
        return LabeledTensor(constants.placeholder(dtype, [a.size for a in made.values()], name=scope), made)


@public("contrib.labeled_tensor.map_fn")
def map_fn(fn: Callable[..., Any], labeled_tensor: Any, name: str | None = None) -> LabeledTensor:
    """A function of each part along the first axis, whose results stand along it.

    Args:
      fn: of a labeled tensor to another.
      labeled_tensor: at least one axis.
      name: of the result.
    """
    with name_scope(name, "lt_map_fn", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        first, *rest = labeled_tensor.axes.values()
        seen: list[LabeledTensor] = []

        def one(tensor: Any) -> Any:
            seen.append(fn(LabeledTensor(tensor, rest)))
            return seen[-1].tensor

        probe = fn(LabeledTensor(labeled_tensor.tensor[0], rest))
        made = functional.map_fn(one, labeled_tensor.tensor, dtype=probe.dtype)
        return named(made, [first, *probe.axes.values()], scope)


@public("contrib.labeled_tensor.foldl")
def foldl(
    fn: Callable[..., Any], labeled_tensor: Any, initial_value: Any, name: str | None = None
) -> LabeledTensor:
    """A function of what there is so far and of the next part along the first axis, from left to right.

    Args:
      fn: of two labeled tensors to one like `initial_value`.
      labeled_tensor: at least one axis.
      initial_value: a labeled tensor.
      name: of the result.
    """
    with name_scope(name, "lt_foldl", [labeled_tensor, initial_value]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        initial_value = convert_to_labeled_tensor(initial_value)
        _, *rest = labeled_tensor.axes.values()

        def step(total: Any, part: Any) -> Any:
            result = fn(LabeledTensor(total, initial_value.axes), LabeledTensor(part, rest))
            return result.tensor

        made = functional.foldl(step, labeled_tensor.tensor, initializer=initial_value.tensor)
        made.set_shape(initial_value.shape)
        return named(made, initial_value.axes, scope)
