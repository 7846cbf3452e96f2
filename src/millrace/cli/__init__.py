"""The `millrace` command."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from millrace.cli.files import add_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
      arguments: words after `millrace`; default those of this process.

    Returns:
      The exit status; 1 where the output cannot be written, 141 where its reader has gone.
    """
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left in the buffer would fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        print(f"millrace: can't write: {error.strerror}", file=sys.stderr)
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _dispatch(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.version:
        from millrace.cli.about import versions

        print("\n".join(versions()))
        return 0
    if chosen.command != "run":  # a script of the user's own sees its streams as they are
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # letters that an ASCII terminal lacks become "?"
                stream.reconfigure(errors="replace")
    if chosen.command is None:
        parser.print_help()
        return 2
    if chosen.command in _OF_SCRIPTS and not os.path.isfile(chosen.script):
        print(f"millrace {chosen.command}: can't open {chosen.script!r}: no such file", file=sys.stderr)
        return 2
    return chosen.act(chosen)


# --- the words of the command line --------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    """What each command takes, and as `act` the function that carries it out."""
    parser = argparse.ArgumentParser(prog="millrace", description="Graphs, sessions and gradients in Python.")
    parser.add_argument("--version", action="store_true", help="say which version this is")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    tour = commands.add_parser("tour", help="a walk through the system, from constants to a trained model")
    tour.add_argument("--no-pause", "--fast", action="store_true", help="do not wait between the steps")
    tour.add_argument("--out", default=".", metavar="DIR", help="where the pictures go (default: here)")
    tour.set_defaults(act=_tour)
    _add_run(commands)
    for name, what in _SWITCHES.items():
        commands.add_parser(name, help=what).set_defaults(act=_switch)
    for name, (what, act) in _OF_SCRIPTS.items():
        command = commands.add_parser(name, help=what)
        if name == "graph":
            _add_picture(command)
        command.add_argument("script", help="path of the script")
        command.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the script")
        command.set_defaults(act=act)
    add_commands(commands)
    completion = commands.add_parser("completion", help="print what makes a shell complete these commands")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    completion.set_defaults(act=lambda chosen: _completion(parser, chosen.shell))
    error = commands.add_parser("error", help="explain an error of a running graph")
    error.add_argument("name", nargs="?", help="its class, such as InvalidArgumentError; default: list them")
    error.set_defaults(act=_error)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="run a script whose `import tensorflow` gets millrace")
    run.add_argument("-m", action="store_true", dest="module", help="SCRIPT is the name of a module")
    run.add_argument(
        "--shims",
        default="default",
        metavar="CHOICE",
        help="old names of Python 3.7 and NumPy 1.18 that are restored: none, default, or "
        "default,numpy-kinds",
    )
    run.add_argument(
        "--check-numerics", action="store_true", help="stop at the first operation that makes NaN or infinity"
    )
    run.add_argument("--explain-shims", action="store_true", help="list these names, and run nothing")
    run.add_argument("script", nargs="?", help="path of the script")
    run.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the script")
    run.set_defaults(act=lambda chosen: _run(run, chosen))


def _add_picture(graph: argparse.ArgumentParser) -> None:
    graph.add_argument(
        "-o",
        "--output",
        default="graph.svg",
        help="file to write, as .svg, .html, .png or .pdf (default: %(default)s)",
    )
    graph.add_argument(
        "-n",
        "--nodes",
        type=_positive,
        default=40,
        help="open scopes up to so many nodes (default: %(default)s)",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


# --- what the commands do -----------------------------------------------------------------------------------


def _tour(chosen: argparse.Namespace) -> int:
    from millrace.cli.tour import tour

    return tour(chosen.out, not chosen.no_pause)


def _run(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    from millrace.cli.run import run_program

    if chosen.explain_shims:
        return run_program(None, chosen.args, chosen.shims)
    if chosen.script is None:
        parser.error("what to run? Give the path of a script, or -m and the name of a module")
    if chosen.check_numerics:
        from millrace.cli.watching import check_numerics

        check_numerics()
    return run_program(chosen.script, chosen.args, chosen.shims, chosen.module)


def _switch(chosen: argparse.Namespace) -> int:
    from millrace.cli.run import switch

    return switch(chosen.command)


def _graph(chosen: argparse.Namespace) -> int:
    from millrace.cli.graph import draw_script

    return draw_script(chosen.script, chosen.args, chosen.output, chosen.nodes)


def _explain(chosen: argparse.Namespace) -> int:
    from millrace.cli.explain import explain_script

    return explain_script(chosen.script, chosen.args)


def _warm(chosen: argparse.Namespace) -> int:
    from millrace.cli.warm import warm_script

    return warm_script(chosen.script, chosen.args)


def _doctor(chosen: argparse.Namespace) -> int:
    from millrace.cli.doctor import examine_script

    return examine_script(chosen.script, chosen.args)


def _completion(parser: argparse.ArgumentParser, shell: str) -> int:
    from millrace.cli.completion import completion_for

    print(completion_for(parser, shell))
    return 0


def _error(chosen: argparse.Namespace) -> int:
    from millrace.cli.error_pages import show_page

    return show_page(chosen.name)


_SWITCHES = {
    "enable": "make every Python of this environment give millrace for tensorflow",
    "disable": "take `enable` back",
}
_OF_SCRIPTS = {
    "graph": ("run a script and draw the default graph it leaves", _graph),
    "explain": ("run a script and say how each of its runs was carried out", _explain),
    "warm": ("run a script and keep what its runs are compiled to", _warm),
    "doctor": ("run a script and say what commonly goes wrong in it", _doctor),
}


if __name__ == "__main__":
    sys.exit(main())
