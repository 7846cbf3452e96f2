"""The number of an array of one element: `float(a)`, `int(a)`, `"%f" % a`, `b[0] = a`.

NumPy 2.4 refuses these where `a` has dimensions. Its array is a type of C, whose methods Python does not
replace; but the slots of a type can be set. This gives the two of numbers the function that classes written
in Python have there, which looks the method up, and enters methods that take what NumPy 1.18 took.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

# CPython's numbers of slots (typeslots.h), and the places of the two in PyNumberMethods.
_SLOTS = {"__float__": (11, 18), "__int__": (26, 16)}
_BEFORE_NUMBERS = 9  # fields of PyTypeObject between its head and tp_as_number
_WORD = ctypes.sizeof(ctypes.c_void_p)


def restore(array_type: Any) -> bool:
    """Lets arrays of one element be numbers, whatever their rank.

    Args:
      array_type: `numpy.ndarray`.

    Returns:
      Whether they are.
    """
    if sys.implementation.name != "cpython" or not _is_refused(array_type):
        return not _is_refused(array_type)
    # A class of Python with such methods: its slots hold what looks them up.
    looking = type("Looking", (array_type,), {name: lambda self: 0 for name in _SLOTS})
    table = _table(array_type)
    if table is None:
        return False
    methods = gc.get_referents(array_type.__dict__)[0]  # the dict behind the read-only view
    for name, (number, place) in _SLOTS.items():
        methods[name] = _of_one_element(methods[name], name)
        table[place] = _slot(looking, number)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(array_type))
    return not _is_refused(array_type)


def _is_refused(array_type: Any) -> bool:
    one = array_type((1,), dtype=float)
    one.fill(1.0)
    try:
        return float(one) != 1.0
    except TypeError:
        return True


def _of_one_element(method: Any, name: str) -> Any:
    def number(self: Any) -> Any:
        return method(self.reshape(()) if self.size == 1 and self.ndim else self)

    number.__name__ = number.__qualname__ = name
    number.__doc__ = method.__doc__
    return number


def _slot(kind: Any, number: int) -> int | None:
    read = ctypes.pythonapi.PyType_GetSlot
    read.restype, read.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    return read(kind, number)


def _table(array_type: Any) -> Any:
    """The type's PyNumberMethods as words; None where they do not lie where CPython has had them so far."""
    field = id(array_type) + object.__basicsize__ + _WORD * (1 + _BEFORE_NUMBERS)
    address = ctypes.c_void_p.from_address(field).value
    if not address or address % _WORD:
        return None
    words = (ctypes.c_void_p * 36).from_address(address)
    expected = [(words[place], _slot(array_type, number)) for number, place in _SLOTS.values()]
    return words if all(found == known for found, known in expected) else None
