"""A linear map of one or several tensors, whose variables stand directly in the scope around it."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.graph.tensor import Tensor
from millrace.lib.variables.initializers import Constant
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant
from millrace.ops.nn.bias import bias_add


class Linear:
    """args @ kernel + bias.

    Args:
      args: a tensor `[batch, depth]` or a list of them, joined at the last axis.
      output_size: the depth of the result.
      build_bias: whether there is a bias.
      bias_initializer: default zeros.
      kernel_initializer: default the scope's.

    Raises:
      ValueError: there are no tensors, or one is not a matrix of known depth.
    """

    def __init__(
        self,
        args: Any,
        output_size: int,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ) -> None:
        if args is None or (isinstance(args, list | tuple) and not args):
            raise ValueError("linear: args must be given")
        args = list(args) if isinstance(args, list | tuple) else [args]
        total = 0
        for x in args:
            if x.dims is None or len(x.dims) != 2:
                raise ValueError(f"linear is expecting 2D arguments. Received: shape {x.get_shape()}")
            if x.dims[1] is None:
                raise ValueError(
                    f"linear expects shape[1] to be provided for shape {x.get_shape()}, but saw {x.dims[1]}"
                )
            total += x.dims[1]
        dtype = args[0].dtype.base_dtype
        with variable_scope(get_variable_scope()) as outer:
            self._kernel = get_variable(
                "kernel", [total, output_size], dtype=dtype, initializer=kernel_initializer
            )
            self._bias: Any = None
            if build_bias:
                with variable_scope(outer) as inner:
                    inner.set_partitioner(None)
                    start = Constant(0.0, dtype=dtype) if bias_initializer is None else bias_initializer
                    self._bias = get_variable("bias", [output_size], dtype=dtype, initializer=start)

    def __call__(self, args: Any) -> Tensor:
        """The map of `args`, which are as many and as deep as those it was made for."""
        args = list(args) if isinstance(args, list | tuple) else [args]
        product = raw.MatMul(args[0] if len(args) == 1 else concat(args, constant(1)), self._kernel)
        return product if self._bias is None else bias_add(product, self._bias)
