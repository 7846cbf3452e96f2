"""PyYAML as version 5 was: `yaml.load(text)` takes the loader that version 5.1 chose where none is given."""

from __future__ import annotations

import inspect
from typing import Any


def restore(yaml: Any) -> None:
    """Gives a module yaml, of version 6, the loader that programs leave out."""
    for name in ("load", "load_all"):
        load = getattr(yaml, name)
        if inspect.signature(load).parameters["Loader"].default is inspect.Parameter.empty:
            setattr(yaml, name, _with_loader(load, yaml.FullLoader))


def _with_loader(load: Any, usual: Any) -> Any:
    def loaded(stream: Any, Loader: Any = usual) -> Any:  # noqa: N803 - the name that programs give
        return load(stream, Loader)

    loaded.__name__ = loaded.__qualname__ = load.__name__
    loaded.__doc__ = load.__doc__
    return loaded
