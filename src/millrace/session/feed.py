"""Feeds: from what the caller gives to an array of the fed tensor's dtype and shape, or a clear refusal."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from millrace.building.literals import to_array
from millrace.core import dtypes, shapes
from millrace.core.depth import bounded
from millrace.core.kinds import LISTS
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.session.fetch import expansion_for
from millrace.session.handles import TensorHandle

_ARRAYS: tuple[type, ...] = (np.ndarray,)
_LARGE = 1 << 12  # elements
_ALIGNMENT = 64  # bytes, of arrays that XLA takes as they are


class Feed:
    """One key of a feed_dict: the tensor it names and how its values are converted.

    Attributes:
      tensor: the fed tensor.
      any_shape: True when the static shape does not fix every value's shape.
    """

    __slots__ = ("any_shape", "dtype", "is_object", "np_dtype", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.dtype = tensor.dtype.base_dtype
        self.np_dtype = self.dtype.np_dtype
        self.is_object = self.np_dtype.kind == "O"
        self.any_shape = not shapes.fully_defined(tensor.dims)
        if self.dtype is dtypes.resource:
            raise TypeError(
                f"Tensor '{tensor.name}' is the handle of a resource and cannot be fed; feed what reads it"
            )

    def convert(self, value: Any) -> np.ndarray:
        """`value` as an array of the tensor's dtype and a shape that fits it.

        Raises:
          TypeError: the value is a tensor, or of elements that do not convert.
          ValueError: ragged, or of a shape that the tensor cannot have.
        """
        if type(value) is np.ndarray and not self.is_object and value.dtype.kind in "fiub":
            same = value.dtype is self.np_dtype or value.dtype == self.np_dtype
            array = value if same else _converted(value, self.np_dtype)
        else:
            array = self._cast(value)
        dims = self.tensor.dims  # which `set_shape` may have narrowed since
        if dims is not None and array.shape != dims:
            shape = array.shape
            if len(shape) != len(dims) or any(
                d is not None and d != s for d, s in zip(dims, shape, strict=True)
            ):
                raise ValueError(
                    f"Cannot feed value of shape {shape} for Tensor '{self.tensor.name}', which has shape "
                    f"'{self.tensor.get_shape()}'"
                )
        return array

    def _cast(self, value: Any) -> Any:
        if isinstance(value, TensorHandle):
            value = str(value) if self.dtype is dtypes.string else value.eval()
        elif isinstance(value, Tensor) or (hasattr(value, "op") and hasattr(value, "graph")):
            raise TypeError(
                f"The value of a feed cannot be a Tensor; feed Python numbers, strings, lists or arrays. "
                f"Received: {value!r} for '{self.tensor.name}'"
            )
        if value is None:
            raise ValueError(f"None is not a value to feed for Tensor '{self.tensor.name}', which has shape "
                             f"'{self.tensor.get_shape()}'")  # fmt: skip
        try:
            if self.dtype is dtypes.string:
                return self._text(value)
            if self.is_object:
                return value
            if type(value) is int:
                with np.errstate(over="ignore"):
                    if self.np_dtype.type(value).item() != value:
                        raise TypeError(f"{self.dtype.name} has no such number")
            return self._array(value)
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError | OverflowError) else ValueError
            raise kind(
                f"Cannot feed Tensor '{self.tensor.name}' of dtype {self.dtype.name} and shape "
                f"'{self.tensor.get_shape()}': {error}. Received: {_short(value)}"
            ) from None

    def _array(self, value: Any) -> np.ndarray:
        try:
            return np.asarray(value, self.np_dtype)
        except OverflowError:
            if not self.dtype.is_integer:
                raise
            return np.asarray(value, np.int64).astype(self.np_dtype)  # wrapped, as in a constant

    def _text(self, value: Any) -> np.ndarray:
        if (
            isinstance(value, _ARRAYS)
            and value.dtype.kind == "O"
            and all(type(v) is bytes for v in value.flat)
        ):
            return value
        return to_array(value, dtypes.string)


@bounded
def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


class FeedPlan:
    """The keys of a feed_dict, resolved once; afterwards only values are converted.

    Attributes:
      feeds: one for each fed tensor.
    """

    def __init__(self, graph: Graph, keys: tuple[Any, ...], feed_dict: Any = None) -> None:
        self._readers: list[tuple[Any, Any]] = []
        self.feeds: list[Feed] = []
        self.simple = True
        for key in keys:
            given = _NOTHING if feed_dict is None else feed_dict[key]
            if isinstance(key, LISTS):
                self.simple = False
                inner = FeedPlan(graph, tuple(key), _paired(key, given))
                self._readers.append((key, partial(_nested, inner)))
                self.feeds.extend(inner.feeds)
                continue
            expansion = expansion_for(key)
            if expansion is not None:
                self.simple = False
                tensors = [_resolve(graph, t) for t in _tensors_of(expansion, key, given)]
                self._readers.append((key, partial(_expanded, expansion.feed, tensors)))
            else:
                tensors = [_resolve(graph, key)]
                self._readers.append((key, None))
            for tensor in tensors:
                if not graph.is_feedable(tensor):
                    raise ValueError(f"Tensor {tensor.name} may not be fed.")
                self.feeds.append(Feed(tensor))

    def convert(self, feed_dict: Any) -> list[np.ndarray]:
        """The values in the order of `feeds`.

        Raises:
          OtherTensors: a feed function gives values to other tensors than at the first time.
        """
        if self.simple:
            return [feed.convert(value) for feed, value in zip(self.feeds, feed_dict.values(), strict=True)]
        values: list[Any] = []
        for key, expand in self._readers:
            value = feed_dict[key]
            values.extend([v for _, v in expand(key, value)] if expand else [value])
        return [feed.convert(value) for feed, value in zip(self.feeds, values, strict=True)]


class OtherTensors(Exception):
    """What a feed function returns does not fit the plan made for an earlier value."""


_NOTHING: Any = object()  # stands for a value that is not known yet


def _tensors_of(expansion: Any, key: Any, value: Any) -> list[Any]:
    """The tensors that are fed where `key` is."""
    if expansion.feed is None:
        raise TypeError(f"A {type(key).__name__} cannot be fed: its type has no feed function")
    if value is not _NOTHING:
        return [tensor for tensor, _ in expansion.feed(key, value)]
    if expansion.feed_for_partial_run is None:
        raise TypeError(
            f"A {type(key).__name__} cannot be fed here: its type has no function for partial runs"
        )
    return list(expansion.feed_for_partial_run(key))


def _expanded(feed: Any, tensors: list[Tensor], key: Any, value: Any) -> list[tuple[Any, Any]]:
    pairs = list(feed(key, value))
    if [t if isinstance(t, Tensor) else tensors[0].graph.as_graph_element(t) for t, _ in pairs] != tensors:
        raise OtherTensors(key)
    return pairs


def _converted(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A copy of another dtype; a large one begins where XLA takes it as it is, without a copy of its own.

    For `[128, 784]` that saves 34 us of the call.
    """
    if value.size < _LARGE:
        return value.astype(dtype)
    room = np.empty(value.size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    array = room[start : start + value.size * dtype.itemsize].view(dtype).reshape(value.shape)
    np.copyto(array, value, casting="unsafe")
    return array


def _nested(inner: FeedPlan, key: Any, value: Any) -> list[tuple[Any, Any]]:
    """The values for a tuple of keys, which nests as the keys do."""
    parts: list[Any] = list(value) if isinstance(value, (*LISTS, *_ARRAYS)) else [value]
    if len(parts) != len(key):
        raise ValueError(
            f"Could not flatten dictionary. Key had {len(key)} elements, but value had {len(parts)} "
            f"elements. Key: {key!r}, value: {value!r}."
        )
    flat = inner.convert(dict(zip(key, parts, strict=True)))
    return [(feed.tensor, v) for feed, v in zip(inner.feeds, flat, strict=True)]


def _paired(key: Any, value: Any) -> Any:
    """The parts of a value by the parts of its key; None where they do not fit, or the value is not known."""
    if isinstance(value, LISTS) and len(value) == len(key):
        return dict(zip(key, value, strict=True))
    return None


def _resolve(graph: Graph, key: Any) -> Tensor:
    read = getattr(key, "_as_feed", None)  # a resource variable is fed by its read
    try:
        tensor = graph.as_graph_element(key if read is None else read(), allow_operation=False)
    except (TypeError, ValueError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) else str(error)
        received = "" if "Received" in text else f". Received: {key!r}"
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}{received}") from None
    return tensor
