"""`tf.contrib.labeled_tensor`: functions that change axes: parts, joins, other orders and lengths."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw, slicing  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.labeled_tensor.axes import (
    AxisOrderError,
    LabeledTensor,
    as_axis,
    convert_to_labeled_tensor,
    named,
    slice_function,
)
from millrace.core.public import public
from millrace.ops.array import concat as joins
from millrace.ops.array import gather
from millrace.ops.array import pad as pads
from millrace.ops.array import tile as tiles
from millrace.ops.array.reshape import reshape as shaped
from millrace.ops.array.reshape import squeeze as squeezed
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.random.draws import random_crop as cropped


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
