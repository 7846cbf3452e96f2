"""Regular expressions: what of a string an RE2 pattern matches, and its replacement. On the host."""

from __future__ import annotations

from typing import Any

from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.attrs import flag, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged, with_rank
from millrace.opkit.text import regex
from millrace.opkit.text.pieces import attr_bytes, strings


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
