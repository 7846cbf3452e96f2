"""`tf.print`: any nesting of tensors and Python values, written whenever it runs."""

from __future__ import annotations

import logging
import pprint
import sys
from typing import Any

from millrace.building import raw
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.platform import log
from millrace.ops.text.numbers import string_format


class _Place:
    """Stands for a tensor in the text around it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _stream(output_stream: Any) -> str:
    """What `PrintV2` calls a stream.

    Raises:
      ValueError: it knows no such stream.
    """
    if isinstance(output_stream, str):
        if output_stream.startswith("file://"):
            return output_stream
    elif output_stream is sys.stdout or output_stream is sys.__stdout__:
        return "stdout"
    elif output_stream is sys.stderr or output_stream is sys.__stderr__:
        return "stderr"
    else:
        known = {
            "log(info)": (logging.INFO, log.info),
            "log(warning)": (logging.WARNING, log.warning, log.warn),
            "log(error)": (logging.ERROR, log.error),
        }
        for name, streams in known.items():
            if output_stream in streams:
                return name
    raise ValueError(
        "print: output_stream must be sys.stdout, sys.stderr, tf.logging.info, .warning or .error, or "
        f"'file://<path>'. Received: {output_stream!r}"
    )


@public("print")
def print_(*inputs: Any, **kwargs: Any) -> Operation:
    """An operation that prints `inputs` whenever it runs.

    Args:
      *inputs: tensors, Python values, and lists, tuples and dicts of them.
      **kwargs: `output_stream` (default `sys.stderr`), `summarize` (elements to show at either end of each
        dimension, default 3, -1 for all), `sep` (default a space), `end` (default a newline), `name`.

    Raises:
      ValueError: a keyword or the stream is unknown.
    """
    options = {"output_stream": sys.stderr, "name": None, "summarize": 3, "sep": " ", "end": "\n"}
    unknown = kwargs.keys() - options.keys()
    if unknown:
        raise ValueError(f"print: unknown keyword arguments. Received: {sorted(unknown)}")
    options.update(kwargs)
    stream, name = _stream(options["output_stream"]), options["name"]
    only = inputs[0] if len(inputs) == 1 else None
    if isinstance(only, Tensor) and only.dtype.base_dtype is dtypes.string and only.dims == ():
        text = only
    else:
        text = _formatted(inputs, options["sep"], options["summarize"], name)
    return raw.PrintV2(text, output_stream=stream, end=options["end"], name=name)


def _formatted(inputs: tuple[Any, ...], sep: str, summarize: int, name: str | None) -> Tensor:
    """All inputs as one string tensor."""
    texts = repr(inputs) + sep
    mark = "{}"
    while mark in texts:
        mark = f"{{{mark}}}"
    tensors: list[Tensor] = []

    def place(value: Any) -> Any:
        if isinstance(value, SparseTensor):
            parts = zip(
                ("indices", "values", "shape"), (value.indices, value.values, value.dense_shape), strict=True
            )
            tensors.extend((value.indices, value.values, value.dense_shape))
            return f"SparseTensor({', '.join(f'{part}={mark}' for part, _ in parts)})"
        if hasattr(value, "value") and hasattr(value, "initializer"):
            value = value.value()
        if isinstance(value, Tensor):
            tensors.append(value)
            return _Place(mark)
        return value

    pieces = [
        given if isinstance(given, str) else pprint.pformat(nest.map_structure(place, given))
        for given in inputs
    ]
    return string_format(
        sep.join(pieces), tensors, placeholder=mark, summarize=summarize, name=name and f"{name}_format"
    )
