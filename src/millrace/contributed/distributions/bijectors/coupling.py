"""The bijector that changes one part of a vector by what the other part says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import dense
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables.template import make_template
from millrace.ops.array.concat import concat, split
from millrace.ops.nn.activation import relu


@public("contrib.distributions.bijectors.RealNVP")
class RealNVP(Bijector):
    """The first elements stay; the others are scaled and shifted by what a function of the first ones says.

    Args:
      num_masked: how many elements stay, at least 1.
      shift_and_log_scale_fn: a function from those elements and the number of the others to a shift and the
        logarithm of a scale, either of which may be None.
      is_constant_jacobian: whether there is no scale.
      validate_args, name: as for `Bijector`.

    Raises:
      ValueError: `num_masked` is less than 1.
    """

    def __init__(
        self,
        num_masked: int,
        shift_and_log_scale_fn: Callable[..., Any],
        is_constant_jacobian: bool = False,
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        if num_masked <= 0:
            raise ValueError(f"num_masked must be a positive integer. Received: {num_masked}")
        self._num_masked = num_masked
        self._shift_and_log_scale_fn = shift_and_log_scale_fn
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=is_constant_jacobian,
            validate_args=validate_args,
            name=name or "real_nvp",
        )

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """What stays, what changes, the shift and the logarithm of the scale.

        Raises:
          NotImplementedError: the last dimension is unknown.
          ValueError: it leaves nothing to change.
        """
        depth = x.dims[-1] if x.dims else None
        if depth is None:
            raise NotImplementedError(
                f"Rightmost dimension must be known prior to graph execution. Received: shape {x.shape}"
            )
        if self._num_masked >= depth:
            raise ValueError(
                f"Number of masked units must be smaller than the event size. Received: {depth} elements, "
                f"num_masked={self._num_masked}"
            )
        stays, changes = x[..., : self._num_masked], x[..., self._num_masked :]
        return stays, changes, *self._shift_and_log_scale_fn(stays, depth - self._num_masked)

    def _forward(self, x: Tensor) -> Tensor:
        stays, changes, shift, log_scale = self._parts(x)
        y = changes if log_scale is None else changes * raw.Exp(log_scale)
        return concat([stays, y if shift is None else y + shift], axis=-1)

    def _inverse(self, y: Tensor) -> Tensor:
        stays, changes, shift, log_scale = self._parts(y)
        x = changes if shift is None else changes - shift
        return concat([stays, x if log_scale is None else x * raw.Exp(-log_scale)], axis=-1)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        log_scale = self._parts(y)[3]
        if log_scale is None:
            return convert_to_tensor(0.0, y.dtype.base_dtype, name="ildj")
        return -reduce_sum(log_scale, axis=-1)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        log_scale = self._parts(x)[3]
        if log_scale is None:
            return convert_to_tensor(0.0, x.dtype.base_dtype, name="fldj")
        return reduce_sum(log_scale, axis=-1)


@public("contrib.distributions.bijectors.real_nvp_default_template")
def real_nvp_default_template(
    hidden_layers: Any,
    shift_only: bool = False,
    activation: Any = relu,
    name: str | None = None,
    *args: Any,
    **kwargs: Any,
) -> Callable[..., Any]:
    """A function for `RealNVP`: dense layers, whose variables are made once.

    Args:
      hidden_layers: the numbers of units of the layers before the last.
      shift_only: give no scale.
      activation: of these layers; None for none.
      name: a scope; that of the variables is "real_nvp_default_template" in any case, as in TensorFlow.
      *args, **kwargs: as for `tf.layers.dense`.

    Returns:
      A function from `[batch, masked]` and the number of the other elements to a shift and the logarithm of a
      scale, `[batch, others]`, None with `shift_only`.
    """
    with name_scope(name, "real_nvp_default_template"):

        def shift_and_log_scale(x: Tensor, output_units: int) -> tuple[Tensor, Tensor | None]:
            for units in hidden_layers:
                x = dense(x, units, *args, activation=activation, **kwargs)
            x = dense(x, (1 if shift_only else 2) * output_units, *args, activation=None, **kwargs)
            if shift_only:
                return x, None
            shift, log_scale = split(x, 2, axis=-1)
            return shift, log_scale

        return make_template("real_nvp_default_template", shift_and_log_scale)
