"""What sessions that wrap another one for debugging have in common."""

from __future__ import annotations

from typing import Any, Self

from millrace.graph import defaults
from millrace.session import session as sessions


class WrapperSession:
    """A session around another one, to which everything but `run` is left.

    Args:
      sess: the session to wrap.
      hook: what to use where `sess` is not a session, for the error.

    Raises:
      TypeError: `sess` is not a session.
    """

    def __init__(self, sess: Any, hook: str) -> None:
        if not isinstance(sess, sessions.BaseSession):
            raise TypeError(f"Expected type BaseSession, or use {hook}. Received: {sess!r}")
        self._sess = sess

    @property
    def session(self) -> Any:
        """The session that is wrapped."""
        return self._sess

    def as_default(self) -> Any:
        """Makes this the default session, so that `eval` runs through it, too."""
        return defaults.session_stack.entered(self)

    def __enter__(self) -> Self:
        self._sess.__enter__()  # type: ignore[attr-defined]
        defaults.session_stack.items.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        defaults.session_stack.items.remove(self)
        self._sess.__exit__(*error)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sess, name)
