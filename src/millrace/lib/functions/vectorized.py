"""`tf.vectorized_map`: a function of each row, drawn once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.core import nest
from millrace.core.public import public
from millrace.lib.flow.functional import map_fn
from millrace.lib.functions.concrete import Argument, ConcreteFunction


@public("vectorized_map")
def vectorized_map(fn: Callable[..., Any], elems: Any) -> Any:
    """`fn` of each row, stacked: `tf.map_fn` with the dtypes that `fn` returns.

    Args:
      fn: of one row, in the structure of `elems`, to nested tensors.
      elems: nested tensors `[n, ...]`.

    Returns:
      What `fn` returned, with a first dimension of n.

    Raises:
      TypeError: `fn` is not callable.
      ValueError: a tensor is a scalar, or they have different numbers of rows.

    Example:
      >>> doubled = tf.vectorized_map(lambda row: row - tf.reduce_max(row), tf.constant([[1, 2], [5, 3]]))
      >>> with tf.Session() as sess:
      ...     print(sess.run(doubled).tolist())
      [[-1, 0], [0, -2]]
    """
    if not callable(fn):
        raise TypeError(f"vectorized_map: fn must be callable. Received: {fn!r}")
    tensors = [convert.convert_to_tensor(e) for e in nest.flatten(elems)]
    for tensor in tensors:
        if tensor.dims == ():
            raise ValueError(f"vectorized_map: elements have rows. Received: the scalar {tensor.name}")
    rows = [
        Argument(t.dtype.base_dtype, None if t.dims is None else t.dims[1:], f"row_{i}")
        for i, t in enumerate(tensors)
    ]
    drawn = ConcreteFunction(lambda *row: fn(nest.pack_sequence_as(elems, row)), "loop_body", rows)
    packed = nest.pack_sequence_as(elems, tensors)
    return map_fn(lambda row: drawn.called(nest.flatten(row)), packed, dtype=drawn.output_dtypes)
