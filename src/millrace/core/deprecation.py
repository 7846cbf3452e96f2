"""Old names of functions: each says once which name replaced it, and then does its work."""

from __future__ import annotations

import logging

_said: set[str] = set()


def deprecated(name: str, instead: str) -> None:
    """Logs on the 'tensorflow' logger, once per process, that `name` was replaced.

    Args:
      name: the old public name, for example `tf.pack`.
      instead: what to write now, for example `tf.stack`.
    """
    if name not in _said:
        _said.add(name)
        logging.getLogger("tensorflow").warning("%s is an old name; use %s", name, instead)
