"""Bijectors whose elements follow from those before them: masked layers, and the flow made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.layers.core import Dense
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables.initializers import GlorotNormal
from millrace.lib.variables.template import make_template
from millrace.ops.array.concat import unstack
from millrace.ops.array.constant import stop_gradient
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.nn.activation import relu


def _mask(num_blocks: int, rows: int, columns: int, exclusive: bool) -> np.ndarray:
    """1 where an output, of a block, may depend on an input: of the same block or of one before it."""
    mask = np.zeros([rows, columns])
    row_step, column_step = rows // num_blocks, columns // num_blocks
    for block in range(num_blocks):
        first = (block + 1 if exclusive else block) * column_step
        mask[block * row_step : (block + 1) * row_step, first:] = 1
    return mask


@public("contrib.distributions.bijectors.masked_dense")
def masked_dense(
    inputs: Any,
    units: int,
    num_blocks: int | None = None,
    exclusive: bool = False,
    kernel_initializer: Any = None,
    reuse: Any = None,
    name: str | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    """A dense layer each of whose blocks of outputs depends on the inputs up to its own block only.

    Args:
      inputs: `[batch, n]`, n known.
      units: the number of outputs.
      num_blocks: into how many blocks inputs and outputs are cut.
      exclusive: leave a block's own inputs out, too.
      kernel_initializer: default that of Glorot, of normal numbers.
      reuse: whether to use the variables of an earlier layer of the same name.
      name: of the layer; default "dense".
      *args, **kwargs: as for `tf.layers.Dense`.

    Returns:
      `[batch, units]`.

    Raises:
      NotImplementedError: the last dimension of the inputs is unknown.
      TypeError: `num_blocks` is not given.
    """
    inputs = convert_to_tensor(inputs, name="inputs")
    size = inputs.dims[-1] if inputs.dims else None
    if size is None:
        raise NotImplementedError(
            f"Rightmost dimension must be known prior to graph execution. Received: shape {inputs.shape}"
        )
    if num_blocks is None:
        raise TypeError("masked_dense needs num_blocks. Received: None")
    pattern = _mask(num_blocks, size, units, exclusive)
    first = GlorotNormal() if kernel_initializer is None else kernel_initializer

    def masked(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return convert_to_tensor(pattern, dtype) * first(shape, dtype, partition_info)

    with name_scope(name, "masked_dense", [inputs, units, num_blocks]):
        layer = Dense(
            units,
            *args,
            kernel_initializer=masked,
            kernel_constraint=lambda x: convert_to_tensor(pattern, x.dtype.base_dtype) * x,
            name=name,
            _scope=name,
            _reuse=reuse,
            **kwargs,
        )
        return layer.apply(inputs)


@public("contrib.distributions.bijectors.masked_autoregressive_default_template")
def masked_autoregressive_default_template(
    hidden_layers: Any,
    shift_only: bool = False,
    activation: Any = relu,
    log_scale_min_clip: float = -5.0,
    log_scale_max_clip: float = 3.0,
    log_scale_clip_gradient: bool = False,
    name: str | None = None,
    *args: Any,
    **kwargs: Any,
) -> Callable[..., Any]:
    """A function for `MaskedAutoregressiveFlow`: masked dense layers, whose variables are made once.

    Args:
      hidden_layers: the numbers of units of the layers before the last.
      shift_only: give no scale.
      activation: of these layers; None for none.
      log_scale_min_clip, log_scale_max_clip: the bounds of the logarithm of the scale.
      log_scale_clip_gradient: whether nothing flows back where the bounds are crossed.
      name: of the variables' scope; default "masked_autoregressive_default_template".
      *args, **kwargs: as for `masked_dense`.

    Returns:
      A function from `[batch, n]` to a shift and the logarithm of a scale of the same shape, None with
      `shift_only`.
    """
    name = name or "masked_autoregressive_default_template"
    with name_scope(name, values=[log_scale_min_clip, log_scale_max_clip]):

        def shift_and_log_scale(x: Tensor) -> tuple[Tensor, Tensor | None]:
            depth = x.dims[-1] if x.dims else None
            if depth is None:
                raise NotImplementedError(
                    f"Rightmost dimension must be known prior to graph execution. Received: shape {x.shape}"
                )
            shape = shape_of(x) if x.shape.as_list().count(None) else x.shape.as_list()
            for i, units in enumerate(hidden_layers):
                x = masked_dense(x, units, depth, *args, exclusive=i == 0, activation=activation, **kwargs)
            last = 1 if shift_only else 2
            exclusive = not list(hidden_layers)
            x = masked_dense(x, last * depth, depth, *args, exclusive=exclusive, activation=None, **kwargs)
            if shift_only:
                return reshape(x, shape), None
            both = reshape(x, [*shape, 2] if isinstance(shape, list) else raw.ConcatV2([shape, [2]], 0))
            shift, log_scale = unstack(both, 2, -1)
            clip = clip_by_value if log_scale_clip_gradient else _clip_preserving_gradient
            return shift, clip(log_scale, log_scale_min_clip, log_scale_max_clip)

        return make_template(name, shift_and_log_scale)


def _clip_preserving_gradient(t: Tensor, low: Any, high: Any) -> Tensor:
    """`t` within bounds, through which gradients flow as if it were without."""
    with name_scope(None, "clip_by_value_preserve_grad", [t, low, high]):
        return t + stop_gradient(clip_by_value(t, low, high) - t)


@public("contrib.distributions.bijectors.MaskedAutoregressiveFlow")
class MaskedAutoregressiveFlow(Bijector):
    """y_i = x_i exp(log_scale_i) + shift_i, with both from y_1 ... y_(i-1).

    The inverse is one call of the function; `forward` calls it once for each element.

    Args:
      shift_and_log_scale_fn: a function from a tensor to a shift and the logarithm of a scale, either of
        which may be None; element i of both must not depend on the elements from i on.
      is_constant_jacobian: whether there is no scale.
      validate_args, name: as for `Bijector`.
      unroll_loop: draw the calls of `forward` one after the other instead of a loop.
    """

    def __init__(
        self,
        shift_and_log_scale_fn: Callable[..., Any],
        is_constant_jacobian: bool = False,
        validate_args: bool = False,
        unroll_loop: bool = False,
        name: str | None = None,
    ) -> None:
        self._shift_and_log_scale_fn, self._unroll_loop = shift_and_log_scale_fn, unroll_loop
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=is_constant_jacobian,
            validate_args=validate_args,
            name=name or "masked_autoregressive_flow",
        )

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        shift, log_scale = self._shift_and_log_scale_fn(y)
        y = x if log_scale is None else x * raw.Exp(log_scale)
        return y if shift is None else y + shift

    def _forward(self, x: Tensor) -> Tensor:
        size = x.dims[-1] if x.dims else None
        if self._unroll_loop:
            if size is None:
                raise ValueError(
                    "The final dimension of `x` must be known at graph construction time if "
                    f"`unroll_loop=True`. Received: shape {x.shape}"
                )
            y = zeros_like(x, name="y0")
            for _ in range(size):
                y = self._step(x, y)
            return y
        steps = shape_of(x)[-1] if size is None else size
        # The first call is not part of the loop: it makes the variables.
        y = self._step(x, zeros_like(x, name="y0"))
        going: Any = lambda i, _: i < steps  # noqa: E731 - beside the body that it belongs to
        return while_loop(going, lambda i, y: (i + 1, self._step(x, y)), (1, y))[1]

    def _inverse(self, y: Tensor) -> Tensor:
        shift, log_scale = self._shift_and_log_scale_fn(y)
        x = y if shift is None else y - shift
        return x if log_scale is None else x * raw.Exp(-log_scale)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        log_scale = self._shift_and_log_scale_fn(y)[1]
        if log_scale is None:
            return convert_to_tensor(0.0, y.dtype.base_dtype, name="ildj")
        return -reduce_sum(log_scale, axis=-1)
