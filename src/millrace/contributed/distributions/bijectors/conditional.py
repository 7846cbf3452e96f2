"""Bijectors whose methods take a condition as further arguments."""

from __future__ import annotations

from typing import Any

from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("contrib.distributions.bijectors.ConditionalBijector")
class ConditionalBijector(Bijector):
    """A bijector given something: each method passes its further arguments on to the subclass.

    Arguments as for `Bijector`; a subclass gives `_forward(x, **condition)` and so on.
    """

    def forward(self, x: Any, name: str = "forward", **condition_kwargs: Any) -> Tensor:
        """The function of `x`."""
        return self._call_forward(x, name, **condition_kwargs)

    def inverse(self, y: Any, name: str = "inverse", **condition_kwargs: Any) -> Tensor:
        """That whose function is `y`."""
        return self._call_inverse(y, name, **condition_kwargs)

    def forward_log_det_jacobian(
        self, x: Any, event_ndims: int, name: str = "forward_log_det_jacobian", **condition_kwargs: Any
    ) -> Tensor:
        """log |det dy/dx|, summed over the `event_ndims` last axes of `x`."""
        return self._call_forward_log_det_jacobian(x, event_ndims, name, **condition_kwargs)

    def inverse_log_det_jacobian(
        self, y: Any, event_ndims: int, name: str = "inverse_log_det_jacobian", **condition_kwargs: Any
    ) -> Tensor:
        """log |det dx/dy|, summed over the `event_ndims` last axes of `y`."""
        return self._call_inverse_log_det_jacobian(y, event_ndims, name, **condition_kwargs)
