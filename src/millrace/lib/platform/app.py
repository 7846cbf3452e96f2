"""`tf.app.run`: parses the flags, then runs a program's `main`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from absl import app
from absl import flags as absl_flags

from millrace.core.public import public


def _parse_known(argv: list[str]) -> list[str]:
    """The words of the command line that are not flags; unknown flags are left for `main`."""
    return absl_flags.FLAGS(argv, known_only=True)


@public("app.run", "python.platform.app.run")
def run(main: Callable[..., Any] | None = None, argv: list[str] | None = None) -> None:
    """Runs a program and leaves the process with what it returns.

    Args:
      main: called with what the flags leave of the command line; default: `main` of the main module.
      argv: the command line; default `sys.argv`.
    """
    found = main or sys.modules["__main__"].main  # type: ignore[attr-defined]
    app.run(main=found, argv=argv, flags_parser=_parse_known)
