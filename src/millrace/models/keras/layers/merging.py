"""Layers that join several inputs."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.math.reductions import reduce_all
from millrace.lib.nn.moments import l2_normalize
from millrace.models.keras.backend import arrays, products
from millrace.models.keras.engine.layer import Layer
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import ones_like
from millrace.ops.math.cast import cast
from millrace.ops.math.select import maximum as larger
from millrace.ops.math.select import minimum as smaller


def _listed(input_shape: Any, layer: str, least: int = 1) -> list[tuple[Any, ...]]:
    """Several shapes as tuples.

    Raises:
      ValueError: there are fewer.
    """
    several = isinstance(input_shape, list) and not all(isinstance(d, int | None) for d in input_shape)
    if not several:
        raise ValueError(f"A `{layer}` layer should be called on a list of inputs.")
    if len(input_shape) < least:
        raise ValueError(
            f"A `{layer}` layer should be called on a list of at least {least} inputs. "
            f"Got {len(input_shape)} inputs."
        )
    return [tuple(shapes.as_dims(s) or ()) for s in input_shape]


@public("python.keras.layers.merge._Merge")
class _Merge(Layer):
    """Joins inputs element by element; shapes broadcast."""

    least = 2

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _joined(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how to join its inputs.")

    def build(self, input_shape: Any) -> None:
        """Checks the shapes.

        Raises:
          ValueError: there are too few inputs, or they do not broadcast.
        """
        found = _listed(input_shape, "merge", self.least)
        batches = {s[0] for s in found if s and s[0] is not None}
        if len(batches) > 1:
            raise ValueError(
                f"Can not merge tensors with different batch sizes. Got tensors with shapes : {found}"
            )
        self._reshapes = len({len(s) for s in found}) != 1
        self._shape_of_all(found)
        self.built = True

    def _shape_of_all(self, found: list[tuple[Any, ...]]) -> tuple[Any, ...]:
        whole: tuple[Any, ...] = found[0][1:]
        for one in found[1:]:
            whole = _broadcast(whole, one[1:])
        return whole

    def call(self, inputs: Any) -> Any:
        """The inputs joined.

        Raises:
          ValueError: they are not a list.
        """
        if not isinstance(inputs, list | tuple):
            raise ValueError("A merge layer should be called on a list of inputs.")
        if not self._reshapes:
            return self._joined(list(inputs))
        rank = max(len(x.dims) for x in inputs)
        widened = []
        for x in inputs:
            for _ in range(rank - len(x.dims)):
                x = raw.ExpandDims(x, 1)
            widened.append(x)
        return self._joined(widened)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of these shapes."""
        found = _listed(input_shape, "merge", self.least)
        batches = {s[0] for s in found if s and s[0] is not None}
        batch = batches.pop() if len(batches) == 1 else None
        return TensorShape([batch, *self._shape_of_all(found)])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where all inputs' masks hold.

        Raises:
          ValueError: masks and inputs are not lists of one length.
        """
        if mask is None:
            return None
        if not isinstance(mask, list | tuple) or not isinstance(inputs, list | tuple):
            raise ValueError("`mask` and `inputs` should be lists.")
        if len(mask) != len(inputs):
            raise ValueError("The lists `inputs` and `mask` should have the same length.")
        known = [raw.ExpandDims(m, 0) for m in mask if m is not None]
        return reduce_all(concat(known, 0), axis=0, keepdims=False) if known else None


def _broadcast(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(a) < len(b):
        a, b = b, a
    found = list(a[: len(a) - len(b)])
    for i, j in zip(a[len(a) - len(b) :], b, strict=True):
        if i is None or j is None:
            found.append(None)
        elif i == 1:
            found.append(j)
        elif j in (1, i):
            found.append(i)
        else:
            raise ValueError(f"Operands could not be broadcast together with shapes {a} {b}")
    return tuple(found)


@public("keras.layers.Add")
class Add(_Merge):
    """The sum of the inputs."""

    def _joined(self, inputs: Any) -> Any:
        total = inputs[0]
        for one in inputs[1:]:
            total = total + one
        return total


@public("keras.layers.Subtract")
class Subtract(_Merge):
    """The first input minus the second."""

    def build(self, input_shape: Any) -> None:
        """Checks the shapes.

        Raises:
          ValueError: there are not two inputs, or they do not broadcast.
        """
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError("A `Subtract` layer should be called on exactly 2 inputs")

    def _joined(self, inputs: Any) -> Any:
        return inputs[0] - inputs[1]


@public("keras.layers.Multiply")
class Multiply(_Merge):
    """The product of the inputs."""

    def _joined(self, inputs: Any) -> Any:
        total = inputs[0]
        for one in inputs[1:]:
            total = total * one
        return total


@public("keras.layers.Average")
class Average(_Merge):
    """The mean of the inputs."""

    def _joined(self, inputs: Any) -> Any:
        total = inputs[0]
        for one in inputs[1:]:
            total = total + one
        return total / len(inputs)


@public("keras.layers.Maximum")
class Maximum(_Merge):
    """The greatest of the inputs."""

    def _joined(self, inputs: Any) -> Any:
        total = inputs[0]
        for one in inputs[1:]:
            total = larger(total, one)
        return total


@public("keras.layers.Minimum")
class Minimum(_Merge):
    """The smallest of the inputs."""

    def _joined(self, inputs: Any) -> Any:
        total = inputs[0]
        for one in inputs[1:]:
            total = smaller(total, one)
        return total


@public("keras.layers.Concatenate")
class Concatenate(_Merge):
    """The inputs along an axis.

    Args:
      axis: the axis.
      **kwargs: as for `Layer`.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        """Checks the shapes.

        Raises:
          ValueError: there are too few inputs, or they differ elsewhere than along the axis.
        """
        found = _listed(input_shape, "Concatenate", 2)
        self._reshapes = False
        rest = set()
        for one in found:
            dims = list(one)
            if dims:
                del dims[self.axis]
            rest.add(tuple(dims))
        if len(rest) > 1:
            raise ValueError(
                "A `Concatenate` layer requires inputs with matching shapes except for the concat axis. Got "
                f"inputs shapes: {found}"
            )
        self.built = True

    def _joined(self, inputs: Any) -> Any:
        return arrays.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of these shapes."""
        found = _listed(input_shape, "Concatenate")
        whole = list(found[0])
        for one in found[1:]:
            known = whole[self.axis] is not None and one[self.axis] is not None
            whole[self.axis] = whole[self.axis] + one[self.axis] if known else None
        return TensorShape(whole)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs' masks along the axis."""
        if mask is None:
            return None
        if not isinstance(mask, list | tuple) or not isinstance(inputs, list | tuple):
            raise ValueError("`mask` and `inputs` should be lists.")
        if all(m is None for m in mask):
            return None
        found = []
        for x, m in zip(inputs, mask, strict=True):
            if m is None:
                found.append(cast(ones_like(x), "bool"))
            elif len(m.dims) < len(x.dims):
                found.append(raw.ExpandDims(m, -1))
            else:
                found.append(m)
        return reduce_all(concat(found, self.axis), axis=-1, keepdims=False)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


@public("keras.layers.Dot")
class Dot(_Merge):
    """The products of two inputs' samples over one axis of each.

    Args:
      axes: the axis, or two.
      normalize: divide vectors by their lengths first, which gives cosines.
      **kwargs: as for `Layer`.

    Raises:
      TypeError, ValueError: the axes are not one integer or two.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, list | tuple):
                raise TypeError("Invalid type for `axes` - should be a list or an int.")
            if len(axes) != 2:
                raise ValueError("Invalid format for `axes` - should contain two elements.")
            if not all(isinstance(a, int) for a in axes):
                raise ValueError('Invalid format for `axes` - list elements should be "int".')
        self.axes, self.normalize = axes, normalize

    def _axes_for(self, ranks: list[int]) -> list[int]:
        if isinstance(self.axes, int):
            return [self.axes % r if self.axes < 0 else self.axes for r in ranks]
        return [a % r if a < 0 else a for a, r in zip(self.axes, ranks, strict=True)]

    def build(self, input_shape: Any) -> None:
        """Checks the shapes.

        Raises:
          ValueError: there are not two inputs, or their axes differ.
        """
        found = _listed(input_shape, "Dot")
        if len(found) != 2:
            raise ValueError("A `Dot` layer should be called on a list of 2 inputs.")
        first, second = found
        a, b = self._axes_for([len(first), len(second)])
        if first[a] != second[b]:
            raise ValueError(
                f"Dimension incompatibility {first[a]} != {second[b]}. Layer shapes: {first}, {second}. "
                f"Chosen axes: {a}, {b}"
            )
        self._reshapes = False
        self.built = True

    def _joined(self, inputs: Any) -> Any:
        if len(inputs) != 2:
            raise ValueError("A `Dot` layer should be called on exactly 2 inputs")
        first, second = inputs
        axes = self._axes_for([len(first.dims), len(second.dims)])
        if self.normalize:
            first, second = l2_normalize(first, axis=axes[0]), l2_normalize(second, axis=axes[1])
        return products.batch_dot(first, second, axes)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of these shapes."""
        first, second = (list(s) for s in _listed(input_shape, "Dot"))
        a, b = self._axes_for([len(first), len(second)])
        first.pop(a)
        second.pop(b)
        found = first + second[1:]
        return TensorShape([*found, 1] if len(found) == 1 else found)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: the axes are gone."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


@public("keras.layers.add")
def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of several tensors; **kwargs: as for `Layer`."""
    return Add(**kwargs)(inputs)


@public("keras.layers.subtract")
def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The first of two tensors minus the second; **kwargs: as for `Layer`."""
    return Subtract(**kwargs)(inputs)


@public("keras.layers.multiply")
def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of several tensors; **kwargs: as for `Layer`."""
    return Multiply(**kwargs)(inputs)


@public("keras.layers.average")
def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of several tensors; **kwargs: as for `Layer`."""
    return Average(**kwargs)(inputs)


@public("keras.layers.maximum")
def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The greatest of several tensors; **kwargs: as for `Layer`."""
    return Maximum(**kwargs)(inputs)


@public("keras.layers.minimum")
def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest of several tensors; **kwargs: as for `Layer`."""
    return Minimum(**kwargs)(inputs)


@public("keras.layers.concatenate")
def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Several tensors along an axis; **kwargs: as for `Layer`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


@public("keras.layers.dot")
def dot(inputs: Any, axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """The products of two tensors' samples; arguments as for `Dot`."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
