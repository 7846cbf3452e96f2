"""Reads `tf.train.Example` and `tf.train.SequenceExample` from their wire format, without protobuf.

A record names its features by strings and holds each as a list of bytes, floats or integers. Only the lists
that are asked for are decoded, and packed lists are decoded as whole arrays.
"""

from collections.abc import Iterator, Sequence

import numpy as np

BYTES, FLOATS, INTS = 1, 2, 3
_MASK = (1 << 64) - 1
_LISTS = (0x0A, 0x12, 0x1A)  # their tags
_PACKED_BY_HAND = 64  # up to this many bytes, a loop decodes packed integers faster than arrays do
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class MalformedRecord(Exception):
    """The bytes are not a record of the expected kind."""


Feature = tuple[int, int, int]  # an undecoded list: its kind, 0 for an empty feature, and where its bytes lie
Table = dict[bytes, tuple[int, int]]  # where the features of a record lie, by name


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends.

    Raises:
      MalformedRecord: it is too long, or the data ends in it.
    """
    try:
        byte = data[at]
        if byte < 0x80:
            return byte, at + 1
        value, shift = byte & 0x7F, 7
        while True:
            at += 1
            byte = data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _MASK, at + 1
            shift += 7
            if shift > 63:
                raise MalformedRecord("a number is longer than ten bytes")
    except IndexError:
        raise MalformedRecord("the data ends inside a number") from None


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of one message as (number, wire type, begin, end)."""
    while at < end:
        tag, at = varint(data, at)
        wire = tag & 7
        begin = at
        if wire == _LENGTH:
            size, begin = varint(data, at)
            at = begin + size
        elif wire == _VARINT:
            _, at = varint(data, at)
        elif wire == _FIXED32:
            at += 4
        elif wire == _FIXED64:
            at += 8
        else:
            raise MalformedRecord(f"wire type {wire}")
        if at > end or tag < 8:
            raise MalformedRecord("a field reaches beyond its message")
        yield tag >> 3, wire, begin, at


def _message_fields(data: bytes, at: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    for found, wire, begin, stop in _fields(data, at, end):
        if found == number:
            if wire != _LENGTH:
                raise MalformedRecord(f"field {number} is not a message")
            yield begin, stop


def entry(data: bytes, at: int, end: int) -> tuple[bytes, int, int] | None:
    """The entry of a string-keyed map that begins at `at`: its key, where its value begins, where it ends.

    None for another form than that of every writer: tag 1, the entry's size, tag 1, the key, tag 2, the
    value; a key is seldom long.

    Raises:
      MalformedRecord: a size is too long, or the data ends in it.
    """
    size, begin = varint(data, at + 1)
    stop = begin + size
    if data[at] == 0x0A and size > 3 and stop <= end and data[begin] == 0x0A and data[begin + 1] < 0x80:
        value = begin + 2 + data[begin + 1]
        if value < stop and data[value] == 0x12:
            length, first = varint(data, value + 1)
            if first + length == stop:
                return data[begin + 2 : value], first, stop
    return None


def _entries(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The entries of a string-keyed map as (key, begin, end of the value)."""
    while at < end:
        found = entry(data, at, end)
        if found is None:
            yield from _any_entries(data, at, end)
            return
        yield found
        at = found[2]


def _any_entries(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The entries of a map however they are written: other fields between, the value before the key."""
    for begin, stop in _message_fields(data, at, end, 1):
        key, value = b"", (stop, stop)
        for number, wire, first, last in _fields(data, begin, stop):
            if number <= 2 and wire != _LENGTH:
                raise MalformedRecord("a map entry has the wrong form")
            if number == 1:
                key = data[first:last]
            elif number == 2:
                value = (first, last)
        yield key, *value


def feature(data: bytes, at: int, end: int) -> Feature:
    """The list of a feature.

    Raises:
      MalformedRecord: its bytes are wrong.
    """
    if at < end and data[at] in _LISTS:  # one list and nothing else, as every writer leaves it
        size, begin = varint(data, at + 1)
        if begin + size == end:
            return data[at] >> 3, begin, end
    found = (0, end, end)
    for number, wire, begin, stop in _fields(data, at, end):
        if number in (BYTES, FLOATS, INTS):
            if wire != _LENGTH:
                raise MalformedRecord("a feature has the wrong form")
            found = (number, begin, stop)
    return found


def find(data: bytes, table: Table, key: bytes) -> Feature | None:
    """The list that a record holds under `key`; None when there is none, or an empty feature.

    Args:
      data: the record.
      table: its features.
      key: the name.

    Raises:
      MalformedRecord: the feature's bytes are wrong.
    """
    place = table.get(key)
    if place is None:
        return None
    found = feature(data, *place)
    return found if found[0] else None


def read_example(data: bytes) -> Table:
    """Where the features of a serialized Example lie, by name; of a repeated name the last counts.

    Raises:
      MalformedRecord: the bytes are not an Example.
    """
    table: Table = {}
    for begin, end in _message_fields(data, 0, len(data), 1):
        table.update((key, (first, last)) for key, first, last in _entries(data, begin, end))
    return table


def read_sequence_example(data: bytes) -> tuple[Table, dict[bytes, list[Feature]]]:
    """The context and the feature lists of a serialized SequenceExample.

    Raises:
      MalformedRecord: the bytes are not a SequenceExample.
    """
    context: Table = {}
    lists: dict[bytes, list[Feature]] = {}
    for number, wire, begin, end in _fields(data, 0, len(data)):
        if number in (1, 2) and wire != _LENGTH:
            raise MalformedRecord("the record has the wrong form")
        if number == 1:
            context.update((key, (first, last)) for key, first, last in _entries(data, begin, end))
        elif number == 2:
            for key, first, last in _entries(data, begin, end):
                lists[key] = [feature(data, a, b) for a, b in _message_fields(data, first, last, 1)]
    return context, lists


def packed(data: bytes, feature: Feature) -> tuple[int, int] | None:
    """Where the bytes of a list's values lie, from and to, where it is one packed list, or one string."""
    _, begin, end = feature
    if begin < end and data[begin] == 0x0A:
        size, first = varint(data, begin + 1)
        if first + size == end:
            return first, end
    return None


def values(data: bytes, feature: Feature) -> np.ndarray:
    """Decodes one list.

    Args:
      data: the record.
      feature: a list of it, not an empty one.

    Returns:
      `[n]` int64, float32 or object array of `bytes`.

    Raises:
      MalformedRecord: the list's bytes are wrong.
    """
    kind, begin, end = feature
    place = packed(data, feature)
    if place is not None:
        return packed_values(data[place[0] : place[1]], kind)
    if kind == BYTES:
        items = [data[a:b] for a, b in _message_fields(data, begin, end, 1)]
        out = np.empty(len(items), object)
        out[:] = items
        return out
    decode = _floats if kind == FLOATS else _ints
    parts = [decode(data, wire, a, b) for number, wire, a, b in _fields(data, begin, end) if number == 1]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.float32 if kind == FLOATS else np.int64)


def packed_values(data: bytes, kind: int) -> np.ndarray:
    """Decodes the bytes of one packed list, or of one string, as `values` does.

    Raises:
      MalformedRecord: they are wrong.
    """
    if kind == BYTES:
        out = np.empty(1, object)
        out[0] = data
        return out
    return (_floats if kind == FLOATS else _ints)(data, _LENGTH, 0, len(data))


def column(cells: Sequence[bytes], kind: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Decodes the bytes of packed lists, or strings, all at once.

    Args:
      cells: of each list the bytes.
      kind: of all lists.

    Returns:
      The values of all lists, one after the other, and int64 `[n]`, how many each has; None where some
      are wrong.
    """
    if kind == BYTES:
        return np.fromiter(cells, object, len(cells)), np.ones(len(cells), np.int64)
    sizes = np.fromiter(map(len, cells), np.int64, len(cells))
    data = np.frombuffer(b"".join(cells), np.uint8)
    if kind == FLOATS:
        return None if (sizes & 3).any() else (data.view("<f4").copy(), sizes >> 2)
    ending = data < 0x80
    if ending.all():
        return data.astype(np.int64), sizes
    ends = sizes.cumsum()
    if not ending[ends[sizes > 0] - 1].all():
        return None
    counted = np.append(0, ending.cumsum())
    try:
        return _packed_ints(data), counted[ends] - counted[ends - sizes]
    except MalformedRecord:
        return None


def _floats(data: bytes, wire: int, begin: int, end: int) -> np.ndarray:
    if wire not in (_LENGTH, _FIXED32) or (end - begin) % 4:
        raise MalformedRecord("a list of floats has the wrong form")
    return np.frombuffer(data, "<f4", (end - begin) // 4, begin)


def _ints(data: bytes, wire: int, begin: int, end: int) -> np.ndarray:
    if wire not in (_LENGTH, _VARINT):
        raise MalformedRecord("a list of integers has the wrong form")
    if end > begin and data[end - 1] >= 0x80:
        raise MalformedRecord("a list of integers ends inside a number")
    if end - begin > _PACKED_BY_HAND:
        return _packed_ints(np.frombuffer(data, np.uint8, end - begin, begin))
    return np.array(_few_ints(data[begin:end]), np.int64)


def _few_ints(data: bytes) -> list[int]:
    """The signed numbers in some bytes of which the last ends one."""
    numbers: list[int] = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            number &= _MASK
            numbers.append(number if number < 1 << 63 else number - (1 << 64))
            number = shift = 0
        elif shift < 63:
            shift += 7
        else:
            raise MalformedRecord("a number is longer than ten bytes")
    return numbers


def _packed_ints(data: np.ndarray) -> np.ndarray:
    last = np.flatnonzero(data < 0x80)
    if last.size == data.size:
        return data.astype(np.int64)
    first = np.empty_like(last)
    first[0] = 0
    np.add(last[:-1], 1, out=first[1:])
    widths = last - first + 1
    if widths.max() > 10:
        raise MalformedRecord("a number is longer than ten bytes")
    places = np.arange(data.size) - np.repeat(first, widths)
    return np.add.reduceat((data & 0x7F).astype(np.int64) << 7 * places, first)
