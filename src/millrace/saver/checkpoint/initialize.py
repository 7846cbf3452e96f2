"""`tf.train.init_from_checkpoint`: variables whose initial values come from a checkpoint."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import device
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.lib.variables.scope import default_store
from millrace.lib.variables.variable import Variable
from millrace.opkit.checkpoint.reading import nearest
from millrace.saver.checkpoint.reader import checkpoint_in, load_checkpoint
from millrace.saver.saveables import validate_and_slice_inputs


@public("train.init_from_checkpoint")
def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Any) -> None:
    """Makes variables take their initial values from a checkpoint; their initializers must be run as ever.

    Args:
      ckpt_dir_or_file: the checkpoint, or the folder whose newest is taken.
      assignment_map: from names in the checkpoint to variables, lists of the parts of one, or names of
        variables that `get_variable` made; or from scopes to scopes, which end in "/": `{"old/": "new/"}`
        takes all variables below `new`.

    Raises:
      ValueError: the checkpoint lacks a tensor, or has it with another shape.
      NotFoundError: there is no such checkpoint.
    """
    path = checkpoint_in(ckpt_dir_or_file)
    shapes = load_checkpoint(path).get_variable_to_shape_map()
    found: list[tuple[Any, str]] = []
    for tensor_name, target in sorted(assignment_map.items(), key=lambda item: item[0]):
        variable = _variable(target)
        if variable is not None:
            _check(variable, tensor_name, shapes, path)
            found.append((variable, tensor_name))
        else:
            found.extend(_below(target, tensor_name, shapes, path))
    for variable, tensor_name in found:
        for part in variable if isinstance(variable, list) else [variable]:
            info = part._get_save_slice_info() if isinstance(variable, list) else None
            _set_initializer(part, path, tensor_name, "" if info is None else info.spec)


def _variable(target: Any) -> Any:
    """What an entry of the map names, or None where it names a scope."""
    if isinstance(target, Variable):
        return target
    if isinstance(target, PartitionedVariable):
        return list(target)
    if isinstance(target, list) and target and all(isinstance(part, Variable) for part in target):
        return target
    return _stored(target) if isinstance(target, str) else _refuse(target)


def _refuse(target: Any) -> Any:
    raise TypeError(f"init_from_checkpoint: expected a variable or a name. Received: {target!r}")


def _stored(name: str) -> Any:
    store = default_store()
    whole = store._partitioned_vars.get(name)
    return store._vars.get(name) if whole is None else list(whole)


def _check(variable: Any, tensor_name: str, shapes: dict[str, list[int]], path: str, names: str = "") -> None:
    if tensor_name not in shapes:
        near = nearest(tensor_name, sorted(shapes))
        raise ValueError(
            f"Tensor {tensor_name}{names} is not found in {path} checkpoint. "
            + (f"The nearest keys are {', '.join(near)}" if near else f"It holds {sorted(shapes)[:20]}")
        )
    if isinstance(variable, Variable) and not variable.get_shape().is_compatible_with(shapes[tensor_name]):
        raise ValueError(
            f"Shape of variable {variable.name} ({variable.get_shape()}) doesn't match with shape of tensor "
            f"{tensor_name} ({shapes[tensor_name]}) from checkpoint reader."
        )


def _below(scope: str, tensor_scope: str, shapes: dict[str, list[int]], path: str) -> list[tuple[Any, str]]:
    """The variables below a scope, each with the tensor below `tensor_scope` that belongs to it."""
    prefix = scope[: scope.rindex("/")] if "/" in scope else ""
    if not tensor_scope.endswith("/"):
        raise ValueError(
            f"Assignment map with scope only name {prefix} should map to scope only {tensor_scope}. "
            "Should be 'scope/': 'other_scope/'."
        )
    store = default_store()
    names = set(store._partitioned_vars)
    names |= {name for name in store._vars if name.partition("/part_")[0] not in names}
    found = []
    for name in sorted(names):
        if prefix and not name.startswith(prefix + "/"):
            continue
        tensor_name = name[len(prefix) :] if scope == "/" or not prefix else name[len(prefix) + 1 :]
        if tensor_scope != "/":
            tensor_name = tensor_scope + tensor_name
        tensor_name = tensor_name.rstrip("/")
        variable = _stored(name)
        _check(variable, tensor_name, shapes, path, f" ({name} in {tensor_scope})")
        found.append((variable, tensor_name))
    return found


def _set_initializer(variable: Variable, path: str, tensor_name: str, slice_spec: str) -> None:
    dtype = variable.dtype.base_dtype
    with device(variable.device or None), device("/cpu:0"):
        [value] = raw.RestoreV2(
            path, [tensor_name], [slice_spec], dtypes=[dtype], name="checkpoint_initializer"
        )
    [saveable] = validate_and_slice_inputs([variable])
    assigned = saveable.restore([value], None)
    variable._initializer = assigned if isinstance(assigned, Operation) else assigned.op
    value.set_shape(variable.get_shape())
    variable._initial = variable._first = value
