"""Static shapes: `Dims`, the tuples that shape rules compute with, and the public classes over them.

`Dims` is `tuple[int | None, ...] | None`: one entry per axis, None where a length is unknown, and None alone
where even the rank is unknown. Plain tuples hash and compare in C, which keeps shape inference off the
profile. `TensorShape` and `Dimension` are TensorFlow 1's; they are made only where user code asks for them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from numbers import Real
from typing import Any, TypeAlias, TypeGuard, final

from millrace.core.depth import bounded
from millrace.core.public import public

Dims: TypeAlias = "tuple[int | None, ...] | None"


def as_dim(value: Any) -> int | None:
    """Converts one axis length.

    Args:
      value: None, a `Dimension`, or anything that equals a non-negative integer, such as a NumPy scalar,
        `2.0` or `"2"`.

    Returns:
      The length, or None when it is unknown.

    Raises:
      TypeError: `value` is not a number.
      ValueError: `value` is negative or not whole.
    """
    if value is None:
        return None
    if type(value) is int:
        length = value
    elif isinstance(value, Dimension):
        return value.value
    else:
        try:
            length = operator.index(value)
        except TypeError:
            if not isinstance(value, Real | str | bytes):
                raise TypeError(
                    "Dimension: a length must be an integer or None, "
                    f"got {value!r} (type {type(value).__name__})"
                ) from None
            length = int(value)  # type: ignore[arg-type]
            if isinstance(value, Real) and length != value:
                raise ValueError(f"Dimension: a length must be a whole number, got {value!r}") from None
    if length < 0:
        raise ValueError(f"Dimension: a length must be >= 0, got {length}")
    return length


@bounded
def as_dims(shape: Any) -> Dims:
    """Converts anything that describes a shape to `Dims`.

    Args:
      shape: a `TensorShape`, None (unknown rank), one length (a vector's shape), an iterable of lengths, or a
        TensorShapeProto, where a size of -1 means unknown.

    Returns:
      The validated dims.

    Raises:
      TypeError: `shape` is a string or holds something that is not a length.
      ValueError: a length is negative or not whole.
    """
    if shape is None:
        return None
    if isinstance(shape, TensorShape):
        return shape.dims_tuple
    if type(shape) is tuple or type(shape) is list:
        return tuple([as_dim(d) for d in shape])
    if isinstance(shape, str | bytes):
        raise TypeError(f"TensorShape: a shape must be a list or an integer, got the string {shape!r}")
    if hasattr(shape, "unknown_rank") and hasattr(shape, "dim"):
        if shape.unknown_rank:
            return None
        return tuple([None if axis.size == -1 else as_dim(axis.size) for axis in shape.dim])
    if isinstance(shape, Dimension):
        return (shape.value,)
    try:
        lengths = iter(shape)
    except TypeError:
        return (as_dim(shape),)
    return tuple([as_dim(d) for d in lengths])


def fully_defined(dims: Dims) -> TypeGuard[tuple[int, ...]]:
    """Whether the rank and every length are known."""
    return dims is not None and None not in dims


def num_elements(dims: Dims) -> int | None:
    """The product of the lengths, 1 for a scalar; None unless `dims` is fully defined."""
    if dims is None or None in dims:
        return None
    return math.prod(dims)  # type: ignore[arg-type]


def format_dims(dims: Dims) -> str:
    """Spells dims for messages: `[2,?,3]`, `[]` or `<unknown>`."""
    if dims is None:
        return "<unknown>"
    return f"[{','.join(['?' if d is None else str(d) for d in dims])}]"


def compatible(a: Dims, b: Dims) -> bool:
    """Whether some fully defined shape fits both `a` and `b`."""
    if a is None or b is None or a == b:
        return True
    return len(a) == len(b) and all(x == y or x is None or y is None for x, y in zip(a, b))


def merge(a: Dims, b: Dims) -> Dims:
    """Combines what is known about one shape from two sources.

    Args:
      a: dims.
      b: dims of the same tensor.

    Returns:
      Dims as defined as both together.

    Raises:
      ValueError: no shape fits both.
    """
    if b is None or a == b:
        return a
    if a is None:
        return b
    if len(a) == len(b):
        merged = list(a)
        for axis, (x, y) in enumerate(zip(a, b)):
            if x is None:
                merged[axis] = y
            elif x != y and y is not None:
                break
        else:
            return tuple(merged)
    raise ValueError(f"Shapes must be equal where both are known, got {format_dims(a)} and {format_dims(b)}")


def most_general(a: Dims, b: Dims) -> Dims:
    """The most specific dims that every shape fitting `a` or `b` fits: unknown wherever the two differ."""
    if a == b:
        return a
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple([x if x == y else None for x, y in zip(a, b)])


def concat(a: Dims, b: Dims) -> Dims:
    """The axes of `a` followed by the axes of `b`; unknown when either rank is."""
    return None if a is None or b is None else a + b


def broadcast(a: Dims, b: Dims) -> Dims:
    """The shape of an element-wise operation with NumPy broadcasting.

    An unknown length against one above 1 gives the latter, since only 1 or an equal length will be accepted
    when the operation runs; against 0 or another unknown one nothing follows.

    Args:
      a: dims of one operand.
      b: dims of the other.

    Returns:
      Dims of the result.

    Raises:
      ValueError: two known lengths differ and neither is 1.
    """
    if a == b:
        return a
    if a is None or b is None:
        return None
    if not a:
        return b
    if not b:
        return a
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    lead = len(longer) - len(shorter)
    result = list(longer[:lead])
    for x, y in zip(longer[lead:], shorter):
        if x == y or y == 1:
            result.append(x)
        elif x == 1:
            result.append(y)
        elif x is None or y is None:
            known = y if x is None else x
            result.append(known if known else None)
        else:
            raise ValueError(
                "Shapes must broadcast: lengths, counted from the last axis, must be equal or 1, "
                f"got {x} and {y} in {format_dims(a)} and {format_dims(b)}"
            )
    return tuple(result)


@public("Dimension")
@final
class Dimension:
    """One axis length, or None when unknown.

    Arithmetic with an unknown length gives an unknown one. Equality and order with an unknown length return
    None, not a bool, as in TensorFlow 1.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        """Takes what `as_dim` takes, and fails as it does."""
        self._value = as_dim(value)

    @property
    def value(self) -> int | None:
        """The length, or None when unknown."""
        return self._value

    def __repr__(self) -> str:
        return f"Dimension({self._value})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __int__(self) -> int:
        return self.__index__()

    def __index__(self) -> int:
        if self._value is None:
            raise TypeError("Dimension: only a known length converts to an integer, got Dimension(None)")
        return self._value

    def __eq__(self, other: object) -> bool | None:  # type: ignore[override]
        try:
            other_value = as_dim(other)
        except (TypeError, ValueError):
            return NotImplemented
        return None if self._value is None or other_value is None else self._value == other_value

    def __ne__(self, other: object) -> bool | None:  # type: ignore[override]
        equal = self.__eq__(other)
        return equal if equal is None or equal is NotImplemented else not equal

    def is_compatible_with(self, other: Any) -> bool:
        """Whether the lengths are equal or either is unknown."""
        other_value = as_dim(other)
        return self._value is None or other_value is None or self._value == other_value

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ValueError unless `is_compatible_with(other)`."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions must be equal where known, got {self} and {Dimension(other)}")

    def merge_with(self, other: Any) -> Dimension:
        """The known one of two descriptions of one length; ValueError when they differ."""
        self.assert_is_compatible_with(other)
        return Dimension(other) if self._value is None else Dimension(self._value)

    def _compute(self, other: Any, function: Any, swapped: bool = False) -> Any:
        """`function` of both lengths as a Dimension; NotImplemented when `other` is not a length."""
        try:
            other_value = as_dim(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other_value is None:
            return Dimension(None)
        if swapped:
            return Dimension(function(other_value, self._value))
        return Dimension(function(self._value, other_value))

    def __add__(self, other: Any) -> Dimension:
        return self._compute(other, operator.add)

    def __radd__(self, other: Any) -> Dimension:
        return self._compute(other, operator.add)

    def __sub__(self, other: Any) -> Dimension:
        return self._compute(other, operator.sub)

    def __rsub__(self, other: Any) -> Dimension:
        return self._compute(other, operator.sub, swapped=True)

    def __mul__(self, other: Any) -> Dimension:
        return self._compute(other, operator.mul)

    def __rmul__(self, other: Any) -> Dimension:
        return self._compute(other, operator.mul)

    def __floordiv__(self, other: Any) -> Dimension:
        return self._compute(other, operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Dimension:
        return self._compute(other, operator.floordiv, swapped=True)

    def __mod__(self, other: Any) -> Dimension:
        return self._compute(other, operator.mod)

    def __rmod__(self, other: Any) -> Dimension:
        return self._compute(other, operator.mod, swapped=True)

    def __truediv__(self, other: Any) -> Any:
        raise TypeError(f"Dimension: / could give a fraction, use // instead, got {self!r} / {other!r}")

    def __rtruediv__(self, other: Any) -> Any:
        raise TypeError(f"Dimension: / could give a fraction, use // instead, got {other!r} / {self!r}")

    def _ordered(self, other: Any, test: Any) -> bool | None:
        other_value = as_dim(other)
        return None if self._value is None or other_value is None else test(self._value, other_value)

    def __lt__(self, other: Any) -> bool | None:
        return self._ordered(other, operator.lt)

    def __le__(self, other: Any) -> bool | None:
        return self._ordered(other, operator.le)

    def __gt__(self, other: Any) -> bool | None:
        return self._ordered(other, operator.gt)

    def __ge__(self, other: Any) -> bool | None:
        return self._ordered(other, operator.ge)

    def __reduce__(self) -> tuple[Any, ...]:
        return Dimension, (self._value,)


@public("TensorShape")
@final
class TensorShape:
    """A possibly partial shape: fully known, some lengths unknown, or even the rank unknown.

    `shape[i]` and iteration give `Dimension` objects; `as_list()` gives plain integers and None.
    Two shapes with an unknown length are equal only when they are one object: nothing says that the lengths
    agree.

    Example:
      >>> shape = tf.TensorShape([None, 3])
      >>> print(shape, shape.ndims, shape.is_compatible_with([5, 3]))
      (?, 3) 2 True
    """

    __slots__ = ("_dims",)

    def __init__(self, dims: Any) -> None:
        """Takes what `as_dims` takes, and fails as it does."""
        self._dims: Dims = as_dims(dims)

    @property
    def dims_tuple(self) -> Dims:
        """The shape as plain `Dims`."""
        return self._dims

    @property
    def dims(self) -> list[Dimension] | None:
        """A list of `Dimension`s; None when the rank is unknown."""
        return None if self._dims is None else [Dimension(d) for d in self._dims]

    @property
    def ndims(self) -> int | None:
        """The number of axes; None when unknown."""
        return None if self._dims is None else len(self._dims)

    @property
    def rank(self) -> int | None:
        """The number of axes; None when unknown."""
        return None if self._dims is None else len(self._dims)

    def __repr__(self) -> str:
        return f"TensorShape({self.dims!r})"

    def __str__(self) -> str:
        if self._dims is None:
            return "<unknown>"
        lengths = ["?" if d is None else str(d) for d in self._dims]
        return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"

    def __len__(self) -> int:
        if self._dims is None:
            raise ValueError("TensorShape: only a shape of known rank has a length, got <unknown>")
        return len(self._dims)

    def __bool__(self) -> bool:
        """True when the rank is known."""
        return self._dims is not None

    def __iter__(self) -> Iterator[Dimension]:
        if self._dims is None:
            raise ValueError("TensorShape: only a shape of known rank can be iterated over, got <unknown>")
        return iter([Dimension(d) for d in self._dims])

    def __getitem__(self, key: Any) -> Any:
        """An axis' `Dimension`, or the `TensorShape` of a slice of axes.

        With an unknown rank, an axis is an unknown `Dimension`, and a slice is of unknown rank unless both
        its ends count from the front.
        """
        if self._dims is not None:
            part = self._dims[key]
            return shape_of(part) if isinstance(key, slice) else Dimension(part)
        if not isinstance(key, slice):
            return Dimension(None)
        start, stop = key.start or 0, key.stop
        if key.step is not None:
            raise ValueError(f"TensorShape: unknown rank cannot be sliced with a step, got {key!r}")
        if stop is None or start < 0 or stop < 0:
            return shape_of(None)
        return unknown_shape(max(stop - start, 0))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        try:
            other_dims = as_dims(other)
        except TypeError:
            return NotImplemented
        if self._dims is None:
            return other_dims is None
        return self._dims == other_dims and None not in self._dims

    def __ne__(self, other: object) -> bool:
        """The opposite of `==`; but ValueError when either rank is unknown, as in TensorFlow 1."""
        try:
            other_dims = as_dims(other)
        except TypeError:
            return NotImplemented
        if self._dims is None or other_dims is None:
            raise ValueError(f"TensorShape: != needs known ranks, got {self} and {shape_of(other_dims)}")
        return self is not other and (self._dims != other_dims or None in self._dims)

    def __hash__(self) -> int:
        return hash(self._dims)

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return shape_of(concat(as_dims(other), self._dims))

    def concatenate(self, other: Any) -> TensorShape:
        """This shape's axes followed by those of `other`, which may be a shape or one length."""
        return shape_of(concat(self._dims, as_dims(other)))

    def num_elements(self) -> int | None:
        """The number of elements; None unless fully defined."""
        return num_elements(self._dims)

    def is_fully_defined(self) -> bool:
        """Whether the rank and every length are known."""
        return fully_defined(self._dims)

    def assert_is_fully_defined(self) -> None:
        """Raises ValueError unless the rank and every length are known."""
        if not fully_defined(self._dims):
            raise ValueError(f"TensorShape: the shape must be fully defined, got {self}")

    def is_compatible_with(self, other: Any) -> bool:
        """Whether some fully defined shape fits both this and `other`."""
        return compatible(self._dims, as_dims(other))

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ValueError unless `is_compatible_with(other)`."""
        if not self.is_compatible_with(other):
            raise ValueError(f"TensorShape: shapes must agree where known, got {self} and {as_shape(other)}")

    def merge_with(self, other: Any) -> TensorShape:
        """What this and `other` say together; ValueError when no shape fits both."""
        return shape_of(merge(self._dims, as_dims(other)))

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """The most specific shape that fits all that this or `other` fits: unknown where they differ."""
        other_dims = as_dims(other)
        return shape_of(most_general(self._dims, other_dims))

    def assert_same_rank(self, other: Any) -> None:
        """Raises ValueError when both ranks are known and differ."""
        other_dims = as_dims(other)
        if self._dims is not None and other_dims is not None and len(self._dims) != len(other_dims):
            raise ValueError(f"TensorShape: ranks must be equal, got {self} and {shape_of(other_dims)}")

    def assert_has_rank(self, rank: int | None) -> None:
        """Raises ValueError when this shape cannot have `rank` axes."""
        self.with_rank(rank)

    def with_rank(self, rank: int | None) -> TensorShape:
        """This shape, known to have `rank` axes; ValueError when it has another number."""
        try:
            return shape_of(merge(self._dims, unknown_shape(rank).dims_tuple))
        except ValueError:
            raise ValueError(f"TensorShape: the shape must have rank {rank}, got {self}") from None

    def with_rank_at_least(self, rank: int) -> TensorShape:
        """This shape; ValueError when it has fewer than `rank` axes."""
        if self._dims is not None and len(self._dims) < rank:
            raise ValueError(f"TensorShape: the shape must have rank at least {rank}, got {self}")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        """This shape; ValueError when it has more than `rank` axes."""
        if self._dims is not None and len(self._dims) > rank:
            raise ValueError(f"TensorShape: the shape must have rank at most {rank}, got {self}")
        return self

    def as_list(self) -> list[int | None]:
        """The lengths as a list of integers and None; ValueError when the rank is unknown."""
        if self._dims is None:
            raise ValueError("TensorShape: as_list() needs a shape of known rank, got <unknown>")
        return list(self._dims)

    def as_proto(self) -> Any:
        """This shape as a TensorShapeProto, where -1 stands for an unknown length."""
        # Programs that never touch a GraphDef should not pay for importing protobuf.
        from millrace.core import protos

        proto = protos.TensorShapeProto()
        if self._dims is None:
            proto.unknown_rank = True
            return proto
        add = proto.dim.add
        for d in self._dims:
            add(size=-1 if d is None else d)
        return proto

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorShape, (self._dims,)


def shape_of(dims: Dims) -> TensorShape:
    """Wraps dims that are known to be valid, without checking them again."""
    shape = object.__new__(TensorShape)
    shape._dims = dims
    return shape


@public("python.framework.tensor_shape.as_shape")
def as_shape(shape: Any) -> TensorShape:
    """Converts what `as_dims` takes; a `TensorShape` is returned as it is."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


@public("python.framework.tensor_shape.as_dimension")
def as_dimension(value: Any) -> Dimension:
    """Converts what `as_dim` takes; a `Dimension` is returned as it is."""
    return value if isinstance(value, Dimension) else Dimension(value)


@public("dimension_value", "compat.dimension_value")
def dimension_value(dimension: Any) -> Any:
    """The length in a `Dimension`; anything else is returned as it is."""
    return dimension.value if isinstance(dimension, Dimension) else dimension


@public("dimension_at_index", "compat.dimension_at_index")
def dimension_at_index(shape: TensorShape, index: int) -> Dimension:
    """The `Dimension` of axis `index`, unknown when the rank of `shape` is.

    Raises:
      TypeError: `shape` is not a TensorShape.
      ValueError: it has no such axis.
    """
    if not isinstance(shape, TensorShape):
        raise TypeError(f"dimension_at_index: shape must be a TensorShape. Received: {shape!r}")
    if shape.ndims is not None and not -shape.ndims <= index < shape.ndims:
        raise ValueError(f"dimension_at_index: shape {shape} has no axis {index}. Received: {index}")
    return shape[index]


@public("python.framework.tensor_shape.unknown_shape")
def unknown_shape(rank: int | None = None, **kwargs: Any) -> TensorShape:
    """A shape of which at most the rank is known.

    Args:
      rank: number of axes; None when that is unknown too.
      **kwargs: `ndims`, TensorFlow's older name of `rank`.

    Returns:
      The shape.

    Raises:
      TypeError: another keyword, or both `rank` and `ndims`, were given.
    """
    if kwargs:
        if rank is not None or set(kwargs) != {"ndims"}:
            raise TypeError(f"unknown_shape: takes rank or ndims, got rank={rank!r}, {kwargs!r}")
        rank = kwargs["ndims"]
    return shape_of(None if rank is None else (None,) * operator.index(rank))


@public("python.framework.tensor_shape.scalar")
def scalar() -> TensorShape:
    """The shape with no axes."""
    return shape_of(())


@public("python.framework.tensor_shape.vector")
def vector(length: Any) -> TensorShape:
    """The shape with one axis, of the given length."""
    return TensorShape((length,))


@public("python.framework.tensor_shape.matrix")
def matrix(rows: Any, cols: Any) -> TensorShape:
    """The shape with two axes, of the given lengths."""
    return TensorShape((rows, cols))
