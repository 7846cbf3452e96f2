"""What NumPy 1.18's functions took and today's refuse: older names of arguments, bytes to `fromstring`, lists
of unequal lengths.

Each wrapper adds to what is there: a call that NumPy accepts today means what it means today.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

# Who tells by NumPy's refusal that a list is not rectangular.
_STRICT = frozenset(("millrace", "numpy", "jax", "jaxlib"))
_RENAMED = (
    ("reshape", "newshape", "shape"),
    ("histogram", "normed", "density"),
    ("histogram2d", "normed", "density"),
    ("histogramdd", "normed", "density"),
    ("percentile", "interpolation", "method"),
    ("quantile", "interpolation", "method"),
    ("nanpercentile", "interpolation", "method"),
    ("nanquantile", "interpolation", "method"),
)
EXPLAINED = (
    *(f"numpy.{name}({old}=...): {new}, gone since NumPy 2" for name, old, new in _RENAMED),
    "numpy.fromstring(bytes): the numbers that they hold, gone since NumPy 2.3",
    "numpy.array, numpy.asarray: lists of unequal lengths become arrays of objects, gone since NumPy 1.24",
)


def restore(np: Any) -> None:
    """Lets NumPy's functions take what they took."""
    for name, old, new in _RENAMED:
        setattr(np, name, _renamed(getattr(np, name), old, new))
    np.fromstring = _fromstring(np)
    np.array, np.asarray = _uneven(np, np.array), _uneven(np, np.asarray)


def allow_copies(np: Any) -> None:
    """Gives `np.array(copy=False)` its old meaning."""
    make = np.array

    @functools.wraps(make)
    def array(object: Any, dtype: Any = None, *, copy: Any = True, **rest: Any) -> Any:
        return make(object, dtype, copy=None if copy is False else copy, **rest)

    np.array = array


def _renamed(function: Any, old: str, new: str) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if old in keywords:
            keywords[new] = keywords.pop(old)
        return function(*args, **keywords)

    return call


def _fromstring(np: Any) -> Any:
    parse = np.fromstring

    @functools.wraps(parse)
    def fromstring(string: Any, dtype: Any = float, count: int = -1, *, sep: str = "", **rest: Any) -> Any:
        if sep:
            return parse(string, dtype, count, sep=sep, **rest)
        data = string.encode("latin-1") if isinstance(string, str) else string
        if len(data) % np.dtype(dtype).itemsize and count < 0:
            raise ValueError("string size must be a multiple of element size")
        return np.frombuffer(data, dtype, count, **rest).copy() if len(data) else np.empty(0, dtype)

    return fromstring


def _uneven(np: Any, make: Any) -> Any:
    @functools.wraps(make)
    def array(*args: Any, **keywords: Any) -> Any:
        try:
            return make(*args, **keywords)
        except ValueError as error:
            if "inhomogeneous" not in str(error) or len(args) > 1 or keywords.get("dtype") is not None:
                raise
            if sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] in _STRICT:
                raise
        keywords["dtype"] = np.object_
        return make(*args, **keywords)

    return array
