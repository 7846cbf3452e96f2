"""`millrace run script.py [args]`: runs a script or module as Python would; `tensorflow` is millrace."""

import builtins
import io
import os
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType

from millrace import hook
from millrace.hook import environment, shims


def run_script(script: str, arguments: Sequence[str], command: str = "run") -> int:
    """Runs a script as `__main__`.

    `sys.argv`, `sys.path[0]` and tracebacks are what `python script.py args` gives.

    Args:
      script: path of a Python file.
      arguments: words for `sys.argv[1:]`.
      command: the subcommand that messages name.

    Returns:
      The exit status: 0, or 1 after an exception that the script did not catch, or 2 when it cannot be read.
    """
    try:
        with io.open_code(os.path.abspath(script)) as file:
            source = file.read()
    except OSError as error:
        print(f"millrace {command}: can't open {script!r}: {error.strerror}", file=sys.stderr)
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


def run_program(
    program: str | None, arguments: Sequence[str], choice: str = "default", module: bool = False
) -> int:
    """What `millrace run` does: old names and the hook, for this process and its children; then the program.

    Args:
      program: path of a script, or the name of a module; None lists the old names instead.
      arguments: words for `sys.argv[1:]`.
      choice: which old names are restored, see `millrace.hook.shims.apply`.
      module: `program` is the name of a module, as after `python -m`.

    Returns:
      The exit status.
    """
    if program is None:
        print("\n".join(shims.explain()))
        return 0
    try:
        shims.apply(choice)
    except ValueError as error:
        print(f"millrace run: {error}", file=sys.stderr)
        return 2
    environment.inherit(choice)
    real = environment.real_tensorflow()
    if real:
        print(f"millrace run: `import tensorflow` gives millrace here, not {real}", file=sys.stderr)
    return run_module(program, arguments) if module else run_script(program, arguments)


def run_module(name: str, arguments: Sequence[str]) -> int:
    """Runs a module or package as `python -m name args` would, with millrace for `tensorflow`.

    Returns:
      The exit status: 0, or 2 where there is no such module.
    """
    hook.install()
    sys.argv[:] = [name, *arguments]
    sys.path[0] = os.getcwd()
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except ImportError as error:
        if error.name is not None:  # the program's own failure
            raise
        print(f"millrace run: {error}", file=sys.stderr)
        return 2
    return 0


def switch(command: str) -> int:
    """What `millrace enable` and `millrace disable` do.

    Returns:
      The exit status: 0, or 1 where the environment cannot be changed.
    """
    try:
        print(environment.enable() if command == "enable" else environment.disable())
    except OSError as error:
        print(f"millrace {command}: {error}", file=sys.stderr)
        return 1
    return 0
