"""What all bijectors share: both directions, the logarithms of their Jacobians, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.constant import ones
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of


@public("contrib.distributions.bijectors.Bijector")
class Bijector:
    """A differentiable function that can be inverted.

    A subclass gives `_forward`, `_inverse`, and one of `_forward_log_det_jacobian` and
    `_inverse_log_det_jacobian`; where an event is larger than it need be, these are summed.

    Args:
      graph_parents: tensors that belong to it.
      is_constant_jacobian: whether the Jacobian does not depend on the argument.
      validate_args: check arguments when run.
      dtype: of arguments; None for any.
      forward_min_event_ndims, inverse_min_event_ndims: the axes of the smallest event; one will do.
      name: the scope of its operations; default from the class's name.

    Raises:
      ValueError: neither number of axes was given.
    """

    def __init__(
        self,
        graph_parents: Any = None,
        is_constant_jacobian: bool = False,
        validate_args: bool = False,
        dtype: Any = None,
        forward_min_event_ndims: int | None = None,
        inverse_min_event_ndims: int | None = None,
        name: str | None = None,
    ) -> None:
        if forward_min_event_ndims is None and inverse_min_event_ndims is None:
            raise ValueError(
                "Must specify at least one of `forward_min_event_ndims` and `inverse_min_event_ndims`."
            )
        least: Any = inverse_min_event_ndims if forward_min_event_ndims is None else forward_min_event_ndims
        inverse_least = least if inverse_min_event_ndims is None else inverse_min_event_ndims
        self._graph_parents = list(graph_parents or ())
        self._is_constant_jacobian = is_constant_jacobian
        self._validate_args = validate_args
        self._dtype = None if dtype is None else dtypes.as_dtype(dtype)
        self._forward_min_event_ndims, self._inverse_min_event_ndims = least, inverse_least
        self._name = name or _snake(type(self).__name__)
        # What has been drawn: from argument and condition to result, and back.
        self._to: dict[Any, Tensor] = {}
        self._from: dict[Any, Tensor] = {}

    @property
    def graph_parents(self) -> list[Any]:
        """The tensors that belong to it."""
        return self._graph_parents

    @property
    def forward_min_event_ndims(self) -> int:
        """The axes of the smallest event that `forward` takes."""
        return self._forward_min_event_ndims

    @property
    def inverse_min_event_ndims(self) -> int:
        """The axes of the smallest event that `inverse` takes."""
        return self._inverse_min_event_ndims

    @property
    def is_constant_jacobian(self) -> bool:
        """Whether the Jacobian does not depend on the argument."""
        return self._is_constant_jacobian

    @property
    def validate_args(self) -> bool:
        """Whether arguments are checked when run."""
        return self._validate_args

    @property
    def dtype(self) -> Any:
        """The dtype of arguments; None for any."""
        return self._dtype

    @property
    def name(self) -> str:
        """The scope of its operations."""
        return self._name

    @contextmanager
    def _name_scope(self, name: str | None, values: Any = None) -> Iterator[str]:
        with name_scope(self._name), name_scope(name, values=values) as scope:
            yield scope

    def _argument(self, x: Any, name: str) -> Tensor:
        x = convert_to_tensor(x, name=name, preferred_dtype=self._dtype)
        if self._dtype is not None and x.dtype.base_dtype != self._dtype:
            raise TypeError(f"Input had type {x.dtype.name}, expected {self._dtype.name}")
        return x

    def _forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"forward is not implemented. Received: a {type(self).__name__}")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"inverse is not implemented. Received: a {type(self).__name__}")

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        raise NotImplementedError(f"forward_log_det_jacobian is not implemented for {type(self).__name__}")

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        raise NotImplementedError(f"inverse_log_det_jacobian is not implemented for {type(self).__name__}")

    def _mapped(
        self,
        known: dict[Any, Tensor],
        back: dict[Any, Tensor],
        function: Callable[..., Tensor],
        x: Any,
        what: str,
        name: str,
        condition: dict[str, Any],
    ) -> Tensor:
        """`function` of `x`, which is drawn once for each tensor, and whose way back is the tensor itself."""
        with self._name_scope(name, [x]):
            x = self._argument(x, what)
            given = _identities(condition)
            if (x, given) in known:
                return known[x, given]
            y = function(x, **condition)
            if y.graph is x.graph:  # what the body of a loop makes of a tensor from outside stays there
                known[x, given], back[y, given] = y, x
            return y

    def knows_inverse(self, y: Tensor, condition: dict[str, Any]) -> bool:
        """Whether the inverse of `y` has been drawn, or `y` is the function of something."""
        return (y, _identities(condition)) in self._from

    def _known_inverse(self, y: Tensor, condition: dict[str, Any]) -> Tensor:
        """The inverse of `y`, drawn anew only where it has not been."""
        found = self._from.get((y, _identities(condition)))
        return self._inverse(y, **condition) if found is None else found

    def forward(self, x: Any, name: str = "forward") -> Tensor:
        """The function of `x`."""
        return self._call_forward(x, name)

    def _call_forward(self, x: Any, name: str, **condition: Any) -> Tensor:
        return self._mapped(self._to, self._from, self._forward, x, "x", name, condition)

    def inverse(self, y: Any, name: str = "inverse") -> Tensor:
        """That whose function is `y`."""
        return self._call_inverse(y, name)

    def _call_inverse(self, y: Any, name: str, **condition: Any) -> Tensor:
        return self._mapped(self._from, self._to, self._inverse, y, "y", name, condition)

    def forward_log_det_jacobian(
        self, x: Any, event_ndims: int, name: str = "forward_log_det_jacobian"
    ) -> Tensor:
        """log |det dy/dx|, summed over the `event_ndims` last axes of `x`.

        Raises:
          ValueError: `event_ndims` is less than the smallest event's.
        """
        return self._call_forward_log_det_jacobian(x, event_ndims, name)

    def _call_forward_log_det_jacobian(self, x: Any, event_ndims: int, name: str, **condition: Any) -> Tensor:
        with self._name_scope(name, [x]):
            x = self._argument(x, "x")
            least = self._forward_min_event_ndims
            try:
                value = self._forward_log_det_jacobian(x, **condition)
            except NotImplementedError:
                value = -self._inverse_log_det_jacobian(self._forward(x, **condition), **condition)
            return self._summed(x, value, least, event_ndims)

    def inverse_log_det_jacobian(
        self, y: Any, event_ndims: int, name: str = "inverse_log_det_jacobian"
    ) -> Tensor:
        """log |det dx/dy|, summed over the `event_ndims` last axes of `y`.

        Raises:
          ValueError: `event_ndims` is less than the smallest event's.
        """
        return self._call_inverse_log_det_jacobian(y, event_ndims, name)

    def _call_inverse_log_det_jacobian(self, y: Any, event_ndims: int, name: str, **condition: Any) -> Tensor:
        with self._name_scope(name, [y]):
            y = self._argument(y, "y")
            least = self._inverse_min_event_ndims
            try:
                value = self._inverse_log_det_jacobian(y, **condition)
            except NotImplementedError:
                value = -self._forward_log_det_jacobian(self._known_inverse(y, condition), **condition)
            return self._summed(y, value, least, event_ndims)

    def _summed(self, x: Tensor, value: Any, least: int, event_ndims: Any) -> Tensor:
        event_ndims = int(event_ndims)
        if event_ndims < least:
            raise ValueError(f"event_ndims ({event_ndims}) must be at least {least} for {self._name}")
        value = convert_to_tensor(value, preferred_dtype=x.dtype.base_dtype)
        more = event_ndims - least
        if more == 0:
            return value
        if self._is_constant_jacobian:
            rank = rank_of(x) if x.dims is None else len(x.dims)
            value = ones(shape_of(x)[rank - event_ndims : rank - least], value.dtype.base_dtype) * value
        return reduce_sum(value, axis=list(range(-more, 0)))

    # --- shapes --------------------------------------------------------------------------------------------

    def _forward_event_shape(self, input_shape: shapes.TensorShape) -> shapes.TensorShape:
        return input_shape

    def _inverse_event_shape(self, output_shape: shapes.TensorShape) -> shapes.TensorShape:
        return output_shape

    def _forward_event_shape_tensor(self, input_shape: Tensor) -> Tensor:
        return input_shape

    def _inverse_event_shape_tensor(self, output_shape: Tensor) -> Tensor:
        return output_shape

    def forward_event_shape(self, input_shape: Any) -> shapes.TensorShape:
        """The static shape of what `forward` makes of an event."""
        return self._forward_event_shape(shapes.TensorShape(input_shape))

    def inverse_event_shape(self, output_shape: Any) -> shapes.TensorShape:
        """The static shape of what `inverse` makes of an event."""
        return self._inverse_event_shape(shapes.TensorShape(output_shape))

    def forward_event_shape_tensor(
        self, input_shape: Any, name: str = "forward_event_shape_tensor"
    ) -> Tensor:
        """The shape of what `forward` makes of an event, int32."""
        with self._name_scope(name, [input_shape]):
            return self._forward_event_shape_tensor(convert_to_tensor(input_shape, dtypes.int32))

    def inverse_event_shape_tensor(
        self, output_shape: Any, name: str = "inverse_event_shape_tensor"
    ) -> Tensor:
        """The shape of what `inverse` makes of an event, int32."""
        with self._name_scope(name, [output_shape]):
            return self._inverse_event_shape_tensor(convert_to_tensor(output_shape, dtypes.int32))


def _identities(condition: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple((k, id(v)) for k, v in sorted(condition.items()))


def _snake(name: str) -> str:
    return "".join(("_" if i and c.isupper() else "") + c.lower() for i, c in enumerate(name))
