"""Messages of bytes that somebody else may have written."""

from __future__ import annotations

from typing import Any


def parsed(kind: Any, data: bytes, what: str) -> Any:
    """The message that bytes hold.

    Args:
      kind: the class of the message.
      data: the bytes.
      what: of what the bytes are, as the error says it.

    Raises:
      ValueError: the bytes are not such a message.
    """
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(data)
    except DecodeError as error:
        rule = f"{what} is not a {kind.DESCRIPTOR.full_name} message ({error})"
        shown = bytes(data[:40]).decode("latin-1")
        raise ValueError(f"{rule}. Received: {len(data)} bytes, {shown!r}") from None
