"""What layers find in their surroundings: default dtype and layout, names in use, the learning phase."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import placeholder_with_default


class _Defaults:
    """The defaults of the process; a `keras.json` in the user's Keras folder may change them at the start."""

    def __init__(self) -> None:
        self.floatx, self.epsilon, self.image_data_format = "float32", 1e-7, "channels_last"
        folder = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
        with contextlib.suppress(OSError, ValueError, TypeError):
            found = json.loads(pathlib.Path(folder, "keras.json").read_text(encoding="utf-8"))
            if found.get("floatx") in ("float16", "float32", "float64"):
                self.floatx = found["floatx"]
            if found.get("image_data_format") in ("channels_last", "channels_first"):
                self.image_data_format = found["image_data_format"]
            self.epsilon = float(found.get("epsilon", self.epsilon))


_defaults = _Defaults()


@public("keras.backend.floatx")
def floatx() -> str:
    """The dtype that layers use where nobody says: "float16", "float32" or "float64"."""
    return _defaults.floatx


@public("keras.backend.set_floatx")
def set_floatx(value: str) -> None:
    """Sets what `floatx` gives.

    Raises:
      ValueError: it is not one of the three dtypes.
    """
    if value not in ("float16", "float32", "float64"):
        raise ValueError(f"Unknown floatx type: one of float16, float32, float64. Received: {value}")
    _defaults.floatx = str(value)


@public("keras.backend.epsilon")
def epsilon() -> float:
    """A small number that keeps denominators and logarithms from zero; 1e-7 unless set."""
    return _defaults.epsilon


@public("keras.backend.set_epsilon")
def set_epsilon(value: float) -> None:
    """Sets what `epsilon` gives."""
    _defaults.epsilon = value


@public("keras.backend.image_data_format")
def image_data_format() -> str:
    """The layout that layers use where nobody says: "channels_last" or "channels_first"."""
    return _defaults.image_data_format


@public("keras.backend.set_image_data_format")
def set_image_data_format(data_format: str) -> None:
    """Sets what `image_data_format` gives.

    Raises:
      ValueError: it is not one of the two layouts.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"Unknown data_format: channels_last or channels_first. Received: {data_format}")
    _defaults.image_data_format = str(data_format)


# --- names --------------------------------------------------------------------------------------------------


@public("python.keras.utils.generic_utils.to_snake_case")
def snake_case(name: str) -> str:
    """`BasicLSTMCell` as `basic_lstm_cell`."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    return "private" + name if name[0] == "_" else name


def _names() -> dict[Any, int]:
    return get_default_graph().get_scoped("layer names", dict)


def unique_name(base: str, avoid: Iterable[str] = (), zero_based: bool = True) -> str:
    """`base`, then `base_1`, `base_2`, ... in one graph.

    Args:
      base: what to make unique.
      avoid: names that are taken in another way.
      zero_based: the first is `base` itself; False begins with `base_1`.
    """
    counts, taken = _names(), set(avoid)
    while True:
        count = counts.get(base, 0)
        counts[base] = count + 1
        get_default_graph().on_undo(lambda count=count: counts.__setitem__(base, count))
        number = count if zero_based else count + 1
        found = base if number == 0 else f"{base}_{number}"
        if found not in taken:
            return found


@public("keras.backend.get_uid")
def get_uid(prefix: str = "") -> int:
    """A number that counts the calls with this prefix in the default graph, from 1."""
    counts, key = _names(), ("uid", prefix)
    counts[key] = counts.get(key, 0) + 1
    return counts[key]


@public("keras.backend.reset_uids")
def reset_uids() -> None:
    """Forgets the names that layers of the default graph have taken."""
    _names().clear()


# --- the learning phase -------------------------------------------------------------------------------------


def _phase() -> dict[str, Any]:
    return get_default_graph().get_scoped("learning phase", dict)


@public("keras.backend.learning_phase")
def learning_phase() -> Any:
    """Whether layers train: a scalar bool placeholder, False unless fed, or the 0 or 1 that was set."""
    phase = _phase()
    if "value" not in phase:
        with name_scope(""):
            phase["value"] = placeholder_with_default(False, (), name="keras_learning_phase")
        get_default_graph().on_undo(lambda: phase.pop("value", None))
    return phase["value"]


@public("keras.backend.set_learning_phase")
def set_learning_phase(value: Any) -> None:
    """Fixes the learning phase of the default graph: 0 for testing, 1 for training.

    Raises:
      ValueError: it is neither.
    """
    if value not in (0, 1):
        raise ValueError(f"Expected learning phase to be 0 or 1. Received: {value!r}")
    _phase()["value"] = value


@public("keras.backend.learning_phase_scope")
@contextlib.contextmanager
def learning_phase_scope(value: Any) -> Iterator[None]:
    """Fixes the learning phase of the default graph inside the scope.

    Raises:
      ValueError: it is neither 0 nor 1.
    """
    if value not in (0, 1):
        raise ValueError(f"Expected learning phase to be 0 or 1. Received: {value!r}")
    phase = _phase()
    before = phase.get("value")
    phase["value"] = value
    try:
        yield
    finally:
        if before is None:
            phase.pop("value", None)
        else:
            phase["value"] = before


def phase_is_fixed() -> bool:
    """Whether the learning phase is a number rather than a placeholder."""
    return isinstance(_phase().get("value"), int | bool)


def phase_placeholder() -> Tensor | None:
    """The placeholder of the learning phase, where the default graph has one."""
    value = _phase().get("value")
    return value if isinstance(value, Tensor) else None


def track(variable: Any) -> Any:
    """Remembers a variable that Keras initializes when it first runs its graph; returns it."""
    variable.graph.get_scoped("layer variables", dict).setdefault(id(variable), variable)
    return variable


def tracked_variables() -> list[Any]:
    """The variables of the default graph that Keras initializes."""
    return list(get_default_graph().get_scoped("layer variables", dict).values())


def symbolic(value: Any) -> bool:
    """Whether `value` is part of a graph: a tensor, a variable, or a composite of tensors."""
    return isinstance(value, Tensor) or (hasattr(value, "graph") and hasattr(value, "dtype"))


def dtype_name(dtype: Any) -> str | None:
    """A dtype's name, None for None."""
    return None if dtype is None else dtypes.as_dtype(dtype).base_dtype.name


def as_list(value: Any) -> list[Any]:
    """A list or tuple as a list, anything else as a list of itself, None as an empty one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def single(values: list[Any]) -> Any:
    """The only element of a list, or the list."""
    return values[0] if len(values) == 1 else values
