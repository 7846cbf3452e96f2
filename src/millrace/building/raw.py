"""`raw.<OpType>(...)` appends one operation of any type, importing the room that declares it when first used.

Gradients and composed functions reach operations of other rooms through here, so that rooms never import each
other.
"""

from __future__ import annotations

import functools
import inspect
import typing
from functools import partial

from millrace.building.apply import apply
from millrace.core import late
from millrace.core.public import public
from millrace.graph.attrs import MISSING
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
    """`tf.raw_ops.<OpType>(...)` appends one operation; inputs and attributes are given by name.

    Types that are known by their signature alone can be added, too; a run that needs one fails.
    """

    def __getattr__(self, name: str) -> typing.Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            opdef = late.module("foreign_types").find(name)
        except KeyError as error:
            if (older := _older(name)) is not None:
                return older
            near = [f"{name}V{i}" for i in (4, 3, 2)] + [name.removeprefix("Ref")]
            other = next((f"; tf.raw_ops.{n} is there" for n in near if n != name and n in dir(self)), "")
            raise AttributeError(f"{error.args[0]}{other}") from None
        return _function(opdef)

    def __dir__(self) -> list[str]:
        from millrace.graph._rooms import ROOMS

        older = (name for name in late.module("other_types").SUCCESSORS if _older(name) is not None)
        return sorted({*ROOMS, *late.module("foreign_types").names(), *older})


@functools.cache
def _function(opdef: OpDef) -> typing.Callable[..., typing.Any]:
    """The function of one type. Like TensorFlow's, it tells its arguments and takes them by name only."""
    signature = _signature(opdef)
    keys = list(signature.parameters)

    def function(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        if args:
            raise TypeError(
                f"{opdef.name} only takes keyword args (possible keys: {keys}). Please pass these args as "
                f"kwargs instead. Received: {len(args)} by position"
            )
        return _by_name(opdef, **kwargs)

    function.__name__ = function.__qualname__ = opdef.name
    function.__doc__ = f"Adds an operation of type {opdef.name}.\n\n{opdef.doc}"
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


# What the successors of early types take besides, with what stands for its absence.
_SINCE: dict[str, dict[str, typing.Any]] = {
    "FixedLengthRecordReader": {"encoding": ""},
    "Stack": {"max_size": -1},
}


@functools.cache
def _older(name: str) -> typing.Callable[..., typing.Any] | None:
    """The function of an early type of queues, readers or stacks: it adds the type's successor."""
    successor = late.module("other_types").SUCCESSORS.get(name)
    if successor is None or name.startswith("TensorArray"):  # the elements of an array are in its flow here
        return None
    try:
        newer = _function(lookup(successor))
    except KeyError:
        return None
    given = _SINCE.get(name, {})
    kept = [p for p in inspect.signature(newer).parameters.values() if p.name not in given]

    def function(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        return newer(*args, **given, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Adds an operation of type {successor}, which replaced {name}."
    function.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
    return function


def _signature(opdef: OpDef) -> inspect.Signature:
    """Inputs, then attributes that must be given, then those with defaults, then the name."""
    theirs = {ours: name for name, ours in _CALLED.get(opdef.name, {}).items()}
    attrs = [(name, kind.default) for name, kind in opdef.value_attrs if not kind.later]
    given = [(theirs.get(arg.name, arg.name), MISSING) for arg in opdef.inputs]
    given += [(name, default) for name, default in attrs if default is MISSING]
    given += [(theirs.get(name, name), default) for name, default in attrs if default is not MISSING]
    return inspect.Signature([_parameter(name, default) for name, default in [*given, ("name", None)]])


def _parameter(name: str, default: typing.Any) -> inspect.Parameter:
    if isinstance(default, tuple):
        default = [_shown(value) for value in typing.cast("tuple[typing.Any, ...]", default)]
    absent = inspect.Parameter.empty
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=absent if default is MISSING else _shown(default))


def _shown(default: typing.Any) -> typing.Any:
    """A default as TensorFlow's signatures show it: whole floats without a point."""
    return int(default) if isinstance(default, float) and default.is_integer() else default


def _by_name(opdef: OpDef, *, name: str | None = None, **arguments: typing.Any) -> typing.Any:
    theirs = _CALLED.get(opdef.name, {})
    called = {own: other for other, own in theirs.items()}
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
    attrs = {theirs.get(key, key): value for key, value in arguments.items()}
    return apply(opdef, *inputs, name=name, **attrs)


raw_ops = public("raw_ops")(RawOps())
