"""Strings: joins, pieces, case, lengths. All of them run on the host.

A string is a sequence of bytes. Where characters matter, they are those of UTF-8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise, overridable
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.core.dtypes import INDEX
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.attrs import flag, one_of, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged, reduced
from millrace.opkit.text import pieces as bytes_text
from millrace.opkit.text.pieces import attr_bytes, strings

_UNIT = one_of("BYTE", "UTF8_CHAR", default="BYTE")


# --- joins -------------------------------------------------------------------------------------------------


@declare("StringJoin(inputs: N*string) -> output: string", separator=text(""), host=True)
class StringJoin:
    """Element-wise concatenation with a separator; scalars go with every element."""

    def shape(inputs):
        dims = () if inputs else None
        for d in inputs:
            if d is None:
                dims = None if dims == () else dims
            elif d != ():
                dims = d if dims in ((), None) else shapes.merge(dims, d)
        return dims

    def kernel(xp, inputs, separator):
        return bytes_text.join([strings(i) for i in inputs], attr_bytes(separator))

    grad = NOT_DIFFERENTIABLE


@public("string_join", "strings.join")
@elementwise("list")
def string_join(inputs: Any, separator: str = "", name: str | None = None) -> Tensor:
    """Joins strings element by element.

    Args:
      inputs: a list of string tensors, all of one shape or scalars.
      separator: what to put between.
      name: op name; default "StringJoin".

    Returns:
      String tensor of the common shape.
    """
    return apply(StringJoin, inputs, separator=as_bytes(separator), name=name)


@declare(
    "ReduceJoin(inputs: string, reduction_indices: int32) -> output: string",
    static=("reduction_indices",),
    keep_dims=flag(False),
    separator=text(""),
    host=True,
)
class ReduceJoin:
    """Joins strings along axes; the axis named first varies fastest."""

    def shape(inputs, reduction_indices, keep_dims):
        return reduced(inputs, reduction_indices, keep_dims)

    def kernel(xp, inputs, reduction_indices, keep_dims, separator):
        return bytes_text.reduce_join(strings(inputs), reduction_indices, keep_dims, attr_bytes(separator))

    grad = NOT_DIFFERENTIABLE


@public("reduce_join", "strings.reduce_join")
@overridable
def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Joins all strings along axes.

    Args:
      inputs: `[...]` strings.
      axis: the axes to join along, first the one that varies fastest in the result; None for all, row-major.
      keep_dims: deprecated name of `keepdims`.
      separator: what to put between.
      name: op name.
      reduction_indices: deprecated name of `axis`.
      keepdims: keep the joined axes with size one.

    Returns:
      String tensor without the joined axes.
    """
    axis = reduction_indices if axis is None else axis
    keep = bool(keep_dims if keepdims is None else keepdims)
    with name_scope(None, "ReduceJoin"):
        x = convert_to_tensor(inputs)
        if axis is None and x.dims is not None:
            axis = convert_to_tensor(np.arange(len(x.dims) - 1, -1, -1, dtype=np.int32), name="Const")
        elif axis is None:
            axis = raw.Range(raw.Sub(raw.Rank(x), 1, name="sub"), -1, -1, name="range")
        return apply(ReduceJoin, x, axis, keep_dims=keep, separator=as_bytes(separator), name=name)


# --- case, length, pieces ----------------------------------------------------------------------------------


@declare("StringLower(input: string) -> output: string", encoding=text(""), host=True)
class StringLower:
    """Lower case."""

    shape = merged

    def kernel(xp, input, encoding):
        return bytes_text.lower(strings(input), encoding)

    grad = NOT_DIFFERENTIABLE


@public("strings.lower")
def lower(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Lower case: of ASCII letters, or of all letters with `encoding="utf-8"`; same shape as `input`."""
    return apply(StringLower, input, encoding=encoding, name=name)


@declare("StringUpper(input: string) -> output: string", encoding=text(""), host=True)
class StringUpper:
    """Upper case."""

    shape = merged

    def kernel(xp, input, encoding):
        return bytes_text.upper(strings(input), encoding)

    grad = NOT_DIFFERENTIABLE


@public("strings.upper")
def upper(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Upper case: of ASCII letters, or of all letters with `encoding="utf-8"`; same shape as `input`."""
    return apply(StringUpper, input, encoding=encoding, name=name)


@declare("StringStrip(input: string) -> output: string", host=True)
class StringStrip:
    """Without white space at both ends."""

    shape = merged

    def kernel(xp, input):
        return bytes_text.strip(strings(input))

    grad = NOT_DIFFERENTIABLE


@public("string_strip", "strings.strip")
@elementwise("unary")
def string_strip(input: Any, name: str | None = None) -> Tensor:
    """Strings without white space at both ends; same shape as `input`."""
    return apply(StringStrip, input, name=name)


@declare("StringLength(input: string) -> output: int32", unit=_UNIT, host=True)
class StringLength:
    """Length in bytes or characters."""

    shape = merged

    def kernel(xp, input, unit):
        return bytes_text.lengths(strings(input), unit)

    grad = NOT_DIFFERENTIABLE


@public("strings.length")
@elementwise("unary")
def length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """Length of each string in bytes, or in characters with `unit="UTF8_CHAR"`; int32, same shape."""
    return apply(StringLength, input, unit=unit, name=name)


@declare("Substr(input: string, pos: T, len: T) -> output: string", T=INDEX, unit=_UNIT, host=True)
class Substr:
    """The part of each string from a position on, of at most some length."""

    def shape(input, pos, len):
        return shapes.broadcast(input, shapes.merge(pos, len))

    def kernel(xp, input, pos, len, unit):
        return bytes_text.substr(strings(input), np.asarray(pos), np.asarray(len), unit)

    grad = NOT_DIFFERENTIABLE


@public("substr", "strings.substr")
@elementwise("unary")
def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """The part of each string from `pos` on, at most `len` long.

    Args:
      input: `[...]` strings.
      pos: int32 or int64, broadcasts with `input`; negative counts from the end.
      len: same shape and dtype as `pos`.
      name: op name; default "Substr".
      unit: "BYTE" or "UTF8_CHAR".

    Returns:
      String tensor of the broadcast shape.

    Raises:
      InvalidArgumentError: at run time, when a position lies outside its string.
    """
    return apply(Substr, input, pos, len, unit=unit, name=name)
