"""What matplotlib 3.0 to 3.5 took and today's refuses: older arguments, color maps by function, style names.

Each wrapper adds to what is there: a call that matplotlib accepts today means what it means today.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

# Module, class or "", function, the argument's old name, what it is called today ("" where it means nothing).
_ARGUMENTS = (
    ("matplotlib", "", "use", "warn", ""),
    ("matplotlib.axes._axes", "Axes", "hist", "normed", "density"),
    ("matplotlib.axes._axes", "Axes", "stem", "use_line_collection", ""),
    ("matplotlib.axes._base", "_AxesBase", "grid", "b", "visible"),
    ("matplotlib.pyplot", "", "stem", "use_line_collection", ""),
    ("matplotlib.axis", "Axis", "grid", "b", "visible"),
)
MODULES = frozenset((*(line[0] for line in _ARGUMENTS), "matplotlib.figure", "matplotlib.style"))
EXPLAINED = (
    *(f"{m}.{f}({old}=...): {new or 'ignored'}, gone from matplotlib" for m, _, f, old, new in _ARGUMENTS),
    "matplotlib.figure.Figure.gca(projection=...): axes of that kind, gone since matplotlib 3.7",
    "matplotlib.style.use('seaborn-...'): called seaborn-v0_8-... since matplotlib 3.6",
)


def tostring_rgb(canvas: Any) -> bytes:
    """The picture's bytes, three for each pixel."""
    import numpy as np

    return np.asarray(canvas.buffer_rgba())[..., :3].tobytes()


def set_window_title(canvas: Any, title: str) -> None:
    """Names the window, where the canvas has one."""
    if canvas.manager is not None:
        canvas.manager.set_window_title(title)


def get_cmap(name: Any = None, lut: int | None = None) -> Any:
    """The color map of that name, with `lut` entries; a color map stays as it is."""
    return importlib.import_module("matplotlib.pyplot").get_cmap(name, lut)


def register_cmap(name: str | None = None, cmap: Any = None) -> None:
    """Lets color maps be found by a name, their own where none is given."""
    importlib.import_module("matplotlib").colormaps.register(cmap, name=name, force=True)


def normpdf(x: Any, *args: float) -> Any:
    """The density of a normal distribution with the mean and deviation of `args`."""
    import numpy as np

    mean, deviation = args
    return np.exp(-0.5 * ((np.asarray(x) - mean) / deviation) ** 2) / (np.sqrt(2 * np.pi) * deviation)


def restore(module: Any) -> None:
    """Lets a module of matplotlib take what it took."""
    for where, owner, name, old, new in _ARGUMENTS:
        if where == module.__name__:
            place = getattr(module, owner) if owner else module
            setattr(place, name, _taking(getattr(place, name), old, new))
    if module.__name__ == "matplotlib.figure":
        base = module.Figure
        base.gca = _of_a_kind(base.gca)
    if module.__name__ == "matplotlib.pyplot":
        module.gca = functools.wraps(module.gca)(lambda **keywords: module.gcf().gca(**keywords))
    if module.__name__ == "matplotlib.style":
        for name, style in list(module.library.items()):
            module.library.setdefault(name.replace("seaborn-v0_8", "seaborn"), style)


def _taking(function: Any, old: str, new: str) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if old in keywords:
            value = keywords.pop(old)
            if new and value is not None:
                keywords[new] = value
        return function(*args, **keywords)

    return call


def _of_a_kind(gca: Any) -> Any:
    """`gca(projection="3d")`: the current axes where they are of that kind, else new ones."""

    @functools.wraps(gca)
    def call(figure: Any, **keywords: Any) -> Any:
        if not keywords:
            return gca(figure)
        wanted = keywords.get("projection") or "rectilinear"
        if figure.axes and getattr(gca(figure), "name", None) == wanted:
            return gca(figure)
        return figure.add_subplot(1, 1, 1, **keywords)

    return call
