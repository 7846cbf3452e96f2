"""Strings: joins, pieces, case, patterns, hashes, and numbers as text. All of them run on the host.

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
from millrace.core.dtypes import COMPLEX, INDEX, bool_, float32, float64, int8, int16, int32, int64
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, integer, ints, one_of, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged, reduced, with_rank
from millrace.opkit.text import format as bytes_format
from millrace.opkit.text import hashing, regex
from millrace.opkit.text import numbers as bytes_numbers
from millrace.opkit.text import pieces as bytes_text
from millrace.opkit.text.pieces import attr_bytes, objects, strings

_PRINTABLE = COMPLEX | {bool_, float32, float64, int8, int16, int32, int64}
_NUMBERS = frozenset({float32, float64, int32, int64})
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


# --- patterns ----------------------------------------------------------------------------------------------


@declare(
    "RegexReplace(input: string, pattern: string, rewrite: string) -> output: string",
    replace_global=flag(True),
    host=True,
)
class RegexReplace:
    """Replaces what an RE2 pattern matches."""

    def shape(input, pattern, rewrite):
        with_rank(pattern, 0, "pattern")
        with_rank(rewrite, 0, "rewrite")
        return input

    def kernel(xp, input, pattern, rewrite, replace_global):
        return regex.replace(strings(input), strings(pattern).item(), strings(rewrite).item(), replace_global)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StaticRegexReplace(input: string) -> output: string",
    pattern=text(),
    rewrite=text(),
    replace_global=flag(True),
    host=True,
)
class StaticRegexReplace:
    """`RegexReplace` with a pattern known while building."""

    shape = merged

    def kernel(xp, input, pattern, rewrite, replace_global):
        return regex.replace(strings(input), attr_bytes(pattern), attr_bytes(rewrite), replace_global)

    grad = NOT_DIFFERENTIABLE


@public("regex_replace", "strings.regex_replace")
@elementwise("unary")
def regex_replace(
    input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None
) -> Tensor:
    r"""Replaces what a regular expression (RE2 syntax) matches.

    Args:
      input: `[...]` strings.
      pattern: the expression, a string or a scalar tensor.
      rewrite: the replacement, in which `\0` is the match and `\1` to `\9` its groups.
      replace_global: replace every match, else only the first of each string.
      name: op name.

    Returns:
      String tensor of the shape of `input`.
    """
    if isinstance(pattern, str | bytes) and isinstance(rewrite, str | bytes):
        return apply(
            StaticRegexReplace,
            input,
            pattern=as_bytes(pattern),
            rewrite=as_bytes(rewrite),
            replace_global=replace_global,
            name=name,
        )
    return apply(RegexReplace, input, pattern, rewrite, replace_global=replace_global, name=name)


@declare("RegexFullMatch(input: string, pattern: string) -> output: bool", host=True)
class RegexFullMatch:
    """Whether an RE2 pattern matches each whole string."""

    def shape(input, pattern):
        with_rank(pattern, 0, "pattern")
        return input

    def kernel(xp, input, pattern):
        return regex.full_match(strings(input), strings(pattern).item())

    grad = NOT_DIFFERENTIABLE


@declare("StaticRegexFullMatch(input: string) -> output: bool", pattern=text(), host=True)
class StaticRegexFullMatch:
    """`RegexFullMatch` with a pattern known while building."""

    shape = merged

    def kernel(xp, input, pattern):
        return regex.full_match(strings(input), attr_bytes(pattern))

    grad = NOT_DIFFERENTIABLE


@public("strings.regex_full_match")
@elementwise("unary")
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Whether a regular expression (RE2 syntax) matches each whole string; bool, same shape as `input`."""
    if isinstance(pattern, str | bytes):
        return apply(StaticRegexFullMatch, input, pattern=as_bytes(pattern), name=name)
    return apply(RegexFullMatch, input, pattern, name=name)


# --- hashes ------------------------------------------------------------------------------------------------


@declare(
    "StringToHashBucket(string_tensor: string) -> output: int64", num_buckets=integer(minimum=1), host=True
)
class StringToHashBucket:
    """Bucket numbers from a Murmur hash."""

    shape = merged

    def kernel(xp, string_tensor, num_buckets):
        return hashing.to_buckets(hashing.murmur64(strings(string_tensor)), num_buckets)

    grad = NOT_DIFFERENTIABLE


@public("string_to_hash_bucket", "strings.to_hash_bucket")
@elementwise("unary")
def string_to_hash_bucket(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None, input: Any = None
) -> Tensor:
    """Hashes strings to bucket numbers, by the oldest of the three functions.

    Args:
      string_tensor: `[...]` strings.
      num_buckets: how many buckets.
      name: op name; default "StringToHashBucket".
      input: another name of `string_tensor`.

    Returns:
      int64 in `[0, num_buckets)`, same shape.
    """
    x = input if string_tensor is None else string_tensor
    return apply(StringToHashBucket, x, num_buckets=num_buckets, name=name)


@declare("StringToHashBucketFast(input: string) -> output: int64", num_buckets=integer(minimum=1), host=True)
class StringToHashBucketFast:
    """Bucket numbers from FarmHash Fingerprint64."""

    shape = merged

    def kernel(xp, input, num_buckets):
        return hashing.to_buckets(hashing.fingerprint64(strings(input)), num_buckets)

    grad = NOT_DIFFERENTIABLE


@public("string_to_hash_bucket_fast", "strings.to_hash_bucket_fast")
@elementwise("unary")
def string_to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """Hashes strings to bucket numbers, quickly and always alike.

    Args:
      input: `[...]` strings.
      num_buckets: how many buckets.
      name: op name; default "StringToHashBucketFast".

    Returns:
      int64 in `[0, num_buckets)`, same shape.
    """
    return apply(StringToHashBucketFast, input, num_buckets=num_buckets, name=name)


@declare(
    "StringToHashBucketStrong(input: string) -> output: int64",
    num_buckets=integer(minimum=1),
    key=ints(),
    host=True,
)
class StringToHashBucketStrong:
    """Bucket numbers from SipHash-2-4 under a key."""

    def shape(input, key):
        if len(key) != 2:
            raise ValueError(f"key must have 2 elements. Received: {list(key)}")
        return input

    def kernel(xp, input, num_buckets, key):
        return hashing.to_buckets(hashing.siphash24(strings(input), key), num_buckets)

    grad = NOT_DIFFERENTIABLE


@public("string_to_hash_bucket_strong", "strings.to_hash_bucket_strong")
@elementwise("unary")
def string_to_hash_bucket_strong(input: Any, num_buckets: int, key: Any, name: str | None = None) -> Tensor:
    """Hashes strings to bucket numbers that nobody can steer who lacks the key.

    Args:
      input: `[...]` strings.
      num_buckets: how many buckets.
      key: two integers.
      name: op name; default "StringToHashBucketStrong".

    Returns:
      int64 in `[0, num_buckets)`, same shape.
    """
    return apply(StringToHashBucketStrong, input, num_buckets=num_buckets, key=key, name=name)


# --- numbers -----------------------------------------------------------------------------------------------


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
