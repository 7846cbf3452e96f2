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


# Where TensorFlow's functions call an argument otherwise than its operation does.
_AXIS_OF = {
    "dim": ("ExpandDims",),
    "reduction_indices": ("All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum"),
    "split_dim": ("Split", "SplitV"),
    "squeeze_dims": ("Squeeze",),
}
_CALLED: dict[str, dict[str, str]] = {
    "Select": {"x": "t", "y": "e"},
    "Where": {"condition": "input"},
    **{op_type: {"axis": own} for own, op_types in _AXIS_OF.items() for op_type in op_types},
}


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
    own = _CALLED.get(opdef.name, {})
    called = {theirs: ours for ours, theirs in own.items()}
    wanted = [called.get(arg.name, arg.name) for arg in opdef.inputs]
    if missing := [key for key in wanted if key not in arguments]:
        raise TypeError(
            f"raw_ops.{opdef.name}: missing {', '.join(missing)}. Received: {', '.join(arguments)}"
        )
    if unknown := [key for key in arguments if key in called]:
        raise TypeError(
            f"raw_ops.{opdef.name} has no argument {unknown[0]!r}, it is called {called[unknown[0]]!r}"
        )
    inputs = [arguments.pop(key) for key in wanted]
    return apply(opdef, *inputs, name=name, **{own.get(key, key): value for key, value in arguments.items()})


raw_ops = public("raw_ops")(RawOps())
