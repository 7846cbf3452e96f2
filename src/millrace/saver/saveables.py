"""What a saver was given, as a list of things to save: variables by name, slices, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import device
from millrace.core import shapes
from millrace.core.depth import bounded
from millrace.core.public import public
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.tensor import Tensor
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.lib.variables.variable import Variable

_REFERENCES = ("Variable", "VariableV2", "AutoReloadVariable")
_RESOURCES = ("VarHandleOp", "ReadVariableOp")


@public("python.training.saving.saveable_object_util.ReferenceVariableSaveable")
class ReferenceVariableSaveable(SaveableObject):
    """A variable that is named by a reference.

    Args:
      var: the variable or its reference.
      slice_spec: "", or which slice of a larger variable it is.
      name: its name in the checkpoint.
    """

    def __init__(self, var: Any, slice_spec: str, name: str) -> None:
        super().__init__(var, [SaveSpec(var, slice_spec, name, dtype=var.dtype)], name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Assigns the restored value."""
        value = restored_tensors[0]
        if restored_shapes is not None:
            value = raw.Reshape(value, restored_shapes[0])
        target = self.op._target if isinstance(self.op, Variable) else self.op
        fixed = restored_shapes is None and shapes.fully_defined(target.dims)
        return raw.Assign(target, value, validate_shape=fixed)


@public("python.training.saving.saveable_object_util.ResourceVariableSaveable")
class ResourceVariableSaveable(SaveableObject):
    """A variable that is named by a handle.

    Args:
      var: the variable, or what reads it.
      slice_spec: "", or which slice of a larger variable it is.
      name: its name in the checkpoint.
    """

    def __init__(self, var: Any, slice_spec: str, name: str) -> None:
        self._var_device = var.device
        self._var_shape = var.get_shape()
        tensor: Any = var
        if isinstance(var, Variable):
            self.handle_op, tensor = var._target, _fresh_read(var)
        elif var.op.type == "ReadVariableOp":
            self.handle_op = var.op.inputs[0]
        else:
            raise ValueError(
                f"Saveable is neither a resource variable nor a read operation. Received: {var!r}"
            )
        spec = SaveSpec(tensor, slice_spec, name, dtype=var.dtype, device=self._var_device)
        super().__init__(var, [spec], name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Assigns the restored value."""
        value = restored_tensors[0]
        if restored_shapes is not None:
            value = raw.Reshape(value, restored_shapes[0])
        with device(self._var_device):
            value = raw.Identity(value)
            return raw.AssignVariableOp(self.handle_op, value)


def _fresh_read(variable: Variable) -> Callable[[], Tensor]:
    def read() -> Tensor:
        with device(variable.device):
            value = variable.read_value()
        with device("/device:CPU:0"):
            return raw.Identity(value)

    return read


def _variable_tensor(value: Any) -> Tensor:
    """The reference of a plain variable, the first read of one named by a handle."""
    if isinstance(value, Variable):
        return value._snapshot if value._is_resource else value._target
    return convert.convert_to_tensor(value)


def _is_variable(tensor: Tensor) -> bool:
    return tensor.op.type in _REFERENCES or tensor.op.type in _RESOURCES


@public("python.training.saving.saveable_object_util.op_list_to_dict")
@bounded
def op_list_to_dict(op_list: Any) -> dict[str, Any]:
    """Variables by the names they have in a checkpoint; the slices of one variable as a list.

    Raises:
      TypeError: it is not a list, or holds something else than variables.
      ValueError: two have the same name.
    """
    if not isinstance(op_list, list | tuple | set):
        raise TypeError(f"Variables to save should be passed in a dict or a list. Received: {op_list!r}")
    found: dict[str, Any] = {}
    for item in op_list:
        if not hasattr(item, "name"):
            raise TypeError(f"Saver: var_list must hold variables and saveable objects. Received: {item!r}")
    for var in sorted(op_list, key=lambda item: item.name):
        slice_info = var._get_save_slice_info() if isinstance(var, Variable) else None
        if isinstance(var, SaveableObject | PartitionedVariable):
            name = var.name
        elif slice_info is not None:
            name = slice_info.full_name or ""
            known: Any = found.setdefault(name, [])
            if not isinstance(known, list):
                raise ValueError(f"Mixing slices and non-slices with the same name: {name}")
            known.append(var)
            continue
        else:
            var = _variable_tensor(var)
            if not _is_variable(var):
                raise TypeError(f"Variable to save is not a Variable. Received: {var!r}")
            name = (var.op.inputs[0] if var.op.type == "ReadVariableOp" else var).op.name
        if name in found:
            raise ValueError(f"At least two variables have the same name: {name}")
        found[name] = var
    return found


def saveables_for(op: Any, name: str) -> Iterator[SaveableObject]:
    """What has to be saved for one entry of `op_list_to_dict`, or of a dict that a program gave.

    Raises:
      TypeError: it is not a variable.
      ValueError: it is a list of something else than slices of one variable.
    """
    if isinstance(op, SaveableObject):
        yield op
    elif isinstance(op, list | tuple | PartitionedVariable):
        yield from _slices(list(op), name)
    else:
        tensor = _variable_tensor(op)
        if not _is_variable(tensor):
            raise TypeError(
                "names_to_saveables must be a dict mapping string names to Tensors/Variables. "
                f"Not a variable. Received: {tensor!r}"
            )
        kind = ReferenceVariableSaveable if tensor.op.type in _REFERENCES else ResourceVariableSaveable
        yield kind(tensor, "", name)


def _slices(variables: list[Any], name: str) -> Iterator[SaveableObject]:
    whole: str | None = None
    for variable in variables:
        if not isinstance(variable, Variable):
            raise ValueError(f"Slices must all be Variables. Received: {variable!r}")
        info = variable._get_save_slice_info()
        if info is None:
            raise ValueError(f"Slices must all be slices. Received: {variable!r}")
        if whole is not None and whole != info.full_name:
            raise ValueError(
                f"Slices must all be from the same tensor. Received: {whole} != {info.full_name}"
            )
        whole = info.full_name
        kind = ResourceVariableSaveable if variable._is_resource else ReferenceVariableSaveable
        yield kind(variable, info.spec, name)


@public("python.training.saving.saveable_object_util.validate_and_slice_inputs")
def validate_and_slice_inputs(names_to_saveables: Any) -> list[SaveableObject]:
    """The list of what a saver saves, sorted by name.

    Raises:
      TypeError: something is not a variable.
      ValueError: one variable would be saved under two names.
    """
    if not isinstance(names_to_saveables, dict):
        names_to_saveables = op_list_to_dict(names_to_saveables)
    found: list[SaveableObject] = []
    seen: set[int] = set()
    for name, op in sorted(names_to_saveables.items()):
        for saveable in saveables_for(op, name):
            if id(saveable.op) in seen:
                raise ValueError(f"The same saveable will be restored with two names: {saveable.name}")
            seen.add(id(saveable.op))
            found.append(saveable)
    return found
