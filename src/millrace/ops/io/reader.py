"""Reader operations. A handle's value is the reader itself, kept in the session's cell of the operation that
makes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.graph.attrs import integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.records import readers
from millrace.opkit.rules.families import handle
from millrace.opkit.state.queues import Queue
from millrace.opkit.state.resource import of

_COMMON: dict[str, Any] = dict(container=text(default=""), shared_name=text(default=""))


WholeFileReaderV2 = handle(
    "WholeFileReaderV2() -> reader_handle: resource",
    lambda attrs: readers.WholeFileReader(),
    "Reads whole files.",
    __name__,
    **_COMMON,
)


IdentityReaderV2 = handle(
    "IdentityReaderV2() -> reader_handle: resource",
    lambda attrs: readers.IdentityReader(),
    "Gives its work back.",
    __name__,
    **_COMMON,
)


TextLineReaderV2 = handle(
    "TextLineReaderV2() -> reader_handle: resource",
    lambda attrs: readers.TextLineReader(attrs["skip_header_lines"]),
    "Reads lines.",
    __name__,
    skip_header_lines=integer(default=0),
    **_COMMON,
)


TFRecordReaderV2 = handle(
    "TFRecordReaderV2() -> reader_handle: resource",
    lambda attrs: readers.TFRecordReader(attrs["compression_type"]),
    "Reads records.",
    __name__,
    **_COMMON,
    compression_type=text(default=""),
)


LMDBReader = handle(
    "LMDBReader() -> reader_handle: resource",
    lambda attrs: readers.LMDBReader(),
    "Reads LMDB databases.",
    __name__,
    **_COMMON,
)


FixedLengthRecordReaderV2 = handle(
    "FixedLengthRecordReaderV2() -> reader_handle: resource",
    lambda a: readers.FixedLengthRecordReader(
        a["record_bytes"], a["header_bytes"], a["footer_bytes"], a["hop_bytes"], a["encoding"]
    ),
    "Reads pieces of one length.",
    __name__,
    record_bytes=integer(),
    header_bytes=integer(default=0),
    footer_bytes=integer(default=0),
    hop_bytes=integer(default=0),
    **_COMMON,
    encoding=text(default=""),
)


@declare(
    "ReaderReadV2(reader_handle: resource, queue_handle: resource) -> key: string, value: string",
    effect=True,
    host=True,
    blocking=True,
)
class ReaderReadV2:
    """The next key and value."""

    def shape(reader_handle, queue_handle):
        return [(), ()]

    def kernel(xp, reader_handle, queue_handle):
        return of(readers.Reader, reader_handle).read(of(Queue, queue_handle))

    grad = NOT_DIFFERENTIABLE


@declare(
    "ReaderReadUpToV2(reader_handle: resource, queue_handle: resource, num_records: int64) -> "
    "keys: string, values: string",
    effect=True,
    host=True,
    blocking=True,
)
class ReaderReadUpToV2:
    """Several keys and values."""

    def shape(reader_handle, queue_handle, num_records):
        return [(None,), (None,)]

    def kernel(xp, reader_handle, queue_handle, num_records):
        found = of(readers.Reader, reader_handle).read_up_to(of(Queue, queue_handle), int(num_records))
        columns = np.empty((2, len(found)), object)
        for i, pair in enumerate(found):
            columns[:, i] = pair
        return columns[0], columns[1]

    grad = NOT_DIFFERENTIABLE


@declare(
    "ReaderNumRecordsProducedV2(reader_handle: resource) -> records_produced: int64", effect=True, host=True
)
class ReaderNumRecordsProducedV2:
    """How many pairs were read."""

    def shape(reader_handle):
        return ()

    def kernel(xp, reader_handle):
        return xp.int64(of(readers.Reader, reader_handle).produced)

    grad = NOT_DIFFERENTIABLE


@declare(
    "ReaderNumWorkUnitsCompletedV2(reader_handle: resource) -> units_completed: int64", effect=True, host=True
)
class ReaderNumWorkUnitsCompletedV2:
    """How many work units were read to their end."""

    def shape(reader_handle):
        return ()

    def kernel(xp, reader_handle):
        return xp.int64(of(readers.Reader, reader_handle).completed)

    grad = NOT_DIFFERENTIABLE


@declare("ReaderResetV2(reader_handle: resource)", effect=True, host=True)
class ReaderResetV2:
    """Starts the reader anew."""

    def shape(reader_handle):
        return []

    def kernel(xp, reader_handle):
        of(readers.Reader, reader_handle).reset()
        return []

    grad = NOT_DIFFERENTIABLE


@declare("ReaderSerializeStateV2(reader_handle: resource) -> state: string", effect=True, host=True)
class ReaderSerializeStateV2:
    """Where the reader stands."""

    def shape(reader_handle):
        return ()

    def kernel(xp, reader_handle):
        return of(readers.Reader, reader_handle).state()

    grad = NOT_DIFFERENTIABLE


@declare("ReaderRestoreStateV2(reader_handle: resource, state: string)", effect=True, host=True)
class ReaderRestoreStateV2:
    """Takes the reader back to where it stood."""

    def shape(reader_handle, state):
        return []

    def kernel(xp, reader_handle, state):
        of(readers.Reader, reader_handle).restore(state if isinstance(state, bytes) else state[()])
        return []

    grad = NOT_DIFFERENTIABLE
