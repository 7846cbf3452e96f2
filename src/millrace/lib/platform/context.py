"""`tensorflow.python.eager.context` and `tensorflow.python.tf2`, as TensorFlow answers in graph mode."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

from millrace.building.scopes import device
from millrace.core.public import public
from millrace.graph import defaults
from millrace.lib.platform.behavior import disable_v2_behavior, enable_eager_execution
from millrace.session.devices import list_devices as device_list

GRAPH_MODE = public("python.eager.context.GRAPH_MODE")(0)
EAGER_MODE = public("python.eager.context.EAGER_MODE")(1)
DEVICE_PLACEMENT_EXPLICIT = public("python.eager.context.DEVICE_PLACEMENT_EXPLICIT")(0)
DEVICE_PLACEMENT_WARN = public("python.eager.context.DEVICE_PLACEMENT_WARN")(1)
DEVICE_PLACEMENT_SILENT = public("python.eager.context.DEVICE_PLACEMENT_SILENT")(2)
DEVICE_PLACEMENT_SILENT_FOR_INT32 = public("python.eager.context.DEVICE_PLACEMENT_SILENT_FOR_INT32")(3)
SYNC = public("python.eager.context.SYNC")(0)
ASYNC = public("python.eager.context.ASYNC")(1)

public("python.tf2.disable")(disable_v2_behavior)


@public("python.tf2.enabled", "python.eager.context.is_async")
def enabled() -> bool:
    """False: this is TensorFlow 1, and a session's run returns results."""
    return False


@public("python.tf2.enable")
def enable() -> None:
    """Refused.

    Raises:
      RuntimeError: always; it says what to do instead.
    """
    enable_eager_execution()


@public("python.eager.context.in_graph_mode")
def in_graph_mode() -> bool:
    """Whether operations are added to a graph, and run in a session."""
    return not defaults.executing_eagerly()


@public("python.eager.context.graph_mode")
@contextlib.contextmanager
def graph_mode() -> Iterator[None]:
    """A context in which operations are added to a graph: what they are anywhere."""
    yield


@public("python.eager.context.eager_mode")
@contextlib.contextmanager
def eager_mode() -> Iterator[None]:
    """Refused.

    Raises:
      RuntimeError: always; it says what to do instead.
    """
    enable_eager_execution()
    yield


@public("python.eager.context.Context")
class Context:
    """What the process computes with: devices, and graph mode."""

    summary_writer: Any = None
    summary_recording: Any = None
    summary_recording_distribution_strategy: Any = True
    summary_step: Any = None
    config: Any = None
    execution_mode = SYNC
    device_policy = DEVICE_PLACEMENT_SILENT
    scope_name = ""
    device_name = ""

    def __init__(self) -> None:
        self._seed: int | None = None
        self._rng = random.Random()

    @staticmethod
    def executing_eagerly() -> bool:
        """Whether operations run at once: inside of `tf.py_function` only."""
        return defaults.executing_eagerly()

    @staticmethod
    def in_eager_mode() -> bool:
        """Whether operations run at once: inside of `tf.py_function` only."""
        return defaults.executing_eagerly()

    @staticmethod
    def ensure_initialized() -> None:
        """Does nothing: devices are found when they are needed."""

    @staticmethod
    def is_async() -> bool:
        """False: `Session.run` returns results."""
        return False

    @staticmethod
    def num_gpus() -> int:
        """How many GPUs there are."""
        return num_gpus()

    @staticmethod
    def devices() -> list[str]:
        """The names of the devices."""
        return list_devices()

    @staticmethod
    def device(name: Any) -> Any:
        """A context that places operations."""
        return device(name)

    @staticmethod
    def has_function(name: Any) -> bool:
        """Whether the default graph has a function of that name."""
        return (name.decode() if isinstance(name, bytes) else name) in defaults.get_default_graph()._functions  # pyright: ignore[reportAttributeAccessIssue]

    def seed(self, seed: int | None) -> None:
        """Sets the seed of `internal_operation_seed`."""
        self._seed = seed
        self._rng = random.Random(seed)

    def operation_seed(self) -> int:
        """A seed drawn from the one set."""
        return self._rng.randint(0, 2**31 - 1)


class _One:
    """The process's only context."""

    context = Context()


@public("python.eager.context.context", "python.eager.context.context_safe")
def context() -> Context:
    """What the process computes with."""
    return _One.context


@public("python.eager.context.ensure_initialized")
def ensure_initialized() -> None:
    """Does nothing: devices are found when they are needed."""


@public("python.eager.context.list_devices")
def list_devices() -> list[str]:
    """The names of the devices."""
    return [d.name for d in device_list()]


@public("python.eager.context.num_gpus", "contrib.eager.num_gpus")
def num_gpus() -> int:
    """How many GPUs there are."""
    return sum(d.device_type == "GPU" for d in device_list())


public("python.eager.context.device")(device)


@public("python.eager.context.scope_name")
def scope_name() -> str:
    """Empty: name scopes belong to graphs."""
    return ""


@public("python.eager.context.shared_name")
def shared_name(name: Any = None) -> Any:
    """The name under which a graph's resource is shared: the one given."""
    return name


@public("python.eager.context.global_seed")
def global_seed() -> int | None:
    """The seed that `set_global_seed` set; a graph's seed is another matter."""
    return _One.context._seed


@public("python.eager.context.set_global_seed")
def set_global_seed(seed: int | None) -> None:
    """Sets the seed from which `internal_operation_seed` draws."""
    _One.context.seed(seed)


@public("python.eager.context.internal_operation_seed")
def internal_operation_seed() -> int:
    """A seed for an operation, drawn from the global one."""
    return _One.context.operation_seed()
