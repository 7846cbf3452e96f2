"""Operations that speak to the person who runs the program: `Print`, `PrintV2` and `Assert`."""

from __future__ import annotations

import logging
import sys
from typing import Any

from millrace.building.apply import apply
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import integer, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.records.summaries import summarized

_LEVELS = {"log(info)": logging.INFO, "log(warning)": logging.WARNING, "log(error)": logging.ERROR}


@declare(
    "Print(input: T, data: U) -> output: T",
    T=ALL,
    U=types(),
    message=text(default=""),
    first_n=integer(default=-1),
    summarize=integer(default=3),
    effect=True,
    host=True,
    alias=True,
    state=lambda attrs: 0,
)
class Print:
    """`input`; prints `message` and the first values of `data` to standard error, `first_n` times."""

    def shape(input, data):
        return input

    def kernel(xp, printed, input, data, message, first_n, summarize):
        if first_n < 0 or printed < first_n:
            sys.stderr.write(message + "".join(_bracketed(v, summarize) for v in data) + "\n")
            sys.stderr.flush()
        return input, printed + 1

    def grad(op, dy):
        return dy, *[None] * len(op.inputs[1:])


def _bracketed(value: Any, summarize: int) -> str:
    shown = summarized(value, summarize)
    return shown if shown[:1] == "[" else f"[{shown}]"


@declare(
    "PrintV2(input: string)",
    output_stream=text(default="stderr"),
    end=text(default="\n"),
    effect=True,
    host=True,
)
class PrintV2:
    """Writes a string to a stream, a log level or a file (`file://path`)."""

    def shape(input):
        return []

    def kernel(xp, input, output_stream, end):
        line = bytes(input if isinstance(input, bytes) else input[()]).decode("utf-8", "replace") + end
        if output_stream in _LEVELS:
            logging.getLogger("tensorflow").log(_LEVELS[output_stream], "%s", line)
        elif output_stream.startswith("file://"):
            with open(output_stream[len("file://") :], "a", encoding="utf-8") as file:
                file.write(line)
        elif output_stream in ("stderr", "stdout"):
            stream = sys.stdout if output_stream == "stdout" else sys.stderr
            stream.write(line)
            stream.flush()
        else:
            raise refusal(f"Unknown output stream: {output_stream}")
        return []

    grad = NOT_DIFFERENTIABLE


@declare("Assert(condition: bool, data: T)", T=types(), summarize=integer(default=3), effect=True, host=True)
class Assert:
    """Fails, showing `data`, unless `condition` holds."""

    def shape(condition, data):
        if condition is not None and len(condition) != 0:
            raise ValueError(f"'condition' must be a scalar. Received: shape {condition}")
        return []

    def kernel(xp, condition, data, summarize):
        if not condition:
            shown = " ".join(_bracketed(v, summarize) for v in data)
            raise refusal(f"assertion failed: {shown}")
        return []

    def xla(xp, condition, data, summarize):
        xp.check(condition, lambda: refusal("assertion failed"))
        return []

    def grad(op, *dys):
        return [None] * len(op.inputs)


@public("Print")
def print_(
    input_: Any,
    data: Any,
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`input_`, which prints the values of `data` whenever it is computed.

    Args:
      input_: a tensor of any dtype and shape.
      data: a list of tensors to print, to standard error.
      message: what to print before them.
      first_n: print only so many times; default: always.
      summarize: how many values of each tensor to print; default 3, -1 for all.
      name: op name; default "Print".
    """
    return apply(
        Print,
        input_,
        data,
        message=message or "",
        first_n=-1 if first_n is None else first_n,
        summarize=3 if summarize is None else summarize,
        name=name,
    )
