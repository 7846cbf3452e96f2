"""Variables as the graph sees them: the operations that name, read and write values kept between runs.

A variable is named in one of two ways: by a reference (`VariableV2`, dtype `float32_ref`) or by a resource
handle (`VarHandleOp`). Either way a kernel gets the current value and returns the next one; the runtime
keeps the cell. The shape rules get the variable's dims for both.
"""

from __future__ import annotations

import numpy as np

from millrace.core import errors, shapes
from millrace.core.dtypes import ALL, INDEX, NUMERIC, REAL, int32
from millrace.core.errors import refusal
from millrace.graph import attrs
from millrace.graph.attrs import flag, integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules import shape_rules


@declare("VariableV2() -> ref: Ref[dtype]", shape=attrs.shape(), dtype=attrs.dtype(), container=text(""),
    shared_name=text(""), effect=True)  # fmt: skip
class VariableV2:
    """A reference to a value that the session keeps."""

    def shape(shape):
        return shape

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("Variable() -> ref: Ref[dtype]", shape=attrs.shape(), dtype=attrs.dtype(), container=text(""),
    shared_name=text(""), effect=True)  # fmt: skip
class Variable:
    """`VariableV2` of old graphs, where the empty shape stands for an unknown one."""

    def shape(shape):
        return shape or None

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("TemporaryVariable() -> ref: Ref[dtype]", shape=attrs.shape(), dtype=attrs.dtype(),
    var_name=text(""), effect=True)  # fmt: skip
class TemporaryVariable:
    """A reference to a value that lives until `DestroyTemporaryVariable` takes it."""

    def shape(shape):
        return shape

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("DestroyTemporaryVariable(ref: Ref[T]) -> value: T", T=ALL, var_name=text(), reads="ref", alias=True)
class DestroyTemporaryVariable:
    """The last value of a temporary variable."""

    def shape(ref):
        return ref

    def kernel(xp, ref):
        return ref

    grad = NOT_DIFFERENTIABLE


@declare("VarHandleOp() -> resource: resource", container=text(""), shared_name=text(""), dtype=attrs.dtype(),
    shape=attrs.shape(), effect=True)  # fmt: skip
class VarHandleOp:
    """A handle on a value that the session keeps."""

    def shape():
        return ()

    kernel = None
    grad = NOT_DIFFERENTIABLE


# --- reading ------------------------------------------------------------------------------------------------


@declare(
    "ReadVariableOp(resource: resource) -> value: dtype", dtype=attrs.dtype(), reads="resource", alias=True
)
class ReadVariableOp:
    """The value of a variable."""

    def shape(resource):
        return resource

    def kernel(xp, resource):
        if not hasattr(resource, "dtype"):
            raise refusal(f"the handle must be a variable's. Received: that of a {type(resource).__name__}")
        return resource

    def grad(op, dy):
        return dy


@declare("IsVariableInitialized(ref: Ref[dtype]) -> is_initialized: bool", dtype=ALL, reads="ref",
    reads_uninitialized=True)  # fmt: skip
class IsVariableInitialized:
    """Whether the variable has a value."""

    def shape(ref):
        return ()

    def kernel(xp, ref):
        return xp.bool_(ref is not None)

    grad = NOT_DIFFERENTIABLE


@declare(
    "VarIsInitializedOp(resource: resource) -> is_initialized: bool",
    reads="resource",
    reads_uninitialized=True,
)
class VarIsInitializedOp:
    """Whether the variable has a value."""

    def shape(resource):
        return ()

    def kernel(xp, resource):
        return xp.bool_(resource is not None)

    grad = NOT_DIFFERENTIABLE


@declare(
    "VariableShape(input: resource) -> output: out_type", out_type=attrs.dtype(INDEX, int32), reads="input"
)
class VariableShape:
    """The shape of a variable's value."""

    def shape(input):
        return (None if input is None else len(input),)

    def kernel(xp, input, out_type):
        return xp.array(input.shape, out_type.np_dtype)

    grad = NOT_DIFFERENTIABLE


# --- writing ------------------------------------------------------------------------------------------------


def _check_shape(xp, ref, value, op):
    if ref is not None and ref.shape != value.shape:
        raise _wrong_shape(op, ref.shape, value)


def _wrong_shape(op, dims, value):
    return refusal(
        f"{op} requires shapes of both tensors to match. Received: variable of shape "
        f"{shapes.format_dims(dims)}, value of shape {shapes.format_dims(value.shape)}",
    )


def _bind_assignment(op):
    """Where the variable's shape is known and the value's is not, as when it is read from a file, the first
    value too must have it.
    """

    def bind(dims, values, attrs):
        wanted = dims[0]
        if (
            shapes.fully_defined(dims[1])
            or not shapes.fully_defined(wanted)
            or not attrs.get("validate_shape", True)
        ):
            return None

        def assign(ref, value):
            if value.shape != wanted:
                raise _wrong_shape(op, wanted, value)
            return value

        return assign

    return bind


@declare("Assign(ref: Ref[T], value: T) -> output_ref: Ref[T]", T=ALL, validate_shape=flag(True),
    use_locking=flag(True), writes="ref", reads_uninitialized=True, alias=True)  # fmt: skip
class Assign:
    """ref = value."""

    def shape(ref, value, validate_shape):
        return shapes.merge(ref, value) if validate_shape else value

    def kernel(xp, ref, value, validate_shape):
        if validate_shape:
            _check_shape(xp, ref, value, "Assign")
        return value

    bind = _bind_assignment("Assign")
    grad = NOT_DIFFERENTIABLE


@declare(
    "AssignAdd(ref: Ref[T], value: T) -> output_ref: Ref[T]", T=NUMERIC, use_locking=flag(False), writes="ref"
)
class AssignAdd:
    """ref += value."""

    def shape(ref, value):
        return shapes.merge(ref, value)

    def kernel(xp, ref, value):
        _check_shape(xp, ref, value, "AssignAdd")
        return xp.add(ref, value)

    grad = NOT_DIFFERENTIABLE


@declare(
    "AssignSub(ref: Ref[T], value: T) -> output_ref: Ref[T]", T=NUMERIC, use_locking=flag(False), writes="ref"
)
class AssignSub:
    """ref -= value."""

    def shape(ref, value):
        return shapes.merge(ref, value)

    def kernel(xp, ref, value):
        _check_shape(xp, ref, value, "AssignSub")
        return xp.subtract(ref, value)

    grad = NOT_DIFFERENTIABLE


@declare("AssignVariableOp(resource: resource, value: dtype)", dtype=ALL, writes="resource",
    reads_uninitialized=True, alias=True)  # fmt: skip
class AssignVariableOp:
    """resource = value."""

    def shape(resource, value):
        shapes.merge(resource, value)
        return []

    def kernel(xp, resource, value):
        return value

    bind = _bind_assignment("AssignVariableOp")
    grad = NOT_DIFFERENTIABLE


@declare("AssignAddVariableOp(resource: resource, value: dtype)", dtype=NUMERIC, writes="resource")
class AssignAddVariableOp:
    """resource += value."""

    def shape(resource, value):
        shapes.merge(resource, value)
        return []

    def kernel(xp, resource, value):
        _check_shape(xp, resource, value, "AssignAddVariableOp")
        return xp.add(resource, value)

    grad = NOT_DIFFERENTIABLE


@declare("AssignSubVariableOp(resource: resource, value: dtype)", dtype=NUMERIC, writes="resource")
class AssignSubVariableOp:
    """resource -= value."""

    def shape(resource, value):
        shapes.merge(resource, value)
        return []

    def kernel(xp, resource, value):
        _check_shape(xp, resource, value, "AssignSubVariableOp")
        return xp.subtract(resource, value)

    grad = NOT_DIFFERENTIABLE


@declare("DisableCopyOnRead(resource: resource)", reads="resource", reads_uninitialized=True)
class DisableCopyOnRead:
    """Nothing: later releases of TensorFlow tell their runtime so that a variable may be read in place."""

    def shape(resource):
        return []

    def kernel(xp, resource):
        return ()

    grad = NOT_DIFFERENTIABLE


@declare("DestroyResourceOp(resource: resource)", ignore_lookup_error=flag(True), writes="resource",
    reads_uninitialized=True, host=True)  # fmt: skip
class DestroyResourceOp:
    """Forgets the value; the variable is uninitialised again."""

    def shape(resource):
        return []

    def kernel(xp, resource, ignore_lookup_error):
        if resource is None and not ignore_lookup_error:
            raise errors.NotFoundError(None, None, "DestroyResourceOp: the resource does not exist")
        return None

    grad = NOT_DIFFERENTIABLE


# --- counting -----------------------------------------------------------------------------------------------


def _count(xp, value, limit):
    if value >= limit:
        raise errors.OutOfRangeError(None, None, f"Reached limit of {limit}")
    return xp.add(value, value.dtype.type(1)), value


@declare("CountUpTo(ref: Ref[T]) -> output: T", limit=integer(), T=INDEX, writes="ref", host=True)
class CountUpTo:
    """The value before it is increased by one; an error once it has reached `limit`."""

    def shape(ref):
        return shape_rules.with_rank(ref, 0, "ref")

    def kernel(xp, ref, limit):
        return _count(xp, ref, limit)

    grad = NOT_DIFFERENTIABLE


@declare("ResourceCountUpTo(resource: resource) -> output: T", limit=integer(), T=attrs.dtype(INDEX),
    writes="resource", host=True)  # fmt: skip
class ResourceCountUpTo:
    """The value before it is increased by one; an error once it has reached `limit`."""

    def shape(resource):
        return shape_rules.with_rank(resource, 0, "resource")

    def kernel(xp, resource, limit):
        return _count(xp, resource, limit)

    grad = NOT_DIFFERENTIABLE


@declare(
    "ZeroInitializer(ref: Ref[T]) -> output_ref: Ref[T]",
    T=REAL,
    writes="ref",
    reads_uninitialized=True,
    host=True,
)
class ZeroInitializer:
    """Zeros for a variable that has no value yet."""

    def shape(ref):
        return ref

    def kernel(xp, ref, op):
        if ref is not None:
            raise refusal("input is already initialized")
        dims = op.inputs[0].dims
        return np.zeros(dims, op.inputs[0].dtype.base_dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE
