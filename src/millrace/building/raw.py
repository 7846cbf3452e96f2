"""`raw.<OpType>(...)` appends one operation of any type, importing the room that declares it when first used.

Gradients and composed functions reach operations of other rooms through here, so that rooms never import each
other.
"""

from __future__ import annotations

import typing
from functools import partial

from millrace.building.apply import apply
from millrace.core.public import public
from millrace.graph.opdef import OpDef, lookup


def __getattr__(name: str) -> typing.Any:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        opdef = lookup(name)
    except KeyError as error:
        raise AttributeError(str(error)) from None
    function = globals()[name] = partial(apply, opdef)
    return function


class RawOps:
    """`tf.raw_ops.<OpType>(...)` appends one operation; inputs and attributes are given by name."""

    def __getattr__(self, name: str) -> typing.Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            opdef = lookup(name)
        except KeyError as error:
            raise AttributeError(str(error)) from None
        return partial(_by_name, opdef)

    def __dir__(self) -> list[str]:
        from millrace.graph._rooms import ROOMS

        return sorted(ROOMS)


def _by_name(opdef: OpDef, *, name: str | None = None, **arguments: typing.Any) -> typing.Any:
    missing = [arg.name for arg in opdef.inputs if arg.name not in arguments]
    if missing:
        raise TypeError(
            f"raw_ops.{opdef.name}: missing {', '.join(missing)}. Received: {', '.join(arguments)}"
        )
    inputs = [arguments.pop(arg.name) for arg in opdef.inputs]
    return apply(opdef, *inputs, name=name, **arguments)


raw_ops = public("raw_ops")(RawOps())
