"""`tf.contrib.framework`: checkpoints read, and variables set from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.contributed.framework.variables import get_variable_full_name
from millrace.core.protos import SaverDef
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.lib.flow.control_flow import group
from millrace.lib.platform.log import get_logger
from millrace.ops.array.constant import placeholder
from millrace.saver.checkpoint import initialize, reader
from millrace.saver.saver import Saver

_logger = get_logger()
_V1 = SaverDef.V1


@public("contrib.framework.load_checkpoint")
def load_checkpoint(filepattern: Any) -> reader.CheckpointReader:
    """Opens a checkpoint, or the newest one in a folder; errors as for `tf.train.load_checkpoint`."""
    return reader.load_checkpoint(filepattern)


@public("contrib.framework.load_variable")
def load_variable(checkpoint_dir: Any, name: str) -> Any:
    """The value of one tensor in a checkpoint; errors as for `tf.train.load_variable`."""
    return reader.load_variable(checkpoint_dir, name)


@public("contrib.framework.list_variables")
def list_variables(checkpoint_dir: Any) -> list[tuple[str, list[int]]]:
    """Name and shape of each tensor in a checkpoint, sorted by name."""
    return reader.list_variables(checkpoint_dir)


@public("contrib.framework.init_from_checkpoint")
def init_from_checkpoint(checkpoint_dir: Any, assignment_map: Any) -> None:
    """Makes variables take their initial values from a checkpoint; as `tf.train.init_from_checkpoint`."""
    initialize.init_from_checkpoint(checkpoint_dir, assignment_map)


def _by_name(var_list: Any) -> dict[str, list[Any]]:
    """Variables by their names in the checkpoint, the parts of one together."""
    found: dict[str, list[Any]] = {}
    if isinstance(var_list, dict):
        for name, variable in var_list.items():
            found[name] = list(variable) if isinstance(variable, list | tuple) else [variable]
    else:
        for variable in var_list:
            found.setdefault(get_variable_full_name(variable), []).append(variable)
    return found


@public("contrib.framework.assign_from_checkpoint", "contrib.slim.assign_from_checkpoint")
def assign_from_checkpoint(
    model_path: Any, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Operation, dict[Any, Any]]:
    """An operation that sets variables from a checkpoint, and what to feed to it.

    Args:
      model_path: the checkpoint.
      var_list: variables, or a dict from names in the checkpoint to variables or lists of their parts.
      ignore_missing_vars: leave variables out that the checkpoint lacks.

    Raises:
      ValueError: the checkpoint lacks a variable, or has it with another shape.
    """
    opened = reader.CheckpointReader(model_path)
    feeds: dict[Any, Any] = {}
    assignments = []
    for name, variables in _by_name(var_list).items():
        if not opened.has_tensor(name):
            if not ignore_missing_vars:
                raise ValueError(f"Checkpoint is missing variable [{name}]. Received: {model_path}")
            _logger.warning("Checkpoint is missing variable [%s]", name)
            continue
        value = opened.get_tensor(name)
        for variable in variables:
            shape = variable.get_shape()
            given = placeholder(variable.dtype.base_dtype, shape, name="placeholder/" + variable.op.name)
            assignments.append(variable.assign(given))
            info = variable._get_save_slice_info()
            part = value
            if info is not None:
                part = value[
                    tuple(slice(k, k + n) for k, n in zip(info.var_offset, info.var_shape, strict=True))
                ]
            if not shape.is_compatible_with(getattr(part, "shape", ())):
                raise ValueError(
                    f"assign_from_checkpoint: {name} must have the variable's shape {shape}. "
                    f"Received: {list(part.shape)}"
                )
            feeds[given] = part
    return group(*assignments), feeds


@public("contrib.framework.assign_from_checkpoint_fn", "contrib.slim.assign_from_checkpoint_fn")
def assign_from_checkpoint_fn(
    model_path: Any, var_list: Any, ignore_missing_vars: bool = False, reshape_variables: bool = False
) -> Callable[[Any], None] | None:
    """A function of a session that sets variables from a checkpoint.

    Args:
      model_path: the checkpoint.
      var_list: variables, or a dict from names in the checkpoint to variables.
      ignore_missing_vars: leave variables out that the checkpoint lacks.
      reshape_variables: let the checkpoint's shapes differ where the number of elements agrees.

    Returns:
      The function; None where no variable is left.

    Raises:
      ValueError: `var_list` is empty.
    """
    if not var_list:
        raise ValueError("var_list cannot be empty")
    chosen: Any = var_list
    if ignore_missing_vars:
        chosen = _there(reader.CheckpointReader(model_path), var_list)
    if not chosen:
        _logger.warning("No Variables to restore")
        return None
    saver = Saver(chosen, reshape=reshape_variables, write_version=_V1)
    return lambda session: saver.restore(session, model_path)


def _there(opened: reader.CheckpointReader, var_list: Any) -> dict[str, Any] | Sequence[Any]:
    """The variables that a checkpoint has."""
    named = var_list if isinstance(var_list, dict) else {v.op.name: v for v in var_list}
    for name in named:
        if not opened.has_tensor(name):
            _logger.warning("Variable %s missing in checkpoint", name)
    return {name: variable for name, variable in named.items() if opened.has_tensor(name)}
