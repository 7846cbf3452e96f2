"""h5py as version 2 was: texts that programs decode, files that are made where they are not there."""

from __future__ import annotations

from typing import Any


class Text(str):
    """Text that h5py 2 gave as bytes in some files and as text in others: programs decode it, or do not."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The text itself."""
        return str(self)


def restore(h5py: Any) -> None:
    """Gives a module h5py, of version 3, the ways of version 2 that programs for it need."""
    _attributes(h5py)
    _datasets(h5py)
    _files(h5py)


def _attributes(h5py: Any) -> None:
    """Texts written as bytes: an array of them is one of bytes again; one alone can be decoded.

    A list of bytes is written as texts of one length, and an empty array that is read is false.
    """
    import numpy as np

    manager = h5py.AttributeManager
    get, create = manager.__getitem__, manager.create

    class Nothing(np.ndarray):
        def __bool__(self) -> bool:
            return False

    def text_or_value(self: Any, name: str) -> Any:
        value = get(self, name)
        if type(value) is str:
            return Text(value)
        if isinstance(value, np.ndarray) and value.dtype == object and value.size and _is_ascii(self, name):
            return np.array([x.encode("utf-8") for x in value.flat], np.bytes_).reshape(value.shape)
        return value.view(Nothing) if isinstance(value, np.ndarray) and not value.size else value

    def created(self: Any, name: str, data: Any, shape: Any = None, dtype: Any = None) -> None:
        if dtype is None and isinstance(data, list) and np.asarray(data).dtype.kind == "S":
            data = np.asarray(data)
        create(self, name, data, shape, dtype)

    def _is_ascii(self: Any, name: str) -> bool:
        kind = self.get_id(name).get_type()
        return isinstance(kind, h5py.h5t.TypeStringID) and kind.get_cset() == h5py.h5t.CSET_ASCII

    manager.__getitem__, manager.create = text_or_value, created


def _datasets(h5py: Any) -> None:
    """`Dataset.value`, and texts of any length as texts."""
    import numpy as np

    dataset = h5py.Dataset
    get = dataset.__getitem__

    def value_or_text(self: Any, args: Any, new_dtype: Any = None) -> Any:
        found = get(self, args, new_dtype)
        kind = h5py.check_string_dtype(self.dtype)
        if kind is None or kind.length is not None or kind.encoding != "utf-8":
            return found
        if isinstance(found, bytes):
            return Text(found.decode("utf-8"))
        if isinstance(found, np.ndarray):
            texts = [Text(x.decode("utf-8")) if isinstance(x, bytes) else x for x in found.flat]
            return np.array(texts, object).reshape(found.shape)
        return found

    as_text = dataset.asstr

    def asstr(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = as_text(self, *args, **kwargs)
        found._dset = _Undecoded(self, get)
        return found

    dataset.__getitem__, dataset.asstr = value_or_text, asstr
    if not hasattr(dataset, "value"):
        dataset.value = property(lambda self: self[()])


class _Undecoded:
    """A dataset as version 3 reads it."""

    def __init__(self, dataset: Any, get: Any) -> None:
        self._dataset, self._get = dataset, get

    def __getitem__(self, args: Any) -> Any:
        return self._get(self._dataset, args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def _files(h5py: Any) -> None:
    """Files opened without a mode can be written, and are made where they are not there; `File.fid`."""
    begin = h5py.File.__init__

    def opened(self: Any, name: Any, mode: Any = None, *args: Any, **kwargs: Any) -> None:
        if mode is not None:
            begin(self, name, mode, *args, **kwargs)
            return
        try:
            begin(self, name, "a", *args, **kwargs)
        except OSError:
            begin(self, name, "r", *args, **kwargs)

    h5py.File.__init__ = opened
    if not hasattr(h5py.File, "fid"):
        h5py.File.fid = property(lambda self: self.id)
