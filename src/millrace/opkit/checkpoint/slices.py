"""Which part of a tensor: parsed from and written as text, a message, and the key of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.core import protos
from millrace.core.errors import refusal

FULL = -1  # the length that stands for a whole dimension

_ESCAPES = {0x00: b"\0\xff", 0xFF: b"\xff\0"}
# What the first two bytes of a signed number are combined with, by how many bytes it takes.
_HEADERS = (0, 0x8000, 0xC000, 0xE000, 0xF000, 0xF800, 0xFC00, 0xFE00, 0xFF00, 0xFF80, 0xFFC0)


@dataclass(frozen=True)
class Slice:
    """A box within a tensor: a start and a length for each dimension; a length of -1 stands for all of it."""

    extents: tuple[tuple[int, int], ...]

    @property
    def is_full(self) -> bool:
        """Whether no dimension is cut."""
        return all(extent == (0, FULL) for extent in self.extents)

    @property
    def text(self) -> str:
        """As programs spell it: `0,2:-`."""
        return ":".join("-" if e == (0, FULL) else f"{e[0]},{e[1]}" for e in self.extents)

    def within(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """The slices that take this part out of an array of `shape`.

        Raises:
          InvalidArgumentError: the ranks differ, or it reaches beyond the shape.
        """
        if len(shape) != len(self.extents):
            raise refusal(
                f"a slice {self.text!r} of rank {len(self.extents)} cannot be taken from shape {list(shape)}",
            )
        found = []
        for (start, length), size in zip(self.extents, shape, strict=True):
            stop = size if length == FULL else start + length
            if start < 0 or stop > size or start > stop:
                raise refusal(f"a slice {self.text!r} reaches beyond shape {list(shape)}")
            found.append(slice(start, stop))
        return tuple(found)

    def shape_in(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of this part of an array of `shape`; errors as for `within`."""
        return tuple(s.stop - s.start for s in self.within(shape))

    def to_proto(self) -> Any:
        """The `TensorSliceProto`."""
        message = protos.TensorSliceProto()
        for start, length in self.extents:
            extent = message.extent.add()
            if (start, length) != (0, FULL):
                extent.start, extent.length = start, length
        return message

    def key(self, name: bytes) -> bytes:
        """The key under which a table holds this part of the tensor `name`."""
        numbers = b"".join(_signed(start) + _signed(length) for start, length in self.extents)
        return b"\0" + _string(name) + _number(len(self.extents)) + numbers


def full(rank: int) -> Slice:
    """The whole of a tensor of that rank."""
    return Slice(((0, FULL),) * rank)


def from_proto(message: Any) -> Slice:
    """The slice of a `TensorSliceProto`."""
    return Slice(tuple((e.start, e.length if e.WhichOneof("has_length") else FULL) for e in message.extent))


def parse(text: str) -> Slice:
    """Reads `0,2:-`.

    Raises:
      InvalidArgumentError: it is spelled otherwise.
    """
    extents = []
    for part in filter(None, text.split(":")):
        if part == "-":
            extents.append((0, FULL))
            continue
        start, _, length = part.partition(",")
        if not (start.isdigit() and length.isdigit()) or length == "0":
            raise refusal(f"Expected a pair of numbers or '-' but got {part!r}: string = {text}")
        extents.append((int(start), int(length)))
    return Slice(tuple(extents))


def parse_specification(text: str) -> tuple[tuple[int, ...], Slice]:
    """Reads a shape and a slice of it, `4 2 0,2:0,2`: `SaveV2` and `RestoreV2` take them so.

    Raises:
      InvalidArgumentError: it is spelled otherwise, or the slice does not fit the shape.
    """
    *sizes, last = text.rstrip(" ").split(" ")
    if not sizes or not all(size.isdigit() for size in sizes):
        raise refusal(
            f"Need at least two numbers or a number and a slice in shape_and_slice. Received: {text!r}",
        )
    shape, part = tuple(int(size) for size in sizes), parse(last)
    part.within(shape)
    return shape, part


def _number(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def _string(text: bytes) -> bytes:
    return b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in text) + b"\0\1"


def _signed(value: int) -> bytes:
    magnitude = ~value if value < 0 else value
    size = magnitude.bit_length() // 7 + 1
    data = bytearray((value & ((1 << 80) - 1)).to_bytes(10, "big")[10 - size :])
    header = _HEADERS[size]
    data[0] ^= header >> 8
    if size > 1:
        data[1] ^= header & 0xFF
    return bytes(data)
