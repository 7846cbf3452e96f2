"""Generators and sequences as a model's data, read ahead by workers."""

from __future__ import annotations

import itertools
import queue
import random
import threading
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from millrace.core.public import public


@public("keras.utils.Sequence")
class Sequence:
    """Base of data that comes in batches by number: define `__getitem__` and `__len__`."""

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """The batch of a number."""
        raise NotImplementedError

    @abstractmethod
    def __len__(self) -> int:
        """How many batches there are."""
        raise NotImplementedError

    def on_epoch_end(self) -> None:
        """Told at the end of each pass."""

    def __iter__(self) -> Iterator[Any]:
        yield from (self[i] for i in range(len(self)))


@public("keras.utils.SequenceEnqueuer")
class SequenceEnqueuer:
    """Base of readers that work ahead.

    Args:
      sequence: what is read.
      use_multiprocessing: accepted; workers are threads.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence, self.use_multiprocessing = sequence, use_multiprocessing
        self.queue: Any = None
        self.run_thread: threading.Thread | None = None
        self.stop_signal = threading.Event()
        self._workers = 1

    def is_running(self) -> bool:
        """Whether it reads."""
        return self.run_thread is not None and not self.stop_signal.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begins to read with so many workers, so far ahead."""
        self._workers = workers
        self.queue = queue.Queue(max_queue_size)
        self.stop_signal = threading.Event()
        self.run_thread = threading.Thread(target=self._run, daemon=True)
        self.run_thread.start()

    def _put(self, item: Any) -> bool:
        while not self.stop_signal.is_set():
            try:
                self.queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def stop(self, timeout: float | None = None) -> None:
        """Ends reading."""
        self.stop_signal.set()
        while self.queue is not None and not self.queue.empty():
            self.queue.get_nowait()
        if self.run_thread is not None:
            self.run_thread.join(timeout)

    @abstractmethod
    def _run(self) -> None:
        raise NotImplementedError

    @abstractmethod
    def get(self) -> Iterator[Any]:
        """The batches."""
        raise NotImplementedError


_END = object()


@public("keras.utils.OrderedEnqueuer")
class OrderedEnqueuer(SequenceEnqueuer):
    """Reads a `Sequence` ahead, pass after pass, in order.

    Args:
      sequence: the sequence.
      use_multiprocessing: accepted; workers are threads.
      shuffle: shuffle the batches' order before each pass.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle
        self._most: int | None = None  # how many batches will be taken, where that is known

    def _run(self) -> None:
        order, read = list(range(len(self.sequence))), 0
        with ThreadPoolExecutor(max(1, self._workers)) as pool:
            while not self.stop_signal.is_set():
                if self.shuffle:
                    random.shuffle(order)
                waiting = []
                for i in order:
                    future = pool.submit(self.sequence.__getitem__, i)
                    waiting.append(future)
                    if not self._put(future):
                        return
                while not self.stop_signal.is_set() and not all(f.done() for f in waiting):
                    self.stop_signal.wait(0.001)
                read += len(order)
                if self._most is not None and read >= self._most:
                    return
                self._drain()
                if self.stop_signal.is_set():
                    return
                self.sequence.on_epoch_end()
                if len(self.sequence) != len(order):
                    order = list(range(len(self.sequence)))

    def _drain(self) -> None:
        """Waits until all batches of the pass are taken."""
        while not self.stop_signal.is_set() and self.queue.unfinished_tasks:
            self.stop_signal.wait(0.001)

    def get(self) -> Iterator[Any]:
        """The batches, pass after pass."""
        while self.is_running():
            batch = self.queue.get().result()
            self.queue.task_done()
            if batch is not None:
                yield batch


@public("keras.utils.GeneratorEnqueuer")
class GeneratorEnqueuer(SequenceEnqueuer):
    """Reads a generator ahead.

    Args:
      sequence: the generator.
      use_multiprocessing: accepted; workers are threads.
      random_seed: accepted: it seeds worker processes, and there are none.
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, random_seed: int | None = None
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.random_seed = random_seed

    def _run(self) -> None:
        while not self.stop_signal.is_set():
            try:
                item: Any = (True, next(self.sequence))
            except StopIteration:
                self._put((True, _END))
                return
            except Exception as error:  # told to whoever takes the batch
                self._put((False, error))
                return
            if not self._put(item):
                return

    def get(self) -> Iterator[Any]:
        """The batches, until the generator ends."""
        while self.is_running():
            good, item = self.queue.get()
            if not good:
                raise item
            if item is _END:
                return
            if item is not None:
                yield item


class Source:
    """Batches of a generator, an iterable or a sequence, read ahead where workers are asked for.

    Args:
      data: the generator, iterable or sequence.
      steps: how many batches a pass has; None for all of a sequence.
      workers, max_queue_size, shuffle: of the reader.
      passes: how many there will be.

    Raises:
      ValueError: nobody says how many batches a pass has.
    """

    def __init__(
        self, data: Any, steps: int | None, workers: int, max_queue_size: int, shuffle: bool, passes: int = 1
    ) -> None:
        self._data = data
        self.is_sequence = isinstance(data, Sequence) or (
            hasattr(data, "__getitem__") and hasattr(data, "__len__") and hasattr(data, "on_epoch_end")
        )
        if steps is None and self.is_sequence:
            steps = len(data)
        if steps is None:
            raise ValueError(
                "Please specify the number of steps via the `steps_per_epoch` argument, or `steps` or "
                f"`validation_steps`. Received: {data}"
            )
        self.steps: int = steps
        self._enqueuer: Any = None
        if workers > 0 and self.is_sequence:
            self._enqueuer = OrderedEnqueuer(data, shuffle=shuffle)
            self._enqueuer._most = steps * passes
        elif workers > 0 and hasattr(data, "__next__"):
            self._enqueuer = GeneratorEnqueuer(data)
        if self._enqueuer is not None:
            self._enqueuer.start(workers=workers, max_queue_size=max_queue_size)
            self._batches: Any = self._enqueuer.get()
        elif self.is_sequence:
            self._batches = self._passes(data)
        elif hasattr(data, "__next__"):
            self._batches = data
        else:
            self._batches = iter(data)

    def _passes(self, data: Any) -> Iterator[Any]:
        for _ in itertools.count():
            yield from (data[i] for i in range(len(data)))

    def next(self) -> Any:
        """The next batch.

        Raises:
          StopIteration: there is none.
        """
        return next(self._batches)

    def restart(self) -> None:
        """Begins anew where the data is an iterable that can."""
        if self._enqueuer is None and not self.is_sequence and not hasattr(self._data, "__next__"):
            self._batches = iter(self._data)

    def close(self) -> None:
        """Ends reading ahead."""
        if self._enqueuer is not None:
            self._enqueuer.stop()


def is_generator(x: Any) -> bool:
    """Whether `x` gives batches one after the other."""
    return (
        isinstance(x, Sequence)
        or hasattr(x, "__next__")
        or (hasattr(x, "on_epoch_end") and hasattr(x, "__getitem__"))
    )


@public("keras.experimental.terminate_keras_multiprocessing_pools")
def terminate_keras_multiprocessing_pools(grace_period: float = 0.1, use_sigkill: bool = False) -> None:
    """Ends the processes that read data ahead: none, since threads do that.

    Args:
      grace_period, use_sigkill: accepted.
    """
