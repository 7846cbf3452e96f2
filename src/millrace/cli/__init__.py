"""The `millrace` command."""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
      arguments: words after `millrace`; default those of this process.

    Returns:
      The exit status.
    """
    parser = argparse.ArgumentParser(prog="millrace", description="Graphs, sessions and gradients in Python.")
    parser.add_argument("--version", action="store_true", help="say which version this is")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    tour = commands.add_parser("tour", help="a walk through the system, from constants to a trained model")
    tour.add_argument("--no-pause", "--fast", action="store_true", help="do not wait between the steps")
    tour.add_argument("--out", default=".", metavar="DIR", help="where the pictures go (default: here)")
    run = commands.add_parser("run", help="run a script whose `import tensorflow` gets millrace")
    run.add_argument("-m", action="store_true", dest="module", help="SCRIPT is the name of a module")
    run.add_argument(
        "--shims",
        default="default",
        metavar="CHOICE",
        help="old names of Python 3.7 and NumPy 1.18 that are restored: none, default, or default,numpy-copy",
    )
    run.add_argument("--explain-shims", action="store_true", help="list these names, and run nothing")
    run.add_argument("script", nargs="?", help="path of the script")
    run.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the script")
    commands.add_parser("enable", help="make every Python of this environment give millrace for tensorflow")
    commands.add_parser("disable", help="take `enable` back")
    graph = commands.add_parser("graph", help="run a script and draw the default graph it leaves as SVG")
    graph.add_argument("-o", "--output", default="graph.svg", help="file to write (default: %(default)s)")
    graph.add_argument(
        "-n", "--nodes", type=int, default=40, help="open scopes up to so many nodes (default: %(default)s)"
    )
    graph.add_argument("script", help="path of the script")
    graph.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the script")
    explain = commands.add_parser("explain", help="run a script and say how each of its runs was carried out")
    explain.add_argument("script", help="path of the script")
    explain.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the script")
    error = commands.add_parser("error", help="explain an error of a running graph")
    error.add_argument("name", nargs="?", help="its class, such as InvalidArgumentError; default: list them")
    chosen = parser.parse_args(arguments)
    if chosen.version:
        from millrace import MILLRACE_VERSION

        print(f"millrace {MILLRACE_VERSION}")
        return 0
    if chosen.command is None:
        parser.print_help()
        return 2
    if chosen.command == "tour":
        from millrace.cli.tour import tour as walk

        return walk(chosen.out, not chosen.no_pause)
    if chosen.command == "explain":
        from millrace.cli.explain import explain_script

        return explain_script(chosen.script, chosen.args)
    if chosen.command == "error":
        from millrace.cli.error_pages import show_page

        return show_page(chosen.name)
    if chosen.command == "graph":
        from millrace.cli.graph import draw_script

        return draw_script(chosen.script, chosen.args, chosen.output, chosen.nodes)
    if chosen.command in ("enable", "disable"):
        from millrace.cli.run import switch

        return switch(chosen.command)
    from millrace.cli.run import run_program

    if chosen.explain_shims or chosen.script is None:
        return run_program(None, chosen.args, chosen.shims)
    return run_program(chosen.script, chosen.args, chosen.shims, chosen.module)


if __name__ == "__main__":
    sys.exit(main())
