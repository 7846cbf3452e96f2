"""Keeps what XLA and JAX do when they are imported from the user: what they say, and what they draw."""

from __future__ import annotations

import importlib
import logging
import os
import sys

import numpy as np


def quiet_backends() -> None:
    """Imports jax: only its warnings and errors are shown, whatever the program logs.

    A program that has set the level of jax's logger, or `TF_CPP_MIN_LOG_LEVEL`, keeps what it chose. A module
    of jax draws from NumPy's global generator, which the program may have seeded: it is put back.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logger = logging.getLogger("jax")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    if "jax" not in sys.modules:
        state = np.random.get_state()
        importlib.import_module("jax")
        np.random.set_state(state)
