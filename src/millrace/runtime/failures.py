"""From an exception inside a kernel to a `tf.errors` exception that says who, where, and with which
inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import errors
from millrace.graph.operation import Operation

_ARRAYS: tuple[type, ...] = (np.ndarray, np.generic)
# what a kernel meets where a value has another rank or kind than it counts on
_STUMBLES = (AttributeError, LookupError, AssertionError, RecursionError)
# what a kernel, or a program's function in it, raises, and what the run raises for it
_CLASSES: tuple[tuple[type[BaseException], Any], ...] = (
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
    (StopIteration, errors.OutOfRangeError),
    (FileNotFoundError, errors.NotFoundError),
    (PermissionError, errors.PermissionDeniedError),
    (OSError, errors.UnknownError),
    (ValueError, errors.InvalidArgumentError),
    (TypeError, errors.InvalidArgumentError),
    (IndexError, errors.InvalidArgumentError),
    (ArithmeticError, errors.InvalidArgumentError),
    *((stumble, errors.InvalidArgumentError) for stumble in _STUMBLES),
)


def describe_value(value: Any) -> str:
    """`float32[2,3]` for an array, the type's name for anything else."""
    if isinstance(value, _ARRAYS):
        name = "string" if value.dtype.kind == "O" else str(value.dtype)
        return f"{name}[{','.join(map(str, value.shape))}]"
    if hasattr(value, "dtype") and isinstance(getattr(value, "shape", None), tuple):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    return type(value).__name__


def from_exception(error: Exception, op: Operation, values: list[Any]) -> Exception:
    """The exception to raise for `error`, which the kernel of `op` raised on `values`."""
    if isinstance(error, errors.OpError):
        if error.op is not None:
            return error
        return _rebuilt(error, op, values)
    for kind, cls in _CLASSES:
        if isinstance(error, kind):
            return cls(None, op, f"{_text(error, values)}{_inputs(op, values)}")
    return error


def _rebuilt(error: errors.OpError, op: Operation, values: list[Any]) -> errors.OpError:
    message = error.message + _inputs(op, values)
    if type(error) is errors.OpError:
        return errors.OpError(None, op, message, error.error_code)
    return type(error)(None, op, message)  # type: ignore[call-arg, arg-type]


def _text(error: Exception, values: list[Any]) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, _STUMBLES) and not isinstance(error, IndexError):
        return f"an input is not what the operation takes ({text})"
    if "could not be broadcast" in text and len(values) == 2:
        shown = [list(np.shape(v)) for v in values]
        return f"Incompatible shapes: {shown[0]} vs. {shown[1]}"
    return text


def _inputs(op: Operation, values: list[Any]) -> str:
    if not values:
        return ""
    named = zip((t.name for t in op.inputs), values, strict=False)
    return "\n  inputs: " + ", ".join(f"{name} {describe_value(value)}" for name, value in named)


def uninitialized(op: Operation) -> errors.FailedPreconditionError:
    """The error for reading a variable that has no value yet."""
    said = f"Attempting to use uninitialized value {op.name}"
    error = errors.FailedPreconditionError(None, op, said)
    error.hint = _initializer_hint(op)
    return error


def _initializer_hint(op: Operation) -> str:
    """Which initializer the program has not run, or made too early."""
    group = "local" if any(_is(v, op) for v in op.graph.get_collection("local_variables")) else "global"
    wanted = f"tf.{group}_variables_initializer()"
    later = next(
        (
            other
            for other in op.graph.ops[: op.id]
            if other.type == "NoOp" and any(_sets_variable(c) for c in other.control_inputs)
        ),
        None,
    )
    if later is None or group == "local":
        return f"session.run({wanted}) first"
    made = f" (created at {later.user_location})" if later.user_location else ""
    return f"the variable was made after the initializer {later.name!r}{made}; call {wanted} after it"


def _is(variable: object, op: Operation) -> bool:
    return getattr(variable, "op", None) is op


def _sets_variable(op: Operation) -> bool:
    return op.type in ("Assign", "AssignVariableOp") and op.name.endswith(("/Assign", "/AssignVariableOp"))
