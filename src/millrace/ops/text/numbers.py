"""Numbers as text, text as numbers, and values in a format. On the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core.dtypes import COMPLEX, bool_, float32, float64, int8, int16, int32, int64
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, integer, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged
from millrace.opkit.text import format as bytes_format
from millrace.opkit.text import numbers as bytes_numbers
from millrace.opkit.text.pieces import attr_bytes, objects, strings

_PRINTABLE = COMPLEX | {bool_, float32, float64, int8, int16, int32, int64}
_NUMBERS = frozenset({float32, float64, int32, int64})


@declare(
    "StringToNumber(string_tensor: string) -> output: out_type",
    out_type=dtype_attr(_NUMBERS, float32),
    host=True,
)
class StringToNumber:
    """Reads numbers."""

    shape = merged

    def kernel(xp, string_tensor, out_type):
        return bytes_numbers.string_to_number(strings(string_tensor), out_type.np_dtype)

    grad = NOT_DIFFERENTIABLE


@public("string_to_number", "strings.to_number")
@elementwise("unary")
def string_to_number(
    string_tensor: Any = None, out_type: Any = float32, name: str | None = None, input: Any = None
) -> Tensor:
    """Reads every string as a number.

    Args:
      string_tensor: `[...]` strings; blanks around a number are allowed.
      out_type: float32, float64, int32 or int64.
      name: op name; default "StringToNumber".
      input: another name of `string_tensor`.

    Returns:
      `out_type`, same shape.

    Raises:
      InvalidArgumentError: at run time, when a string is not a number of that type.
    """
    x = input if string_tensor is None else string_tensor
    return apply(StringToNumber, x, out_type=out_type, name=name)


@declare(
    "AsString(input: T) -> output: string",
    T=_PRINTABLE,
    precision=integer(-1),
    scientific=flag(False),
    shortest=flag(False),
    width=integer(-1),
    fill=text(""),
    host=True,
)
class AsString:
    """Writes numbers."""

    shape = merged

    def kernel(xp, input, precision, scientific, shortest, width, fill):
        return bytes_numbers.as_string(np.asarray(input), precision, scientific, shortest, width, fill)

    grad = NOT_DIFFERENTIABLE


@public("as_string", "strings.as_string", "dtypes.as_string")
@elementwise("unary")
def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Tensor:
    """Writes every number as text, as C's printf would.

    Args:
      input: `[...]` integers, floats, complex numbers or bools.
      precision: digits after the point; -1 for six.
      scientific: use an exponent.
      shortest: whichever of the two is shorter.
      width: least width of each number.
      fill: a printf flag: "0" pads with zeros, "-" on the right, "+" and " " write a sign.
      name: op name; default "AsString".

    Returns:
      String tensor of the same shape.
    """
    return apply(
        AsString,
        input,
        precision=precision,
        scientific=scientific,
        shortest=shortest,
        width=width,
        fill=fill,
        name=name,
    )


@declare(
    "StringFormat(inputs: T) -> output: string",
    T=types(),
    template=text("%s"),
    placeholder=text("%s"),
    summarize=integer(3),
    host=True,
)
class StringFormat:
    """A template filled with summaries of tensors."""

    def shape(inputs, template, placeholder):
        found = template.count(placeholder)
        if found != len(inputs):
            raise ValueError(
                f"num placeholders in template and num inputs must match: {found} vs. {len(inputs)}. "
                f"Received: {template!r}"
            )
        return ()

    def kernel(xp, inputs, template, placeholder, summarize):
        arrays = [np.asarray(v) if not isinstance(v, bytes) else strings(v) for v in inputs]
        filled = bytes_format.format_template(
            attr_bytes(template), attr_bytes(placeholder), arrays, summarize
        )
        return objects([filled], ())

    grad = NOT_DIFFERENTIABLE


@public("strings.format")
def string_format(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
) -> Tensor:
    """Fills a template with summaries of tensors.

    Args:
      template: the text.
      inputs: a tensor or a list of tensors.
      placeholder: what stands for a tensor in the template.
      summarize: how many elements to show at either end of each dimension; -1 for all.
      name: op name; default "StringFormat".

    Returns:
      Scalar string tensor.

    Raises:
      TypeError: the template or the placeholder is not a string.
      ValueError: the template has another number of placeholders than there are tensors.
    """
    for what, given in (("template", template), ("placeholder", placeholder)):
        if not isinstance(given, str):
            raise TypeError(f"strings.format: {what} must be a string. Received: {given!r}")
    tensors = inputs if isinstance(inputs, list | tuple) else [inputs]
    found = template.count(placeholder)
    if found != len(tensors):
        raise ValueError(
            f"strings.format: {found} placeholder(s) in template do not match {len(tensors)} tensor(s). "
            f"Received: {template!r}"
        )
    return apply(
        StringFormat,
        tensors,
        template=as_bytes(template),
        placeholder=as_bytes(placeholder),
        summarize=summarize,
        name=name,
    )
