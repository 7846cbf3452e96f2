"""Datasets that read files: `TextLineDataset`, `TFRecordDataset`, `FixedLengthRecordDataset`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.datasets.base import DatasetBase
from millrace.datasets.dataset import Dataset
from millrace.datasets.elements import int64
from millrace.datasets.functions import wrapper
from millrace.datasets.interleaving import interleaved
from millrace.datasets.specs import TensorSpec

_BUFFER = 256 * 1024


def _text(value: Any, name: str, default: str = "") -> Any:
    return convert.to_tensor(default if value is None else value, dtypes.string, name)


def _filenames(filenames: Any) -> Dataset:
    """File names as a dataset of scalars.

    Raises:
      TypeError: they are not strings.
    """
    if isinstance(filenames, DatasetBase):
        spec = filenames.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype is not dtypes.string:
            raise TypeError(
                f"`filenames` must be a `tf.data.Dataset` of `tf.string` elements. Received: {spec}"
            )
        if spec.dims not in ((), None):
            raise ValueError(
                f"`filenames` must be a `tf.data.Dataset` of scalar `tf.string` elements. Received: {spec}"
            )
        return filenames  # type: ignore[return-value]
    tensor = convert.to_tensor(filenames, dtypes.string)
    with name_scope("flat_filenames") as scope:
        flat = raw.Reshape(tensor, convert.to_tensor([-1], dtypes.int32, "shape"), name=scope)
    structure = TensorSpec([], dtypes.string)
    return Dataset(raw.TensorSliceDataset([flat], output_shapes=[()]), structure)


class _Reader(Dataset):
    """What is read from each of several files."""

    def _read(self, filenames: Any, one: Callable[[Any], Any], parallel: Any) -> None:
        names = _filenames(filenames)
        read = wrapper(lambda name: Dataset(one(name), TensorSpec([], dtypes.string)), "read_one_file")
        if parallel is None:
            found = names.flat_map(read)
        else:
            found = interleaved(names, read, parallel, 1, False, None, None)
        super().__init__(found._variant_tensor, TensorSpec([], dtypes.string), names)


@public("data.TextLineDataset", "contrib.data.TextLineDataset")
class TextLineDataset(_Reader):
    """The lines of text files.

    Args:
      filenames: strings, or a dataset of them.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: accepted; reading is buffered.
      num_parallel_reads: how many files take turns; default: one after another.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:
        def one(name: Any) -> Any:
            kind = _text(compression_type, "compression_type")
            return raw.TextLineDataset(
                name, kind, int64(_BUFFER if buffer_size is None else buffer_size, "buffer_size")
            )

        self._read(filenames, one, num_parallel_reads)


@public("data.TFRecordDataset", "contrib.data.TFRecordDataset")
class TFRecordDataset(_Reader):
    """The records of TFRecord files.

    Args:
      filenames: strings, or a dataset of them.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: accepted; reading is buffered.
      num_parallel_reads: how many files take turns; default: one after another.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:
        def one(name: Any) -> Any:
            kind = _text(compression_type, "compression_type")
            return raw.TFRecordDataset(
                name, kind, int64(_BUFFER if buffer_size is None else buffer_size, "buffer_size")
            )

        self._read(filenames, one, num_parallel_reads)


@public("data.FixedLengthRecordDataset", "contrib.data.FixedLengthRecordDataset")
class FixedLengthRecordDataset(_Reader):
    """Pieces of one length of files.

    Args:
      filenames: strings, or a dataset of them.
      record_bytes: the length.
      header_bytes, footer_bytes: what is left out at the beginning and end of a file.
      buffer_size: accepted; reading is buffered.
      compression_type: "", "GZIP" or "ZLIB".
      num_parallel_reads: how many files take turns; default: one after another.
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:
        def one(name: Any) -> Any:
            length = int64(record_bytes, "record_bytes")
            header = int64(0 if header_bytes is None else header_bytes, "header_bytes")
            footer = int64(0 if footer_bytes is None else footer_bytes, "footer_bytes")
            buffer = int64(_BUFFER if buffer_size is None else buffer_size, "buffer_size")
            kind = _text(compression_type, "compression_type")
            return raw.FixedLengthRecordDatasetV2(name, header, length, footer, buffer, kind)

        self._read(filenames, one, num_parallel_reads)
