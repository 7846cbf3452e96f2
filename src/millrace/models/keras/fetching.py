"""`get_file`: a file in the folder of Keras, copied there from a place or an address, and checked."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from typing import Any

from millrace.core.public import public


def home() -> str:
    """The folder of Keras: $KERAS_HOME, or ~/.keras."""
    return os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")


def _writable(folder: str) -> str:
    """The folder, or one for temporary files where it cannot be written to."""
    base = folder
    while not os.path.exists(base):
        base = os.path.dirname(base) or "."
    return folder if os.access(base, os.W_OK) else os.path.join(tempfile.gettempdir(), ".keras")


@public("keras.utils.get_file")
def get_file(
    fname: str,
    origin: Any,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: str | None = None,
) -> str:
    """A file in the folder of Keras; it is fetched where it is not there, or is another.

    Args:
      fname: its name there; an absolute path stands for itself.
      origin: where it comes from: a path, or an address.
      untar: the old form of `extract`; the file is kept as `fname`.tar.gz then.
      md5_hash: the old form of `file_hash`.
      file_hash: what the file's hash must be.
      cache_subdir: the folder inside that of Keras, or an absolute path.
      hash_algorithm: "md5", "sha256", or "auto": by the length of the hash.
      extract: whether to unpack it there.
      archive_format: "tar", "zip", "auto", None, or a list.
      cache_dir: instead of ~/.keras.

    Returns:
      The path; with `untar` that of the unpacked folder.

    Raises:
      ValueError: the hash of what was fetched is another one.
      OSError: the origin cannot be read.
    """
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = os.path.join(_writable(home() if cache_dir is None else cache_dir), cache_subdir)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, fname)
    place = path + ".tar.gz" if untar else path
    kept = os.path.exists(place)
    if kept and file_hash is not None and not _is(place, file_hash, hash_algorithm):
        _say(
            "A local file was found, but it seems to be incomplete or outdated because the "
            f"{hash_algorithm} file hash does not match the original value of {file_hash} so we will fetch "
            "it again."
        )
        kept = False
    if not kept:
        _fetch(origin, place, file_hash, hash_algorithm)
    if untar:
        if not os.path.exists(path):
            _extract(place, folder, "tar")
        return path
    if extract:
        _extract(place, folder, archive_format)
    return path


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _fetch(origin: Any, place: str, file_hash: str | None, algorithm: str) -> None:
    """Copies a file, or what is at an address; nothing is left where that fails."""
    source = os.fspath(origin)
    new = place + ".part"
    try:
        if os.path.exists(source):
            shutil.copyfile(source, new)
        else:
            _say(f"Downloading data from {source}")
            with urllib.request.urlopen(source) as answer, open(new, "wb") as file:
                shutil.copyfileobj(answer, file)
        if file_hash is not None and not _is(new, file_hash, algorithm):
            raise ValueError(f"get_file: {source} does not have the hash {file_hash}.")
        os.replace(new, place)
    finally:
        pathlib.Path(new).unlink(missing_ok=True)


def _is(path: str, file_hash: str, algorithm: str) -> bool:
    kind = "sha256" if algorithm == "sha256" or (algorithm == "auto" and len(file_hash) == 64) else "md5"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() == str(file_hash)


def _extract(path: str, folder: str, archive_format: Any) -> bool:
    """Unpacks an archive of one of the formats; says whether it is one."""
    if archive_format is None:
        return False
    formats = ["tar", "zip"] if archive_format == "auto" else archive_format
    for one in [formats] if isinstance(formats, str) else formats:
        if one == "tar" and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
            return True
        if one == "zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            return True
    return False
