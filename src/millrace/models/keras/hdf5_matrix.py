"""`HDF5Matrix`: rows of a data set in an HDF5 file, in place of an array."""

from __future__ import annotations

import collections
from typing import Any

from millrace.core.public import public
from millrace.models.keras.saving.hdf5 import library


@public("keras.utils.HDF5Matrix")
class HDF5Matrix:
    """Rows of a data set in an HDF5 file, read when they are asked for.

    Args:
      datapath: the file.
      dataset: the name in it.
      start, end: the rows; default, all.
      normalizer: applied to what is read.
    """

    refs: Any = collections.defaultdict(int)  # open files by path

    def __init__(
        self, datapath: Any, dataset: str, start: int = 0, end: int | None = None, normalizer: Any = None
    ) -> None:
        h5py = library()
        file = HDF5Matrix.refs.get(datapath)
        if not file:
            file = HDF5Matrix.refs[datapath] = h5py.File(datapath, "r")
        self.data = file[dataset]
        self.start = start
        self.end = self.data.shape[0] if end is None else end
        self.normalizer = normalizer
        first = self.normalizer(self.data[0:1]) if normalizer is not None else self.data[0:1]
        self._base_shape, self._base_dtype = first.shape[1:], first.dtype

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        found = self.data[self._rows(key)]
        return found if self.normalizer is None else self.normalizer(found)

    def _rows(self, key: Any) -> Any:
        if isinstance(key, slice):
            start = 0 if key.start is None else key.start
            stop = len(self) if key.stop is None else key.stop
            if stop + self.start > self.end:
                raise IndexError(f"Rows {start} to {stop} are not all there. There are {len(self)}.")
            return slice(start + self.start, stop + self.start)
        if hasattr(key, "tolist"):
            key = key.tolist()
        if isinstance(key, list):
            if max(key) + self.start >= self.end:
                raise IndexError(f"Row {max(key)} is not there. There are {len(self)}.")
            return [k + self.start for k in key]
        if key + self.start >= self.end:
            raise IndexError(f"Row {key} is not there. There are {len(self)}.")
        return key + self.start

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, rows first."""
        return (len(self), *self._base_shape)

    @property
    def dtype(self) -> Any:
        """The dtype of what is read."""
        return self._base_dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of numbers."""
        count = 1
        for length in self.shape:
            count *= length
        return count
