"""What layers need of code that is built on them: set where that is defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Late:
    """What the base needs of its descendants: set where those are defined.

    Attributes:
      mean: a function from a name to a metric that averages.
      adopt: makes layers of the operations between layers' outputs and given tensors.
      description: what a SavedModel says of a layer: its kind, and its settings as JSON.
      get_values, set_values: read and write variables in the session of Keras.
    """

    mean: Callable[..., Any]
    adopt: Callable[[Any], None]
    get_values: Callable[[list[Any]], list[Any]]
    description: Callable[[Any], tuple[str, str]]
    set_values: Callable[[list[tuple[Any, Any]]], None]


late = Late()
