"""`tf.contrib.labeled_tensor`: axes, and tensors that have them."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.core.shapes import Dimension
from millrace.graph.tensor import Tensor
from millrace.ops.array.reshape import reshape as shaped
from millrace.ops.array.reshape import transpose as swapped
from millrace.ops.array.shape import shape as shape_of


@public("contrib.labeled_tensor.Axis")
class Axis:
    """One axis: a name, and a length or the labels of its places.

    Args:
      name: the name.
      value: a length, None where it is unknown, or labels, no two of them equal.

    Raises:
      ValueError: two labels are equal.
    """

    def __init__(self, name: str, value: Any) -> None:
        if isinstance(value, Dimension):
            labels = None
        elif value is None or isinstance(value, int):
            value, labels = Dimension(value), None
        else:
            labels = tuple(value)
            if len(set(labels)) != len(labels):
                raise ValueError(f"Tick labels must be unique, but got {labels}")
            value = labels
        self._name, self._value, self._labels = name, value, labels

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def value(self) -> Any:
        """The labels; where there are none, the length as a `Dimension`."""
        return self._value

    @property
    def labels(self) -> Any:
        """The labels, or None."""
        return self._labels

    @property
    def size(self) -> int | None:
        """The length."""
        return self._value.value if self._labels is None else len(self._labels)

    @property
    def dimension(self) -> Dimension:
        """The length as a `Dimension`."""
        return Dimension(self.size)

    def index(self, value: Any) -> int:
        """The place of a label.

        Raises:
          ValueError: the axis has no labels, or not this one.
        """
        if self._labels is None:
            raise ValueError("Axis does not have tick labels")
        return self._labels.index(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axis) and (self.name, self.size, self.labels) == (
            other.name, other.size, other.labels,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self._name, self.size, self._labels))

    def _shown(self) -> str:
        return f"Dimension({self.size})" if self._labels is None else repr(self._labels)

    def __repr__(self) -> str:
        return f"Axis('{self._name}', {self._shown()})"


@public("contrib.labeled_tensor.as_axis")
def as_axis(axis_data: Any) -> Axis:
    """An axis of an axis, or of a pair of a name and a length or labels."""
    return axis_data if isinstance(axis_data, Axis) else Axis(*axis_data)


@public("contrib.labeled_tensor.Axes")
class Axes(Mapping[str, Axis]):
    """The axes of a tensor, in order, by name.

    Args:
      axes: axes, or pairs of a name and a length or labels.

    Raises:
      ValueError: two have the same name.
    """

    def __init__(self, axes: Any) -> None:
        self._axes: collections.OrderedDict[str, Axis] = collections.OrderedDict()
        for data in axes:
            axis = as_axis(data)
            if axis.name in self._axes:
                raise ValueError(f"Duplicate axis name: {axis.name}")
            self._axes[axis.name] = axis

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __getitem__(self, name: str) -> Axis:
        return self._axes[name]

    def __contains__(self, name: object) -> bool:
        return name in self._axes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axes) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def _pairs(self, indent: int) -> str:
        shown = [f"('{axis.name}', {axis._shown()})" for axis in self.values()]
        return "[" + (",\n" + " " * indent).join(shown) + "]"

    def __repr__(self) -> str:
        return f"Axes({self._pairs(6)})"

    def remove(self, axis_name: str) -> Axes:
        """The axes without one.

        Raises:
          KeyError: it is not there.
        """
        if axis_name not in self:
            raise KeyError(axis_name)
        return Axes([axis for axis in self.values() if axis.name != axis_name])


class _Scopes(threading.local):
    """The axis orders of a thread's scopes, innermost last."""

    def __init__(self) -> None:
        self.orders: list[Any] = []


_scopes = _Scopes()


@public("contrib.labeled_tensor.AxisOrderError")
class AxisOrderError(ValueError):
    """The axes of tensors do not follow one order."""


@public("contrib.labeled_tensor.axis_order_scope")
@contextlib.contextmanager
def axis_order_scope(axis_order: Sequence[str] | None = None) -> Iterator[None]:
    """A `with` in which the axes of results stand in a given order.

    Args:
      axis_order: names of axes; None: none is asked for.
    """
    _scopes.orders.append(list(axis_order) if axis_order is not None else None)
    try:
        yield
    finally:
        _scopes.orders.pop()


def current_order() -> Any:
    """The axis order of the innermost scope, or None."""
    return _scopes.orders[-1] if _scopes.orders else None


class LabeledTensor:
    """A tensor whose axes have names.

    Args:
      tensor: the tensor.
      axes: for each axis its name, an `Axis`, or a pair of a name and a length or labels.

    Raises:
      ValueError: the axes do not fit the tensor's shape.
      IndexError: there are more names than axes.
    """

    def __init__(self, tensor: Any, axes: Any) -> None:
        tensor = convert.to_tensor(tensor)
        dims = tensor.dims
        if dims is None:
            raise ValueError(f"LabeledTensor: the tensor's rank must be known. Received: {tensor}")
        made = []
        for i, data in enumerate(axes.values() if isinstance(axes, Mapping) else axes):
            made.append(Axis(data, dims[i]) if isinstance(data, str) else as_axis(data))
        if len(made) != len(dims):
            raise ValueError(f"Tensor has {len(dims)} axes, but {len(made)} were given: {made}")
        for axis, size in zip(made, dims, strict=True):
            if None not in (axis.size, size) and axis.size != size:
                raise ValueError(
                    f"Provided axis size {axis.size} does not match tensor dimension size {size} "
                    f"in tensor {tensor}"
                )
        self._tensor, self._axes = tensor, Axes(made)

    @property
    def tensor(self) -> Tensor:
        """The tensor."""
        return self._tensor

    @property
    def axes(self) -> Axes:
        """Its axes."""
        return self._axes

    @property
    def dtype(self) -> Any:
        """Its dtype."""
        return self._tensor.dtype

    @property
    def shape(self) -> Any:
        """Its shape."""
        return self._tensor.shape

    @property
    def name(self) -> str:
        """Its name."""
        return self._tensor.name

    def get_shape(self) -> Any:
        """Its shape."""
        return self._tensor.shape

    def _as_graph_element(self) -> Tensor:
        return self._tensor

    def __repr__(self) -> str:
        sizes = ", ".join("?" if d is None else str(d) for d in self._tensor.dims or ())
        sizes = f"({sizes},)" if len(self._tensor.dims or ()) == 1 else f"({sizes})"
        what = f"LabeledTensor '{self.name}' shape={sizes} dtype={self.dtype.name}"
        return f"<{what}\n axes={self._axes._pairs(7)}>"

    def __getitem__(self, key: Any) -> LabeledTensor:
        key = key if isinstance(key, tuple) else (key,)
        if len(key) != len(self._axes):
            raise ValueError(
                f"indexer {key!r} must have the same length as the Tensor rank ({len(self._axes)})"
            )
        return slice_function(self, dict(zip(self._axes, key, strict=True)))


convert.register_tensor_conversion_function(
    LabeledTensor, lambda value, dtype=None, name=None, as_ref=False: value.tensor
)


@public("contrib.labeled_tensor.convert_to_labeled_tensor")
def convert_to_labeled_tensor(value: Any, dtype: Any = None, name: str | None = None) -> LabeledTensor:
    """A labeled tensor as it is; anything else as a scalar one.

    Raises:
      ValueError: the rest is not a scalar, or a labeled tensor has another dtype.
    """
    if isinstance(value, LabeledTensor):
        if dtype is not None and value.dtype is not dtype:
            raise ValueError(f"expected dtype {dtype}. Received: {value}")
        return value
    tensor = convert.convert_to_tensor(value, dtype, name)
    if tensor.dims != ():
        raise ValueError(
            f"cannot automatically convert unlabeled arrays or tensors with rank>0 into "
            f"LabeledTensors: {value!r}"
        )
    return LabeledTensor(tensor, [])


@public("contrib.labeled_tensor.slice")
def slice_function(labeled_tensor: Any, selection: Any, name: str | None = None) -> LabeledTensor:
    """Parts of a tensor.

    Args:
      labeled_tensor: the tensor.
      selection: for names of axes an index, or a `slice`.
      name: of the result.
    """
    with name_scope(name, "lt_slice", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        keys, axes = [], []
        for axis in labeled_tensor.axes.values():
            key = selection.get(axis.name, slice(None))
            keys.append(key)
            if isinstance(key, slice):
                if axis.labels is not None:
                    axes.append((axis.name, axis.labels[key]))
                elif axis.size is None:
                    axes.append((axis.name, None))
                else:
                    axes.append((axis.name, len(range(*key.indices(axis.size)))))
        part = labeled_tensor.tensor[tuple(keys)] if keys else labeled_tensor.tensor
        return named(part, axes, scope)


def named(tensor: Any, axes: Any, scope: str) -> LabeledTensor:
    """A result under the name of its function's scope."""
    return LabeledTensor(raw.Identity(tensor, name=scope), axes)


@public("contrib.labeled_tensor.identity")
def identity(labeled_tensor: Any, name: str | None = None) -> LabeledTensor:
    """The tensor itself."""
    with name_scope(name, "lt_identity", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        return named(labeled_tensor.tensor, labeled_tensor.axes, scope)


@public("contrib.labeled_tensor.transpose")
def transpose(labeled_tensor: Any, axis_order: Any = None, name: str | None = None) -> LabeledTensor:
    """The tensor with its axes in another order; by default reversed.

    Raises:
      ValueError: the names are not those of the axes.
    """
    with name_scope(name, "lt_transpose", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        own = list(labeled_tensor.axes)
        order = own[::-1] if axis_order is None else list(axis_order)
        if sorted(order) != sorted(own):
            raise ValueError(
                f"The new axis order must have the same names as the original axes, but the new "
                f"order is {order} while the original order is {own}"
            )
        tensor = swapped(labeled_tensor.tensor, [own.index(n) for n in order])
        return named(tensor, [labeled_tensor.axes[n] for n in order], scope)


@public("contrib.labeled_tensor.expand_dims")
def expand_dims(labeled_tensor: Any, axes: Any, name: str | None = None) -> LabeledTensor:
    """The tensor with more axes of length 1.

    Args:
      labeled_tensor: the tensor.
      axes: the names of all axes in their new order; a pair of a name and a label for a new one with a label.
      name: of the result.

    Raises:
      AxisOrderError: the tensor's own axes are not in their order.
    """
    with name_scope(name, "lt_expand_dims", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        asked = [a if isinstance(a, str) else a[0] for a in axes]
        check_axis_order(labeled_tensor, asked)
        sizes = shape_of(labeled_tensor.tensor)
        own = list(labeled_tensor.axes)
        made: list[Any] = []
        dims: list[Any] = []
        for data, axis_name in zip(axes, asked, strict=True):
            if axis_name in labeled_tensor.axes:
                axis = labeled_tensor.axes[axis_name]
                made.append(axis)
                dims.append(sizes[own.index(axis_name)] if axis.size is None else axis.size)
            else:
                made.append((axis_name, 1) if isinstance(data, str) else (axis_name, [data[1]]))
                dims.append(1)
        return named(shaped(labeled_tensor.tensor, dims), made, scope)


@public("contrib.labeled_tensor.check_axis_order")
def check_axis_order(labeled_tensor: Any, axis_order: Any = None) -> None:
    """Checks that axes stand in an order.

    Args:
      labeled_tensor: the tensor.
      axis_order: names, perhaps more than the tensor has; default: those of `axis_order_scope`.

    Raises:
      AxisOrderError: they do not, or there is no order.
    """
    labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
    axis_order = current_order() if axis_order is None else list(axis_order)
    if axis_order is None:
        raise AxisOrderError(
            "an explicit axis order must be provided with the axis_order argument or by using "
            "an axis_order_scope"
        )
    relevant = [n for n in axis_order if n in labeled_tensor.axes]
    if len(relevant) < len(labeled_tensor.axes):
        raise AxisOrderError(
            f"not all axis names appear in the required axis order {axis_order}: {labeled_tensor}"
        )
    if relevant != list(labeled_tensor.axes):
        raise AxisOrderError(
            "axes on a labeled tensor do not appear in the same order as the required axis "
            f"order {axis_order}: {labeled_tensor}"
        )


@public("contrib.labeled_tensor.impose_axis_order")
def impose_axis_order(labeled_tensor: Any, axis_order: Any = None, name: str | None = None) -> LabeledTensor:
    """The tensor with its axes in an order; see `check_axis_order`."""
    with name_scope(name, "lt_impose_axis_order", [labeled_tensor]) as scope:
        labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
        axis_order = current_order() if axis_order is None else list(axis_order)
        if axis_order is None:
            raise AxisOrderError(
                "an explicit axis order must be provided with the axis_order argument or by "
                "using an axis_order_scope"
            )
        wanted = [n for n in axis_order if n in labeled_tensor.axes]
        return transpose(labeled_tensor, wanted, name=scope)


@public("contrib.labeled_tensor.align")
def align(
    labeled_tensor_0: Any, labeled_tensor_1: Any, name: str | None = None
) -> tuple[LabeledTensor, LabeledTensor, Axes]:
    """Two tensors with all axes of both, those that one lacks of length 1, and the axes of a result of both.

    Raises:
      ValueError: axes of one name differ.
      AxisOrderError: the axes of both follow no one order.
    """
    with name_scope(name, "lt_align", [labeled_tensor_0, labeled_tensor_1]):
        a = convert_to_labeled_tensor(labeled_tensor_0)
        b = convert_to_labeled_tensor(labeled_tensor_1)
        for name_ in a.axes:
            if name_ in b.axes and a.axes[name_] != b.axes[name_]:
                raise ValueError(
                    f"Mismatched {name_!r} axis on input tensors: {a.axes[name_]!r} and {b.axes[name_]!r}"
                )
        order = current_order()
        if order is not None:
            check_axis_order(a, order)
            check_axis_order(b, order)
            order = [n for n in order if n in a.axes or n in b.axes]
        else:
            order = _merged(list(a.axes), list(b.axes))
            if order is None:
                raise AxisOrderError(
                    f"an axis order could not be inferred from {a} and {b}; use axis_order_scope"
                )
        axes = Axes([a.axes[n] if n in a.axes else b.axes[n] for n in order])
        with name_scope("lt_align"):
            return expand_dims(a, order, name="0"), expand_dims(b, order, name="1"), axes


def _merged(first: list[str], second: list[str]) -> list[str] | None:
    """One order that both follow: where one lists all shared names as the other does; None: there is none."""
    shared = [n for n in first if n in second]
    if shared != [n for n in second if n in first]:
        return None
    if len(shared) == len(second):
        return first
    if len(shared) == len(first):
        return second
    return None
