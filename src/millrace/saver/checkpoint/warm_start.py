"""`tf.train.warm_start`: a model that begins with the variables of another, whose vocabularies may differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform.log import get_logger
from millrace.lib.variables.store import PartitionInfo
from millrace.lib.variables.variable import Variable
from millrace.saver.checkpoint.initialize import init_from_checkpoint
from millrace.saver.checkpoint.reader import checkpoint_in, load_checkpoint
from millrace.saver.checkpoint.remap import load_and_remap_matrix_initializer

_logger = get_logger()


class _VocabFields(NamedTuple):
    new_vocab: str
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str
    old_vocab_size: int = -1
    backup_initializer: Callable[..., Any] | None = None
    axis: int = 0


@public("train.VocabInfo", "estimator.VocabInfo")
class VocabInfo(_VocabFields):
    """The vocabularies of a variable in the model that is begun, and in the one it begins with.

    Args:
      new_vocab: a file with a word on each line.
      new_vocab_size: how many of its lines count.
      num_oov_buckets: rows behind these, for other words.
      old_vocab: the file of the older model.
      old_vocab_size: how many of its lines count; -1 for all.
      backup_initializer: makes the values of words that are new; default, zeros.
      axis: 0 where rows stand for words, 1 where columns do.

    Raises:
      ValueError: `axis` is another.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        new_vocab: str,
        new_vocab_size: int,
        num_oov_buckets: int,
        old_vocab: str,
        old_vocab_size: int = -1,
        backup_initializer: Callable[..., Any] | None = None,
        axis: int = 0,
    ) -> VocabInfo:
        if axis not in (0, 1):
            raise ValueError(
                f"The only supported values for the axis argument are 0 and 1. Provided axis: {axis}"
            )
        return super().__new__(
            cls,
            new_vocab,
            new_vocab_size,
            num_oov_buckets,
            old_vocab,
            old_vocab_size,
            backup_initializer,
            axis,
        )


@public("train.warm_start")
def warm_start(
    ckpt_to_initialize_from: Any,
    vars_to_warm_start: Any = ".*",
    var_name_to_vocab_info: dict[str, VocabInfo] | None = None,
    var_name_to_prev_var_name: dict[str, str] | None = None,
) -> None:
    """Makes variables take their initial values from the checkpoint of another model.

    Args:
      ckpt_to_initialize_from: the checkpoint, or the folder whose newest is taken.
      vars_to_warm_start: which: a regular expression for names of trainable variables, a list of such for all
        variables, or a list of variables; None for those with a vocabulary only.
      var_name_to_vocab_info: the vocabularies of some, by name.
      var_name_to_prev_var_name: the names of some in the checkpoint, where they differ.

    Raises:
      ValueError: the checkpoint lacks a variable, or a name in the maps is not that of a variable.
    """
    vocabularies = var_name_to_vocab_info or {}
    earlier = var_name_to_prev_var_name or {}
    _logger.info("Warm-starting from: %s", ckpt_to_initialize_from)
    path = checkpoint_in(ckpt_to_initialize_from)
    load_checkpoint(path)
    used: set[str] = set()
    for name, parts in _grouped(vars_to_warm_start).items():
        if name in vocabularies:
            used.add(name)
            _begin_with_vocabulary(parts, vocabularies[name], path, earlier.get(name, name))
        elif vars_to_warm_start:
            used.add(name)
            init_from_checkpoint(path, {earlier.get(name, name): parts[0] if len(parts) == 1 else parts})
        else:
            continue
        _logger.debug("Warm-started: %s", name)
    _logger.info("Warm-started %d variables.", len(used))
    for given, what in ((earlier, "var_name_to_prev_var_name"), (vocabularies, "var_name_to_vocab_info")):
        unused = sorted(set(given) - used)
        if unused:
            raise ValueError(
                f"warm_start: {what} names variables that are not there. Received: {unused}; "
                f"there are {sorted(used)}"
            )


def _grouped(vars_to_warm_start: Any) -> dict[str, list[Variable]]:
    """The variables to begin with, by name; those that are parts of one together."""
    graph = get_default_graph()
    chosen: list[Any] = []
    if isinstance(vars_to_warm_start, str) or vars_to_warm_start is None:
        _logger.info("Warm-starting variables only in TRAINABLE_VARIABLES.")
        chosen = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES, vars_to_warm_start)
    elif isinstance(vars_to_warm_start, list):
        if all(isinstance(v, str) for v in vars_to_warm_start):
            for pattern in vars_to_warm_start:
                chosen += graph.get_collection(GraphKeys.GLOBAL_VARIABLES, pattern)
        elif all(isinstance(v, Variable | list) for v in vars_to_warm_start):
            chosen = vars_to_warm_start
        else:
            kinds = [type(v).__name__ for v in vars_to_warm_start]
            raise ValueError(
                f"warm_start: vars_to_warm_start lists variables, or names, not both. Received: {kinds}"
            )
    else:
        raise ValueError(
            "warm_start: vars_to_warm_start is a list or a string. "
            f"Received: {type(vars_to_warm_start).__name__}"
        )
    found: dict[str, list[Variable]] = {}
    for variable in chosen:
        for part in variable if isinstance(variable, list) else [variable]:
            info = part._get_save_slice_info()
            found.setdefault(part.op.name if info is None else info.full_name, []).append(part)
    return found


def _begin_with_vocabulary(parts: list[Variable], vocabulary: VocabInfo, path: str, tensor_name: str) -> None:
    for part in parts:
        shape = part.get_shape().as_list()
        info = part._get_save_slice_info()
        where = None if info is None else PartitionInfo(info.full_shape, info.var_offset)
        by_row = vocabulary.axis == 0
        other: Any = shape[1] if by_row else (shape[0] if info is None else info.full_shape[0])
        files = {
            f"old_{'row' if by_row else 'col'}_vocab_file": vocabulary.old_vocab,
            f"new_{'row' if by_row else 'col'}_vocab_file": vocabulary.new_vocab,
            f"num_{'row' if by_row else 'col'}_oov_buckets": vocabulary.num_oov_buckets,
        }
        initialize = load_and_remap_matrix_initializer(
            path,
            tensor_name,
            new_row_vocab_size=vocabulary.new_vocab_size if by_row else other,
            new_col_vocab_size=other if by_row else vocabulary.new_vocab_size,
            old_row_vocab_size=vocabulary.old_vocab_size if by_row else -1,
            initializer=vocabulary.backup_initializer,
            **files,
        )
        value = convert_to_tensor(initialize(shape, partition_info=where))
        if part._is_resource:
            part._initializer = raw.AssignVariableOp(part._target, value)
        else:
            part._initializer = raw.Assign(part._target, value).op
