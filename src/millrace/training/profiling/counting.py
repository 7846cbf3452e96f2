"""What one operation costs: parameters, operations on numbers, and what a traced run measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millrace.saver import flops
from millrace.training.profiling.options import TRAINABLE

# An operation on each number of the result; of the argument where everything is summed up.
_COMPARISONS = ("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual", "Maximum", "Minimum")
_ARITHMETIC = ("Add", "AddV2", "AssignAdd", "AssignSub", "BiasAdd", "Mul", "Pow", "RealDiv", "Sub")
_PER_OUTPUT = (*_COMPARISONS, *_ARITHMETIC, "Log", "Neg", "Reciprocal", "Square")
_TWO_PER_OUTPUT = ("Rsqrt", "SquaredDifference")
_FOUR_PER_OUTPUT = ("RsqrtGrad",)
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable")


def _size(dims: Any) -> int:
    if dims is None or None in dims:
        raise ValueError("open")
    return math.prod(dims)


def _each(times: int) -> Callable[[Any], int]:
    return lambda op: times * _size(op.outputs[0].dims)


def _reduced(op: Any) -> int:
    return _size(op.inputs[0].dims) - _size(op.outputs[0].dims)


def _window_gradient(op: Any) -> int:
    """Each incoming gradient goes to its window; the mean's is divided for each place, too."""
    *_, coming = op.inputs
    extra = op.outputs[0] if op.type == "AvgPoolGrad" else coming
    return _size(coming.dims) * math.prod(op.attrs["ksize"]) + _size(extra.dims)


def _filter_gradient(op: Any) -> int:
    filters, coming = op.outputs[0].dims, op.inputs[2].dims
    return 2 * _size(coming) * _size(filters[:-1])


def _dilation(op: Any) -> int:
    return 2 * _size(op.outputs[0].dims) * _size(op.inputs[1].dims[:2])


def _window(op: Any) -> int:
    return _size(op.outputs[0].dims) * math.prod(op.attrs["ksize"])


_FLOPS: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(_PER_OUTPUT, _each(1)),
    **dict.fromkeys(_TWO_PER_OUTPUT, _each(2)),
    **dict.fromkeys(_FOUR_PER_OUTPUT, _each(4)),
    "Softmax": _each(5),
    "AddN": lambda op: (len(op.inputs) - 1) * _size(op.outputs[0].dims),
    "L2Loss": lambda op: 3 * _size(op.inputs[0].dims) - 1,
    **dict.fromkeys(("Sum", "ArgMax", "ArgMin", "BiasAddGrad"), _reduced),
    "Mean": lambda op: _size(op.inputs[0].dims),
    **dict.fromkeys(("AvgPool", "MaxPool"), _window),
    **dict.fromkeys(("AvgPoolGrad", "MaxPoolGrad"), _window_gradient),
    "Conv2DBackpropFilter": _filter_gradient,
    "Dilation2D": _dilation,
}


def float_ops(op: Any) -> int:
    """Operations on numbers; 0 where a shape is open or the type is not counted."""
    try:
        if op.type in _FLOPS:
            return _FLOPS[op.type](op)
        if op.outputs and op.outputs[0].dims is not None and None not in op.outputs[0].dims:
            return flops.of_operation(op)
    except ValueError:
        pass
    return 0


def parameters(op: Any) -> int:
    """How many numbers a variable holds; 0 for any other operation, and where its shape is open."""
    if op.type not in _VARIABLES:
        return 0
    shape = op.get_attr("shape")
    dims = [d.size for d in shape.dim] if hasattr(shape, "dim") else shape.as_list()
    return math.prod(dims) if all(d is not None and d >= 0 for d in dims) else 0


def types(op: Any, trainable: set[str]) -> list[str]:
    """What `account_type_regexes` are matched with."""
    own = [op.type, *([TRAINABLE] if op.name in trainable else [])]
    return [*own, op.device] if op.device else own
