"""What NumPy 1.18's functions took and today's refuse: older names of arguments, bytes to `fromstring`, lists
of unequal lengths.

Each wrapper adds to what is there: a call that NumPy accepts today means what it means today. Scalars within
lists are shown as they were, so that a program prints the lines that it printed.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from millrace.hook import old_numbers

# Who tells by NumPy's refusal that a list is not rectangular, or that an array has to be copied.
_STRICT = frozenset(("millrace", "jax", "jaxlib"))
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
    "numpy.meshgrid: a list, a tuple since NumPy 2",
    "numpy's scalars within lists are shown as numbers, not as np.float32(1.0), as before NumPy 2",
    "arrays of one element: numbers for float(), int(), %f and a[0] = ..., of any rank, gone since NumPy 2.4",
    "numpy.array(x, copy=False): copies where it must, an error since NumPy 2",
    "numpy.array, numpy.asarray: lists of unequal lengths become arrays of objects, gone since NumPy 1.24",
)


def alen(a: Any) -> int:
    """The length of the first axis, 1 for a scalar."""
    return len(a) if hasattr(a, "__len__") and getattr(a, "ndim", 1) else 1


def copied_transpose(a: Any) -> Any:
    """A copy of the transpose."""
    return a.T.copy()


def obj2sctype(rep: Any, default: Any = None) -> Any:
    """The scalar type of a type, dtype or array; `default` where there is none."""
    import numpy as np

    if isinstance(rep, type) and issubclass(rep, np.generic):
        return rep
    try:
        return (rep.dtype if isinstance(rep, np.ndarray) else np.dtype(rep)).type
    except TypeError:
        return default


def issctype(rep: Any) -> bool:
    """Whether a type or dtype is that of scalars."""
    import numpy as np

    found = obj2sctype(rep) if isinstance(rep, type | np.dtype) else None
    return found is not None and (found is not np.object_ or rep in (object, np.object_, np.dtype(object)))


def issubsctype(arg1: Any, arg2: Any) -> bool:
    """Whether the scalar type of one is a subclass of that of the other."""
    return issubclass(obj2sctype(arg1), obj2sctype(arg2))


def sctype2char(sctype: Any) -> str:
    """The letter of a scalar type."""
    import numpy as np

    return np.dtype(obj2sctype(sctype)).char


def restore(np: Any) -> None:
    """Lets NumPy's functions take what they took, and show numbers as they did."""
    if int(np.__version__.partition(".")[0]) >= 2:
        np.set_printoptions(legacy="1.25")
    for name, old, new in _RENAMED:
        setattr(np, name, _renamed(getattr(np, name), old, new))
    np.fromstring = _fromstring(np)
    np.meshgrid = _as_list(np.meshgrid)
    old_numbers.restore(np.ndarray)
    for name in ("array", "asarray", "asanyarray"):  # functions of NumPy call the last one
        setattr(np, name, _uneven(np, getattr(np, name)))


def ask_for_kinds(np: Any) -> None:
    """Gives `np.issubdtype(dtype, float)` its meaning of 1.18: whether the dtype is of that kind."""
    ask = np.issubdtype

    @functools.wraps(ask)
    def issubdtype(arg1: Any, arg2: Any) -> bool:
        given = isinstance(arg2, np.dtype) or (isinstance(arg2, type) and issubclass(arg2, np.generic))
        return ask(arg1, arg2 if given else np.dtype(arg2).type.mro()[1])

    np.issubdtype = issubdtype


def _renamed(function: Any, old: str, new: str) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if old in keywords:
            keywords[new] = keywords.pop(old)
        return function(*args, **keywords)

    return call


def _as_list(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> list[Any]:
        return list(function(*args, **keywords))

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
            is_uneven = "inhomogeneous" in str(error) and len(args) == 1 and keywords.get("dtype") is None
            must_copy = (
                keywords.get("copy") is False and make.__name__ == "array" and "avoid copy" in str(error)
            )
            if not (is_uneven or must_copy) or _caller() in _STRICT:
                raise
        if make.__name__ == "array" and keywords.get("copy") is False:
            keywords["copy"] = None
        if must_copy:
            return array(*args, **keywords)
        keywords["dtype"] = np.object_
        return make(*args, **keywords)

    return array


def _caller() -> str:
    """The package of the function that called NumPy."""
    frame = sys._getframe(2)
    while True:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package != "numpy" or frame.f_back is None:
            return package
        frame = frame.f_back
