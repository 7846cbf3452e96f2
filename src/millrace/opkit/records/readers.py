"""Readers: take names of work from a queue and give keys and values. The object behind the handle."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from typing import Any

from millrace.core import errors, protos
from millrace.core.errors import refusal
from millrace.opkit.records import tfrecord as records
from millrace.opkit.records.opening import open_packed
from millrace.opkit.state.resource import Resource


class Reader(Resource):
    """Takes a work unit from a queue, mostly a file name, and reads it to its end before the next.

    Attributes:
      produced: pairs read.
      completed: work units read to their end.
      single: a work unit is one pair, so that it is done when that was given.
    """

    kind = "Reader"
    single = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: str | None = None
        self._raw = b""
        self._started = 0
        self.produced = 0
        self.completed = 0

    # --- what subclasses do ---------------------------------------------------------------------------------

    def _start(self) -> None:
        """Opens `self._work`."""

    def _next(self) -> tuple[bytes, bytes] | None:
        """The next key and value of the work unit, or None at its end."""
        raise StopIteration

    def _stop(self) -> None:
        """Closes the work unit."""

    # --- operations -----------------------------------------------------------------------------------------

    def read(self, queue: Any) -> tuple[bytes, bytes]:
        """The next key and value, starting on work from `queue` when needed.

        Raises:
          OutOfRangeError: the queue is closed and has no more work.
        """
        with self._lock:
            while True:
                if self._work is None:
                    (unit,) = queue.dequeue()
                    self._raw = unit if isinstance(unit, bytes) else unit[()]
                    self._started += 1
                    self._work = os.fsdecode(self._raw)
                    try:
                        self._start()
                    except BaseException:
                        self._work = None
                        raise
                found = self._next()
                if found is not None:
                    self.produced += 1
                if found is None or self.single:
                    self._finish()
                if found is not None:
                    return found

    def _finish(self) -> None:
        self._stop()
        self._work = None
        self.completed += 1

    def read_up_to(self, queue: Any, count: int) -> list[tuple[bytes, bytes]]:
        """At most `count` pairs: what is left of the work unit, at least one."""
        found = [self.read(queue)]
        with self._lock:
            while len(found) < count and self._work is not None:
                pair = self._next()
                if pair is None:
                    self._finish()
                else:
                    self.produced += 1
                    found.append(pair)
        return found

    def release(self) -> None:
        """Closes what is open: the session ends."""
        self.reset()

    def reset(self) -> None:
        """Starts anew."""
        with self._lock:
            if self._work is not None:
                self._stop()
            self._work, self._raw = None, b""
            self._started = self.produced = self.completed = 0

    def state(self) -> bytes:
        """Where the reader stands, as a `ReaderBaseState` message.

        Raises:
          UnimplementedError: this kind of reader cannot tell.
        """
        if not self.single:
            raise errors.UnimplementedError(None, None, f"{self.kind} '{self.name}' cannot be serialized")
        with self._lock:
            message = protos.ReaderBaseState(
                work_started=self._started,
                work_finished=self.completed,
                num_records_produced=self.produced,
                current_work=self._raw,
            )
            return message.SerializeToString()

    def restore(self, state: bytes) -> None:
        """Goes back to where `state` was told.

        Raises:
          UnimplementedError: this kind of reader cannot.
          InvalidArgumentError: it is not such a message.
        """
        if not self.single:
            raise errors.UnimplementedError(None, None, f"{self.kind} '{self.name}' cannot be restored")
        message = protos.ReaderBaseState()
        try:
            message.ParseFromString(state)
        except Exception:
            raise refusal(f"Could not parse state for {self.kind} '{self.name}': {state!r}") from None
        with self._lock:
            if self._work is not None:
                self._stop()
            self._raw = message.current_work
            self._started, self.completed = message.work_started, message.work_finished
            self.produced = message.num_records_produced
            self._work = None
            if self._started > self.completed:
                self._work = os.fsdecode(self._raw)
                self._start()


class IdentityReader(Reader):
    """Gives each work unit as key and value."""

    kind = "IdentityReader"
    single = True

    def _next(self) -> tuple[bytes, bytes] | None:
        return self._raw, self._raw


class WholeFileReader(Reader):
    """Gives each file's name and contents."""

    kind = "WholeFileReader"
    single = True

    def _next(self) -> tuple[bytes, bytes] | None:
        try:
            with open_packed(str(self._work)) as file:
                return self._raw, file.read()
        except errors.OpError:
            self._work = None
            raise


class TextLineReader(Reader):
    """Gives lines, with `file:number` as key."""

    kind = "TextLineReader"

    def __init__(self, skip: int) -> None:
        super().__init__()
        self._skip = skip

    def _start(self) -> None:
        self._file = open_packed(str(self._work))
        self._number = 0
        for _ in range(self._skip):
            self._file.readline()
            self._number += 1

    def _next(self) -> tuple[bytes, bytes] | None:
        line = self._file.readline()
        if not line:
            return None
        self._number += 1
        return b"%s:%d" % (self._raw, self._number), line.rstrip(b"\n").rstrip(b"\r")

    def _stop(self) -> None:
        self._file.close()


class TFRecordReader(Reader):
    """Gives records, with `file:offset` as key."""

    kind = "TFRecordReader"

    def __init__(self, compression: str) -> None:
        super().__init__()
        self._compression = compression

    def _start(self) -> None:
        self._records = records.iterate(str(self._work), self._compression)
        self._offset = 0
        self._failure: errors.OpError | None = None

    def _next(self) -> tuple[bytes, bytes] | None:
        if self._failure is not None:  # what is behind it cannot be found
            raise self._failure
        try:
            record = next(self._records, None)
        except errors.DataLossError as error:
            self._failure = error
            raise
        if record is None:
            return None
        key = b"%s:%d" % (self._raw, self._offset)
        self._offset += len(record) + 16
        return key, record

    def _stop(self) -> None:
        self._records.close()


class FixedLengthRecordReader(Reader):
    """Gives pieces of one length, with `file:number` as key."""

    kind = "FixedLengthRecordReader"

    def __init__(self, length: int, header: int, footer: int, hop: int, encoding: str) -> None:
        super().__init__()
        if length <= 0 or header < 0 or footer < 0 or hop < 0:
            raise refusal(
                f"record_bytes must be positive and the others not negative. Received: "
                f"{length, header, footer, hop}",
            )
        self._length, self._header, self._footer, self._hop = length, header, footer, hop or length
        self._encoding = encoding

    def _start(self) -> None:
        with open_packed(str(self._work), self._encoding) as file:
            data = file.read()
        self._data = data[self._header : len(data) - self._footer]
        self._place = self._number = 0

    def _next(self) -> tuple[bytes, bytes] | None:
        piece = self._data[self._place : self._place + self._length]
        if len(piece) < self._length:
            return None
        key = b"%s:%d" % (self._raw, self._number)
        self._place += self._hop
        self._number += 1
        return key, piece

    def _stop(self) -> None:
        self._data = b""


def lmdb_pairs(path: str) -> Generator[tuple[bytes, bytes], None, None]:
    """The keys and values of an LMDB database.

    Raises:
      UnimplementedError: the package lmdb is not installed.
    """
    try:
        import lmdb  # type: ignore[import-not-found]
    except ImportError:
        raise errors.UnimplementedError(
            None, None, "LMDB databases are read through the package lmdb: pip install lmdb"
        ) from None
    database = lmdb.open(path, subdir=os.path.isdir(path), readonly=True, lock=False)
    try:
        with database.begin() as transaction:
            for key, value in transaction.cursor():
                yield bytes(key), bytes(value)
    finally:
        database.close()


class LMDBReader(Reader):
    """Gives the keys and values of an LMDB database (needs the package lmdb)."""

    kind = "LMDBReader"

    def _start(self) -> None:
        self._pairs = lmdb_pairs(str(self._work))

    def _next(self) -> tuple[bytes, bytes] | None:
        return next(self._pairs, None)

    def _stop(self) -> None:
        self._pairs.close()
