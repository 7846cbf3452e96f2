"""`tf.contrib.labeled_tensor`: functions that change axes: parts, joins, reductions, products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw, slicing  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.labeled_tensor.axes import (
    Axes,
    AxisOrderError,
    LabeledTensor,
    as_axis,
    convert_to_labeled_tensor,
    current_order,
    impose_axis_order,
    named,
    slice_function,
    transpose,
)
from millrace.core.public import public
from millrace.lib.flow import functional
from millrace.lib.math import numeric_checks, reductions
from millrace.opkit.records.features import FixedLenFeature as _FixedLenFeature
from millrace.ops.array import concat as joins
from millrace.ops.array import constant as constants
from millrace.ops.array import fill, gather
from millrace.ops.array import pad as pads
from millrace.ops.array import tile as tiles
from millrace.ops.array.reshape import reshape as shaped
from millrace.ops.array.reshape import squeeze as squeezed
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.io import parsing
from millrace.ops.linalg.matmul import matmul as product
from millrace.ops.math.cast import cast as converted
from millrace.ops.math.select import where as chosen
from millrace.ops.random.draws import random_crop as cropped
from millrace.training.coordination import batching


@public("contrib.labeled_tensor.select")
def select(labeled_tensor: Any, selection: dict[str, Any], name: str | None = None) -> LabeledTensor:
    """Parts of a tensor by label.

    Args:
      labeled_tensor: the tensor.
      selection: for names of axes a label, whose axis then goes, or a list of labels, or a `slice` of labels.
      name: of the result.

    Raises:
      ValueError: there is no such axis.
      KeyError: there is no such label.
    """
    with name_scope(name, "lt_select", [labeled_tensor]) as scope:
        result = convert_to_labeled_tensor(labeled_tensor)
        for axis_name, wanted in selection.items():
            if axis_name not in result.axes:
                raise ValueError(f"The axes {[axis_name]} are not in the tensor's: {list(result.axes)}")
            axis = result.axes[axis_name]
            if isinstance(wanted, slice):
                start = None if wanted.start is None else axis.index(wanted.start)
                stop = None if wanted.stop is None else axis.index(wanted.stop) + 1
                result = slice_function(result, {axis_name: slice(start, stop)})
            elif isinstance(wanted, list | tuple):
                places = [axis.index(label) for label in wanted]
                at = list(result.axes).index(axis_name)
                axes = [(n, tuple(wanted)) if n == axis_name else a for n, a in result.axes.items()]
                result = LabeledTensor(gather.gather(result.tensor, places, axis=at), axes)
            else:
                if wanted not in (axis.labels or ()):
                    raise KeyError(f"{wanted!r} is not a label of axis {axis_name!r}")
                result = slice_function(result, {axis_name: axis.index(wanted)})
        return named(result.tensor, result.axes, scope)


@public("contrib.labeled_tensor.concat")
def concat(labeled_tensors: Any, axis_name: str, name: str | None = None) -> LabeledTensor:
    """Tensors one after the other along an axis.

    Raises:
      ValueError: there is none, or their other axes differ.
      KeyError: one lacks the axis.
    """
    with name_scope(name, "lt_concat", list(labeled_tensors)) as scope:
        parts = [convert_to_labeled_tensor(t) for t in labeled_tensors]
        if not parts:
            raise ValueError("concat expects at least one tensor")
        first = parts[0]
        if axis_name not in first.axes:
            raise ValueError(f"{axis_name} not in {list(first.axes)}")
        for part in parts[1:]:
            rest, own = part.axes.remove(axis_name), first.axes.remove(axis_name)
            if rest != own or list(part.axes) != list(first.axes):
                raise ValueError(f"Mismatched axes when concatenating: {first} and {part}")
        labels = [part.axes[axis_name].labels for part in parts]
        sizes = [part.axes[axis_name].size for part in parts]
        if all(one is not None for one in labels):
            value: Any = [label for one in labels for label in one]
        else:
            value = None if None in sizes else sum(size or 0 for size in sizes)
        axes = [(n, value) if n == axis_name else a for n, a in first.axes.items()]
        at = list(first.axes).index(axis_name)
        return named(joins.concat([part.tensor for part in parts], at), axes, scope)


@public("contrib.labeled_tensor.pack")
def pack(
    labeled_tensors: Any, new_axis: Any, axis_position: int = 0, name: str | None = None
) -> LabeledTensor:
    """Tensors of the same axes along a new one.

    Args:
      labeled_tensors: the tensors.
      new_axis: its name, or a pair of its name and labels.
      axis_position: where it stands.
      name: of the result.

    Raises:
      ValueError: there is none, or their axes differ.
    """
    with name_scope(name, "lt_pack", list(labeled_tensors)) as scope:
        parts = [convert_to_labeled_tensor(t) for t in labeled_tensors]
        if not parts:
            raise ValueError("pack expects at least one tensor")
        if any(part.axes != parts[0].axes for part in parts):
            raise ValueError(f"Non-identical axes when packing: {parts}")
        axes: list[Any] = list(parts[0].axes.values())
        axes.insert(axis_position, (new_axis, len(parts)) if isinstance(new_axis, str) else new_axis)
        return named(joins.stack([part.tensor for part in parts], axis_position), axes, scope)


@public("contrib.labeled_tensor.unpack")
def unpack(labeled_tensor: Any, axis_name: str | None = None, name: str | None = None) -> list[LabeledTensor]:
    """A list of the parts of a tensor along an axis, by default the first.

    Raises:
      ValueError: there is no such axis.
    """
    with name_scope(name, "lt_unpack", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        names = list(labeled_tensor.axes)
        axis_name = names[0] if axis_name is None else axis_name
        if axis_name not in names:
            raise ValueError(f"{axis_name} not in {names}")
        rest = labeled_tensor.axes.remove(axis_name)
        parts = joins.unstack(labeled_tensor.tensor, axis=names.index(axis_name), name=scope)
        return [LabeledTensor(part, rest) for part in parts]


@public("contrib.labeled_tensor.reshape")
def reshape(labeled_tensor: Any, existing_axes: Any, new_axes: Any, name: str | None = None) -> LabeledTensor:
    """A tensor in which some neighbouring axes became others.

    Args:
      labeled_tensor: the tensor.
      existing_axes: names, in their order.
      new_axes: names, or pairs of a name and a length or labels; one may be without.
      name: of the result.

    Raises:
      ValueError: the axes are not neighbours.
      AxisOrderError: they stand in another order.
    """
    with name_scope(name, "lt_reshape", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        own, old = list(labeled_tensor.axes), list(existing_axes)
        start = own.index(old[0]) if old and old[0] in own else -1
        if start < 0 or own[start : start + len(old)] != old:
            if set(old) <= set(own) and [n for n in own if n in old] != old:
                raise AxisOrderError(f"existing_axes {old} are not in the order of the tensor's axes {own}")
            raise ValueError(
                f"existing_axes {old} are not a slice of the axis names {own} on the input labeled tensor"
            )
        made = [(a, -1) if isinstance(a, str) else as_axis(a) for a in new_axes]
        sizes = shape_of(labeled_tensor.tensor)

        def length(i: int) -> Any:
            found = labeled_tensor.axes[own[i]].size
            return sizes[i] if found is None else found

        middle = [-1 if isinstance(a, tuple) or a.size is None else a.size for a in made]
        before = [length(i) for i in range(start)]
        after = [length(i) for i in range(start + len(old), len(own))]
        tensor = shaped(labeled_tensor.tensor, [*before, *middle, *after])
        axes: list[Any] = list(labeled_tensor.axes.values())
        axes[start : start + len(old)] = [a[0] if isinstance(a, tuple) else a for a in made]
        return named(tensor, axes, scope)


@public("contrib.labeled_tensor.rename_axis")
def rename_axis(
    labeled_tensor: Any, existing_name: str, new_name: str, name: str | None = None
) -> LabeledTensor:
    """A tensor one of whose axes has another name.

    Raises:
      ValueError: there is no such axis.
    """
    with name_scope(name, "lt_rename_axis", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        if existing_name not in labeled_tensor.axes:
            raise ValueError(
                f"existing_name {existing_name} are not contained in the set of axis names "
                f"{list(labeled_tensor.axes)} on the input labeled tensor"
            )
        axes = [(new_name, a.value) if n == existing_name else a for n, a in labeled_tensor.axes.items()]
        return named(labeled_tensor.tensor, axes, scope)


@public("contrib.labeled_tensor.squeeze")
def squeeze(labeled_tensor: Any, axis_names: Any = None, name: str | None = None) -> LabeledTensor:
    """A tensor without axes of length 1, by default all of them.

    Raises:
      ValueError: there is no such axis.
    """
    with name_scope(name, "lt_squeeze", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        axes = labeled_tensor.axes
        gone = [n for n, a in axes.items() if a.size == 1] if axis_names is None else list(axis_names)
        for one in gone:
            if one not in axes:
                raise ValueError(f"axis {one} is not in tensor axes: {list(axes)}")
        tensor = labeled_tensor.tensor
        if gone:
            tensor = squeezed(tensor, [list(axes).index(n) for n in gone])
        return named(tensor, [a for n, a in axes.items() if n not in gone], scope)


@public("contrib.labeled_tensor.tile")
def tile(labeled_tensor: Any, multiples: dict[str, int], name: str | None = None) -> LabeledTensor:
    """A tensor repeated along axes, which have no labels.

    Raises:
      ValueError: there is no such axis, or it has labels.
    """
    with name_scope(name, "lt_tile", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        axes = []
        for one in multiples:
            if one not in labeled_tensor.axes:
                raise ValueError(f"{one} not in {list(labeled_tensor.axes)}")
        for n, axis in labeled_tensor.axes.items():
            if n in multiples and axis.labels is not None:
                raise ValueError(f"cannot tile axes with tick labels: {axis!r}")
            axes.append(
                (n, None if axis.size is None else axis.size * multiples[n]) if n in multiples else axis
            )
        times = [multiples.get(n, 1) for n in labeled_tensor.axes]
        return named(tiles.tile(labeled_tensor.tensor, times), axes, scope)


@public("contrib.labeled_tensor.pad")
def pad(
    labeled_tensor: Any, paddings: dict[str, Any], mode: str = "CONSTANT", name: str | None = None
) -> LabeledTensor:
    """A tensor with more places before and after those of axes.

    Args:
      labeled_tensor: the tensor.
      paddings: for names of axes a pair: how many places, or their labels, come before and after.
      mode: as for `tf.pad`.
      name: of the result.

    Raises:
      ValueError: there is no such axis.
    """
    with name_scope(name, "lt_pad", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        for one in paddings:
            if one not in labeled_tensor.axes:
                raise ValueError(f"{one} not in {list(labeled_tensor.axes)}")
        axes, widths = [], []
        for n, axis in labeled_tensor.axes.items():
            if n not in paddings:
                axes.append(axis)
                widths.append((0, 0))
                continue
            before, after = paddings[n]
            counts = [p if isinstance(p, int) else len(p) for p in (before, after)]
            if axis.labels is not None and not isinstance(before, int) and not isinstance(after, int):
                axes.append((n, [*before, *axis.labels, *after]))
            else:
                axes.append((n, None if axis.size is None else axis.size + sum(counts)))
            widths.append(tuple(counts))
        return named(pads.pad(labeled_tensor.tensor, widths, mode), axes, scope)


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


@public("contrib.labeled_tensor.boolean_mask")
def boolean_mask(labeled_tensor: Any, mask: Any, name: str | None = None) -> LabeledTensor:
    """The places of the first axis where a mask, a labeled tensor of that axis, is True.

    Raises:
      NotImplementedError: the mask has more axes.
      ValueError: its axis is not the first.
    """
    with name_scope(name, "lt_boolean_mask", [labeled_tensor, mask]) as scope:
        labeled_tensor, mask = convert_to_labeled_tensor(labeled_tensor), convert_to_labeled_tensor(mask)
        if len(mask.axes) > 1:
            raise NotImplementedError(
                "LabeledTensor's boolean_mask currently only supports 1D masks; take "
                "tf.boolean_mask of the tensors"
            )
        first, other = next(iter(labeled_tensor.axes.values())), next(iter(mask.axes.values()))
        if first != other:
            raise ValueError(
                f"the first axis of the labeled tensor and the mask are not equal: {first!r} and {other!r}"
            )
        axes = [(first.name, None), *list(labeled_tensor.axes.values())[1:]]
        return named(slicing.boolean_mask(labeled_tensor.tensor, mask.tensor), axes, scope)


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


@public("contrib.labeled_tensor.random_crop")
def random_crop(
    labeled_tensor: Any, shape_map: dict[str, int], seed: int | None = None, name: str | None = None
) -> LabeledTensor:
    """A part of a tensor at a random place.

    Args:
      labeled_tensor: the tensor.
      shape_map: for names of axes the length of the part.
      seed: of the place.
      name: of the result.

    Raises:
      ValueError: there is no such axis.
    """
    with name_scope(name, "lt_random_crop", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        for one in shape_map:
            if one not in labeled_tensor.axes:
                raise ValueError(f"Selection axis {one} not in axes {list(labeled_tensor.axes)}")
        axes = [(n, shape_map[n]) if n in shape_map else a for n, a in labeled_tensor.axes.items()]
        sizes = [shape_map.get(n, a.size) for n, a in labeled_tensor.axes.items()]
        return named(cropped(labeled_tensor.tensor, sizes, seed=seed), axes, scope)


@public("contrib.labeled_tensor.ReshapeCoder")
class ReshapeCoder:
    """Turns some neighbouring axes into others, and back.

    Args:
      existing_axis_names: names, in their order.
      new_axes: names, or pairs of a name and a length or labels.
      name: for names of results.
    """

    def __init__(self, existing_axis_names: Any, new_axes: Any, name: str | None = None) -> None:
        self._name = "lt_reshape" if name is None else name
        self._existing, self._new_axes = list(existing_axis_names), new_axes
        self._old: Any = None

    def encode(self, labeled_tensor: Any) -> LabeledTensor:
        """The tensor with the new axes."""
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        self._old = [labeled_tensor.axes[n] for n in self._existing]
        return reshape(labeled_tensor, self._existing, self._new_axes, name=f"{self._name}_encode")

    def decode(self, labeled_tensor: Any) -> LabeledTensor:
        """A tensor with the new axes as one with the old.

        Raises:
          ValueError: nothing was encoded.
        """
        if self._old is None:
            raise ValueError("decode called before encode")
        names = [a if isinstance(a, str) else as_axis(a).name for a in self._new_axes]
        return reshape(labeled_tensor, names, self._old, name=f"{self._name}_decode")


@public("contrib.labeled_tensor.FixedLenFeature")
class FixedLenFeature:
    """How a feature of fixed axes is parsed.

    Args:
      axes: pairs of a name and a length or labels.
      dtype: of the feature.
      default_value: what an example without it has.
    """

    def __init__(self, axes: Any, dtype: Any, default_value: Any = None) -> None:
        self._axes = [as_axis(a) for a in axes]
        self._dtype, self._default_value = dtype, default_value

    @property
    def axes(self) -> list[Any]:
        """The axes."""
        return self._axes

    @property
    def dtype(self) -> Any:
        """The dtype."""
        return self._dtype

    @property
    def default_value(self) -> Any:
        """What an example without it has."""
        return self._default_value

    def _plain(self) -> _FixedLenFeature:
        return _FixedLenFeature([a.size for a in self._axes], self._dtype, self._default_value)


@public("contrib.labeled_tensor.parse_example")
def parse_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """Labeled tensors by name of serialized Examples, a labeled tensor of one axis.

    Args:
      serialized: strings, one axis.
      features: a `FixedLenFeature` for each name.
      name: scope.
      example_names: strings for messages.
    """
    serialized = convert_to_labeled_tensor(serialized)
    parsed = parsing.parse_example(
        serialized.tensor,
        {k: f._plain() for k, f in features.items()},
        name=name,
        example_names=example_names,
    )
    batch = next(iter(serialized.axes.values()))
    return {k: LabeledTensor(v, [batch, *features[k].axes]) for k, v in parsed.items()}


@public("contrib.labeled_tensor.parse_single_example")
def parse_single_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """As `parse_example`, for one Example, a labeled scalar."""
    serialized = convert_to_labeled_tensor(serialized)
    parsed = parsing.parse_single_example(
        serialized.tensor, {k: f._plain() for k, f in features.items()}, name, example_names
    )
    return {k: LabeledTensor(v, features[k].axes) for k, v in parsed.items()}


def _batched(
    make: Callable[[list[Any]], Any], tensors: Any, size: int, many: bool, smaller: bool, what: str
) -> Any:
    """Batches of labeled tensors, whose first axis is "batch"."""
    given = [convert_to_labeled_tensor(t) for t in tensors]
    if many and any(next(iter(t.axes), None) != "batch" for t in given):
        raise ValueError(f"{what}: with enqueue_many the first axis must be 'batch'. Received: {given}")
    made = make([t.tensor for t in given])
    made = made if isinstance(made, list | tuple) else [made]
    axis = ("batch", None if smaller else size)
    return [
        LabeledTensor(x, [axis, *list(t.axes.values())[1 if many else 0 :]])
        for x, t in zip(made, given, strict=True)
    ]


@public("contrib.labeled_tensor.batch")
def batch(
    labeled_tensors: Any,
    batch_size: int,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    allow_smaller_final_batch: bool = False,
    name: str | None = None,
) -> list[LabeledTensor]:
    """`tf.train.batch` of labeled tensors: a list of those whose first axis is "batch"; see there."""

    def make(tensors: list[Any]) -> Any:
        return batching.batch(
            tensors, batch_size, num_threads, capacity, enqueue_many,
            allow_smaller_final_batch=allow_smaller_final_batch, name=name,
        )  # fmt: skip

    return _batched(make, labeled_tensors, batch_size, enqueue_many, allow_smaller_final_batch, "batch")


@public("contrib.labeled_tensor.shuffle_batch")
def shuffle_batch(
    labeled_tensors: Any,
    batch_size: int,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    min_after_dequeue: int = 0,
    seed: int | None = None,
    allow_smaller_final_batch: bool = False,
    name: str | None = None,
) -> list[LabeledTensor]:
    """`tf.train.shuffle_batch` of labeled tensors: a list of those whose first axis is "batch"; see there."""

    def make(tensors: list[Any]) -> Any:
        return batching.shuffle_batch(
            tensors, batch_size, capacity, min_after_dequeue, num_threads, seed, enqueue_many,
            allow_smaller_final_batch=allow_smaller_final_batch, name=name,
        )  # fmt: skip

    return _batched(
        make, labeled_tensors, batch_size, enqueue_many, allow_smaller_final_batch, "shuffle_batch"
    )
