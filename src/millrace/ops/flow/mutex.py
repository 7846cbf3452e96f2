"""Locks that steps hold: a step is atomic anyway, so taking one only orders what comes before and after."""

from __future__ import annotations

from millrace.graph.attrs import text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare


@declare("MutexV2() -> resource: resource", container=text(""), shared_name=text(""), host=True)
class MutexV2:
    """A lock."""

    def shape():
        return ()

    def kernel(xp):
        return None

    grad = NOT_DIFFERENTIABLE


@declare("MutexLock(mutex: resource) -> mutex_lock: variant", host=True, effect=True)
class MutexLock:
    """The lock, taken."""

    def shape(mutex):
        return ()

    def kernel(xp, mutex):
        return None

    grad = NOT_DIFFERENTIABLE


@declare("ConsumeMutexLock(mutex_lock: variant)", host=True, effect=True)
class ConsumeMutexLock:
    """Frees the lock."""

    def shape(mutex_lock):
        return []

    def kernel(xp, mutex_lock):
        return ()

    grad = NOT_DIFFERENTIABLE
