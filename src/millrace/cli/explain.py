"""`millrace explain script.py [args]`: runs the script and says how each of its runs was carried out."""

import sys
from collections.abc import Sequence
from typing import Any

from millrace.cli.run import run_script

_MOST_SHAPES = 3  # explanations of one run for different fed shapes


class _Log:
    """The distinct runs of a script's sessions, in order, with how often each took place."""

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}
        self.first: dict[Any, tuple[Any, list[Any]]] = {}

    def __call__(self, runner: Any, values: Any) -> None:
        key = id(runner), tuple(v.shape for v in values)
        if key not in self.first:
            if sum(known[0] == key[0] for known in self.first) >= _MOST_SHAPES:
                return
            self.first[key] = runner, list(values)
        self.counts[key] = self.counts.get(key, 0) + 1


def explain_script(script: str, arguments: Sequence[str]) -> int:
    """Runs a script as `millrace run` does, then prints an explanation of each different `Session.run` in it,
    and how the stages of its input pipelines have worked.

    Args:
      script: path of a Python file.
      arguments: words for `sys.argv[1:]`.

    Returns:
      The script's exit status; 1 when it runs no session.
    """
    from rich.console import Console

    from millrace.opkit.datasets.metering import Meter, report
    from millrace.session import session

    log, meter = _Log(), Meter()
    session.observers.append(log)
    try:
        with meter.watching():
            status = run_script(script, arguments, "explain")
    except SystemExit as leaving:
        code = leaving.code
        status = code if isinstance(code, int) else 0 if code is None else 1
    finally:
        session.observers.remove(log)
    if not log.first:
        print(f"millrace explain: {script!r} runs no session", file=sys.stderr)
        return status or 1
    console = Console()
    for key, (runner, values) in log.first.items():
        count = log.counts[key]
        names = ", ".join(element.name for element in runner.elements[:6])
        more = f" and {len(runner.elements) - 6} more" if len(runner.elements) > 6 else ""
        console.rule(f"run of {names}{more}: {count} time{'s' if count > 1 else ''}")
        console.print(runner.explain([v.shape for v in values], count))
    if meter.readings:
        console.rule("input pipelines")
        console.print(report(meter))
    return status
