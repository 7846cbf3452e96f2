"""Finding programs."""

import shutil


def find_executable(executable: str, path: str | None = None) -> str | None:
    """The path of a program; None where there is none."""
    return shutil.which(executable, path=path)
