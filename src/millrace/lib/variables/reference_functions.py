"""What programs take from TensorFlow's private `state_ops`: the nodes below a variable."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable


@public("python.ops.state_ops.variable_op_v2")
def variable_op_v2(
    shape: Any, dtype: Any, name: str = "Variable", container: str = "", shared_name: str = ""
) -> Tensor:
    """The reference of a new variable, without a first value.

    Args:
      shape: of its value.
      dtype: likewise.
      name: of the operation.
      container, shared_name: where its value is kept, and under which name.
    """
    kind = dtypes.as_dtype(dtype).base_dtype
    return raw.VariableV2(
        shape=shapes.as_dims(shape), dtype=kind, name=name, container=container, shared_name=shared_name
    )


@public("python.ops.state_ops.variable_op")
def variable_op(
    shape: Any,
    dtype: Any,
    name: str = "Variable",
    set_shape: bool = True,
    container: str = "",
    shared_name: str = "",
) -> Tensor:
    """The reference of a new variable of type `Variable`; arguments as for `variable_op_v2`.

    Args:
      set_shape: False: the static shape of the reference is unknown.
    """
    dims = shapes.as_dims(shape) if set_shape else None
    kind = dtypes.as_dtype(dtype).base_dtype
    reference = raw.Variable(
        shape=dims or (), dtype=kind, name=name, container=container, shared_name=shared_name
    )
    if set_shape:
        reference.set_shape(shape)
    return reference


@public("python.ops.state_ops.init_variable")
def init_variable(v: Any, init: Any, name: str = "init") -> Tensor:
    """Gives a variable its first value: adds `<variable>/<name>`.

    Args:
      v: a variable, or a reference.
      init: the value, or a function of the shape and dtype that gives it.
      name: of the operation.

    Returns:
      The reference after the assignment.
    """
    with name_scope(None, v.op.name + "/", [v, init]), name_scope(name) as scope:
        value = init(v.get_shape(), v.dtype.base_dtype) if callable(init) else init
        reference = v._ref() if isinstance(v, Variable) else v
        return raw.Assign(reference, value, name=scope)
