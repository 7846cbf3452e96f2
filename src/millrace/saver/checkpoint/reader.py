"""Checkpoints read by name, without a graph: `tf.train.NewCheckpointReader` and its shortcuts."""

from __future__ import annotations

import os
from typing import Any

from millrace.core import protos
from millrace.core.dtypes import DType
from millrace.core.errors import NotFoundError
from millrace.core.public import public
from millrace.drawing import cards
from millrace.opkit.checkpoint.reading import nearest, open_checkpoint
from millrace.saver.checkpoint.state import latest_checkpoint


@public("python.pywrap_tensorflow.CheckpointReader")
class CheckpointReader:
    """What a checkpoint holds.

    Args:
      filename: its name, or for one in the format V1 a file or a pattern.

    Raises:
      NotFoundError: there is none.
      DataLossError: it is damaged, or something else than a checkpoint.
    """

    def __init__(self, filename: Any) -> None:
        self._opened = open_checkpoint(os.fsdecode(filename))

    def _repr_html_(self) -> str:
        found = [(name, *self._describe(name)) for name in sorted(self._opened.names())]
        return cards.checkpoint(self._opened.prefix, [(n, dtype, list(shape)) for n, dtype, shape in found])

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """The shape of each tensor, by name."""
        return {name: list(self._describe(name)[1]) for name in self._opened.names()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """The dtype of each tensor, by name."""
        return {name: self._describe(name)[0] for name in self._opened.names()}

    def has_tensor(self, tensor_str: Any) -> bool:
        """Whether there is a tensor of that name."""
        return self._opened.describe(os.fsdecode(tensor_str)) is not None

    def get_tensor(self, tensor_str: Any) -> Any:
        """The value of a tensor, an array; bytes for a scalar string.

        Raises:
          NotFoundError: there is no such tensor; the message lists similar names.
          DataLossError: what is there is not what was written.
        """
        name = os.fsdecode(tensor_str)
        if self._opened.describe(name) is None:
            near = nearest(name, self._opened.names())
            advice = f"; nearest keys are {', '.join(near)}" if near else ""
            raise NotFoundError(
                None, None, f"Key {name} not found in checkpoint {self._opened.prefix}{advice}"
            )
        value = self._opened.read(name)
        return value[()] if value.ndim == 0 else value

    def debug_string(self) -> bytes:
        """Name, dtype and shape of each tensor, a line each; slices by their keys."""
        lines = []
        for name in self._opened.entry_names():
            dtype, shape = self._describe(name)
            kind = protos.DataType.Name(dtype.as_datatype_enum)
            lines.append(f"{name} ({kind}) [{','.join(map(str, shape))}]\n")
        return "".join(lines).encode("utf-8", "surrogateescape")

    def _describe(self, name: str) -> tuple[DType, tuple[int, ...]]:
        found = self._opened.describe(name)
        assert found is not None
        return found


@public("train.NewCheckpointReader", "python.pywrap_tensorflow.NewCheckpointReader")
def NewCheckpointReader(filepattern: Any) -> CheckpointReader:  # noqa: N802 - TensorFlow's name
    """Opens a checkpoint, to look at what it holds.

    Args:
      filepattern: its name, or for one in the format V1 a file or a pattern.

    Raises:
      NotFoundError: there is none.
      DataLossError: it is damaged, or something else than a checkpoint.
    """
    return CheckpointReader(filepattern)


def checkpoint_in(ckpt_dir_or_file: Any) -> str:
    """The name of a checkpoint, or of the newest one in a folder."""
    path = os.fsdecode(ckpt_dir_or_file)
    if os.path.isdir(path):
        found = latest_checkpoint(path)
        return path if found is None else found
    return path


@public("train.load_checkpoint")
def load_checkpoint(ckpt_dir_or_file: Any) -> CheckpointReader:
    """Opens a checkpoint, or the newest one in a folder.

    Raises:
      ValueError: the folder has none.
      NotFoundError: there is none of that name.
    """
    path = checkpoint_in(ckpt_dir_or_file)
    if os.path.isdir(path):
        raise ValueError(f"Couldn't find 'checkpoint' file or checkpoints in given directory {path}")
    return CheckpointReader(path)


@public("train.load_variable")
def load_variable(ckpt_dir_or_file: Any, name: str) -> Any:
    """The value of one tensor in a checkpoint, or in the newest one in a folder.

    Args:
      ckpt_dir_or_file: the checkpoint or the folder.
      name: the tensor's; `:0` may follow.

    Raises:
      NotFoundError: there is no such tensor.
    """
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


@public("train.list_variables")
def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """Name and shape of each tensor in a checkpoint, or in the newest one in a folder, sorted by name."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())
