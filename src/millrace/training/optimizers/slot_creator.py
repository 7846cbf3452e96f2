"""Slots: variables that an optimizer or a moving average keeps beside each variable that it works on.

A slot's initial value is built where its variable's was: inside the slot's own scope
(`w/Adam/Initializer/Const`) for a variable initialised inside its scope, before the slot (`zeros`) for one
initialised from a tensor of the program's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.scopes import colocate_with
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.lib.variables.slices import SaveSliceInfo
from millrace.lib.variables.variable import Variable
from millrace.opkit.rules.idioms import LEAST_FILLED
from millrace.ops.array.constant import zeros


def _is_resource(primary: Any) -> bool:
    return isinstance(primary, Variable) and primary._is_resource


def _slot_variable(
    primary: Any, initial_value: Any, validate_shape: bool, shape: Any = None, dtype: Any = None
) -> Variable:
    """The slot as a variable named like the current variable scope."""
    scope = get_variable_scope()
    partitioner = scope.partitioner
    scope.set_partitioner(None)  # a slot of a part of a variable is no more split than the part
    try:
        slot = get_variable(
            "",
            shape=shape,
            dtype=dtype,
            initializer=initial_value,
            trainable=False,
            use_resource=_is_resource(primary),
            validate_shape=validate_shape,
        )
    finally:
        scope.set_partitioner(partitioner)
    info = primary._get_save_slice_info() if isinstance(primary, Variable) else None
    if info is not None:
        own = slot.op.name[len(primary.op.name) + 1 :]
        slot._set_save_slice_info(
            SaveSliceInfo(
                f"{info.full_name}/{own}", info.full_shape[:], info.var_offset[:], info.var_shape[:]
            )
        )
    return slot


def _create(primary: Any, name: str, colocate_with_primary: bool, *value: Any) -> Variable:
    with variable_scope(None, f"{primary.op.name}/{name}"):
        if not colocate_with_primary:
            return _slot_variable(primary, *value)
        with colocate_with(primary.op):
            return _slot_variable(primary, *value)


@public("python.training.slot_creator.create_slot")
def create_slot(primary: Any, val: Any, name: str, colocate_with_primary: bool = True) -> Variable:
    """A slot with a given initial value.

    Args:
      primary: the variable or tensor that the slot is for.
      val: the initial value.
      name: the slot is called `<primary>/<name>`.
      colocate_with_primary: keep it on the device of `primary`.
    """
    known = shapes.fully_defined(val.dims) if isinstance(val, Tensor) else val.get_shape().is_fully_defined()
    return _create(primary, name, colocate_with_primary, val, known)


@public("python.training.slot_creator.create_slot_with_initializer")
def create_slot_with_initializer(
    primary: Any, initializer: Any, shape: Any, dtype: Any, name: str, colocate_with_primary: bool = True
) -> Variable:
    """A slot whose initial value an initializer makes; arguments as for `create_slot`."""
    known = shapes.fully_defined(shapes.as_dims(shape))
    return _create(primary, name, colocate_with_primary, initializer, known, shape, dtype)


def initialised_inside(primary: Any) -> bool:
    """Whether the initial value of a variable was built inside the variable's own scope."""
    initial = getattr(primary, "initial_value", None)
    return isinstance(initial, Tensor) and initial.op.name.startswith(f"{primary.op.name}/")


def create_filled_slot(
    primary: Any,
    name: str,
    initializer: Any,
    outside: Callable[[Any, dtypes.DType], Tensor],
    dtype: Any = None,
    colocate_with_primary: bool = True,
) -> Variable:
    """A slot of the variable's shape.

    Args:
      primary, name, colocate_with_primary: as for `create_slot`.
      initializer: makes the initial value inside the slot's scope.
      outside: makes it before the slot, from a shape (a list or a tensor) and a dtype.
      dtype: default the variable's.
    """
    chosen = primary.dtype.base_dtype if dtype is None else dtypes.as_dtype(dtype).base_dtype
    shape = primary.get_shape()
    if shape.is_fully_defined():
        if initialised_inside(primary):
            return create_slot_with_initializer(
                primary, initializer, shape, chosen, name, colocate_with_primary
            )
        return create_slot(primary, outside(shape.as_list(), chosen), name, colocate_with_primary)
    source = primary.initialized_value() if isinstance(primary, Variable) else primary
    return create_slot(primary, outside(raw.Shape(source), chosen), name, colocate_with_primary)


@public("python.training.slot_creator.create_zeros_slot")
def create_zeros_slot(
    primary: Any, name: str, dtype: Any = None, colocate_with_primary: bool = True
) -> Variable:
    """A slot of the variable's shape that begins with zeros; arguments as for `create_slot`."""
    return create_filled_slot(primary, name, _zero, _zeros_before, dtype, colocate_with_primary)


def _zero(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
    """The initializer of a slot: a constant called so, where other variables begin with `zeros`."""
    return _constant(shapes.as_dims(shape), dtype, "Const")


def _zeros_before(shape: Any, dtype: dtypes.DType) -> Tensor:
    """Zeros made before a slot: a constant, however many there are."""
    return zeros(shape, dtype) if isinstance(shape, Tensor) else _constant(tuple(shape), dtype, "zeros")


def _constant(dims: Any, dtype: dtypes.DType, name: str) -> Tensor:
    value = np.broadcast_to(np.zeros((), dtype.np_dtype), dims)
    return counted_as_filled(raw.Const(value=value, dtype=dtype, name=name))


def counted_as_filled(value: Tensor) -> Tensor:
    """A constant, counted as the three operations by which TensorFlow 1.15 fills a large one in the run."""
    if value.dims is not None and math.prod(d or 0 for d in value.dims) >= LEAST_FILLED:
        get_default_graph().count(2)
    return value
