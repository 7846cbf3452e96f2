"""`tf.gfile` and `tf.io.gfile`: files under TensorFlow's names and errors: those of this machine, and
remote ones where the package fsspec is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from millrace.core import errors, filesystems
from millrace.core.errors import refusal
from millrace.core.file_errors import naming
from millrace.core.public import public


@public("python.lib.io.file_io.FileIO")
class FileIO:
    """A file, opened when it is first read or written.

    Args:
      name: its path.
      mode: "r", "w", "a", with "b" for bytes and "+" for both ways.
    """

    def __init__(self, name: Any, mode: str) -> None:
        self._name = name
        self._mode = mode
        self._opened: Any = None
        if set(mode) - set("rwab+"):
            raise refusal(f"{type(self).__name__}: unknown mode. Received: {mode!r}")

    @property
    def name(self) -> Any:
        """The path given."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode given."""
        return self._mode

    def _file(self, purpose: str = "") -> Any:
        readable = "r" in self._mode or "+" in self._mode
        if purpose == "read" and not readable:
            raise errors.PermissionDeniedError(None, None, "File isn't open for reading")
        if purpose == "write" and self._mode in ("r", "rb"):
            raise errors.PermissionDeniedError(None, None, "File isn't open for writing")
        if self._opened is None:
            with naming(self._name):
                encoding = None if "b" in self._mode else "utf-8"
                self._opened = filesystems.open_file(self._name, self._mode, encoding=encoding)
        return self._opened

    def read(self, n: int = -1) -> Any:
        """The next `n` characters or bytes; all the rest by default."""
        return self._file("read").read(n)

    def readline(self) -> Any:
        """The next line with its end; empty after the last."""
        return self._file("read").readline()

    def readlines(self) -> list[Any]:
        """All lines from here."""
        return self._file("read").readlines()

    def write(self, file_content: Any) -> None:
        """Writes text or bytes, as they are, in every mode."""
        file = self._file("write")
        if "b" in self._mode:
            file.write(file_content.encode() if isinstance(file_content, str) else file_content)
        elif isinstance(file_content, bytes):
            file.flush()  # the bytes go behind the text, past its encoder
            file.buffer.write(file_content)
        else:
            file.write(file_content)

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Goes to a place; `position` is an old name of `offset`.

        Raises:
          TypeError: neither or both are given.
        """
        if (offset is None) == (position is None):
            raise TypeError(f"seek: give offset. Received: offset={offset!r}, position={position!r}")
        self._file().seek(position if offset is None else offset, whence)

    def tell(self) -> int:
        """The place of the next read or write."""
        return self._file().tell()

    def seekable(self) -> bool:
        """True."""
        return True

    def size(self) -> int:
        """The size in bytes."""
        if self._opened is not None and self._mode not in ("r", "rb"):
            self._opened.flush()
        return stat(self._name).length

    def flush(self) -> None:
        """Hands what was written to the system."""
        if self._opened is not None:
            self._opened.flush()

    def close(self) -> None:
        """Closes the file; a later read opens it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._opened is None and "w" in self._mode:
            self._file()  # a file opened for writing exists, even where nothing was written
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def next(self) -> Any:
        """The next line."""
        return next(self)


@public(
    "gfile.GFile", "gfile.Open", "io.gfile.GFile", "python.platform.gfile.GFile", "python.platform.gfile.Open"
)
class GFile(FileIO):
    """A file, opened when it is first read or written.

    Args:
      name: its path.
      mode: "r", "w", "a", with "b" for bytes and "+" for both ways.
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        super().__init__(name, mode)


@public("gfile.FastGFile", "python.platform.gfile.FastGFile")
class FastGFile(GFile):
    """`GFile` by its old name."""


class FileStatistics:
    """What `stat` tells.

    Attributes:
      length: bytes.
      mtime_nsec: the time of the last change, in nanoseconds since 1970.
      is_directory: whether it is a folder.
    """

    def __init__(self, length: int, mtime_nsec: int, is_directory: bool) -> None:
        self.length = length
        self.mtime_nsec = mtime_nsec
        self.is_directory = is_directory


@public("gfile.Exists", "python.platform.gfile.Exists")
def exists_v1(filename: Any) -> bool:
    """True where there is a file or folder of that name."""
    return filesystems.exists(filename)


@public("io.gfile.exists")
def exists(path: Any) -> bool:
    """True where there is a file or folder of that name."""
    return filesystems.exists(path)


@public("gfile.IsDirectory", "python.platform.gfile.IsDirectory")
def is_directory(dirname: Any) -> bool:
    """True for a folder."""
    return filesystems.is_directory(dirname)


@public("io.gfile.isdir")
def isdir(path: Any) -> bool:
    """True for a folder."""
    return filesystems.is_directory(path)


def _glob(pattern: Any) -> list[Any]:
    patterns = pattern if isinstance(pattern, list | tuple) else [pattern]
    return [found for p in patterns for found in filesystems.matching(p)]


@public("gfile.Glob", "python.platform.gfile.Glob")
def glob_v1(filename: Any) -> list[str]:
    """The files that match a pattern, or one of a list of them."""
    return _glob(filename)


@public("io.gfile.glob")
def glob(pattern: Any) -> list[str]:
    """The files that match a pattern, or one of a list of them."""
    return _glob(pattern)


@public("gfile.ListDirectory", "python.platform.gfile.ListDirectory")
def list_directory(dirname: Any) -> list[str]:
    """The names in a folder.

    Raises:
      NotFoundError: there is no such folder.
    """
    if not filesystems.is_directory(dirname):
        raise errors.NotFoundError(None, None, f"Could not find directory {filesystems.local(dirname)}")
    return filesystems.names_in(dirname)


@public("io.gfile.listdir")
def listdir(path: Any) -> list[str]:
    """The names in a folder; errors as for `tf.gfile.ListDirectory`."""
    return list_directory(path)


@public("gfile.MkDir", "python.platform.gfile.MkDir")
def make_directory(dirname: Any) -> None:
    """Makes a folder.

    Raises:
      NotFoundError: the folder around it does not exist.
      AlreadyExistsError: it exists.
    """
    with naming(dirname):
        filesystems.make_directory(dirname)


@public("io.gfile.mkdir")
def mkdir(path: Any) -> None:
    """Makes a folder; errors as for `tf.gfile.MkDir`."""
    make_directory(path)


@public("gfile.MakeDirs", "python.platform.gfile.MakeDirs")
def make_directories(dirname: Any) -> None:
    """Makes a folder and those around it; one that exists is left alone."""
    with naming(dirname):
        filesystems.make_directories(dirname)


@public("io.gfile.makedirs")
def makedirs(path: Any) -> None:
    """Makes a folder and those around it; one that exists is left alone."""
    make_directories(path)


@public("gfile.Remove", "python.platform.gfile.Remove")
def remove_v1(filename: Any) -> None:
    """Removes a file.

    Raises:
      NotFoundError: there is none.
    """
    with naming(filename):
        filesystems.remove(filename)


@public("io.gfile.remove")
def remove(path: Any) -> None:
    """Removes a file; errors as for `tf.gfile.Remove`."""
    remove_v1(path)


@public("gfile.DeleteRecursively", "python.platform.gfile.DeleteRecursively")
def delete_recursively(dirname: Any) -> None:
    """Removes a folder and what is in it.

    Raises:
      NotFoundError: there is none.
    """
    with naming(dirname):
        filesystems.remove_tree(dirname)


@public("io.gfile.rmtree")
def rmtree(path: Any) -> None:
    """Removes a folder and what is in it; errors as for `tf.gfile.DeleteRecursively`."""
    delete_recursively(path)


def _refuse_existing(path: Any, overwrite: bool) -> None:
    if filesystems.exists(path) and not overwrite:
        raise errors.AlreadyExistsError(None, None, f"file already exists: {filesystems.local(path)}")


@public("gfile.Copy", "python.platform.gfile.Copy")
def copy_v1(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copies a file.

    Raises:
      NotFoundError: there is none.
      AlreadyExistsError: the target exists and `overwrite` is False.
    """
    with naming(oldpath):
        filesystems.status(oldpath)
    _refuse_existing(newpath, overwrite)
    with naming(newpath):
        filesystems.copy(oldpath, newpath)


@public("io.gfile.copy")
def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copies a file; errors as for `tf.gfile.Copy`."""
    copy_v1(src, dst, overwrite)


@public("gfile.Rename", "python.platform.gfile.Rename")
def rename_v1(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Renames or moves a file or folder; errors as for `Copy`."""
    with naming(oldname):
        filesystems.status(oldname)
    _refuse_existing(newname, overwrite)
    with naming(newname):
        filesystems.rename(oldname, newname)


@public("io.gfile.rename")
def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Renames or moves a file or folder; errors as for `tf.gfile.Rename`."""
    rename_v1(src, dst, overwrite)


@public("io.gfile.stat")
def stat(path: Any) -> FileStatistics:
    """Size, time of the last change, and whether it is a folder.

    Raises:
      NotFoundError: there is no such file.
    """
    with naming(path):
        found = filesystems.status(path)
    return FileStatistics(found.length, found.mtime_nsec, found.is_directory)


@public("gfile.Stat", "python.platform.gfile.Stat")
def stat_v1(filename: Any) -> FileStatistics:
    """Size, time of the last change, and whether it is a folder; errors as for `tf.io.gfile.stat`."""
    return stat(filename)


@public("gfile.Walk", "python.platform.gfile.Walk")
def walk_v1(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, folders in it, files in it) for all folders from `top` down, those around first by default."""
    return filesystems.walk(top, in_order)


@public("io.gfile.walk")
def walk(top: Any, topdown: bool = True, onerror: Any = None) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, folders in it, files in it) for all folders from `top` down.

    Args:
      top: where to begin.
      topdown: a folder before those in it.
      onerror: called with each error.
    """
    return filesystems.walk(top, topdown, onerror)
