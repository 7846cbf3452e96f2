"""The switches between TensorFlow 1 and 2. millrace is TensorFlow 1: what asks for that is granted, the rest
refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millrace.core.errors import NotFoundError
from millrace.core.public import public


@public("disable_v2_behavior", "disable_eager_execution")
def disable_v2_behavior() -> None:
    """Grants what millrace does anyway: graphs and sessions."""


@public("disable_v2_tensorshape")
def disable_v2_tensorshape() -> None:
    """Grants what millrace does anyway: shapes hold `Dimension` objects."""


@public("disable_control_flow_v2", "enable_control_flow_v2")
def control_flow_v2() -> None:
    """Accepted: `cond` and `while_loop` always keep their bodies as sub-graphs, as TensorFlow's second
    version does.
    """


@public("control_flow_v2_enabled")
def control_flow_v2_enabled() -> bool:
    """True: branches and loops keep their bodies as sub-graphs."""
    return True


@public("experimental.output_all_intermediates")
def output_all_intermediates(state: bool | None) -> None:
    """Accepted: what the gradients of branches and loops need is kept in any case.

    Args:
      state: whether functional control flow returns every intermediate value; None for TensorFlow's choice.
    """
    del state


@public("experimental.function_executor_type", "python.eager.context.function_executor_type")
@contextlib.contextmanager
def function_executor_type(executor_type: str | None) -> Iterator[None]:
    """A `with` in which functions that run eagerly would use an executor; a session runs them its own way.

    Args:
      executor_type: the executor's name, such as "SINGLE_THREADED_EXECUTOR"; None for the default one.
    """
    del executor_type
    yield


@public("disable_tensor_equality")
def disable_tensor_equality() -> None:
    """Grants what millrace does anyway: `==` compares tensors by identity."""


def _refused(what: str, instead: str) -> RuntimeError:
    return RuntimeError(f"{what} is TensorFlow 2; millrace runs TensorFlow 1 programs: {instead}")


@public("enable_eager_execution", "contrib.eager.enable_eager_execution")
def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Refused.

    Raises:
      RuntimeError: always; it says what to do instead.
    """
    raise _refused("Eager execution", "build a graph and run it in a tf.Session; tf.InteractiveSession "
                                      "and tensor.eval() "
                   "are the closest to it")  # fmt: skip


@public("enable_v2_behavior")
def enable_v2_behavior() -> None:
    """Refused.

    Raises:
      RuntimeError: always; it says what to do instead.
    """
    raise _refused("V2 behavior", "remove the call")


@public("enable_tensor_equality")
def enable_tensor_equality() -> None:
    """Refused.

    Raises:
      RuntimeError: always; it says what to do instead.
    """
    raise _refused("Element-wise ==", "write tf.equal(x, y)")


@public("enable_v2_tensorshape")
def enable_v2_tensorshape() -> None:
    """Refused.

    Raises:
      RuntimeError: always; it says what to do instead.
    """
    raise _refused("A TensorShape of plain ints", "use shape.as_list()")


@public("load_op_library", "load_file_system_library")
def load_op_library(library_filename: str) -> None:
    """Refused: compiled extensions are built against TensorFlow's own binaries.

    Raises:
      NotFoundError: always, as where a file cannot be loaded; it says what to do instead.
    """
    _refuse(library_filename)


@public("load_library")
def load_library(library_location: str) -> None:
    """Refused, as `load_op_library`: a file, or a folder of files, that was compiled for TensorFlow.

    Raises:
      NotFoundError: always, as where a file cannot be loaded; it says what to do instead.
    """
    _refuse(library_location)


@public("contrib.util.loader.load_op_library")
def load_op_library_at(path: str) -> None:
    """Refused, as `load_op_library`.

    Raises:
      NotFoundError: always, as where a file cannot be loaded; it says what to do instead.
    """
    _refuse(path)


def _refuse(library: str) -> None:
    raise NotFoundError(
        None,
        None,
        f"{library!r} was compiled for TensorFlow's binaries and cannot be loaded by millrace; "
        "declare the operation in Python (docs/adding-an-op.md) or wrap a function with tf.py_func",
    )
