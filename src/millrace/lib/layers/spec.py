"""What a layer's inputs must look like."""

from __future__ import annotations

from typing import Any

from millrace.core import dtypes, nest, shapes
from millrace.core.public import public


@public("layers.InputSpec", "keras.layers.InputSpec")
class InputSpec:
    """What a layer's input must look like; None leaves a property open.

    Args:
      dtype: its dtype.
      shape: its shape, None for dimensions of any length.
      ndim: its rank.
      max_ndim, min_ndim: bounds of its rank.
      axes: lengths of single axes: `{-1: 3}`.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
    ) -> None:
        self.dtype = None if dtype is None else dtypes.as_dtype(dtype)
        self.shape = shape
        self.ndim = len(shape) if shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}

    def __repr__(self) -> str:
        given = {k: v for k, v in vars(self).items() if v is not None and v != {}}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in given.items())})"

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another one like this."""
        return {
            "dtype": None if self.dtype is None else self.dtype.name,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """One made of what `get_config` gave."""
        return cls(**config)

    def check(self, tensor: Any, who: str) -> None:
        """Refuses a tensor that is not as this says; `who` begins the message.

        Raises:
          AttributeError: it is not a tensor.
          ValueError: its dtype, rank or shape is another one.
        """
        rule = f"{who} is incompatible with the layer"
        if self.dtype is not None and tensor.dtype.base_dtype is not self.dtype:
            raise ValueError(f"{rule}: its dtype must be {self.dtype.name}. Received: {tensor.dtype.name}")
        if not hasattr(tensor, "get_shape"):
            raise AttributeError(f"{who} must be a tensor, which has a shape. Received: {tensor!r}")
        dims = shapes.as_dims(tensor.get_shape())
        if dims is None:
            if self.ndim is not None or self.max_ndim is not None or self.min_ndim is not None:
                raise ValueError(f"{rule}: its rank must be known. Received: {tensor}")
            return
        found = f"Received: shape {shapes.format_dims(dims)}"
        if self.ndim is not None and len(dims) != self.ndim:
            raise ValueError(f"{rule}: expected ndim={self.ndim}, found ndim={len(dims)}. {found}")
        if self.max_ndim is not None and len(dims) > self.max_ndim:
            raise ValueError(f"{rule}: expected max_ndim={self.max_ndim}, found ndim={len(dims)}. {found}")
        if self.min_ndim is not None and len(dims) < self.min_ndim:
            raise ValueError(f"{rule}: expected min_ndim={self.min_ndim}, found ndim={len(dims)}. {found}")
        for axis, length in self.axes.items():
            if length is not None and dims[axis] not in (length, None):
                raise ValueError(f"{rule}: axis {axis} must have length {length}. {found}")
        if self.shape is not None and not shapes.compatible(shapes.as_dims(self.shape), dims):
            raise ValueError(f"{rule}: expected shape {tuple(self.shape)}. {found}")


def check_inputs(specs: Any, inputs: Any, name: str) -> None:
    """Refuses inputs that are not as a layer's `input_spec` says.

    Args:
      specs: None, an `InputSpec`, or nested ones.
      inputs: nested tensors.
      name: the layer's name.

    Raises:
      ValueError: their number, dtype, rank or shape is another one.
    """
    if specs is None:
        return
    flat, tensors = nest.flatten(specs), nest.flatten(inputs)
    if len(flat) != len(tensors):
        raise ValueError(
            f"Layer {name} expects {len(flat)} inputs. Received: {len(tensors)} inputs: {inputs}"
        )
    for i, (spec, tensor) in enumerate(zip(flat, tensors, strict=True)):
        if spec is not None:
            spec.check(tensor, f"Input {i} of layer {name}")
