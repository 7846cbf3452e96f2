"""Variables of layers that compute in another dtype than the one they are kept in."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import dtypes
from millrace.graph.tensor import Tensor
from millrace.lib.layers.registry import calls
from millrace.lib.variables.resource_variables import ResourceVariable


class AutoCastVariable(ResourceVariable):
    """A variable that within its layer's call is read in the dtype that the layer computes in.

    Args:
      variable: the variable, of a floating dtype, which keeps its own dtype outside of calls.

    Raises:
      ValueError: it is of another dtype.
    """

    def __init__(self, variable: ResourceVariable) -> None:
        if not variable.dtype.is_floating:
            raise ValueError(
                f"variable must be a floating point variable but has type: {variable.dtype.name}"
            )
        vars(self).update(vars(variable))

    @property
    def true_dtype(self) -> dtypes.DType:
        """The dtype that the value is kept in."""
        return self._kept_dtype

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype that the value is read in: that of the call in progress, else the one it is kept in."""
        name = calls.layers[-1]._compute_dtype if calls.layers else None
        chosen = self._kept_dtype if name is None else dtypes.as_dtype(name)
        return chosen if chosen.is_floating else self._kept_dtype

    def _cast(self, value: Tensor) -> Tensor:
        return value if self.dtype is self._kept_dtype else raw.Cast(value, DstT=self.dtype)

    def value(self) -> Tensor:
        """The value; a new read each time."""
        return self._cast(super().value())

    def read_value(self) -> Tensor:
        """The value, read anew: it sees the writes that happen before it along edges."""
        return self._cast(super().read_value())

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows that `indices` names."""
        return self._cast(super().sparse_read(indices, name))

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The slices that the rows of `indices` name."""
        return self._cast(super().gather_nd(indices, name))

    def __repr__(self) -> str:
        return (
            f"<AutoCastVariable '{self.name}' shape={self.get_shape()} dtype={self.dtype.name} "
            f"true_dtype={self.true_dtype.name}>"
        )
