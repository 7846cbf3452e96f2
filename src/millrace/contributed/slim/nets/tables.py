"""Networks of Inception's kind, written as tables.

A line is a layer of the trunk, or `Block: branch | branch | ...`, where a branch is layers separated by
commas; indented lines continue it. A layer:

    Conv2d_0b_3x3 96 /2 ! ~0.09

Its name ends with its window (`Conv2d_1a_1x1=3x3` where it does not); then come its depth, `/` its stride,
`!` for "VALID" padding and `~` the standard deviation of its first weights. Layers joined by `&` share their
input, and what they give is put together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.contributed.layers.core import convolution2d
from millrace.contributed.layers.shapes import avg_pool2d, max_pool2d
from millrace.graph.tensor import Tensor
from millrace.lib.variables.initializers import TruncatedNormal
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat

Net = tuple[Tensor, dict[str, Tensor]]


def trunc_normal(stddev: float) -> TruncatedNormal:
    """Truncated normal numbers around 0."""
    return TruncatedNormal(0.0, stddev)


class Layer(NamedTuple):
    """One layer of a table."""

    name: str
    window: list[int]
    depth: int
    settings: dict[str, Any]


def _layer(text: str) -> Layer:
    name, *rest = text.split()
    name, _, window = name.partition("=")
    found = re.search(r"(\d+)x(\d+)$", window or name)
    assert found is not None, text
    depth, settings = 0, {}
    for word in rest:
        if word[0] == "/":
            settings["stride"] = int(word[1:])
        elif word == "!":
            settings["padding"] = "VALID"
        elif word[0] == "~":
            settings["weights_initializer"] = trunc_normal(float(word[1:]))
        else:
            depth = int(word)
    return Layer(name, [int(found[1]), int(found[2])], depth, settings)


def _added(net: Any, text: str, depth: Callable[[int], int]) -> Tensor:
    if "&" in text:
        return concat([_added(net, part, depth) for part in text.split("&")], 3)
    layer = _layer(text)
    if layer.name.startswith("Conv"):
        return convolution2d(net, depth(layer.depth), layer.window, scope=layer.name, **layer.settings)
    pool = max_pool2d if layer.name.startswith("Max") else avg_pool2d
    return pool(net, layer.window, scope=layer.name, **layer.settings)


def _mixed(net: Tensor, name: str, branches: list[str], depth: Callable[[int], int]) -> Tensor:
    with variable_scope(name):
        outputs = []
        for i, branch in enumerate(branches):
            with variable_scope(f"Branch_{i}"):
                output = net
                for text in branch.split(","):
                    output = _added(output, text, depth)
                outputs.append(output)
        return concat(outputs, 3)


def built(
    net: Any, table: str, end_points: dict[str, Tensor], last: str, depth: Callable[[int], int] = int
) -> Net:
    """The layers of a table up to one, and the outputs of all of them by name.

    Args:
      net: what the first layer takes.
      table: the lines.
      end_points: where outputs are put.
      last: the name of the last layer or block.
      depth: from a depth of the table to that of the network.

    Raises:
      ValueError: the table has no layer `last`.
    """
    for line in table.strip().replace("\n    ", " ").splitlines():
        name, colon, rest = line.partition(":")
        if colon:
            net = _mixed(net, name, rest.split("|"), depth)
        else:
            name = line.split()[0].partition("=")[0]
            net = _added(net, line, depth)
        end_points[name] = net
        if name == last:
            return net, end_points
    raise ValueError(f"Unknown final endpoint. Received: {last}")


def reduced_window(net: Tensor, window: list[int]) -> list[int]:
    """The window, no larger than the image where its size is known."""
    dims = net.dims
    if dims is None or dims[1] is None or dims[2] is None:
        return window
    return [min(dims[1], window[0]), min(dims[2], window[1])]
