"""Keeps what XLA and JAX say about themselves out of the user's output."""

from __future__ import annotations

import logging
import os


def quiet_backends() -> None:
    """Called before jax is imported: only its warnings and errors are shown, whatever the program logs.

    A program that has set the level of jax's logger, or `TF_CPP_MIN_LOG_LEVEL`, keeps what it chose.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logger = logging.getLogger("jax")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
