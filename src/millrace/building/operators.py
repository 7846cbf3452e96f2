"""Python's operators on tensors: which operation each one adds, and under which name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, indexed_slices, raw, slicing
from millrace.building.composites import CompositeTensor
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph, graph_stack
from millrace.graph.tensor import Tensor

_TRUE_DIVISION = {
    dtypes.uint8: dtypes.float32,
    dtypes.int8: dtypes.float32,
    dtypes.uint16: dtypes.float32,
    dtypes.int16: dtypes.float32,
    dtypes.int32: dtypes.float64,
    dtypes.int64: dtypes.float64,
    dtypes.bfloat16: None,
    dtypes.float16: None,
    dtypes.float32: None,
    dtypes.float64: None,
    dtypes.complex64: None,
    dtypes.complex128: None,
}


_PYTHON = frozenset((int, float, bool, complex, str, bytes, list, tuple))  # known to be plain without a look


def _has_dtype(value: Any) -> bool:
    """Whether it is a variable or the like, which is converted as it is; the operation sees if it fits."""
    return isinstance(getattr(value, "dtype", None), dtypes.DType)


def _answers_itself(value: Any) -> bool:
    """Whether it has operators of its own, which know what to do with a tensor."""
    return isinstance(value, CompositeTensor) and not isinstance(value, indexed_slices.IndexedSlices)


def _binary(function: Callable[..., Any], name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The operator and its reflection: the other side becomes a constant of the tensor's dtype, named x
    or y. What is not a tensor and has the reflected operator answers itself.
    """

    def forward(x: Tensor, y: Any) -> Any:
        kind: Any = y.__class__
        if kind is not Tensor:
            dtype: dtypes.DType | None = x.dtype.base_dtype
            if kind not in _PYTHON:
                if _answers_itself(y):
                    return NotImplemented
                dtype = None if _has_dtype(y) else dtype
            with graph_stack.entered(x.op.graph), x.op.graph.name_scope(name) as scope:
                try:
                    y = convert.to_tensor(y, dtype, "y")
                except TypeError:
                    if kind in _PYTHON or hasattr(y, "__array__") or not hasattr(kind, f"__r{name}__"):
                        raise
                    return NotImplemented
                return function(x, y, name=scope)
        return function(x, y, name=name)

    def reflected(y: Tensor, x: Any) -> Any:
        with graph_stack.entered(y.op.graph), y.op.graph.name_scope(name) as scope:
            x = convert.to_tensor(x, None if _has_dtype(x) else y.dtype.base_dtype, "x")
            return function(x, y, name=scope)

    return forward, reflected


def truediv(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """x / y in floating point: integers are converted first.

    Raises:
      TypeError: the dtypes differ or cannot be divided.
    """
    with get_default_graph().name_scope(name or "truediv") as scope:
        if x.dtype.base_dtype is not y.dtype.base_dtype:
            raise TypeError(
                f"truediv: x and y must have the same dtype. Received: {x.dtype.name} and {y.dtype.name}"
            )
        if x.dtype.base_dtype not in _TRUE_DIVISION:
            raise TypeError(f"truediv: dtype {x.dtype.name} cannot be divided")
        wanted = _TRUE_DIVISION[x.dtype.base_dtype]
        if wanted is not None:
            x, y = raw.Cast(x, DstT=wanted, name="Cast"), raw.Cast(y, DstT=wanted, name="Cast")
        return raw.RealDiv(x, y, name=scope)


def div(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """Python 2 division: floors integers, divides the rest."""
    if x.dtype.base_dtype.is_floating or x.dtype.base_dtype.is_complex:
        return raw.RealDiv(x, y, name=name)
    return raw.FloorDiv(x, y, name=name)


def matmul(a: Tensor, b: Tensor, name: str | None = None) -> Tensor:
    """a @ b of matrices, or of batches of matrices."""
    if all(t.dims is not None and len(t.dims) <= 2 for t in (a, b)):
        return raw.MatMul(a, b, name=name)
    return raw.BatchMatMulV2(a, b, name=name)


def _xor(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    with get_default_graph().name_scope(name or "LogicalXor") as scope:
        either = raw.LogicalOr(x, y, name="LogicalOr")
        both = raw.LogicalNot(raw.LogicalAnd(x, y, name="LogicalAnd"), name="LogicalNot")
        return raw.LogicalAnd(either, both, name=scope)


def _op(op_type: str) -> Callable[..., Tensor]:
    def function(*args: Any, name: str | None = None) -> Tensor:
        return getattr(raw, op_type)(*args, name=name)

    return function


def _comparison(op_type: str) -> Callable[..., Any]:
    def compare(x: Any, y: Any) -> Any:
        return getattr(raw, op_type)(x, y)

    return compare


def _neg(x: Tensor) -> Tensor:
    return raw.Neg(x)


def _invert(x: Tensor) -> Tensor:
    return raw.LogicalNot(x)


def _abs(x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        return raw.ComplexAbs(x, Tout=x.dtype.real_dtype, name="Abs")
    return raw.Abs(x, name="Abs")


def _getitem(tensor: Any, key: Any) -> Tensor:
    return slicing.get_item(tensor, key)


def _install() -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = {}
    for python, function, name in (
        ("add", _op("Add"), "add"),
        ("sub", _op("Sub"), "sub"),
        ("mul", _op("Mul"), "mul"),
        ("truediv", truediv, "truediv"),
        ("div", div, "div"),
        ("floordiv", _op("FloorDiv"), "floordiv"),
        ("mod", _op("FloorMod"), "mod"),
        ("pow", _op("Pow"), "pow"),
        ("matmul", matmul, "matmul"),
        ("and", _op("LogicalAnd"), "and"),
        ("or", _op("LogicalOr"), "or"),
        ("xor", _xor, "xor"),
    ):
        table[f"__{python}__"], table[f"__r{python}__"] = _binary(function, name)
    for python, op_type in (("lt", "Less"), ("le", "LessEqual"), ("gt", "Greater"), ("ge", "GreaterEqual")):
        table[f"__{python}__"] = _comparison(op_type)
    table |= {"__neg__": _neg, "__invert__": _invert, "__abs__": _abs, "__getitem__": _getitem}
    return table


OPERATORS = _install()
for _name, _function in OPERATORS.items():
    setattr(Tensor, _name, _function)
Tensor.OVERLOADABLE_OPERATORS = set(OPERATORS)
public("Tensor")(Tensor)  # here, so that who asks for the class finds its operators, too


@public("div")
def public_div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Divides as Python 2 did: floors integers, divides the rest.

    Args:
      x: `[...]`, numeric.
      y: broadcasts with `x`; same dtype.
      name: op name; default "div".
    """
    graph = get_default_graph()
    with graph.name_scope(name or "div") as scope:
        x = convert.to_tensor(x, name="x")
        return div(x, convert.to_tensor(y, x.dtype.base_dtype, "y"), name=scope)
