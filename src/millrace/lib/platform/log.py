"""`tf.logging`: the logger named "tensorflow", as TensorFlow's programs use it."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from typing import Any

from millrace.core.callers import calling_frame
from millrace.core.public import public

DEBUG = public("logging.DEBUG", "python.platform.tf_logging.DEBUG")(logging.DEBUG)
INFO = public("logging.INFO", "python.platform.tf_logging.INFO")(logging.INFO)
WARN = public("logging.WARN", "python.platform.tf_logging.WARN")(logging.WARNING)
ERROR = public("logging.ERROR", "python.platform.tf_logging.ERROR")(logging.ERROR)
FATAL = public("logging.FATAL", "python.platform.tf_logging.FATAL")(logging.FATAL)

_calls: Counter[tuple[str, int]] = Counter()


class _ErrorStream(logging.StreamHandler[Any]):
    """Writes to whatever `sys.stderr` is at the time."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _made() -> logging.Logger:
    """The logger, with a handler of its own unless the program has set one up."""
    logger = logging.getLogger("tensorflow")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    if not logger.handlers and not logging.getLogger().handlers:
        handler = _ErrorStream()
        handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        logger.addHandler(handler)
    return logger


_logger = _made()


@public("get_logger")
def get_logger() -> logging.Logger:
    """The logger that `tf.logging` writes to."""
    return _logger


@public("logging.log", "python.platform.tf_logging.log")
def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at `level`."""
    _logger.log(level, msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.debug", "python.platform.tf_logging.debug")
def debug(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at level DEBUG."""
    _logger.debug(msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.info", "python.platform.tf_logging.info")
def info(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at level INFO."""
    _logger.info(msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.warning", "python.platform.tf_logging.warning")
def warning(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at level WARN."""
    _logger.warning(msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.warn", "python.platform.tf_logging.warn")
def warn(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at level WARN."""
    _logger.warning(msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.error", "python.platform.tf_logging.error")
def error(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at level ERROR."""
    _logger.error(msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.fatal", "python.platform.tf_logging.fatal")
def fatal(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at level FATAL; the program goes on."""
    _logger.fatal(msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.vlog", "python.platform.tf_logging.vlog")
def vlog(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at `level`."""
    _logger.log(level, msg, *args, **{"stacklevel": 2, **kwargs})


@public("logging.TaskLevelStatusMessage")
def TaskLevelStatusMessage(msg: Any) -> None:  # noqa: N802
    """Logs `msg` at level ERROR."""
    _logger.error(msg)


@public("logging.flush", "python.platform.tf_logging.flush")
def flush() -> None:
    """Does nothing: what is logged is written at once."""


@public("logging.get_verbosity", "python.platform.tf_logging.get_verbosity")
def get_verbosity() -> int:
    """The lowest level that is logged."""
    return _logger.getEffectiveLevel()


@public("logging.set_verbosity", "python.platform.tf_logging.set_verbosity")
def set_verbosity(v: int | str) -> None:
    """Sets the lowest level that is logged: one of `tf.logging.DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL`."""
    _logger.setLevel(v)


def _times_called() -> int:
    """How often the calling line has come here before."""
    frame = calling_frame()
    place = frame.f_code.co_filename, frame.f_lineno
    _calls[place] += 1
    return _calls[place] - 1


@public("logging.log_every_n", "python.platform.tf_logging.log_every_n")
def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Logs at the first of every `n` calls from one line."""
    if _times_called() % n == 0:
        _logger.log(level, msg, *args)


@public("logging.log_first_n", "python.platform.tf_logging.log_first_n")
def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Logs at the first `n` calls from one line."""
    if _times_called() < n:
        _logger.log(level, msg, *args)


@public("logging.log_if", "python.platform.tf_logging.log_if")
def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Logs where `condition` holds."""
    if condition:
        _logger.log(level, msg, *args)
