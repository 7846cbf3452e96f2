"""Work that several threads share: the syncs of a checkpoint's files, and the reading of its tensors."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_MOST_READERS = 8  # memory gives no more than a few of them what they ask for


@functools.cache
def readers() -> int:
    """How many threads read at once: one for each processor that the process may use, within reason."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_READERS)
    return min(os.cpu_count() or 1, _MOST_READERS)


def beside_each_other(tasks: Sequence[Callable[[], _T]], threads: int) -> list[_T]:
    """The results of tasks, which this thread and up to `threads - 1` others take in their order.

    When one fails, no other is begun; all threads have ended when it returns.

    Raises:
      Exception: what the first of the tasks that failed raised, in the order of the tasks.
    """
    waiting = deque(enumerate(tasks))
    results: dict[int, _T] = {}
    failures: dict[int, BaseException] = {}

    def work() -> None:
        while True:
            try:
                number, task = waiting.popleft()
            except IndexError:
                return
            try:
                results[number] = task()
            except BaseException as error:
                failures[number] = error
                waiting.clear()

    others = [
        threading.Thread(target=work, name="millrace-checkpoint") for _ in range(min(threads, len(tasks)) - 1)
    ]
    for thread in others:
        thread.start()
    try:
        work()
    finally:
        waiting.clear()
        for thread in others:
            thread.join()
    if failures:
        raise failures[min(failures)]
    return [results[number] for number in range(len(tasks))]
