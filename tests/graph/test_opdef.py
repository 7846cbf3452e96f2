"""Declarations: what their notation says, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest

import millrace as tf
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, lookup, make_opdef

_serial = iter(range(1000))
FLOATS = frozenset((tf.float32, tf.float64))


def _declared(
    signature: str, flags: dict[str, Any] | None = None, kinds: dict[str, Any] | None = None, **members: Any
) -> OpDef:
    given = {"shape": lambda *args, **attrs: None, "grad": NOT_DIFFERENTIABLE, **members}
    return make_opdef(f"DeclaredForTest{next(_serial)}{signature}", given, flags or {}, kinds or {})


def test_signatures() -> None:
    kinds = {"T": FLOATS, "Tlist": attrs.types()}
    found = _declared("(a: T, b: N*T, c: int32, d: Tlist, e: Ref[T]) -> f: M*float, g: string", kinds=kinds)
    a, b, c, d, e = found.inputs
    f, g = found.outputs
    assert (a.type_attr, a.dtype, a.is_list, a.is_ref) == ("T", None, False, False)
    assert (b.type_attr, b.number_attr, b.is_list) == ("T", "N", True)
    assert c.dtype == tf.int32 and (d.types_attr, d.is_list) == ("Tlist", True)
    assert (e.type_attr, e.is_ref) == ("T", True)
    assert (f.dtype, f.number_attr, f.is_list, g.dtype) == (tf.float32, "M", True, tf.string)
    assert set(found.attrs) == {"T", "Tlist", "N", "M"} and [name for name, _ in found.value_attrs] == ["M"]
    assert found.reference_positions == (4,) and not found.single_output and not found.simple
    assert repr(found).startswith("<OpDef DeclaredForTest") and lookup(found.name) is found
    nothing = _declared("()")
    assert nothing.inputs == nothing.outputs == () and not nothing.single_output and nothing.simple
    assert _declared("() -> x: float").single_output and not _declared("() -> x: N*float").single_output


def test_what_is_derived() -> None:
    plain = _declared("(x: T) -> y: T", kinds={"T": FLOATS, "a": attrs.flag(True), "b": attrs.integer()},
                      kernel=lambda xp, x, a: x, shape=lambda x, b: x)  # fmt: skip
    assert plain.kernel_attrs == ("a",) and plain.shape_attrs == ("b",)
    assert [name for name, _ in plain.value_attrs] == ["a", "b"] and plain.defaults["a"] is True
    assert plain.pure and not plain.has_body and not plain.has_function
    everything = _declared("(x: float)", kinds={"a": attrs.flag(True)}, kernel=lambda xp, x, **attrs: x)
    assert everything.kernel_attrs == ("a",)
    for flag in ({"effect": True}, {"writes": ("x",)}, {"blocking": True}, {"state": lambda attrs: 0}):
        kernel = (lambda xp, state, x: x) if "state" in flag else (lambda xp, x: x)
        assert not _declared("(x: Ref[float])", dict(flag), kernel=kernel).pure
    assert _declared("(x: int32) -> y: float", {"static": frozenset("x")}).static_positions == (0,)
    handles = _declared("(a: float, b: resource)", {"writes": ("b",)})
    assert handles.handle_positions == (1,) and _declared("(b: resource)").handle_positions == ()
    assert _declared("()", kinds={"f": attrs.body()}).has_body


def test_arguments_that_python_cannot_call_so_have_an_underscore() -> None:
    named = _declared("(in: float, lambda: float) -> y: float", shape=lambda in_, lambda_: ())
    assert [arg.name for arg in named.inputs] == ["in", "lambda"]
    with pytest.raises(TypeError, match=r"shape takes \('inn',\), the signature has inputs \('in_',\)"):
        _declared("(in: float) -> y: float", shape=lambda inn: ())


@pytest.mark.parametrize(
    ("signature", "flags", "kinds", "members", "message"),
    [
        ("[x]", {}, {}, {}, "cannot read the signature"),
        ("(x)", {}, {}, {}, "argument 'x' has no type"),
        (
            "(x: float)",
            {"static": frozenset("y")},
            {},
            {},
            r"static= names inputs that do not exist: \['y'\]",
        ),
        (
            "(x: float)",
            {},
            {},
            {"shape": lambda y: y},
            r"shape takes \('y',\), the signature has inputs \('x',\)",
        ),
        ("(x: float)", {}, {}, {"kernel": lambda xp: 0}, r"kernel takes \(\), the signature has inputs"),
        (
            "(x: float)",
            {},
            {},
            {"kernel": lambda xp, x, a: 0},
            r"kernel wants \['a'\], which are not declared",
        ),
        ("(x: float)", {}, {}, {"kernel": lambda xp, x, op: 0}, r"kernel wants \['op'\]"),
        ("(x: float)", {}, {"a": 3}, {}, "not an attribute kind: 3"),
        ("(x: float)", {}, {}, {"xla": lambda xp: 0}, r"xla takes \(\), the signature has inputs"),
    ],
)
def test_refusals(signature: str, flags: Any, kinds: Any, members: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        _declared(signature, flags, kinds, **members)


def test_what_must_be_there() -> None:
    with pytest.raises(TypeError, match="no grad; write `grad = NOT_DIFFERENTIABLE`"):
        make_opdef("NeverDeclared()", {"shape": lambda: None}, {}, {})
    with pytest.raises(TypeError, match="no shape rule"):
        make_opdef("NeverDeclared()", {"grad": NOT_DIFFERENTIABLE}, {}, {})
    found = _declared("()")
    with pytest.raises(TypeError, match=f"declare {found.name}: already declared in"):
        make_opdef(f"{found.name}()", {"shape": lambda: None, "grad": NOT_DIFFERENTIABLE}, {}, {})
    with pytest.raises(KeyError):
        lookup("NeverDeclared")
    assert repr(NOT_DIFFERENTIABLE) == "NOT_DIFFERENTIABLE"
