"""`Crew`: threads for the parts of one step that wait at the same time."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable

import numpy as np

from millrace.core.waiting import Cancellation, limited, time_left


class Crew:
    """Calls functions in threads of their own, until one fails.

    Args:
      cancellation: of the session; it calls the waits of these threads off too.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = Cancellation(cancellation)
        self._done: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, number: int, work: Callable[[], None]) -> None:
        """Begins `work`, which `next_done` will call `number`, and returns when it waits or is done.

        So those who wait for the same thing stand in line in the order in which they were begun.
        """
        seconds, context = time_left(), contextvars.copy_context()
        settled = threading.Event()

        def body() -> None:
            error: BaseException | None = None
            try:
                with np.errstate(all="ignore"), limited(self._cancellation, seconds, standing=settled.set):
                    work()
            except BaseException as raised:
                error = raised
            self._done.put((number, error))
            settled.set()

        thread = threading.Thread(target=lambda: context.run(body), name="millrace-wait", daemon=True)
        self._threads.append(thread)
        thread.start()
        settled.wait()

    def next_done(self) -> int:
        """The number of the next piece of work that is done, waited for.

        Raises:
          Exception: what it raised.
        """
        number, error = self._done.get()
        if error is not None:
            raise error
        return number

    def dismiss(self) -> None:
        """Calls off what still waits, and returns when all threads have ended."""
        self._cancellation.cancel()
        for thread in self._threads:
            thread.join()
