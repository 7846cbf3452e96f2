"""Copying and removing trees of folders."""

import os
import shutil
from typing import Any


def copy_tree(src: str, dst: str, *unused: Any, **options: Any) -> list[str]:
    """Copies a folder's content into another, which may exist; returns the files written."""
    shutil.copytree(src, dst, dirs_exist_ok=True)
    return [os.path.join(folder, f) for folder, _, files in os.walk(dst) for f in files]


def mkpath(name: str, mode: int = 0o777, *unused: Any) -> list[str]:
    """Makes a folder and those around it; returns what was made."""
    made = [] if os.path.isdir(name) else [name]
    os.makedirs(name, mode, exist_ok=True)
    return made


def remove_tree(directory: str, *unused: Any) -> None:
    """Removes a folder and what is in it."""
    shutil.rmtree(directory)
