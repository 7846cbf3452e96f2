"""`millrace graph script.py [args]`: runs the script, then draws the default graph that it leaves."""

import sys
from collections.abc import Sequence

from millrace.cli.run import run_script


def draw_script(script: str, arguments: Sequence[str], output: str, nodes: int) -> int:
    """Runs a script as `millrace run` does and writes its default graph as SVG, even when the script fails.

    Args:
      script: path of a Python file.
      arguments: words for `sys.argv[1:]`.
      output: path of the file to write.
      nodes: open scopes while the picture has at most so many nodes.

    Returns:
      The script's exit status; 1 when there is nothing to draw or the file cannot be written.
    """
    try:
        status = run_script(script, arguments)
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
        with open(output, "w", encoding="utf-8") as file:
            file.write(picture.svg(graph, nodes))
    except OSError as error:
        print(f"millrace graph: can't write {output!r}: {error.strerror}", file=sys.stderr)
        return status or 1
    print(f"{output}: {len(graph.ops)} operations", file=sys.stderr)
    return status
