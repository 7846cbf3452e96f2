"""Pictures of models: boxes for layers, lines for what flows between them."""

from __future__ import annotations

import importlib
import itertools
import os
from typing import Any

from millrace.core.public import public
from millrace.drawing.layout import Edge, Vertex, arrange
from millrace.drawing.svg import escape

_WIDTH, _HEIGHT, _MARGIN = 7.0, 16.0, 12.0


def _title(layer: Any, shows_names: bool) -> str:
    kind = type(layer).__name__
    inner = getattr(layer, "layer", None)
    if inner is not None and kind in ("TimeDistributed", "Bidirectional"):
        kind = f"{kind}({type(inner).__name__})"
    return f"{layer.name}: {kind}" if shows_names else kind


def _shape(layer: Any, attribute: str) -> str:
    try:
        return str(getattr(layer, attribute))
    except AttributeError:
        return "multiple" if attribute == "output_shape" else "?"


def _lines(layer: Any, shows_shapes: bool, shows_names: bool) -> list[str]:
    found = [_title(layer, shows_names)]
    if shows_shapes:
        found += [f"input: {_shape(layer, 'input_shape')}", f"output: {_shape(layer, 'output_shape')}"]
    return found


def _expanded(model: Any, expand_nested: bool) -> list[Any]:
    found = []
    for layer in model.layers:
        nested = expand_nested and getattr(layer, "_is_graph_network", False)
        found.extend(_expanded(layer, True) if nested else [layer])
    return found


def _links(model: Any, layers: list[Any]) -> list[tuple[Any, Any]]:
    """Pairs of layers of which the second takes what the first gives."""
    if not getattr(model, "_is_graph_network", False):
        return list(itertools.pairwise(layers))
    known = set(map(id, layers))
    found = []
    for layer in layers:
        for node in layer._inbound_nodes:
            if node.input_tensors is None:
                continue
            for inbound, *_ in node.iterate_inbound():
                inner = _last(inbound) if id(inbound) not in known else inbound
                if id(inner) in known and inner is not layer and (inner, layer) not in found:
                    found.append((inner, layer))
    return found


def _last(layer: Any) -> Any:
    """The layer that gives a nested model's output."""
    while getattr(layer, "_is_graph_network", False):
        layer = layer._output_layers[0]
    return layer


class Dot:
    """A model in the language of Graphviz.

    Args:
      text: the description.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def to_string(self) -> str:
        """The description."""
        return self._text

    def write(self, path: Any) -> None:
        """Writes the description to a file."""
        with open(path, "w", encoding="utf8") as file:
            file.write(self._text)

    def __str__(self) -> str:
        return self._text


@public("keras.utils.model_to_dot")
def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    subgraph: bool = False,
) -> Dot:
    """A model in the language of Graphviz, as text.

    Args:
      model: the model.
      show_shapes: whether shapes are shown.
      show_layer_names: whether names are shown.
      rankdir: "TB" from above, "LR" from the left.
      expand_nested: whether nested models are opened.
      dpi: dots per inch.
      subgraph: whether it is part of another description.
    """
    layers = _expanded(model, expand_nested)
    kind, name = ("subgraph", f"cluster_{model.name}") if subgraph else ("digraph", model.name)
    how = f"concentrate=true; dpi={dpi}; rankdir={rankdir};"
    lines = [f'{kind} "{name}" {{', how, "node [shape=record];"]
    for number, layer in enumerate(layers):
        label = "|".join(_lines(layer, show_shapes, show_layer_names))
        for special in "\\{}<>":
            label = label.replace(special, "\\" + special)
        label = "{" + label.replace('"', '\\"') + "}"
        lines.append(f'{number} [label="{label}"];')
    numbers = {id(layer): number for number, layer in enumerate(layers)}
    lines += [f"{numbers[id(a)]} -> {numbers[id(b)]};" for a, b in _links(model, layers)]
    return Dot("\n".join([*lines, "}"]))


@public("keras.utils.plot_model")
def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
) -> None:
    """Draws a model into a file; Graphviz is not needed.

    Args:
      model: the model.
      to_file: the picture: .svg, .dot for a description, or any format of Pillow.
      show_shapes: whether shapes are shown.
      show_layer_names: whether names are shown.
      rankdir: accepted; pictures are drawn from above.
      expand_nested: whether nested models are opened.
      dpi: dots per inch.
    """
    path = os.fspath(to_file)
    if path.endswith(".dot"):
        model_to_dot(model, show_shapes, show_layer_names, rankdir, expand_nested, dpi).write(path)
        return
    layers = _expanded(model, expand_nested)
    texts = [_lines(layer, show_shapes, show_layer_names) for layer in layers]
    boxes = [
        Vertex(_WIDTH * max(map(len, lines)) + 2 * _MARGIN, _HEIGHT * len(lines) + _MARGIN) for lines in texts
    ]
    by_layer = {id(layer): box for layer, box in zip(layers, boxes, strict=True)}
    edges = []
    for first, second in _links(model, layers):
        tail, head = by_layer[id(first)], by_layer[id(second)]
        edges.append(Edge(tail, head, tail.width / 2, head.width / 2))
    size = arrange(boxes, edges)
    draw = _as_svg if path.endswith(".svg") else _as_pixels
    draw(path, boxes, texts, edges, size, dpi / 96)


def _as_svg(path: str, boxes: Any, texts: Any, edges: Any, size: Any, scale: float) -> None:
    width, height = size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * scale:.0f}" height="{height * scale:.0f}" '
        f'viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}" font-family="monospace" font-size="11">',
        f'<rect x="{-_MARGIN}" y="{-_MARGIN}" width="100%" height="100%" fill="#ffffff"/>',
    ]
    for edge in edges:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in edge.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="#64748b"/>')
    for box, lines in zip(boxes, texts, strict=True):
        parts.append(
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
            'fill="#f6f8fb" stroke="#4c7fc0"/>'
        )
        for row, line in enumerate(lines):
            parts.append(
                f'<text x="{box.x + _MARGIN:.1f}" y="{box.y + _HEIGHT * (row + 1):.1f}">{escape(line)}</text>'
            )
    with open(path, "w", encoding="utf8") as file:
        file.write("\n".join([*parts, "</svg>"]))


def _as_pixels(path: str, boxes: Any, texts: Any, edges: Any, size: Any, scale: float) -> None:
    image, drawing = importlib.import_module("PIL.Image"), importlib.import_module("PIL.ImageDraw")
    font = importlib.import_module("PIL.ImageFont").load_default(11 * scale)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x + _MARGIN) * scale, (y + _MARGIN) * scale

    whole = [max(1, round((length + 2 * _MARGIN) * scale)) for length in size]
    picture = image.new("RGB", (whole[0], whole[1]), "white")
    canvas = drawing.Draw(picture)
    for edge in edges:
        canvas.line([at(x, y) for x, y in edge.points], fill="#64748b")
    for box, lines in zip(boxes, texts, strict=True):
        corners = [at(box.x, box.y), at(box.x + box.width, box.y + box.height)]
        canvas.rectangle(corners, fill="#f6f8fb", outline="#4c7fc0")
        for row, line in enumerate(lines):
            canvas.text(at(box.x + _MARGIN, box.y + 4 + _HEIGHT * row), line, fill="black", font=font)
    picture.save(path)
