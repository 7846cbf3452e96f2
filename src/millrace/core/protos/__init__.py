"""TensorFlow's protocol buffer messages: `protos.GraphDef`, `protos.DataType`, `protos.DT_FLOAT`.

`schema` states the messages, `reader` understands its notation, `library` makes the classes. Importing this
module costs nothing: protobuf is imported, and a file's messages built, when the first of them is asked for.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_"):  # what copy, inspect and friends probe for must not import protobuf
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from millrace.core.protos.library import MESSAGES

    try:
        found = globals()[name] = MESSAGES.find(name)
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no message or enum {name!r}") from None
    return found


def __dir__() -> list[str]:
    from millrace.core.protos.library import MESSAGES

    return MESSAGES.names
