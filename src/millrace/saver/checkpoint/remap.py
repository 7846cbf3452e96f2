"""Initializers that take a matrix from a checkpoint and follow changes of the vocabularies it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.variables.initializers import Zeros
from millrace.ops.array.fill import range_


def load_and_remap(
    ckpt_path: str,
    old_tensor_name: str,
    new_row_vocab_offset: int,
    num_rows_to_load: int,
    new_col_vocab_size: int,
    initializer: Callable[..., Any],
    old_row_vocab_size: int = -1,
    old_row_vocab_file: str | None = None,
    new_row_vocab_file: str | None = None,
    old_col_vocab_file: str | None = None,
    new_col_vocab_file: str | None = None,
    num_row_oov_buckets: int = 0,
    num_col_oov_buckets: int = 0,
    max_rows_in_memory: int = -1,
) -> Any:
    """Some rows of a matrix in a checkpoint, and behind them rows and columns for unknown words.

    Raises:
      ValueError: a number of buckets is negative.
    """
    for count in (num_row_oov_buckets, num_col_oov_buckets):
        if count < 0:
            raise ValueError(f"numbers of out-of-vocabulary buckets are not negative. Received: {count}")
    rows_present: Any = num_rows_to_load
    if new_row_vocab_file:
        rows, rows_present = raw.GenerateVocabRemapping(
            new_row_vocab_file,
            old_row_vocab_file,
            new_vocab_offset=new_row_vocab_offset,
            num_new_vocab=num_rows_to_load,
            old_vocab_size=old_row_vocab_size,
        )
    else:
        stop = new_row_vocab_offset + num_rows_to_load
        rows = range_(new_row_vocab_offset, stop, dtype=dtypes.int64)
    columns: Any = []
    columns_present: Any = new_col_vocab_size
    if new_col_vocab_file:
        columns, columns_present = raw.GenerateVocabRemapping(
            new_col_vocab_file, old_col_vocab_file, new_vocab_offset=0, num_new_vocab=new_col_vocab_size
        )
    missing = num_rows_to_load * new_col_vocab_size - rows_present * columns_present
    loaded = raw.LoadAndRemapMatrix(
        ckpt_path,
        old_tensor_name,
        rows,
        columns,
        initializer([missing, 1]),
        num_rows=num_rows_to_load,
        num_cols=new_col_vocab_size,
        max_rows_in_memory=max_rows_in_memory,
    )
    if num_row_oov_buckets:
        more = convert_to_tensor(initializer([num_row_oov_buckets, new_col_vocab_size]))
        loaded = raw.ConcatV2([loaded, more], 0, name="concat")
    if num_col_oov_buckets:
        more = convert_to_tensor(initializer([num_rows_to_load + num_row_oov_buckets, num_col_oov_buckets]))
        loaded = raw.ConcatV2([loaded, more], 1, name="concat")
    return loaded


@public("contrib.framework.load_and_remap_matrix_initializer")
def load_and_remap_matrix_initializer(
    ckpt_path: str,
    old_tensor_name: str,
    new_row_vocab_size: int,
    new_col_vocab_size: int,
    old_row_vocab_size: int = -1,
    old_row_vocab_file: str | None = None,
    new_row_vocab_file: str | None = None,
    old_col_vocab_file: str | None = None,
    new_col_vocab_file: str | None = None,
    num_row_oov_buckets: int = 0,
    num_col_oov_buckets: int = 0,
    initializer: Callable[..., Any] | None = None,
    max_rows_in_memory: int = -1,
) -> Callable[..., Any]:
    """An initializer for a variable whose rows and columns belong to the lines of vocabulary files.

    Args:
      ckpt_path: the checkpoint.
      old_tensor_name: the matrix in it, float32.
      new_row_vocab_size, new_col_vocab_size: how many words the rows and columns stand for.
      old_row_vocab_size: how many lines of the old file count; -1 for all.
      old_row_vocab_file, new_row_vocab_file: the words of the rows, or None where they are the same.
      old_col_vocab_file, new_col_vocab_file: the words of the columns, or None where they are the same.
      num_row_oov_buckets, num_col_oov_buckets: rows and columns behind these, for other words.
      initializer: makes what is new; default, zeros.
      max_rows_in_memory: accepted; the matrix is read whole.

    Returns:
      A function of `shape`, `dtype` and `partition_info`.

    Raises:
      ValueError: when called, if the shape is not that of the words and buckets, or the dtype is not float32.
    """
    make = Zeros() if initializer is None else initializer
    all_rows = new_row_vocab_size + num_row_oov_buckets
    all_columns = new_col_vocab_size + num_col_oov_buckets

    def initialize(shape: Any, dtype: Any = dtypes.float32, partition_info: Any = None) -> Any:
        shape = [int(size) for size in shape]
        if len(shape) != 2 or shape[1] != all_columns:
            raise ValueError(f"the variable must have shape [rows, {all_columns}]. Received: {shape}")
        if dtypes.as_dtype(dtype) != dtypes.float32:
            raise ValueError(f"only float32 matrices are read. Received: {dtypes.as_dtype(dtype).name}")
        if partition_info is not None and partition_info.single_slice_dim(shape) not in (0, None):
            raise ValueError(f"a variable is split between rows only. Received: a part of shape {shape}")
        offset = 0 if partition_info is None else partition_info.single_offset(shape)
        if offset + shape[0] > all_rows:
            raise ValueError(
                f"there are {all_rows} words and buckets. Received: rows {offset} to {offset + shape[0]}"
            )
        buckets = min(max(offset + shape[0] - new_row_vocab_size, 0), shape[0])
        return load_and_remap(
            ckpt_path,
            old_tensor_name,
            offset,
            shape[0] - buckets,
            new_col_vocab_size,
            make,
            old_row_vocab_size,
            old_row_vocab_file,
            new_row_vocab_file,
            old_col_vocab_file,
            new_col_vocab_file,
            buckets,
            num_col_oov_buckets,
            max_rows_in_memory,
        )

    return initialize


@public("contrib.framework.load_embedding_initializer")
def load_embedding_initializer(
    ckpt_path: str,
    embedding_tensor_name: str,
    new_vocab_size: int,
    embedding_dim: int,
    old_vocab_file: str,
    new_vocab_file: str,
    old_vocab_size: int = -1,
    num_oov_buckets: int = 0,
    initializer: Callable[..., Any] | None = None,
    max_rows_in_memory: int = -1,
) -> Callable[..., Any]:
    """An initializer for an embedding whose words have changed: see `load_and_remap_matrix_initializer`."""
    return load_and_remap_matrix_initializer(
        ckpt_path,
        embedding_tensor_name,
        new_vocab_size,
        embedding_dim,
        old_vocab_size,
        old_vocab_file,
        new_vocab_file,
        num_row_oov_buckets=num_oov_buckets,
        initializer=initializer,
        max_rows_in_memory=max_rows_in_memory,
    )


@public("contrib.framework.load_linear_multiclass_bias_initializer")
def load_linear_multiclass_bias_initializer(
    ckpt_path: str,
    bias_tensor_name: str,
    new_class_vocab_size: int,
    old_class_vocab_file: str,
    new_class_vocab_file: str,
    num_class_oov_buckets: int = 0,
    initializer: Callable[..., Any] | None = None,
    max_rows_in_memory: int = -1,
) -> Callable[..., Any]:
    """An initializer for biases whose classes have changed: see `load_and_remap_matrix_initializer`."""
    return load_and_remap_matrix_initializer(
        ckpt_path,
        bias_tensor_name,
        new_class_vocab_size,
        1,
        old_row_vocab_file=old_class_vocab_file,
        new_row_vocab_file=new_class_vocab_file,
        num_row_oov_buckets=num_class_oov_buckets,
        initializer=initializer,
        max_rows_in_memory=max_rows_in_memory,
    )


@public("contrib.framework.load_variable_slot_initializer")
def load_variable_slot_initializer(
    ckpt_path: str,
    old_tensor_name: str,
    primary_partition_info: Any,
    new_row_vocab_size: int,
    new_col_vocab_size: int,
    old_row_vocab_file: str | None = None,
    new_row_vocab_file: str | None = None,
    old_col_vocab_file: str | None = None,
    new_col_vocab_file: str | None = None,
    num_row_oov_buckets: int = 0,
    num_col_oov_buckets: int = 0,
    initializer: Callable[..., Any] | None = None,
    max_rows_in_memory: int = -1,
) -> Callable[..., Any]:
    """An initializer for an optimizer's slot, which lies where `primary_partition_info` says of its variable.

    The other arguments are those of `load_and_remap_matrix_initializer`.
    """
    initialize = load_and_remap_matrix_initializer(
        ckpt_path,
        old_tensor_name,
        new_row_vocab_size,
        new_col_vocab_size,
        -1,
        old_row_vocab_file,
        new_row_vocab_file,
        old_col_vocab_file,
        new_col_vocab_file,
        num_row_oov_buckets,
        num_col_oov_buckets,
        initializer,
        max_rows_in_memory,
    )
    return lambda shape, dtype=dtypes.float32, partition_info=None: initialize(
        shape, dtype, primary_partition_info
    )
