"""Runs one operation on NumPy values, for folding while building and while planning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from millrace.graph.operation import Operation


def evaluate(op: Operation, values: list[Any]) -> list[Any] | None:
    """The outputs of a pure `op` for flat input `values`, or None when its kernel refuses them.

    A refusal is not an error here: the operation stays in the graph and reports it when it runs.
    """
    from millrace.dialect import numpy_dialect
    from millrace.graph.operation import group

    opdef = op.opdef
    if opdef.kernel is None:
        return None
    args = group(opdef.inputs, values, op.attrs)
    try:
        with np.errstate(all="ignore"):
            result = opdef.kernel(numpy_dialect(), *args, **{a: op.attrs[a] for a in opdef.kernel_attrs})
    except Exception:
        return None
    results = [result] if opdef.single_output else list(result)
    if len(opdef.outputs) == 1 and opdef.outputs[0].is_list:
        results = list(result)
    elif any(a.is_list for a in opdef.outputs):
        results = [
            r
            for arg, part in zip(opdef.outputs, result, strict=True)
            for r in (part if arg.is_list else (part,))
        ]
    return [
        r if isinstance(r, np.ndarray) else np.asarray(r, t.dtype.np_dtype)
        for r, t in zip(results, op.outputs, strict=True)
    ]
