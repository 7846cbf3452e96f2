"""Where public classes say that they live: in this package, or under the hook where TensorFlow 1.15 has them.

Packages ask `type(x).__module__` whether something is TensorFlow's, and pickles name classes that way.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` itself takes time that `import millrace` should not
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_offered: list[tuple[type, Sequence[str]]] = []
_written_in: dict[type, str] = {}
_asked: list[Callable[[Sequence[str]], str | None]] = []


def offer(kind: type, names: Sequence[str]) -> None:
    """Notes a class that is offered as `tf.<name>` for each of `names`."""
    _offered.append((kind, names))
    if _asked:
        _move(kind, names)


def move_to(home_of: Callable[[Sequence[str]], str | None]) -> None:
    """Lets all public classes, those to come too, live in the module that `home_of` tells of their names."""
    _asked[:] = [home_of]
    for kind, names in _offered:
        _move(kind, names)


def move_back() -> None:
    """Lets them live where they are written."""
    _asked.clear()
    while _written_in:
        kind, module = _written_in.popitem()
        kind.__module__ = module


def module_of(kind: type) -> str:
    """The module that a class is written in."""
    return _written_in.get(kind, kind.__module__)


def _move(kind: type, names: Sequence[str]) -> None:
    home = _asked[0](names)
    if home is not None and kind.__module__.startswith("millrace."):
        _written_in[kind] = kind.__module__
        kind.__module__ = home
