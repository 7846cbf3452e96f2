"""What notebooks show for single objects: a title and a small table, in the colours of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from millrace.drawing.svg import escape

_MOST = 12  # rows of one table
_CELL = "style='text-align:left;vertical-align:top'"

Row = tuple[Any, ...]


def code(text: Any) -> str:
    """`text` as it is written in a program."""
    return f"<code>{escape(str(text))}</code>"


def card(kind: str, title: str, rows: Iterable[Row], heads: Row = ()) -> str:
    """HTML of one object.

    Args:
      kind: what it is, such as `"Tensor"`.
      title: markup that follows on the same line.
      rows: cells of markup; a row whose last cell is empty is left out, and so are those beyond a dozen.
      heads: above the columns; by default the first column is the head of each row.
    """
    shown = [row for row in rows if row[-1] != ""]
    left_out = len(shown) - _MOST
    lines = [f"<tr>{''.join(f'<th {_CELL}>{head}</th>' for head in heads)}</tr>"] if heads and shown else []
    for row in shown[:_MOST]:
        first = "td" if heads else "th"
        cells = f"<{first} {_CELL}>{row[0]}</{first}>" + "".join(f"<td {_CELL}>{c}</td>" for c in row[1:])
        lines.append(f"<tr>{cells}</tr>")
    more = f"<div>and {left_out} more</div>" if left_out > 0 else ""
    table = f"<table>{''.join(lines)}</table>" if lines else ""
    return f"<div><b>{escape(kind)}</b> {title}</div>{table}{more}"


def tensor(value: Any) -> str:
    """A tensor: its type, what makes it and what takes it."""
    takers = value.consumers()
    return card(
        "Tensor",
        f"{code(value.name)} {_type(value)}",
        [
            ("made by", f"{escape(value.op.type)} {_inputs(value.op)}"),
            ("taken by", ", ".join(code(op.name) for op in takers[:4]) + (" …" if len(takers) > 4 else "")),
            ("created at", escape(value.op.user_location)),
            ("value", f"{code(f'session.run({value.name!r})')} computes it"),
        ],
    )


def operation(op: Any) -> str:
    """An operation: inputs, outputs, attributes, order, place."""
    attrs = ", ".join(f"{name} = {_short(value)}" for name, value in op.params.items())
    return card(
        "Operation",
        f"{code(op.name)} {escape(op.type)}",
        [
            ("inputs", _listed(op.inputs)),
            ("outputs", _listed(op.outputs)),
            ("attributes", escape(attrs)),
            ("runs after", ", ".join(code(c.name) for c in op.control_inputs)),
            ("device", escape(op.device or "")),
            ("created at", escape(op.user_location)),
        ],
    )


def variable(value: Any) -> str:
    """A variable: its type, whether it is trained, what gives it its first value."""
    trained = getattr(value, "trainable", None)
    start = (
        value.initializer.inputs[-1] if value.initializer is not None and value.initializer.inputs else None
    )
    return card(
        "Variable",
        f"{code(value.name)} {escape(value.dtype.base_dtype.name)} {escape(str(value.get_shape()))}",
        [
            ("trained", "" if trained is None else "yes" if trained else "no"),
            ("first value", "" if start is None else f"{code(start.name)} {escape(start.op.type)}"),
            ("set by", code(value.initializer.name) if value.initializer is not None else ""),
            ("created at", escape(value.op.user_location)),
        ],
    )


def session(graph: Any, closed: bool, slots: dict[str, Any]) -> str:
    """A session: its graph, and the variables with what they hold."""
    held = [(name, slot.value) for name, slot in sorted(slots.items()) if hasattr(slot.value, "nbytes")]
    size = sum(value.nbytes for _, value in held)
    state = "closed" if closed else f"{_count(len(graph.ops), 'operation')}, {_bytes(size)} in variables"
    rows = [
        (
            code(name.rpartition("/:")[2] or name),
            escape(f"{value.dtype} {list(value.shape)}"),
            _bytes(value.nbytes),
        )
        for name, value in held
    ]
    return card("Session", state, rows, ("variable", "holds", "size"))


def optimizer(kind: str, name: str, settings: dict[str, Any], slots: dict[str, int]) -> str:
    """An optimizer: what it was told, and how many slots of each kind it has made."""
    rows = [(escape(key), code(_short(value))) for key, value in settings.items()]
    rows += [(f"slot {escape(slot)}", f"of {_count(count, 'variable')}") for slot, count in slots.items()]
    return card(kind, code(name), rows)


def dataset(kind: str, types: Any, shapes: Any, sources: list[str]) -> str:
    """A dataset: what an element is, and what it is made from."""
    return card(
        "Dataset",
        escape(kind),
        [("types", code(types)), ("shapes", code(shapes)), ("made from", escape(", ".join(sources)))],
    )


def graph_def(message: Any) -> str:
    """A GraphDef: how many nodes of each kind, and what it can be fed."""
    nodes = message.node
    kinds = Counter(node.op for node in nodes).most_common(8)
    feeds = [node.name for node in nodes if node.op.startswith("Placeholder")]
    return card(
        "GraphDef",
        f"{_count(len(nodes), 'node')}, {_bytes(message.ByteSize())}",
        [
            ("kinds", ", ".join(f"{count} {escape(kind)}" for kind, count in kinds)),
            ("placeholders", ", ".join(map(code, feeds[:6])) + (" …" if len(feeds) > 6 else "")),
            ("functions", ", ".join(code(f.signature.name) for f in message.library.function[:6])),
            ("to use it", code("tf.import_graph_def(graph_def)")),
        ],
    )


def checkpoint(prefix: str, tensors: list[tuple[str, Any, list[int]]]) -> str:
    """What a checkpoint holds: (name, dtype, shape) of each tensor."""
    rows = [(code(name), escape(f"{dtype.name} {shape}")) for name, dtype, shape in tensors]
    return card("Checkpoint", f"{code(prefix)} {_count(len(tensors), 'tensor')}", rows, ("tensor", "type"))


def tracked(names: list[str], tensors: list[tuple[str, Any, str]]) -> str:
    """A `tf.train.Checkpoint`: its objects, and (key, dtype, shape) of each tensor that it saves."""
    rows = [(code(key), escape(f"{dtype.name} {shape}")) for key, dtype, shape in tensors]
    of = f" of {', '.join(map(code, names))}" if names else ""
    return card("Checkpoint", f"{_count(len(tensors), 'tensor')}{of}", rows, ("key", "type"))


def _type(value: Any) -> str:
    return escape(f"{value.dtype.base_dtype.name} {value.get_shape()}")


def _listed(tensors: Any) -> str:
    return "<br>".join(f"{code(t.name)} {_type(t)}" for t in tensors)


def _inputs(op: Any) -> str:
    return f"of {', '.join(code(t.name) for t in op.inputs)}" if op.inputs else ""


def _short(value: Any) -> str:
    text = getattr(value, "name", None) or str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
