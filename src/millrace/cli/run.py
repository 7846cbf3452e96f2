"""`millrace run script.py [args]`: runs the script as Python would, with millrace for `tensorflow`."""

import builtins
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from millrace import hook


def run_script(script: str, arguments: Sequence[str]) -> int:
    """Runs a script as `__main__`.

    `sys.argv`, `sys.path[0]` and tracebacks are what `python script.py args` gives.

    Args:
      script: path of a Python file.
      arguments: words for `sys.argv[1:]`.

    Returns:
      The exit status: 0, or 1 after an exception that the script did not catch, or 2 when it cannot be read.
    """
    try:
        with io.open_code(os.path.abspath(script)) as file:
            source = file.read()
    except OSError as error:
        print(f"millrace run: can't open {script!r}: {error.strerror}", file=sys.stderr)
        return 2
    hook.install()
    main = ModuleType("__main__")
    main.__file__ = script
    main.__builtins__ = builtins  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["__main__"] = main
    sys.argv[:] = [script, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        exec(compile(source, script, "exec", dont_inherit=True), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        # The first frame is this function's, which is none of the script's business.
        own = error.__traceback__
        script_frames = own.tb_next if own else None
        sys.excepthook(type(error), error.with_traceback(script_frames), script_frames)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0
