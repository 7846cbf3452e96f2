"""`millrace tour`: the system in a walk of a few minutes, every step of it run while you watch."""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import linecache
import pathlib
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from millrace.cli.tour_steps import CHAPTERS, Step

_WIDEST = 96
_MOST_ROWS = 24  # operations shown one by one; more are counted by scope
_LONGEST = 24  # characters of a name that stands in one column


def tour(directory: str = ".", pause: bool = True) -> int:
    """Walks through the system in the terminal and leaves two pictures.

    Args:
      directory: where `tour.png` (the fitted line) and `tour.svg` (the last graph) go; made if need be.
      pause: wait for a key after each step, where there is somebody to press one.

    Returns:
      The exit status: 0, or 1 when the pictures cannot be written.
    """
    console = Console(highlight=False)
    if console.width > _WIDEST:
        console.width = _WIDEST
    pause = pause and console.is_terminal and sys.stdin.isatty()
    count = sum(len(chapter.steps) for chapter in CHAPTERS)
    console.print(_welcome(count, pause))
    names: dict[str, Any] = {"__name__": "tour"}
    number = 0
    for chapter in CHAPTERS:
        console.print()
        console.print(Rule(f"[bold]{chapter.title}[/bold]", style="cyan"))
        for step in chapter.steps:
            number += 1
            _show(console, f"{number}/{count}", step, names)
            if pause and not _go_on(console):
                return 0
    return _finish(console, names, pathlib.Path(directory))


def _welcome(count: int, pause: bool) -> Panel:
    how = "Enter goes on, q leaves." if pause else ""
    return Panel(
        f"[b]millrace[/b]: you describe a computation as a graph; a session runs the part that you ask for.\n"
        f"{count} steps. All code that you see is run as you see it. {how}",
        border_style="cyan",
    )


def _go_on(console: Console) -> bool:
    """Waits for Enter; False when the reader has had enough."""
    try:
        answer = console.input("[dim]Enter: next   q: leave [/dim]")
    except (EOFError, KeyboardInterrupt):
        console.print()
        return False
    return not answer.strip().lower().startswith("q")


def _show(console: Console, label: str, step: Step, names: dict[str, Any]) -> None:
    """Tells, runs and shows one step."""
    code = textwrap.dedent(step.code).strip()
    console.print()
    said = Table.grid(padding=(0, 2))
    said.add_row(Text(label, "dim cyan", no_wrap=True), Text.from_markup(step.text))
    console.print(said)
    console.print()
    console.print(Padding(Syntax(code, "python", theme="ansi_dark", word_wrap=True), (0, 0, 0, 3)))
    before = _operations()
    printed, failure = _run(code, f"<step {label.partition('/')[0]}>", names)
    if step.fails != (type(failure).__name__ if failure else ""):
        raise RuntimeError(f"step {label} of the tour: expected {step.fails or 'no error'}") from failure
    known = {id(op) for op in before}
    added = [op for op in _operations() if id(op) not in known]
    parts: list[Any] = []
    if added:
        parts.append(_operation_table(added))
    if failure is not None:
        message = Text.assemble((type(failure).__name__, "bold red"), f": {failure}")
        parts.append(Panel(message, title="error", title_align="left", border_style="red"))
    elif printed:
        parts.append(Panel(Text(printed), title="result", title_align="left", border_style="green"))
    if step.after:
        parts.append(Text.from_markup(step.after))
    if parts:
        console.print()
        console.print(Padding(Group(*parts), (0, 0, 0, 3)))


def _operations() -> list[Any]:
    from millrace.graph.defaults import get_default_graph

    return get_default_graph().get_operations()


def _run(code: str, filename: str, names: dict[str, Any]) -> tuple[str, Exception | None]:
    """Runs code as at a prompt.

    Returns:
      (what it printed, and the repr of its last expression; the exception that it raised).
    """
    import numpy as np

    tree = ast.parse(code, filename)
    value = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    linecache.cache[filename] = len(code), None, code.splitlines(True), filename
    out = io.StringIO()
    # Numbers without their types: `4.554` where NumPy 2 says `np.float32(4.554)`.
    with contextlib.redirect_stdout(out), np.printoptions(legacy="1.25"):  # pyright: ignore[reportArgumentType]
        try:
            exec(compile(tree, filename, "exec"), names)
            if isinstance(value, ast.Expr):
                result = eval(compile(ast.Expression(value.value), filename, "eval"), names)
                if result is not None:
                    print(repr(result))
        except Exception as error:
            return out.getvalue().rstrip(), error
    return out.getvalue().rstrip(), None


def _operation_table(added: Sequence[Any]) -> Panel:
    """The new operations with their types and inputs; counted by scope, where there are many."""
    table = _listed(added) if len(added) <= _MOST_ROWS else _counted(added)
    noun = "operation" if len(added) == 1 else "operations"
    return Panel(table, title=f"{len(added)} new {noun}", title_align="left", border_style="blue")


def _listed(added: Sequence[Any]) -> Group:
    """One row for each operation, in order; a scope's name stands once above several rows of it."""
    runs = [
        (scope, list(ops)) for scope, ops in itertools.groupby(added, lambda op: op.name.rpartition("/")[0])
    ]
    headed = [bool(scope) and (len(ops) > 2 or len(ops[0].name) > _LONGEST) for scope, ops in runs]
    labels = {
        op: "  " + op.name.rpartition("/")[2] if under else op.name
        for (_, ops), under in zip(runs, headed, strict=True)
        for op in ops
    }
    widths = max(map(len, labels.values())), max(len(op.type) for op in added)
    parts: list[Any] = []
    for (scope, ops), under in zip(runs, headed, strict=True):
        if under:
            parts.append(Text(f"{scope}/", "dim"))
        table = Table.grid(padding=(0, 2))
        for width in widths:
            table.add_column(min_width=width, no_wrap=True)
        table.add_column()
        for op in ops:
            inputs = ", ".join(
                _seen_from(scope, t.name) if under else t.name.removesuffix(":0") for t in op.inputs
            )
            takes = Text.assemble(("\N{LEFTWARDS ARROW} ", "dim"), inputs) if inputs else Text("")
            table.add_row(Text(labels[op], "bold"), Text(op.type, "cyan"), takes)
        parts.append(table)
    return Group(*parts)


def _seen_from(scope: str, tensor: str) -> str:
    """A tensor's name without the scopes that it shares with `scope`."""
    parts = tensor.removesuffix(":0").split("/")
    shared = 0
    for ours, theirs in zip(scope.split("/"), parts[:-1]):
        if ours != theirs:
            break
        shared += 1
    return "/".join(parts[shared:])


def _counted(added: Sequence[Any]) -> Table:
    """How many operations each scope has, and of which types; a variable is a scope."""
    scopes: dict[str, list[Any]] = {}
    inside = {op.name.rpartition("/")[0] for op in added}
    for op in added:
        parts = op.name.split("/")
        named_like_scope = op.name in inside and (len(parts) == 1 or op.type == "VariableV2")
        scope = op.name if named_like_scope else "/".join(parts[: min(len(parts) - 1, 2)]) or op.name
        scopes.setdefault(scope, []).append(op)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column()
    for scope, ops in scopes.items():
        types = ", ".join(dict.fromkeys(op.type for op in ops))
        label = scope if [op.name for op in ops] == [scope] else f"{scope}/"
        table.add_row(Text(label, "bold"), Text(str(len(ops)), "dim"), Text(types, "cyan"))
    return table


def _finish(console: Console, names: dict[str, Any], directory: pathlib.Path) -> int:
    """Says what came out and saves it as pictures."""
    from millrace.cli import plot
    from millrace.drawing import picture
    from millrace.graph.defaults import get_default_graph

    slope, offset = float(names["per_degree"]), float(names["at_zero"])
    text = f"cups = {offset:.1f} {'-' if slope < 0 else '+'} {abs(slope):.2f} * degrees"
    degrees, cups = names["degrees"][:200].tolist(), names["cups"][:200].tolist()
    image = plot.draw(
        "Cups of tea and the temperature at noon",
        "degrees Celsius",
        "cups sold",
        [
            plot.Points(degrees, cups, "200 of the 1,000 days"),
            plot.Line(-9.0, 420.0, "how the data was made", "#37474f", dashed=True),
            plot.Line(slope, offset, f"fitted: {text}"),
        ],
    )
    plotted, drawn = directory / "tour.png", directory / "tour.svg"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        image.save(plotted)
        drawn.write_text(picture.svg(get_default_graph()), encoding="utf-8")
    except OSError as error:
        print(f"millrace tour: can't write to {str(directory)!r}: {error.strerror}", file=sys.stderr)
        return 1
    console.print()
    console.print(
        Panel(
            f"[b]{text}[/b]\nmade with  420.0 - 9.00 * degrees\n\nthe plot   {plotted}\nthe graph  {drawn}",
            title="the fitted line",
            title_align="left",
            border_style="cyan",
        )
    )
    return 0
