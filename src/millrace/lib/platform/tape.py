"""`tensorflow.python.eager.tape`, as it is in graph mode: the graph keeps operations, no tape does."""

from __future__ import annotations

import contextlib
from typing import Any

from millrace.core.public import public


@public("python.eager.tape.stop_recording")
def stop_recording() -> contextlib.AbstractContextManager[None]:
    """A context that does nothing: no tape records."""
    return contextlib.nullcontext()


@public("python.eager.tape.variable_accessed", "python.ops.resource_variable_ops.variable_accessed")
def variable_accessed(variable: Any) -> None:
    """Does nothing: no tape records."""
    del variable


@public("python.eager.tape.variables_accessed")
def variables_accessed(variables: Any) -> None:
    """Does nothing: no tape records."""
    del variables


@public("python.eager.tape.should_record", "python.eager.tape.could_possibly_record")
def should_record(*tensors: Any) -> bool:
    """False: no tape records."""
    del tensors
    return False
