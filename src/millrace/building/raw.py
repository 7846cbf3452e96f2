"""`raw.<OpType>(...)` appends one operation of any type, importing the room that declares it when first used.

Gradients and composed functions reach operations of other rooms through here, so that rooms never import each
other.
"""

from __future__ import annotations

import typing
from functools import partial

from millrace.building.apply import apply
from millrace.graph.opdef import lookup


def __getattr__(name: str) -> typing.Any:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        opdef = lookup(name)
    except KeyError as error:
        raise AttributeError(str(error)) from None
    function = globals()[name] = partial(apply, opdef)
    return function
