"""What ordinary functions do with ragged tensors: where the function refuses them, this is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.dispatch import OpDispatcher
from millrace.core import homes, nest
from millrace.lib.ragged import arrays, elements, gathering, masks, reductions, segments, strings
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.values import RaggedTensorValue

_NOT_SUPPORTED = OpDispatcher.NOT_SUPPORTED

# (module, function) -> what does the same for ragged tensors, with the same arguments
_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("ops.array.concat", "concat"): arrays.concat,
    ("ops.array.concat", "stack"): arrays.stack,
    ("ops.array.tile", "tile"): arrays.tile,
    ("ops.array.reshape", "expand_dims"): arrays.expand_dims,
    ("ops.array.reshape", "squeeze"): arrays.squeeze,
    ("ops.array.shape", "size"): arrays.size,
    ("ops.array.shape", "rank"): arrays.rank,
    ("ops.array.one_hot", "one_hot"): arrays.one_hot,
    ("ops.array.gather", "gather"): gathering.gather,
    ("ops.array.gather", "gather_nd"): gathering.gather_nd,
    ("ops.array.gather", "batch_gather"): gathering.batch_gather,
    ("ops.array.where", "dynamic_partition"): masks.dynamic_partition,
    ("ops.math.select", "where"): masks.where,
    ("lib.math.reductions", "reduce_sum"): reductions.reduce_sum,
    ("lib.math.reductions", "reduce_prod"): reductions.reduce_prod,
    ("lib.math.reductions", "reduce_min"): reductions.reduce_min,
    ("lib.math.reductions", "reduce_max"): reductions.reduce_max,
    ("lib.math.reductions", "reduce_mean"): reductions.reduce_mean,
    ("lib.math.reductions", "reduce_any"): reductions.reduce_any,
    ("lib.math.reductions", "reduce_all"): reductions.reduce_all,
    ("ops.math.segment", "unsorted_segment_sum"): segments.unsorted_segment_sum,
    ("ops.math.segment", "unsorted_segment_prod"): segments.unsorted_segment_prod,
    ("ops.math.segment", "unsorted_segment_max"): segments.unsorted_segment_max,
    ("ops.math.segment", "unsorted_segment_min"): segments.unsorted_segment_min,
    ("lib.math.counting", "unsorted_segment_mean"): segments.unsorted_segment_mean,
    ("lib.math.counting", "unsorted_segment_sqrt_n"): segments.unsorted_segment_sqrt_n,
    ("ops.text.strings", "reduce_join"): strings.reduce_join,
}


def handle(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function does with ragged tensors among its arguments; NOT_SUPPORTED where that is unknown."""
    given = [*args, *kwargs.values()]
    if not any(_is_ragged(v) for v in nest.flatten([list(v) if isinstance(v, tuple) else v for v in given])):
        return _NOT_SUPPORTED
    kind = getattr(op, "_elementwise", None)
    if kind is not None:
        return elements.apply(op, kind, args, kwargs)
    found = _FUNCTIONS.get((homes.module_of(op).removeprefix("millrace."), op.__name__))
    return _NOT_SUPPORTED if found is None else found(*args, **kwargs)


def _is_ragged(value: Any) -> bool:
    return isinstance(value, RaggedTensor | RaggedTensorValue)
