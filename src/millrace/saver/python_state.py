"""State of Python that a checkpoint of objects holds beside variables."""

from __future__ import annotations

import abc
from typing import Any

from millrace.core.public import public


@public("train.experimental.PythonState")
class PythonState(abc.ABC):
    """An object that says itself what a checkpoint of objects is to hold of it.

    A subclass gives `serialize` and `deserialize`; the object then is an attribute, or a part of one, of what
    `tf.train.Checkpoint` saves. When a checkpoint is restored the object is set at once, or when it is there.
    """

    @abc.abstractmethod
    def serialize(self) -> bytes | str:
        """What a checkpoint is to hold, asked whenever one is written."""

    @abc.abstractmethod
    def deserialize(self, string_value: bytes) -> None:
        """Takes the state from what `serialize` gave.

        Args:
          string_value: that, as bytes.
        """

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return []
