"""Files by their names: those of this machine, and remote ones through the package fsspec.

A name with a scheme (`gs://`, `s3://`, `hdfs://`, `memory://`, ...) belongs to the file system that fsspec
has for it; `file://` and names without a scheme to this machine. Errors are the system's own:
`core.file_errors` turns them into TensorFlow's.
"""

from __future__ import annotations

import glob as globbing
import importlib
import io
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from millrace.core import compiled, errors

_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a file.

    Attributes:
      length: bytes.
      mtime_nsec: the time of its last change, in nanoseconds since 1970.
      is_directory: it is a folder.
    """

    length: int
    mtime_nsec: int
    is_directory: bool


def local(path: Any) -> str:
    """The name on this machine, without `file://`."""
    text = os.fsdecode(path)
    return text[len(_LOCAL) :] if text.startswith(_LOCAL) else text


def remote(path: Any) -> tuple[Any, str] | None:
    """The file system of a remote name, and the name there; None for a file of this machine.

    Raises:
      UnimplementedError: fsspec, or what it needs for this scheme, is not installed.
    """
    text = os.fsdecode(path)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme == "file" or not scheme.isalnum():
        return None
    try:
        fsspec = importlib.import_module("fsspec")
        return fsspec.core.url_to_fs(text)
    except ImportError as error:
        raise errors.UnimplementedError(
            None, None, f"File system scheme '{scheme}' needs more packages (file: '{text}'): pip install "
            f"'millrace[remote]', and what fsspec asks for: {error}",
        ) from None  # fmt: skip
    except ValueError as error:
        raise errors.UnimplementedError(
            None, None, f"File system scheme '{scheme}' not implemented (file: '{text}'): {error}"
        ) from None


def is_absolute(path: str) -> bool:
    """True where the name does not depend on the folder that a program runs in."""
    return os.path.isabs(path) or "://" in path


def open_file(path: Any, mode: str = "rb", **kwargs: Any) -> IO[Any]:
    """As Python's `open`."""
    found = remote(path)
    if found is None:
        return open(local(path), mode, **kwargs)
    system, name = found
    file: Any = system.open(name, mode, **{k: v for k, v in kwargs.items() if v is not None})
    if mode == "rb" and io.BufferedIOBase not in type(file).__mro__:
        return io.BufferedReader(file)  # fsspec's own files cannot tell how many lines they are asked for
    return file


def contents(path: Any) -> bytes:
    """All bytes of a file, read with as few calls to the system as there may be."""
    if remote(path) is not None:
        with open_file(path) as file:
            return file.read()
    name = local(path)
    if (short := compiled.read(name)) is not None:
        return short
    number = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        told = os.fstat(number)
        if stat.S_ISREG(told.st_mode):
            found = os.read(number, told.st_size + 1)
            if len(found) == told.st_size:
                return found
            os.lseek(number, 0, os.SEEK_SET)
        with open(number, "rb", closefd=False) as file:  # what is no file, or changes, or is very long
            return file.read()
    finally:
        os.close(number)


def exists(path: Any) -> bool:
    """True where there is a file or folder of that name."""
    found = remote(path)
    return os.path.exists(local(path)) if found is None else found[0].exists(found[1])


def is_directory(path: Any) -> bool:
    """True for a folder."""
    found = remote(path)
    return os.path.isdir(local(path)) if found is None else found[0].isdir(found[1])


def status(path: Any) -> Status:
    """Length, time and kind of a file.

    Raises:
      FileNotFoundError: there is none.
    """
    found = remote(path)
    if found is None:
        told = os.stat(local(path))
        return Status(told.st_size, told.st_mtime_ns, os.path.isdir(local(path)))
    system, name = found
    info = system.info(name)
    changed: Any = info.get("mtime") or info.get("created") or info.get("LastModified") or 0
    seconds = changed.timestamp() if hasattr(changed, "timestamp") else float(changed)
    return Status(int(info.get("size") or 0), int(seconds * 1e9), info["type"] == "directory")


def names_in(path: Any) -> list[str]:
    """The names in a folder, sorted."""
    found = remote(path)
    if found is None:
        return sorted(os.listdir(local(path)))
    system, name = found
    listed = system.ls(name, detail=False)
    return sorted({os.path.basename(entry.rstrip("/")) for entry in listed})


def matching(pattern: Any) -> list[str]:
    """The names of the files that match a pattern, sorted."""
    found = remote(pattern)
    if found is None:
        return sorted(globbing.glob(local(pattern)))
    system, name = found
    return sorted(system.unstrip_protocol(entry) for entry in system.glob(name))


def make_directory(path: Any) -> None:
    """Makes a folder in one that exists.

    Raises:
      FileExistsError: it exists.
    """
    found = remote(path)
    if found is None:
        os.mkdir(local(path))
    else:
        found[0].mkdir(found[1], create_parents=False)


def make_directories(path: Any) -> None:
    """Makes a folder, and those around it, where they do not exist."""
    found = remote(path)
    if found is None:
        os.makedirs(local(path), exist_ok=True)
    else:
        found[0].makedirs(found[1], exist_ok=True)


def remove(path: Any) -> None:
    """Removes a file.

    Raises:
      FileNotFoundError: there is none.
    """
    found = remote(path)
    if found is None:
        os.remove(local(path))
    else:
        found[0].rm_file(found[1])


def remove_tree(path: Any) -> None:
    """Removes a folder and what is in it, or a file."""
    found = remote(path)
    if found is not None:
        found[0].rm(found[1], recursive=True)
    elif os.path.isdir(local(path)) and not os.path.islink(local(path)):
        shutil.rmtree(local(path))
    else:
        os.remove(local(path))


def copy(source: Any, target: Any) -> None:
    """Copies a file, also from one file system to another."""
    if remote(source) is None and remote(target) is None:
        shutil.copyfile(local(source), local(target))
        return
    with open_file(source) as given, open_file(target, "wb") as taken:
        shutil.copyfileobj(given, taken)


def rename(source: Any, target: Any) -> None:
    """Renames or moves, over what is there.

    Raises:
      FileNotFoundError: there is no such file.
    """
    old, new = remote(source), remote(target)
    if old is None and new is None:
        os.replace(local(source), local(target))
    elif old is not None and new is not None and old[0] is new[0]:
        old[0].mv(old[1], new[1], recursive=is_directory(source))
    else:
        copy(source, target)
        remove(source)


def walk(top: Any, downwards: bool = True, onerror: Any = None) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, folders in it, files in it) for all folders from `top` down."""
    if remote(top) is None:
        for folder, folders, files in os.walk(local(top), topdown=downwards, onerror=onerror):
            folders.sort()
            yield folder, list(folders), sorted(files)
        return
    if not is_directory(top):
        return
    base = os.fsdecode(top).rstrip("/")
    entries = [(name, is_directory(f"{base}/{name}")) for name in names_in(top)]
    folders = [name for name, folder in entries if folder]
    here = base, folders, [name for name, folder in entries if not folder]
    if downwards:
        yield here
    for name in folders:
        yield from walk(f"{base}/{name}", downwards, onerror)
    if not downwards:
        yield here
