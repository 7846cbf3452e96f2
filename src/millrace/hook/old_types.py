"""Methods that classes had: `array.tostring()`, `matrix.A`, `draw.textsize()`, `root.getchildren()`.

Classes written in C do not let programs add methods; theirs are put into the class's own dictionary.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from millrace.hook import old_plots


@dataclass(frozen=True)
class Method:
    """A method, or an attribute that is computed, of a class.

    Attributes:
      module: where the class lives.
      owner: the class.
      name: what it was called.
      function: makes it of the class's module: a function, or a property.
      gone: since when it is absent.
    """

    module: str
    owner: str
    name: str
    function: Callable[[ModuleType], Any]
    gone: str


def _pillow(name: str) -> Callable[[ModuleType], Any]:
    def find(_: ModuleType) -> Any:
        from millrace.hook import old_pillow

        return getattr(old_pillow, name)

    return find


def _plots(name: str) -> Callable[[ModuleType], Any]:
    return lambda _: getattr(old_plots, name)


def _axis(letter: str) -> Callable[[ModuleType], Any]:
    return lambda _: property(lambda self: getattr(self, f"{letter}axis"))


def _stored(array: Any, *args: Any) -> None:
    """`itemset(value)`, `itemset(place, value)`, `itemset(i, j, value)`; a number counts by rows."""
    *place, value = args
    if len(place) == 1 and not isinstance(place[0], tuple):
        array.flat[place[0]] = value
    else:
        array[place[0] if len(place) == 1 else tuple(place) or (0,) * array.ndim] = value


def _swapped(array: Any, new_order: str = "S") -> Any:
    return array.view(array.dtype.newbyteorder(new_order))


_BYTES = "NumPy 2.3"
METHODS: tuple[Method, ...] = (
    Method("numpy", "ndarray", "tostring", lambda np: lambda self, order="C": self.tobytes(order), _BYTES),
    Method("numpy", "generic", "tostring", lambda np: lambda self, order="C": self.tobytes(order), _BYTES),
    Method("numpy", "ndarray", "ptp", lambda np: lambda self, *a, **k: np.ptp(self, *a, **k), "NumPy 2.0"),
    Method("numpy", "generic", "ptp", lambda np: lambda self, *a, **k: np.ptp(self, *a, **k), "NumPy 2.0"),
    Method("numpy", "ndarray", "itemset", lambda np: _stored, "NumPy 2.0"),
    Method("numpy", "ndarray", "newbyteorder", lambda np: _swapped, "NumPy 2.0"),
    Method("array", "array", "tostring", lambda _: lambda self: self.tobytes(), "Python 3.9"),
    Method("array", "array", "fromstring", lambda _: lambda self, data: self.frombytes(data), "Python 3.9"),
    Method(
        "xml.etree.ElementTree", "Element", "getchildren", lambda _: lambda self: list(self), "Python 3.9"
    ),
    Method(
        "xml.etree.ElementTree", "Element", "getiterator",
        lambda _: lambda self, tag=None: list(self.iter(tag)), "Python 3.9",
    ),
    Method(
        "xml.etree.ElementTree", "ElementTree", "getiterator",
        lambda _: lambda self, tag=None: list(self.iter(tag)), "Python 3.9",
    ),
    Method("html.parser", "HTMLParser", "unescape", lambda _: _unescape, "Python 3.9"),
    Method("threading", "Thread", "isAlive", lambda threading: threading.Thread.is_alive, "Python 3.9"),
    Method("PIL.ImageFont", "FreeTypeFont", "getsize", _pillow("getsize"), "Pillow 10"),
    Method("PIL.ImageFont", "ImageFont", "getsize", _pillow("getsize"), "Pillow 10"),
    Method("PIL.ImageFont", "FreeTypeFont", "getsize_multiline", _pillow("getsize_multiline"), "Pillow 10"),
    Method("PIL.ImageFont", "FreeTypeFont", "getoffset", _pillow("getoffset"), "Pillow 10"),
    Method("PIL.ImageDraw", "ImageDraw", "textsize", _pillow("textsize"), "Pillow 10"),
    Method("PIL.ImageDraw", "ImageDraw", "multiline_textsize", _pillow("textsize"), "Pillow 10"),
    Method(
        "matplotlib.backends.backend_agg", "FigureCanvasAgg", "tostring_rgb", _plots("tostring_rgb"),
        "matplotlib 3.10",
    ),
    Method(
        "matplotlib.backend_bases", "FigureCanvasBase", "set_window_title", _plots("set_window_title"),
        "matplotlib 3.6",
    ),
    *(
        Method("mpl_toolkits.mplot3d.axes3d", "Axes3D", f"w_{letter}axis", _axis(letter), "matplotlib 3.8")
        for letter in "xyz"
    ),
    Method("scipy.sparse", "spmatrix", "A", lambda _: property(lambda self: self.toarray()), "SciPy 1.14"),
    Method("scipy.sparse", "spmatrix", "H", lambda _: property(lambda self: self.T.conj()), "SciPy 1.14"),
)  # fmt: skip


def _unescape(self: Any, text: str) -> str:
    import html

    return html.unescape(text)


def complete(module: ModuleType) -> None:
    """Adds to the classes of a module the methods that they lack."""
    for method in METHODS:
        if method.module != module.__name__:
            continue
        owner = getattr(module, method.owner, None)
        if owner is not None and not hasattr(owner, method.name):
            _add(owner, method.name, method.function(module))


def _add(owner: type, name: str, value: Any) -> None:
    try:
        setattr(owner, name, value)
    except TypeError:  # a class written in C: its dictionary is behind a view that only reads
        gc.get_referents(vars(owner))[0][name] = value
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
