"""`millrace graph script.py [args]`: runs the script, then draws the default graph that it leaves."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any

from millrace.cli.run import run_script


def draw_script(script: str, arguments: Sequence[str], output: str, nodes: int) -> int:
    """Runs a script as `millrace run` does and writes its default graph, even when the script fails.

    Args:
      script: path of a Python file.
      arguments: words for `sys.argv[1:]`.
      output: path of the file to write; its ending says how.
      nodes: open scopes while the picture has at most so many nodes.

    Returns:
      The script's exit status; 1 when there is nothing to draw or the file cannot be written; 2 when it is
      refused beforehand.
    """
    wrong = _refusal(output)
    if wrong:
        print(f"millrace graph: {wrong}", file=sys.stderr)
        return 2
    try:
        status = run_script(script, arguments, "graph")
    except SystemExit as leaving:
        code = leaving.code
        status = code if isinstance(code, int) else 0 if code is None else 1
    from millrace.drawing import picture
    from millrace.graph.defaults import get_default_graph

    graph = get_default_graph()
    if not graph.ops:
        print(f"millrace graph: {script!r} leaves no operations in the default graph", file=sys.stderr)
        return status or 1
    try:
        with open(output, "wb") as file:
            file.write(_rendered(picture, graph, nodes, os.path.splitext(output)[1].lower()))
    except OSError as error:
        print(f"millrace graph: can't write {output!r}: {error.strerror}", file=sys.stderr)
        return status or 1
    count = len(graph.ops)
    print(f"{output}: {count} operation{'' if count == 1 else 's'}", file=sys.stderr)
    return status


def _refusal(output: str) -> str:
    """Why `output` cannot be written, known before the script runs; empty where it can."""
    kind = os.path.splitext(output)[1].lower()
    if kind not in (".svg", ".html", ".png", ".pdf"):
        return f"{output!r} must end in .svg, .html, .png or .pdf"
    if kind in (".png", ".pdf") and importlib.util.find_spec("cairosvg") is None:
        return f"{kind} needs cairosvg (pip install cairosvg); .svg and .html are written without it"
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder):
        return f"can't write {output!r}: there is no folder {folder!r}"
    if os.path.isdir(output):
        return f"can't write {output!r}: it is a folder"
    return ""


def _rendered(picture: Any, graph: Any, nodes: int, kind: str) -> bytes:
    if kind == ".html":
        return picture.page(graph, nodes).encode()
    drawn = picture.svg(graph, nodes)
    if kind == ".svg":
        return drawn.encode()
    import cairosvg  # pyright: ignore[reportMissingImports]

    draw = cairosvg.svg2png if kind == ".png" else cairosvg.svg2pdf
    return draw(bytestring=drawn.encode()) or b""
