"""What an input function gives: features, labels, and hooks that start its dataset."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.datasets.base import DatasetBase
from millrace.training.hooks.base import SessionRunHook


class DatasetInitializerHook(SessionRunHook):
    """Starts an iterator in each new session.

    Args:
      iterator: the iterator.
    """

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator

    def begin(self) -> None:
        """Remembers what starts it."""
        self._initializer = self._iterator.initializer

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Starts it."""
        del coord
        session.run(self._initializer)


@public("python.estimator.util.parse_input_fn_result")
def features_and_labels(given: Any) -> tuple[Any, Any, list[Any]]:
    """Features, labels or None, and hooks.

    Raises:
      ValueError: a list or tuple has not two elements.
    """
    hooks: list[Any] = []
    if isinstance(given, DatasetBase):
        iterator = given.make_initializable_iterator()  # type: ignore[attr-defined]
        hooks.append(DatasetInitializerHook(iterator))
        given = iterator.get_next()
    if isinstance(given, list | tuple):
        if len(given) != 2:
            raise ValueError(f"input_fn should return (features, labels) as a len 2 tuple. Received: {given}")
        return given[0], given[1], hooks
    return given, None, hooks
