"""Where what is public says that it lives: in this package, or under the hook where TensorFlow 1.15 has it.

Packages ask `type(x).__module__` whether something is TensorFlow's, and pickles name classes and functions by
their modules.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` itself takes time that `import millrace` should not
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_offered: list[tuple[Any, Sequence[str]]] = []
_written_in: dict[Any, str] = {}
_asked: list[Callable[[Sequence[str]], str | None]] = []


def offer(thing: Any, names: Sequence[str]) -> None:
    """Notes a class or function that is offered as `tf.<name>` for each of `names`."""
    if not isinstance(thing, type):  # a pickle finds a function under its own name
        names = [name for name in names if name.rpartition(".")[2] == thing.__qualname__]
    _offered.append((thing, names))
    if _asked:
        _move(thing, names)


def move_to(home_of: Callable[[Sequence[str]], str | None]) -> None:
    """Lets everything offered, also later, live in the module that `home_of` tells of its names."""
    _asked[:] = [home_of]
    for thing, names in _offered:
        _move(thing, names)


def move_back() -> None:
    """Lets them live where they are written."""
    _asked.clear()
    while _written_in:
        thing, module = _written_in.popitem()
        thing.__module__ = module


def module_of(thing: Any) -> str:
    """The module that a class or function is written in."""
    return _written_in.get(thing) or str(thing.__module__)


def _move(thing: Any, names: Sequence[str]) -> None:
    home = _asked[0](names)
    if home is not None and thing.__module__.startswith("millrace."):
        _written_in[thing] = thing.__module__
        thing.__module__ = home
