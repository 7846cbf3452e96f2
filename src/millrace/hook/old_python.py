"""Functions of Python 3.7's library that later ones dropped, with their old signatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def formatargspec(
    args: Sequence[str],
    varargs: str | None = None,
    varkw: str | None = None,
    defaults: Sequence[Any] | None = None,
    kwonlyargs: Sequence[str] = (),
    kwonlydefaults: dict[str, Any] | None = None,
    annotations: dict[str, Any] | None = None,
    formatarg: Callable[[str], str] = str,
    formatvarargs: Callable[[str], str] = lambda name: "*" + name,
    formatvarkw: Callable[[str], str] = lambda name: "**" + name,
    formatvalue: Callable[[Any], str] = lambda value: "=" + repr(value),
) -> str:
    """The parameters of a function as they stand in its definition, in parentheses."""
    notes = annotations or {}

    def written(name: str, form: Callable[[str], str] = formatarg) -> str:
        note = notes.get(name)
        shown = getattr(note, "__name__", repr(note))
        return form(name) + (f": {shown}" if name in notes else "")

    first = len(args) - len(defaults or ())
    parts = [
        written(name) + (formatvalue(defaults[at - first]) if defaults and at >= first else "")
        for at, name in enumerate(args)
    ]
    if varargs:
        parts.append(written(varargs, formatvarargs))
    elif kwonlyargs:
        parts.append("*")
    for name in kwonlyargs:
        known = kwonlydefaults is not None and name in kwonlydefaults
        parts.append(written(name) + (formatvalue(kwonlydefaults[name]) if known else ""))  # pyright: ignore[reportOptionalSubscript]
    if varkw:
        parts.append(written(varkw, formatvarkw))
    return "(" + ", ".join(parts) + ")"


def linux_distribution(*args: Any, **kwargs: Any) -> tuple[str, str, str]:
    """Name, version and code name of the distribution; empty texts where nothing tells."""
    import platform  # completed with this very function when it is imported

    try:
        found = platform.freedesktop_os_release()
    except OSError:
        return "", "", ""
    return found.get("ID", ""), found.get("VERSION_ID", ""), found.get("VERSION_CODENAME", "")
