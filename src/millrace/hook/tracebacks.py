"""Tracebacks of uncaught exceptions without the frames inside millrace: the last line is the program's own.

`MILLRACE_TRACEBACK=full` in the environment shows every frame.
"""

from __future__ import annotations

import functools
import os
import sys
from types import TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@functools.cache
def _others() -> tuple[str, ...]:
    """Where Python's own modules and installed packages lie."""
    import sysconfig  # only an error asks

    paths = sysconfig.get_paths()
    return tuple({paths[place] + os.sep for place in ("stdlib", "platstdlib", "purelib", "platlib")})


def hides() -> bool:
    """Whether library frames are hidden, which the environment decides at the time of the error."""
    return os.environ.get("MILLRACE_TRACEBACK", "").lower() != "full"


def is_own(file: str) -> bool:
    """Whether a frame belongs to millrace: its source, or what it generates."""
    return file.startswith((_PACKAGE, "<millrace plan"))


def shorten(error: BaseException) -> int:
    """Takes the frames inside millrace out of the traceback of `error` and of what caused it, in place.

    What lies below millrace, in NumPy say, goes too; a function of the program that millrace calls, as
    `tf.py_func` does, stays. An exception that was caught inside millrace and became another one is left out
    unless the program's own code raised it.

    Returns:
      How many frames were taken out; 0 where the exception is none of millrace's business.
    """
    taken = 0
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        kept, out, inside = _split(current.__traceback__)
        if out and kept:
            taken += out
            current.__traceback__ = _joined(kept)
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if inside and cause is not None:
            told = "Traceback" in str(current) and f"{type(cause).__name__}: {cause}" in str(current)
            if told or not _split(cause.__traceback__)[0]:
                current.__cause__, current.__suppress_context__, cause = None, True, None
                taken += 1
        current = cause
    return taken


def _split(trace: TracebackType | None) -> tuple[list[TracebackType], int, bool]:
    """(the program's frames, how many others, whether the innermost is one of the others)."""
    kept, below, taken = [], False, 0
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        below = is_own(file) or (below and file.startswith((*_others(), "<frozen ", "<__array_function__")))
        if below:
            taken += 1
        else:
            kept.append(trace)
        trace = trace.tb_next
    return kept, taken, below


def _joined(frames: list[TracebackType]) -> TracebackType | None:
    linked = None
    for frame in reversed(frames):
        linked = TracebackType(linked, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return linked


def note(error: BaseException, taken: int) -> str:
    """What says that frames are hidden, how to see them, and what to read about an error of a run."""
    frames = "1 frame" if taken == 1 else f"{taken} frames"
    kind = type(error)
    errors = sys.modules.get("millrace.core.errors")
    page = errors is not None and issubclass(kind, errors.OpError)
    about = f"; `millrace error {kind.__name__}` explains the error" if page else ""
    return f"({frames} inside millrace hidden, MILLRACE_TRACEBACK=full shows all{about})"


def install() -> None:
    """Shortens what Python prints for an uncaught exception, here, in other threads and in IPython.

    A program that prints tracebacks its own way keeps it.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _excepthook
    shell = _shell()
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((Exception,), _show_in_shell)


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if hides():
        _shorten_and_note(error)
    sys.__excepthook__(kind, error, error.__traceback__)


def _shorten_and_note(error: BaseException) -> bool:
    """Whether frames were taken out, of which a note then tells."""
    try:
        taken = shorten(error)
        if taken:
            error.add_note(note(error, taken))
    except Exception:
        return False  # whatever is wrong here, the error itself must be seen
    return taken > 0


def _shell() -> Any:
    """The IPython shell that this process runs, or None."""
    ipython = sys.modules.get("IPython")
    get_ipython: Callable[[], Any] | None = getattr(ipython, "get_ipython", None)
    return get_ipython() if get_ipython is not None else None


def _show_in_shell(
    shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: Any
) -> Any:
    if hides() and _shorten_and_note(error):
        trace = error.__traceback__
    lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    shell._showtraceback(kind, error, lines)
    return lines
