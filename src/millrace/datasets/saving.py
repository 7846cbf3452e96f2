"""Saving where an iterator stands: what a Saver takes, and writing a dataset to a file of records."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.operation import Operation


class IteratorSaveable(SaveableObject):
    """An iterator as an object that a Saver saves and restores."""

    def __init__(self, resource: Any) -> None:
        state = raw.SerializeIterator(resource)
        name = resource.op.name
        super().__init__(resource, [SaveSpec(state, "", name + "-state", dtype=dtypes.variant)], name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Operation:
        """Sets the iterator to where it stood."""
        return raw.DeserializeIterator(self.op, restored_tensors[0])


@public("data.experimental.make_saveable_from_iterator", "contrib.data.make_saveable_from_iterator")
def make_saveable_from_iterator(iterator: Any) -> SaveableObject:
    """What saves and restores an iterator: add it to the collection `tf.GraphKeys.SAVEABLE_OBJECTS`, or give
    it to a Saver.

    A checkpoint that holds an iterator is restored into an iterator that its initializer has started.
    """
    return IteratorSaveable(iterator._iterator_resource)


@public("data.experimental.TFRecordWriter", "contrib.data.TFRecordWriter")
class TFRecordWriter:
    """Writes a dataset of strings to a file of records.

    Args:
      filename: of the file.
      compression_type: "", "GZIP" or "ZLIB".
    """

    def __init__(self, filename: Any, compression_type: str | None = None) -> None:
        self._filename = convert.to_tensor(filename, dtypes.string, "filename")
        self._compression_type = convert.to_tensor(compression_type or "", dtypes.string, "compression_type")

    def write(self, dataset: Any) -> Operation:
        """An operation that writes all elements of `dataset`, scalar strings.

        Raises:
          TypeError: `dataset` is not a dataset, or its elements are of another kind.
        """
        if not hasattr(dataset, "_variant_tensor"):
            raise TypeError(f"`dataset` must be a `tf.data.Dataset` object. Received: {dataset!r}")
        if dataset.output_types is not dtypes.string:
            raise TypeError(
                f"`dataset` must produce scalar `DT_STRING` tensors. Received: {dataset.output_types}"
            )
        return raw.DatasetToTFRecord(dataset._variant_tensor, self._filename, self._compression_type)
