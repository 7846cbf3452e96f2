"""`Resource`: an object that a session keeps for an operation, and that operations change in place."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from millrace.core.errors import refusal

_R = TypeVar("_R", bound="Resource")


class Resource:
    """What a handle stands for: a queue, a reader, a barrier.

    Attributes:
      name: of the operation that made it, or the shared name, for messages.
      kind: the type that messages give it.
    """

    name = "resource"
    kind = "Resource"

    def release(self) -> None:
        """Closes what is open: the session ends."""

    def confirm(self, what: str, wanted: Any, found: Any) -> None:
        """Refuses an operation that shares the object but asks for another one.

        Raises:
          InvalidArgumentError: `wanted` is not what was `found`.
        """
        if wanted is not found and wanted != found:
            raise refusal(
                f"Shared {self.kind} '{self.name}' has {what} {found} but the requested {what} is {wanted}",
            )


def of(cls: type[_R], handle: Any) -> _R:
    """The object that a handle stands for.

    Raises:
      InvalidArgumentError: it is of another kind.
    """
    if isinstance(handle, np.ndarray) and handle.shape == ():
        handle = handle[()]  # a handle that was taken from an array of them
    if not isinstance(handle, cls):
        raise refusal(f"The handle must be of a {cls.kind}. Received: {getattr(handle, 'kind', handle)!r}")
    return handle
