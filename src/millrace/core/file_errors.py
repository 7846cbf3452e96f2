"""Errors of the operating system about files, as TensorFlow classes them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import Any

from millrace.core import errors

_CLASSES: dict[type[errors.OpError], tuple[int, ...]] = {
    errors.NotFoundError: (errno.ENOENT, errno.ENODEV, errno.ENXIO),
    errors.AlreadyExistsError: (errno.EEXIST,),
    errors.PermissionDeniedError: (errno.EPERM, errno.EACCES, errno.EROFS),
    errors.FailedPreconditionError: (
        errno.ENOTEMPTY,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EBADF,
        errno.EBUSY,
        errno.ETXTBSY,
    ),
    errors.ResourceExhaustedError: (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EMLINK,
    ),
    errors.InvalidArgumentError: (errno.EINVAL, errno.ENAMETOOLONG),
    errors.OutOfRangeError: (errno.EFBIG, errno.EOVERFLOW),
    errors.UnavailableError: (errno.EAGAIN, errno.EINTR),
}
# Remote file systems raise these without a number.
_NUMBERS: dict[type[OSError], int] = {
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
}
_BY_NUMBER = {number: kind for kind, numbers in _CLASSES.items() for number in numbers}


def file_error(error: OSError, path: Any) -> errors.OpError:
    """The error to raise for what the system said about `path`."""
    number = error.errno or next((n for cls, n in _NUMBERS.items() if isinstance(error, cls)), 0)
    kind = _BY_NUMBER.get(number, errors.UnknownError)
    return kind(None, None, f"{os.fsdecode(path)}; {error.strerror or error}")  # type: ignore[call-arg]


@contextlib.contextmanager
def naming(path: Any) -> Iterator[None]:
    """Raises TensorFlow's errors instead of the system's, naming `path`."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path) from None
