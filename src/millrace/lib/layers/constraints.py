"""`tf.keras.constraints`: functions from a weight to the nearest weight that is allowed."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import registry, settings
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables.variable import Variable
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.pad import pad
from millrace.ops.math.cast import cast


@public("keras.constraints.Constraint")
class Constraint:
    """Base of constraints: a function from a weight to the weight that replaces it after a step."""

    def __call__(self, w: Any) -> Any:
        """The weight that replaces `w`: itself."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The constraint that `get_config` describes."""
        return cls(**config)


def _readable(w: Any) -> Any:
    """A tensor; or a variable, which is read where it is used, as 1.15 does."""
    return w if isinstance(w, Variable) else convert.to_tensor(w)


def _norms(w: Any, axis: Any) -> Tensor:
    return raw.Sqrt(_clipped(reduce_sum(raw.Square(w), axis, keepdims=True), 0.0, float("inf")))


def _clipped(x: Tensor, low: float, high: float) -> Tensor:
    dtype = x.dtype.base_dtype
    return clip_by_value(x, constant(low, dtype), constant(high, dtype))


@public("keras.constraints.MaxNorm", "keras.constraints.max_norm")
class MaxNorm(Constraint):
    """Scales vectors that are too long down.

    Args:
      max_value: the greatest length.
      axis: the axis or axes along which the vectors lie.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        """`w` with no vector longer than `max_value`."""
        w = _readable(w)
        norms = _norms(w, self.axis)
        wanted = _clipped(norms, 0.0, float(self.max_value))
        return w * (wanted / (settings.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return {"max_value": self.max_value, "axis": self.axis}


@public("keras.constraints.NonNeg", "keras.constraints.non_neg")
class NonNeg(Constraint):
    """Replaces negative elements by zero."""

    def __call__(self, w: Any) -> Tensor:
        """`w` without negative elements."""
        w = _readable(w)
        return w * cast(raw.GreaterEqual(w, 0.0), settings.floatx())


@public("keras.constraints.UnitNorm", "keras.constraints.unit_norm")
class UnitNorm(Constraint):
    """Scales vectors to length 1.

    Args:
      axis: the axis or axes along which the vectors lie.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """`w` with vectors of length 1."""
        w = _readable(w)
        return w / (settings.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return {"axis": self.axis}


@public("keras.constraints.MinMaxNorm", "keras.constraints.min_max_norm")
class MinMaxNorm(Constraint):
    """Scales vectors into a range of lengths.

    Args:
      min_value, max_value: the range.
      rate: how far towards it each step goes; 1 for all the way.
      axis: the axis or axes along which the vectors lie.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        """`w` with its vectors' lengths moved towards the range."""
        w = _readable(w)
        norms = _norms(w, self.axis)
        inside = _clipped(norms, float(self.min_value), float(self.max_value))
        wanted = self.rate * inside + (1 - self.rate) * norms
        return w * (wanted / (settings.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


@public("keras.constraints.RadialConstraint", "keras.constraints.radial_constraint")
class RadialConstraint(Constraint):
    """Makes each channel of a square filter depend on the distance from its middle alone."""

    def __call__(self, w: Any) -> Tensor:
        """`w`, `[size, size, ...]`, each ring around the middle filled with one element of the diagonal.

        Raises:
          ValueError: `w` is not of rank 4.
        """
        w = convert.to_tensor(w)
        if w.dims is None or len(w.dims) != 4:
            raise ValueError(
                f"The weight tensor must be of rank 4. Received: shape {shapes.format_dims(w.dims)}"
            )
        height, width, channels, kernels = w.dims
        flat = raw.Reshape(w, [height, width, -1])
        rings = [self._ring(piece) for piece in raw.Unpack(flat, axis=2, num=channels * kernels)]  # type: ignore[operator]
        return raw.Reshape(raw.Pack(rings, axis=2), [height, width, channels, kernels])

    def _ring(self, kernel: Tensor) -> Tensor:
        size = int(kernel.dims[0])  # type: ignore[index, arg-type]
        start, odd = size // 2, size % 2
        found = kernel[start - 1 : start, start - 1 : start]
        if not odd:
            found = found + zeros((2, 2), kernel.dtype)
        for i in range(1 - odd, start):
            found = pad(found, [[1, 1], [1, 1]], constant_values=kernel[start + i, start + i])
        return found


_BY_NAME = {
    "Constraint": Constraint,
    "MaxNorm": MaxNorm,
    "max_norm": MaxNorm,
    "NonNeg": NonNeg,
    "non_neg": NonNeg,
    "nonneg": NonNeg,
    "UnitNorm": UnitNorm,
    "unit_norm": UnitNorm,
    "unitnorm": UnitNorm,
    "MinMaxNorm": MinMaxNorm,
    "min_max_norm": MinMaxNorm,
    "RadialConstraint": RadialConstraint,
    "radial_constraint": RadialConstraint,
    "maxnorm": MaxNorm,
}


@public("keras.constraints.serialize")
def serialize(constraint: Any) -> Any:
    """How a constraint is saved."""
    return registry.serialize_keras_object(constraint)


@public("keras.constraints.deserialize")
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The constraint that `serialize` described.

    Raises:
      ValueError: the name is unknown.
    """
    return registry.deserialize_keras_object(config, _BY_NAME, custom_objects, "constraint")


@public("keras.constraints.get")
def get(identifier: Any) -> Any:
    """The constraint that a name, a description or a callable stands for; None for None.

    Raises:
      ValueError: it stands for none.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict | str):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret constraint identifier. Received: {identifier!r}")
