"""Text in any encoding as code points and back, with the places of the code points in the bytes."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.text.pieces import objects
from millrace.opkit.text.unicode_tables import script_runs

_LAST_CODE_POINT = 0x10FFFF
_LAST_CONTROL = 0x1F
# Names that ICU reads differently from Python: without a byte order mark its UTF-16 and UTF-32 are
# big-endian.
_ENCODINGS = {
    "utf16": "utf-16-be",
    "utf32": "utf-32-be",
    "ibm437": "cp437",
    "macintosh": "mac-roman",
    "windows31j": "cp932",
}


@dataclass(frozen=True, slots=True)
class Malformed:
    """What to do about bytes that are not text.

    Attributes:
      errors: "strict" to fail, "replace" or "ignore".
      replacement: the code point to put instead.
      controls: replace the control characters U+0000 to U+001F, too, or drop them under "ignore".
    """

    errors: str = "replace"
    replacement: int = 0xFFFD
    controls: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.replacement <= _LAST_CODE_POINT:
            raise refusal(f"replacement_char out of unicode codepoint range. Received: {self.replacement}")


def script_codes(code_points: np.ndarray) -> np.ndarray:
    """The ICU script number of every code point, -1 outside Unicode; int32 of the same shape."""
    starts, codes = script_runs()
    found = codes[np.searchsorted(starts, code_points, side="right") - 1]
    valid = (code_points >= 0) & (code_points <= _LAST_CODE_POINT)
    return np.where(valid, found, np.int32(-1))


def _codec(name: str) -> str:
    plain = name.lower().replace("-", "").replace("_", "").replace(" ", "")
    try:
        return codecs.lookup(_ENCODINGS.get(plain, name)).name
    except LookupError:
        raise refusal(f"Could not create converter for input encoding: {name}") from None


def _pieces(data: bytes, codec: str) -> Iterator[tuple[int, str | None]]:
    """`data` as stretches of good text and malformed bytes (None), each with where it begins."""
    at = 0
    while at < len(data):
        try:
            yield at, data[at:].decode(codec)
            return
        except UnicodeDecodeError as problem:
            if problem.start:
                yield at, data[at : at + problem.start].decode(codec)
            yield at + problem.start, None
            at += max(problem.end, problem.start + 1)


def _points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4")


def _widths(text: str, data: bytes, codec: str) -> np.ndarray:
    """How many bytes each character of `text`, decoded from `data`, took."""
    points = _points(text)
    if codec == "utf-8":
        return 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
    if codec.startswith("utf-16"):
        return 2 + 2 * (points > 0xFFFF).astype(np.int64)
    if codec.startswith("utf-32"):
        return np.full(len(points), 4, np.int64)
    if len(points) == len(data):
        return np.ones(len(points), np.int64)
    decoder = codecs.getincrementaldecoder(codec)()
    widths, pending = [], 0
    for i in range(len(data)):
        pending += 1
        for _ in decoder.decode(data[i : i + 1]):
            widths.append(pending)
            pending = 0
    return np.array(widths, np.int64)


def _decode_one(data: bytes, codec: str, malformed: Malformed) -> tuple[np.ndarray, np.ndarray]:
    points, offsets = [], []
    pieces = list(_pieces(data, codec))
    ends = [begin for begin, _ in pieces[1:]] + [len(data)]
    for (begin, text), end in zip(pieces, ends, strict=False):
        if text is None:
            if malformed.errors == "strict":
                raise refusal("Invalid formatting on input string")
            if malformed.errors == "replace":
                points.append(np.array([malformed.replacement], np.int32))
                offsets.append(np.array([begin], np.int64))
            continue
        widths = _widths(text, data[begin:end], codec)
        points.append(_points(text))
        offsets.append(begin + np.cumsum(widths) - widths)
    if not points:
        return np.empty(0, np.int32), np.empty(0, np.int64)
    found, places = np.concatenate(points).astype(np.int32, copy=False), np.concatenate(offsets)
    if malformed.controls and (controls := found <= _LAST_CONTROL).any():
        if malformed.errors == "ignore":
            return found[~controls], places[~controls]
        found = np.where(controls, np.int32(malformed.replacement), found)
    return found, places


def decode(
    strings: np.ndarray, encoding: str, malformed: Malformed, splits_dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code points of every string.

    Args:
      strings: `[...]` object array of `bytes`, read row-major.
      encoding: how they are encoded, by any name that Python or ICU knows.
      malformed: what to do about malformed bytes.
      splits_dtype: int32 or int64.

    Returns:
      `[n + 1]` row splits, `[t]` int32 code points, `[t]` int64 byte offsets within their strings.

    Raises:
      InvalidArgumentError: the encoding is unknown, or a string is malformed under "strict".
    """
    codec = _codec(encoding)
    rows = [_decode_one(item, codec, malformed) for item in strings.ravel().tolist()]
    splits = np.cumsum([0] + [len(points) for points, _ in rows]).astype(splits_dtype)
    points = np.concatenate([row[0] for row in rows]) if rows else np.empty(0, np.int32)
    offsets = np.concatenate([row[1] for row in rows]) if rows else np.empty(0, np.int64)
    return splits, points, offsets


def encode(code_points: np.ndarray, splits: np.ndarray, encoding: str, malformed: Malformed) -> np.ndarray:
    """Strings from rows of code points.

    Args:
      code_points: `[t]` int32, all rows end to end.
      splits: `[n + 1]` integers, where each row begins and ends.
      encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      malformed: what to do about numbers outside Unicode.

    Returns:
      `[n]` object array of `bytes`.

    Raises:
      InvalidArgumentError: a number is outside Unicode under "strict", or the splits do not fit.
    """
    bounds = splits.tolist()
    if any(a > b for a, b in pairwise(bounds)) or (
        bounds and (bounds[0] < 0 or bounds[-1] > len(code_points))
    ):
        raise refusal(f"input_splits must rise from 0 to at most {len(code_points)}. Received: {bounds[:10]}")
    bad = (code_points < 0) | (code_points > _LAST_CODE_POINT)
    if bad.any() and malformed.errors == "strict":
        raise refusal(f"Code point value out of valid Unicode range. Received: {code_points[bad][0]}")
    out = []
    for begin, end in pairwise(bounds):
        row, wrong = code_points[begin:end], bad[begin:end]
        if malformed.errors == "ignore":
            row = row[~wrong]
        else:
            row = np.where(wrong, np.int32(malformed.replacement), row)
        out.append(_write("".join(map(chr, row.tolist())), encoding))
    return objects(out)


def transcode(strings: np.ndarray, source: str, target: str, malformed: Malformed) -> np.ndarray:
    """Strings in another encoding.

    Args:
      strings: `[...]` object array of `bytes`.
      source: their encoding, by any name that Python or ICU knows.
      target: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      malformed: what to do about malformed bytes.

    Returns:
      Object array of `bytes`, same shape.

    Raises:
      InvalidArgumentError: the encoding is unknown, or a string is malformed under "strict".
    """
    codec = _codec(source)
    texts = []
    for item in strings.ravel().tolist():
        points, _ = _decode_one(item, codec, malformed)
        texts.append(_write("".join(map(chr, points.tolist())), target))
    return objects(texts, strings.shape)


def _write(text: str, encoding: str) -> bytes:
    """Encodes text that may hold surrogates: pairs join, UTF-8 cannot hold a lone one and gets U+FFFD."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode(encoding)
    joined = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
    if encoding == "UTF-8":
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in joined).encode()
    return joined.encode(encoding, "surrogatepass")
