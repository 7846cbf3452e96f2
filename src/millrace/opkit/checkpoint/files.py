"""Files that are replaced whole: written beside, synced, renamed.

Whoever is killed leaves the old file or the new one, never a part. A checkpoint in the format V2 is several
files that must change together. Where there is none yet under its name, the index comes last, and without it
nothing is found. Where there is one, the new files are first put beside the old ones with the ending `.new`,
the index last: from the moment it is there, the new ones count. A reader that meets it takes the new files,
and the next writer finishes the work.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import glob
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from millrace.core import filesystems
from millrace.core.errors import OpError
from millrace.core.file_errors import file_error, naming
from millrace.opkit.checkpoint.threads import beside_each_other

NEW = ".new"
_MARK = ".tempstate-"  # before the machine, the process and a random number that tell whose a file is
_BETWEEN_STARTS = 4 << 20  # bytes
_SYNC_FILE_RANGE_WRITE = 2


class NewFile:
    """A file that is written under a name of its own, and is on the disk when it is finished.

    While it is written, the system begins to put on the disk what is there already.

    Attributes:
      temporary: where it is, until it is renamed.
    """

    def __init__(self, path: str) -> None:
        self.temporary = f"{path}{_MARK}{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(6)}"
        with naming(path):
            self._handle = os.open(self.temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        self._path = path
        self._size = self._begun = 0

    def write(self, data: Any) -> None:
        """Appends bytes."""
        left = memoryview(data)
        with naming(self._path):
            while left:
                left = left[os.write(self._handle, left) :]
        self._size += len(data)
        if self._size - self._begun >= _BETWEEN_STARTS:
            _start_writing(self._handle, self._begun, self._size - self._begun)
            self._begun = self._size

    def sync(self) -> None:
        """Waits until all of it is on the disk."""
        with naming(self._path):
            os.fdatasync(self._handle)

    def close(self) -> None:
        """Closes it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def discard(self) -> None:
        """Removes it."""
        self.close()
        with contextlib.suppress(OSError):
            os.remove(self.temporary)


def finish(written: Sequence[NewFile]) -> None:
    """Waits until files are on the disk, all at once, and closes them."""
    try:
        beside_each_other([file.sync for file in written], len(written))
    finally:
        for file in written:
            file.close()


def _start_writing(handle: int, start: int, count: int) -> None:
    """Has the system begin to put a part of a file on the disk, where it takes such hints."""
    begin = _sync_file_range()
    if begin is not None:
        begin(handle, start, count, _SYNC_FILE_RANGE_WRITE)  # a failure is told by the sync at the end


@functools.cache
def _sync_file_range() -> Any:
    import ctypes

    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):  # Linux has it, with the C libraries that most systems use
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


def replace(path: str, parts: Iterable[bytes]) -> None:
    """Writes a file from its parts, in place of the one that was there.

    Raises:
      OpError: of the class that TensorFlow gives what the system refuses; the old file is as it was.
    """
    file = NewFile(path)
    try:
        for part in parts:
            file.write(part)
        finish([file])
        with naming(path):
            os.replace(file.temporary, path)
    except BaseException:
        file.discard()
        raise


class Prepared:
    """A small file that a thread puts on the disk beside the place where it will belong.

    A disk takes as long for a hundred bytes as for megabytes, and does both at once.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._file: NewFile | None = None
        self._thread = threading.Thread(target=self._write, args=(data,), name="millrace-checkpoint")
        self._thread.start()

    def _write(self, data: bytes) -> None:
        file = None
        try:
            file = NewFile(self._path)
            file.write(data)
            finish([file])
            self._file = file
        except OpError:  # the folder may not be there yet
            if file is not None:
                file.discard()

    def place(self) -> bool:
        """Puts it in place of what was there; False where it could not be written."""
        self._thread.join()
        file = self._file
        if file is None:
            return False
        try:
            with naming(self._path):
                os.replace(file.temporary, self._path)
        except BaseException:
            file.discard()
            raise
        return True

    def discard(self) -> None:
        """Removes it."""
        self._thread.join()
        if self._file is not None:
            self._file.discard()


def sync_folder(path: str) -> None:
    """Makes renames in the folder of `path` last."""
    with contextlib.suppress(OSError):  # some file systems have no such thing
        handle = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def folder_lock(path: str, shared: bool = False) -> Iterator[None]:
    """Keeps other processes and threads from renaming checkpoints in the folder of `path` meanwhile.

    Where a folder cannot be locked, as on some network file systems, it does nothing.
    """
    handle = -1
    try:
        with contextlib.suppress(OSError):
            handle = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def commit(index: tuple[str, str], data: Sequence[tuple[str, str]]) -> None:
    """Puts the files of a checkpoint in their places, all or none.

    Args:
      index: where it is, on the disk already, and where it belongs.
      data: the same for the files of values.
    """
    final = index[1]
    with folder_lock(final), naming(final):
        _clear_away(os.path.dirname(final) or ".")
        recover(final)
        if os.path.exists(final):
            for leftover in glob.glob(glob.escape(final.removesuffix(".index")) + ".data-*" + NEW):
                os.remove(leftover)  # of a writer that died before its index was there
            for temporary, place in data:
                os.replace(temporary, place + NEW)
            os.replace(index[0], final + NEW)
            sync_folder(final)
            recover(final)
        else:
            for temporary, place in data:
                os.replace(temporary, place)
            os.replace(index[0], final)
            sync_folder(final)


def _clear_away(folder: str) -> None:
    """Removes what processes of this machine left behind that died while they wrote."""
    for entry in os.scandir(folder):
        machine, _, process = entry.name.partition(_MARK)[2].rpartition("-")[0].rpartition("-")
        if machine == os.uname().nodename and process.isdigit() and not _is_alive(int(process)):
            with contextlib.suppress(OSError):
                os.remove(entry.path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        pass
    return True


def recover(index: str) -> None:
    """Finishes what a writer began who died after the new index was there. To be called under the lock."""
    if not os.path.exists(index + NEW):
        return
    for place in glob.glob(glob.escape(index.removesuffix(".index")) + ".data-*" + NEW):
        _take_place(place, place.removesuffix(NEW))
    os.replace(index + NEW, index)


def _take_place(source: str, target: str) -> None:
    """Renames a large file over another, whose memory and space another thread gives back meanwhile."""
    try:
        old = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        old = -1
    os.replace(source, target)
    if old >= 0:
        threading.Thread(target=os.close, args=(old,), name="millrace-checkpoint").start()


def current(path: str, is_new: bool) -> str:
    """Where the file that belongs at `path` is: beside, when a writer died before it was renamed."""
    return path + NEW if is_new and os.path.exists(path + NEW) else path


def open_file(path: str) -> int:
    """A handle for reading.

    Raises:
      OpError: it cannot be opened.
    """
    if filesystems.remote(path) is not None:
        return _fetched(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise file_error(error, path) from None
    with contextlib.suppress(AttributeError, OSError):  # a hint: the disk may go ahead of the reader
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return handle


def _fetched(path: str) -> int:
    """A handle of a nameless copy of a remote file, which is gone when it is closed."""
    with naming(path), filesystems.open_file(path) as file, tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        return os.dup(copy.fileno())
