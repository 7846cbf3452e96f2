"""Matrices of checkpoints whose rows or columns belong to the entries of a vocabulary that has changed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from millrace.core.dtypes import float32
from millrace.core.errors import refusal
from millrace.core.file_errors import naming
from millrace.graph.attrs import integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.checkpoint.reading import read_tensors
from millrace.opkit.rules import shape_rules
from millrace.opkit.text.pieces import strings


def _lines(path: Any) -> list[bytes]:
    name = os.fsdecode(strings(path).item())
    with naming(name), open(name, "rb") as file:
        return file.read().splitlines()


@declare(
    "GenerateVocabRemapping(new_vocab_file: string, old_vocab_file: string) -> "
    "remapping: int64, num_present: int32",
    new_vocab_offset=integer(minimum=0),
    num_new_vocab=integer(minimum=0),
    old_vocab_size=integer(-1, minimum=-1),
    effect=True,
    host=True,
)
class GenerateVocabRemapping:
    """For each line of a file, its number in an older file, -1 where it is new; and how many are not."""

    def shape(new_vocab_file, old_vocab_file, num_new_vocab):
        return [(num_new_vocab,), ()]

    def kernel(xp, new_vocab_file, old_vocab_file, new_vocab_offset, num_new_vocab, old_vocab_size):
        old = _lines(old_vocab_file)
        places = {line: k for k, line in enumerate(old if old_vocab_size < 0 else old[:old_vocab_size])}
        new = _lines(new_vocab_file)[new_vocab_offset : new_vocab_offset + num_new_vocab]
        if len(new) < num_new_vocab:
            raise refusal(
                f"GenerateVocabRemapping: {num_new_vocab} lines are needed from line {new_vocab_offset} on. "
                f"Received: a file with {len(new)} of them",
            )
        remapping = np.array([places.get(line, -1) for line in new], np.int64)
        return remapping, np.array((remapping >= 0).sum(), np.int32)

    grad = NOT_DIFFERENTIABLE


@declare(
    "LoadAndRemapMatrix(ckpt_path: string, old_tensor_name: string, row_remapping: int64, "
    "col_remapping: int64, initializing_values: float) -> output_matrix: float",
    num_rows=integer(minimum=0),
    num_cols=integer(minimum=1),
    max_rows_in_memory=integer(-1),
    effect=True,
    host=True,
)
class LoadAndRemapMatrix:
    """A matrix of a checkpoint with rows and columns in another order, and values for those that are new."""

    def shape(
        ckpt_path, old_tensor_name, row_remapping, col_remapping, initializing_values, num_rows, num_cols
    ):
        shape_rules.with_rank(row_remapping, 1, "row_remapping")
        shape_rules.with_rank(col_remapping, 1, "col_remapping")
        return (num_rows, num_cols)

    def kernel(
        xp, ckpt_path, old_tensor_name, row_remapping, col_remapping, initializing_values, num_rows, num_cols
    ):
        name, path = os.fsdecode(strings(old_tensor_name).item()), os.fsdecode(strings(ckpt_path).item())
        [old] = read_tensors(path, [name], [""], [float32])
        if old.ndim != 2:
            raise refusal(f"LoadAndRemapMatrix: {name} must be a matrix. Received: shape {list(old.shape)}")
        rows = _places(row_remapping, num_rows, old.shape[0], "row")
        columns = _places(
            col_remapping if len(col_remapping) else np.arange(num_cols), num_cols, old.shape[1], "column"
        )
        known = (rows >= 0)[:, None] & (columns >= 0)
        result = np.empty((num_rows, num_cols), np.float32)
        result[known] = old[np.ix_(rows[rows >= 0], columns[columns >= 0])].ravel()
        if result.size - known.sum() != initializing_values.size:
            raise refusal(
                f"LoadAndRemapMatrix: {result.size - known.sum()} values are needed for what is new. "
                f"Received: {initializing_values.size} initializing_values",
            )
        result[~known] = initializing_values.ravel()
        return result

    grad = NOT_DIFFERENTIABLE


def _places(remapping: Any, wanted: int, size: int, what: str) -> np.ndarray[Any, Any]:
    """A remapping, checked.

    Raises:
      InvalidArgumentError: it has another length, names a place twice, or one that does not exist.
    """
    if len(remapping) != wanted:
        raise refusal(f"LoadAndRemapMatrix: {wanted} {what}s are to be filled. Received: {len(remapping)}")
    used = remapping[remapping >= 0]
    if len(np.unique(used)) < len(used) or (used >= size).any():
        raise refusal(
            f"LoadAndRemapMatrix: a {what} of the old matrix, which has {size}, is taken once at most. "
            f"Received: {remapping.tolist()}",
        )
    return remapping
