"""The record of one operation type, and the notation that declares it.

A room in `ops/` writes

    @declare("MatMul(a: T, b: T) -> product: T", T=NUMERIC, transpose_a=flag(False), transpose_b=flag(False))
    class MatMul:
        def shape(a, b, transpose_a, transpose_b): ...
        def kernel(xp, a, b, transpose_a, transpose_b): ...
        def grad(op, dy): ...

and gets a frozen `OpDef` back. The class is a namespace: it is never instantiated. The text in the first
argument is TensorFlow's own OpDef notation: `name: type` where a type is a dtype name, a type attribute
(`T`), a homogeneous list (`N*T`), a type-list attribute (declared with `types()`), or `Ref[...]` of those. A
list argument reaches shape rule, kernel and gradient as one tuple.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from millrace.core import dtypes
from millrace.graph import attrs as attr_kinds
from millrace.graph.attrs import Attr

_SIGNATURE = re.compile(r"^\s*([A-Z_]\w*)\s*\((.*?)\)\s*(?:->\s*(.*?))?\s*$", re.S)
_MEMBERS = frozenset(("shape", "kernel", "grad", "xla", "bind", "forward", "traced"))


@dataclass(frozen=True, slots=True)
class Arg:
    """One input or output of a signature; exactly one of `dtype`, `type_attr` and `types_attr` is set."""

    name: str
    dtype: dtypes.DType | None = None
    type_attr: str | None = None
    types_attr: str | None = None
    number_attr: str | None = None
    is_ref: bool = False
    is_list: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_list", self.number_attr is not None or self.types_attr is not None)


class _NotDifferentiable:
    """The reason an operation has no gradient: its outputs do not depend smoothly on its inputs."""

    def __repr__(self) -> str:
        return "NOT_DIFFERENTIABLE"


NOT_DIFFERENTIABLE = _NotDifferentiable()


@dataclass(frozen=True, slots=True, eq=False)
class OpDef:
    """Everything there is to know about one operation type.

    Attributes:
      name: the type as GraphDef spells it.
      inputs, outputs: the signature.
      attrs: attribute name -> kind, in declaration order, type attributes included.
      shape: `(*input dims, **attrs) -> dims`, a list of dims where there are several outputs or a list
        output.
      kernel: `(xp, *inputs, **attrs) -> value`, a sequence where there are several outputs or a list output.
        A host kernel that names `op` gets the operation itself, to tell who failed.
      grad: `(op, *output gradients) -> input gradients`, or NOT_DIFFERENTIABLE.
      xla: a kernel for the compiled tier where another recipe suits a compiler better.
      bind: `(dims, values, attrs) -> NumPy function of the inputs | None`; an optional shortcut of the
        interpreter.
      forward: the number of the input that the operation merely passes on, or `(dims, values, attrs) ->
        number | None` where that depends on what is known: the planner then drops the operation.
      static: inputs whose values the shape rule reads and the planner folds; they reach the shape rule as
        `Known`.
      traced: `(dims, values, attrs) -> bool`: whether `xla` can also take `static` inputs whose values are
        not known while tracing; without it such a step runs on the host.
      writes, reads: the reference inputs that the kernel updates (the first kernel result becomes the new
        value) or only reads; a reference in neither is read as a plain value.
      state: `(attrs) -> initial value` of a cell of the session that the kernel gets first and returns last.
      effect: the operation does something besides its results; it is never folded, merged or dropped when
        reached.
      host: runs on NumPy values only; the compiled tier cuts its segments around it.
      alias: a result may share memory with an input.
      blocking: may wait for another thread.
    """

    name: str
    inputs: tuple[Arg, ...]
    outputs: tuple[Arg, ...]
    attrs: Mapping[str, Attr]
    shape: Callable[..., Any]
    kernel: Callable[..., Any] | None
    grad: Any
    doc: str = ""
    xla: Callable[..., Any] | None = None
    bind: Callable[..., Any] | None = None
    forward: int | Callable[..., int | None] | None = None
    static: frozenset[str] = frozenset()
    traced: Callable[..., bool] | None = None
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    state: Callable[..., Any] | None = None
    effect: bool = False
    host: bool = False
    alias: bool = False
    blocking: bool = False
    commutative: bool = False
    reads_uninitialized: bool = False
    room: str = ""
    # derived, filled by __post_init__
    shape_attrs: tuple[str, ...] = field(init=False)
    kernel_attrs: tuple[str, ...] = field(init=False)
    value_attrs: tuple[tuple[str, Attr], ...] = field(init=False)
    value_kinds: Mapping[str, Attr] = field(init=False)
    required: tuple[str, ...] = field(init=False)  # value attributes without a default
    static_positions: tuple[int, ...] = field(init=False)
    reference_positions: tuple[int, ...] = field(init=False)
    handle_positions: tuple[int, ...] = field(init=False)  # handles of variables, which it reads or writes
    defaults: Mapping[str, Any] = field(init=False)
    single_output: bool = field(init=False)
    simple: bool = field(init=False)
    plain: bool = field(init=False)  # the shape rule takes the dims of single inputs, and no value of them
    bound: dict[tuple[int, ...], dict[str, Any]] = field(init=False)  # what inputs of some dtypes determine
    pure: bool = field(init=False)
    has_body: bool = field(init=False)
    has_function: bool = field(init=False)

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)  # frozen: this is the one way

        put("shape_attrs", _check_signature(self, self.shape, "shape", 0))
        put("kernel_attrs", _check_signature(self, self.kernel, "kernel", 1 + (self.state is not None)))
        if self.xla is not None:
            _check_signature(self, self.xla, "xla", 1 + (self.state is not None))
        inferred = {a for arg in self.inputs for a in (arg.type_attr, arg.types_attr, arg.number_attr) if a}
        put("value_attrs", tuple((n, a) for n, a in self.attrs.items() if n not in inferred))
        put("value_kinds", dict(self.value_attrs))
        put("defaults", _canonical_defaults(self))
        put("required", tuple(n for n, value in self.defaults.items() if value is attr_kinds.MISSING))
        put("static_positions", tuple(i for i, a in enumerate(self.inputs) if a.name in self.static))
        put("reference_positions", tuple(i for i, a in enumerate(self.inputs) if a.is_ref and not a.is_list))
        handles = self.inputs if self.writes or self.reads else ()
        put("handle_positions", tuple(i for i, a in enumerate(handles) if a.dtype is dtypes.resource))
        put("single_output", len(self.outputs) == 1 and not self.outputs[0].is_list)
        put("simple", not any(a.is_list for a in self.inputs))
        put("plain", self.simple and not (self.static_positions or self.handle_positions))
        put("bound", {})
        put(
            "pure",
            not (self.effect or self.writes or self.state or self.blocking or self.reads_uninitialized),
        )
        put("has_body", any(a.kind == "func" and not a.closed for a in self.attrs.values()))
        put("has_function", any(a.closed for a in self.attrs.values()))
        unknown = self.static - {a.name for a in self.inputs}
        if unknown:
            raise TypeError(f"declare {self.name}: static= names inputs that do not exist: {sorted(unknown)}")

    def __repr__(self) -> str:
        return f"<OpDef {self.name}>"


def _canonical_defaults(opdef: OpDef) -> dict[str, Any]:
    return {
        n: a.default
        if a.default is None or a.default is attr_kinds.MISSING
        else a.canonical(a.default, opdef.name, n)
        for n, a in opdef.value_attrs
    }


def _check_signature(opdef: OpDef, function: Any, role: str, skip: int) -> tuple[str, ...]:
    """Positional names must be the inputs', keyword names declared attributes; returns the attributes it
    wants.
    """
    if function is None:
        return ()
    if not isinstance(function, FunctionType):
        return tuple(getattr(function, "attr_names", ()))
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    positional, wanted = names[skip : skip + len(opdef.inputs)], names[skip + len(opdef.inputs) :]
    expected = tuple(_python_name(a.name) for a in opdef.inputs)
    takes_all = bool(code.co_flags & 0x04)
    if not takes_all and tuple(positional) != expected:
        raise TypeError(
            f"declare {opdef.name}: {role} takes {positional}, the signature has inputs {expected}"
        )
    if takes_all:
        wanted = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    unknown = [n for n in wanted if n not in opdef.attrs and not (n == "op" and opdef.host)]
    if unknown:
        raise TypeError(f"declare {opdef.name}: {role} wants {unknown}, which are not declared attributes")
    if code.co_flags & 0x08:
        return tuple(n for n, _ in opdef.attrs.items())
    return tuple(wanted)


def _python_name(name: str) -> str:
    return name + "_" if name in ("lambda", "in", "is", "from", "del") else name


def _parse_args(text: str, attrs: Mapping[str, Attr], where: str) -> tuple[Arg, ...]:
    args: list[Arg] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, kind = (s.strip() for s in part.partition(":"))
        if not kind:
            raise TypeError(f"declare {where}: argument {part!r} has no type")
        is_ref = kind.startswith("Ref[")
        if is_ref:
            kind = kind[4:-1].strip()
        number, _, element = kind.rpartition("*")
        number, element = number.strip() or None, element.strip()
        if number is not None and number not in attrs:
            raise TypeError(
                f"declare {where}: argument {part!r} counts with {number!r}, which is not declared"
            )
        if element in attrs:
            listed = attrs[element].kind == "list(type)"
            args.append(
                Arg(name, None, None if listed else element, element if listed else None, number, is_ref)
            )
        else:
            args.append(Arg(name, dtypes.as_dtype(element), None, None, number, is_ref))
    return tuple(args)


_REGISTRY: dict[str, OpDef] = {}


def make_opdef(
    signature: str, members: Mapping[str, Any], flags: Mapping[str, Any], attrs: Mapping[str, Any]
) -> OpDef:
    """Parses `signature`, checks the members against it and records the OpDef under its name."""
    match = _SIGNATURE.match(signature)
    if match is None:
        raise TypeError(f"declare: cannot read the signature {signature!r}")
    name, inputs, outputs = match.groups()
    kinds = {n: attr_kinds.as_attr(a) for n, a in attrs.items()}
    for number in re.findall(r"(\w+)\s*\*", f"{inputs},{outputs or ''}"):
        kinds.setdefault(number, attr_kinds.count())
    if "grad" not in members:
        raise TypeError(f"declare {name}: no grad; write `grad = NOT_DIFFERENTIABLE` where there is none")
    if "shape" not in members:
        raise TypeError(f"declare {name}: no shape rule")
    opdef = OpDef(
        name=name,
        inputs=_parse_args(inputs, kinds, name),
        outputs=_parse_args(outputs or "", kinds, name),
        attrs=kinds,
        **{m: members[m] for m in _MEMBERS if m in members and m != "kernel"},
        kernel=members.get("kernel"),
        **flags,
    )
    if name in _REGISTRY:
        raise TypeError(f"declare {name}: already declared in {_REGISTRY[name].room}")
    _REGISTRY[name] = opdef
    return opdef


def renamed(name: str, opdef: OpDef) -> OpDef:
    """Records `opdef` under another name, too: one that TensorFlow gave up, and that old files hold."""
    _REGISTRY[name] = found = dataclasses.replace(opdef, name=name, doc=f"An old name of {opdef.name}.")
    return found


def undeclared(signature: str, attrs: Mapping[str, Attr], **rest: Any) -> OpDef:
    """A record that no room declares and `lookup` does not find.

    Args:
      signature: as `declare` takes it.
      attrs: all attributes that it names, and others.
      rest: the other fields of `OpDef`.
    """
    match = _SIGNATURE.match(signature)
    assert match is not None, signature
    name, inputs, outputs = match.groups()
    return OpDef(
        name=name,
        inputs=_parse_args(inputs, attrs, name),
        outputs=_parse_args(outputs or "", attrs, name),
        attrs=attrs,
        **rest,
    )


def declare(
    signature: str,
    *,
    static: tuple[str, ...] = (),
    writes: str | tuple[str, ...] = (),
    reads: str | tuple[str, ...] = (),
    state: Callable[..., Any] | None = None,
    effect: bool = False,
    host: bool = False,
    alias: bool = False,
    blocking: bool = False,
    commutative: bool = False,
    reads_uninitialized: bool = False,
    **attrs: Any,
) -> Callable[[type], OpDef]:
    """Turns the decorated namespace class into the `OpDef` that `signature` and the flags describe.

    Args:
      signature: TensorFlow's OpDef notation, see the module's docstring.
      attrs: attribute name -> a set of dtypes (a type attribute) or a kind from `graph.attrs`.

    Raises:
      TypeError: the class lacks a rule, or a rule's argument names do not match the signature.
    """
    flags = dict(
        static=frozenset(static),
        writes=(writes,) if isinstance(writes, str) else writes,
        reads=(reads,) if isinstance(reads, str) else reads,
        state=state,
        effect=effect,
        host=host,
        alias=alias,
        blocking=blocking,
        commutative=commutative,
        reads_uninitialized=reads_uninitialized,
    )

    def record(namespace: type) -> OpDef:
        return make_opdef(
            signature,
            vars(namespace),
            {**flags, "doc": namespace.__doc__ or "", "room": namespace.__module__},
            attrs,
        )

    return record


def lookup(name: str) -> OpDef:
    """The record of operation type `name`, importing the room that declares it when needed.

    Raises:
      KeyError: no room declares that type.
    """
    found = _REGISTRY.get(name)
    if found is None:
        from millrace.graph._rooms import ROOMS

        room = ROOMS.get(name)
        if room is None:
            raise KeyError(f"No operation type {name!r} is known to millrace")
        importlib.import_module(room)
        found = _REGISTRY[name]
    return found


def declared() -> dict[str, OpDef]:
    """Every operation type by name, after importing all rooms."""
    from millrace.graph._rooms import ROOMS

    for room in sorted(set(ROOMS.values())):
        importlib.import_module(room)
    return dict(sorted(_REGISTRY.items()))
