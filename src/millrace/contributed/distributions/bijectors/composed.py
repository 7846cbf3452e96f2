"""Bijectors made from others, or from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("contrib.distributions.bijectors.Invert")
class Invert(Bijector):
    """The inverse of a bijector."""

    def __init__(self, bijector: Bijector, validate_args: bool = False, name: str | None = None) -> None:
        self._bijector = bijector
        super().__init__(
            graph_parents=bijector.graph_parents,
            forward_min_event_ndims=bijector.inverse_min_event_ndims,
            inverse_min_event_ndims=bijector.forward_min_event_ndims,
            is_constant_jacobian=bijector.is_constant_jacobian,
            validate_args=validate_args,
            dtype=bijector.dtype,
            name=name or f"invert_{bijector.name}",
        )

    @property
    def bijector(self) -> Bijector:
        """What it is the inverse of."""
        return self._bijector

    def _forward(self, x: Tensor) -> Tensor:
        return self._bijector._inverse(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._bijector._forward(y)

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return self._bijector._inverse_log_det_jacobian(x)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return self._bijector._forward_log_det_jacobian(y)

    def _forward_event_shape(self, input_shape: shapes.TensorShape) -> shapes.TensorShape:
        return self._bijector._inverse_event_shape(input_shape)

    def _inverse_event_shape(self, output_shape: shapes.TensorShape) -> shapes.TensorShape:
        return self._bijector._forward_event_shape(output_shape)

    def _forward_event_shape_tensor(self, input_shape: Tensor) -> Tensor:
        return self._bijector._inverse_event_shape_tensor(input_shape)

    def _inverse_event_shape_tensor(self, output_shape: Tensor) -> Tensor:
        return self._bijector._forward_event_shape_tensor(output_shape)


@public("contrib.distributions.bijectors.Chain")
class Chain(Bijector):
    """Bijectors one after another, the last one first.

    Args:
      bijectors: the list; none is the identity.
      validate_args, name: as for `Bijector`.

    Raises:
      ValueError: the bijectors have different dtypes.
    """

    def __init__(self, bijectors: Any = None, validate_args: bool = False, name: str | None = None) -> None:
        self._bijectors: list[Bijector] = list(bijectors or ())
        default = (
            "chain_of_" + "_of_".join(b.name for b in self._bijectors) if self._bijectors else "identity"
        )
        kinds = {b.dtype for b in self._bijectors} - {None}
        if len(kinds) > 1:
            raise ValueError(f"incompatible dtypes of bijectors. Received: {sorted(d.name for d in kinds)}")
        super().__init__(
            graph_parents=[p for b in self._bijectors for p in b.graph_parents],
            dtype=next(iter(kinds), None),
            forward_min_event_ndims=_least(
                [(b.forward_min_event_ndims, b.inverse_min_event_ndims) for b in reversed(self._bijectors)]
            ),
            inverse_min_event_ndims=_least(
                [(b.inverse_min_event_ndims, b.forward_min_event_ndims) for b in self._bijectors]
            ),
            is_constant_jacobian=all(b.is_constant_jacobian for b in self._bijectors),
            validate_args=validate_args,
            name=name or default,
        )

    @property
    def bijectors(self) -> list[Bijector]:
        """The bijectors."""
        return self._bijectors

    def _forward(self, x: Tensor) -> Tensor:
        for one in reversed(self._bijectors):
            x = one.forward(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for one in self._bijectors:
            y = one.inverse(y)
        return y

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        total = convert_to_tensor(0.0, x.dtype.base_dtype)
        ndims = self._forward_min_event_ndims
        for one in reversed(self._bijectors):
            total = total + one.forward_log_det_jacobian(x, event_ndims=ndims)
            ndims += one.inverse_min_event_ndims - one.forward_min_event_ndims
            x = one.forward(x)
        return total

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        total = convert_to_tensor(0.0, y.dtype.base_dtype)
        ndims = self._inverse_min_event_ndims
        for one in self._bijectors:
            total = total + one.inverse_log_det_jacobian(y, event_ndims=ndims)
            ndims += one.forward_min_event_ndims - one.inverse_min_event_ndims
            y = one.inverse(y)
        return total

    def _forward_event_shape(self, input_shape: shapes.TensorShape) -> shapes.TensorShape:
        for one in reversed(self._bijectors):
            input_shape = one.forward_event_shape(input_shape)
        return input_shape

    def _inverse_event_shape(self, output_shape: shapes.TensorShape) -> shapes.TensorShape:
        for one in self._bijectors:
            output_shape = one.inverse_event_shape(output_shape)
        return output_shape

    def _forward_event_shape_tensor(self, input_shape: Tensor) -> Tensor:
        for one in reversed(self._bijectors):
            input_shape = one.forward_event_shape_tensor(input_shape)
        return input_shape

    def _inverse_event_shape_tensor(self, output_shape: Tensor) -> Tensor:
        for one in self._bijectors:
            output_shape = one.inverse_event_shape_tensor(output_shape)
        return output_shape


def _least(ndims: list[tuple[int, int]]) -> int:
    """The axes of the smallest event that passes through functions from so many axes to so many."""
    least = shift = 0
    for taken, given in ndims:
        least = max(least, taken - shift)
        shift += given - taken
    return least


@public("contrib.distributions.bijectors.Inline")
class Inline(Bijector):
    """A bijector of functions given.

    Args:
      forward_fn, inverse_fn: both directions.
      inverse_log_det_jacobian_fn, forward_log_det_jacobian_fn: one at least, for `log_prob`.
      forward_event_shape_fn, forward_event_shape_tensor_fn, inverse_event_shape_fn,
        inverse_event_shape_tensor_fn: of shapes; default the same shape.
      is_constant_jacobian, validate_args, name: as for `Bijector`.
      forward_min_event_ndims, inverse_min_event_ndims: as for `Bijector`.
    """

    def __init__(
        self,
        forward_fn: Callable[..., Any] | None = None,
        inverse_fn: Callable[..., Any] | None = None,
        inverse_log_det_jacobian_fn: Callable[..., Any] | None = None,
        forward_log_det_jacobian_fn: Callable[..., Any] | None = None,
        forward_event_shape_fn: Callable[..., Any] | None = None,
        forward_event_shape_tensor_fn: Callable[..., Any] | None = None,
        inverse_event_shape_fn: Callable[..., Any] | None = None,
        inverse_event_shape_tensor_fn: Callable[..., Any] | None = None,
        is_constant_jacobian: bool = False,
        validate_args: bool = False,
        forward_min_event_ndims: int | None = None,
        inverse_min_event_ndims: int | None = None,
        name: str = "inline",
    ) -> None:
        given = locals()
        for part in (
            "forward",
            "inverse",
            "inverse_log_det_jacobian",
            "forward_log_det_jacobian",
            "forward_event_shape",
            "forward_event_shape_tensor",
            "inverse_event_shape",
            "inverse_event_shape_tensor",
        ):
            if given[part + "_fn"] is not None:
                setattr(self, "_" + part, given[part + "_fn"])
        super().__init__(
            forward_min_event_ndims=forward_min_event_ndims,
            inverse_min_event_ndims=inverse_min_event_ndims,
            is_constant_jacobian=is_constant_jacobian,
            validate_args=validate_args,
            name=name,
        )
