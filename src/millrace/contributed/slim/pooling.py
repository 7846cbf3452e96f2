"""`tf.contrib.slim.pool`, and what marks and lists public functions."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.layers.outputs import collect_named_outputs
from millrace.core.public import public
from millrace.lib.nn.pooling import pool as pooled
from millrace.lib.platform import log as logging
from millrace.lib.variables.scope import variable_scope


@public("contrib.slim.pool")
@add_arg_scope
def pool(
    inputs: Any,
    kernel_size: Any,
    pooling_type: str,
    padding: str = "VALID",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    stride: Any = 1,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Any:
    """The largest value or the mean of windows.

    Args:
      inputs: `[batch, ..., channels]`, or channels second.
      kernel_size: the windows' size: a number, or one for each axis.
      pooling_type: "MAX" or "AVG".
      padding: "VALID" or "SAME".
      data_format: starts with "NC" where channels are second.
      dilation_rate: how far apart a window's points are.
      stride: how far apart windows are.
      outputs_collections: collections that the outputs join.
      scope: of the operations; default "max_pool" or "avg_pool".

    Raises:
      ValueError: the rank of `inputs` is not known, or strides and dilation are both above 1.
    """
    with variable_scope(scope, f"{pooling_type.lower()}_pool", [inputs]) as opened:
        dims = inputs.get_shape().dims
        if dims is None:
            raise ValueError("Rank of inputs must be known. Received: unknown")
        count = len(dims) - 2
        sizes = [[v] * count if isinstance(v, int) else list(v) for v in (kernel_size, dilation_rate, stride)]
        outputs = pooled(inputs, sizes[0], pooling_type, padding, sizes[1], sizes[2], data_format=data_format)
        return collect_named_outputs(outputs_collections, opened.original_name_scope, outputs)


@public("contrib.slim.experimental")
def experimental(func: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function as one that may change: its first call logs so."""
    told: list[bool] = []

    @functools.wraps(func)
    def new_func(*args: Any, **kwargs: Any) -> Any:
        if not told:
            told.append(True)
            logging.warning(
                "%s (from %s) is experimental and may change.", func.__qualname__, func.__module__
            )
        return func(*args, **kwargs)

    new_func.__doc__ = f"{func.__doc__ or ''}\n\nExperimental: it may change without notice."
    return new_func


@public("contrib.slim.make_all")
def make_all(module_name: str, doc_string_modules: Any = None) -> list[str]:
    """The names that the docstrings of modules refer to as `@@name` and that a module has, sorted.

    Args:
      module_name: of the module.
      doc_string_modules: those whose docstrings count; default, the module itself.
    """
    module = sys.modules[module_name]
    modules = [module] if doc_string_modules is None else doc_string_modules
    found = {name for m in modules for name in re.findall(r"^\s*@@(\w+)", m.__doc__ or "", re.MULTILINE)}
    return sorted(name for name in found if hasattr(module, name))
