"""The sinh-arcsinh bijector, which skews numbers and gives them other tails."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("contrib.distributions.bijectors.SinhArcsinh")
class SinhArcsinh(Bijector):
    """y = sinh((arcsinh(x) + skewness) tailweight).

    Args:
      skewness: 0 by default; positive moves weight to the right.
      tailweight: 1 by default; positive; greater ones have heavier tails.
      validate_args, name: as for `Bijector`.
    """

    def __init__(
        self,
        skewness: Any = None,
        tailweight: Any = None,
        validate_args: bool = False,
        name: str = "SinhArcsinh",
    ) -> None:
        with name_scope(name, values=[skewness, tailweight]):
            self._tailweight = convert_to_tensor(1.0 if tailweight is None else tailweight, name="tailweight")
            dtype = self._tailweight.dtype
            self._skewness = convert_to_tensor(0.0 if skewness is None else skewness, dtype, "skewness")
        super().__init__(forward_min_event_ndims=0, validate_args=validate_args, name=name)

    @property
    def skewness(self) -> Tensor:
        """The skewness."""
        return self._skewness

    @property
    def tailweight(self) -> Tensor:
        """The weight of the tails."""
        return self._tailweight

    def _forward(self, x: Tensor) -> Tensor:
        return raw.Sinh((raw.Asinh(x) + self._skewness) * self._tailweight)

    def _inverse(self, y: Tensor) -> Tensor:
        return raw.Sinh(raw.Asinh(y) / self._tailweight - self._skewness)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        inner = (raw.Asinh(x) + self._skewness) * self._tailweight
        return raw.Log(raw.Cosh(inner)) + raw.Log(self._tailweight) - 0.5 * raw.Log1p(raw.Square(x))

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        inner = raw.Asinh(y) / self._tailweight - self._skewness
        return raw.Log(raw.Cosh(inner)) - raw.Log(self._tailweight) - 0.5 * raw.Log1p(raw.Square(y))
