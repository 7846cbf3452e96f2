"""`tf.contrib.learn.utils.gc`: which exports in a folder are kept, told by functions that can be combined.

A strategy takes `Path`s and gives those it keeps, in the order of their names.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.core.public import public
from millrace.lib.platform import gfile


@public("contrib.learn.utils.gc.Path")
class Path(NamedTuple):
    """An export.

    Attributes:
      path: its folder.
      export_version: its number, or None.
    """

    path: Any
    export_version: Any


Strategy = Callable[[list[Path]], list[Path]]


@public("contrib.learn.utils.gc.largest_export_versions")
def largest_export_versions(n: int) -> Strategy:
    """Keeps the `n` exports of the largest versions."""

    def keep(paths: list[Path]) -> list[Path]:
        return sorted(heapq.nlargest(n, paths, key=lambda path: path.export_version))

    return keep


@public("contrib.learn.utils.gc.one_of_every_n_export_versions")
def one_of_every_n_export_versions(n: int) -> Strategy:
    """Keeps the largest version of each range of `n`, such as 1 to n."""

    def keep(paths: list[Path]) -> list[Path]:
        found: dict[int, Path] = {}
        for path in paths:
            interval = -(-path.export_version // n)
            known = found.get(interval)
            if known is None or known.export_version < path.export_version:
                found[interval] = path
        return sorted(found.values())

    return keep


@public("contrib.learn.utils.gc.mod_export_version")
def mod_export_version(n: int) -> Strategy:
    """Keeps the versions that `n` divides."""

    def keep(paths: list[Path]) -> list[Path]:
        return sorted(path for path in paths if path.export_version % n == 0)

    return keep


@public("contrib.learn.utils.gc.union")
def union(lf: Strategy, rf: Strategy) -> Strategy:
    """Keeps what one of two strategies keeps."""

    def keep(paths: list[Path]) -> list[Path]:
        return sorted({*lf(paths), *rf(paths)})

    return keep


@public("contrib.learn.utils.gc.negation")
def negation(f: Strategy) -> Strategy:
    """Keeps what a strategy does not."""

    def keep(paths: list[Path]) -> list[Path]:
        return sorted(set(paths) - set(f(paths)))

    return keep


@public("contrib.learn.utils.gc.get_paths")
def get_paths(base_dir: Any, parser: Callable[[Path], Path | None]) -> list[Path]:
    """The exports in a folder.

    Args:
      base_dir: the folder.
      parser: takes a `Path` without a version; gives one with it, or None for what is not an export.
    """
    listed = (name.rstrip("/") for name in gfile.list_directory(base_dir))
    parsed = (parser(Path(os.path.join(os.fspath(base_dir), name), None)) for name in listed)
    return sorted(path for path in parsed if path)
