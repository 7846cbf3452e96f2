"""`Assert`: an operation that fails unless a condition holds."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

_FEW = frozenset((dtypes.string, dtypes.int32))  # TensorFlow copies data of other dtypes only on failure

# A branch whose other side does nothing: Switch, switch_t, switch_f, pred_id, NoOp, two control dependencies
# and a Merge.
_OF_A_GUARD = 8


@public("Assert", "debugging.Assert")
def Assert(  # noqa: N802
    condition: Any, data: Any, summarize: int | None = None, name: str | None = None
) -> Operation:
    """An operation that fails unless `condition` holds, showing `data`.

    It runs where something depends on it: put what relies on the condition under
    `tf.control_dependencies([tf.Assert(...)])`.

    Args:
      condition: a bool scalar.
      data: a list of tensors, strings or numbers to show.
      summarize: how many values of each to show; default 3.
      name: a scope; default "Assert".

    Raises:
      InvalidArgumentError: when run, where the condition does not hold.
    """
    with name_scope(name, "Assert", [condition, data]):
        shown = [convert_to_tensor(value) for value in data]
        most = 3 if summarize is None else summarize
        if all(tensor.dtype.base_dtype in _FEW for tensor in shown):
            return raw.Assert(condition, list(data), summarize=most)
        with name_scope("AssertGuard"):
            asserted = raw.Assert(condition, list(data), summarize=most)
        seen = {value for value in (condition, *data) if isinstance(value, Tensor)}
        asserted.graph.count(_OF_A_GUARD + len(seen))  # a Switch for each
        return asserted
