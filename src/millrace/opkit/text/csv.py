"""Records of comma-separated values, by RFC 4180 with defaults for empty fields."""

from collections.abc import Sequence

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.text.numbers import read_numbers

_QUOTE = 0x22
_NEWLINES = b"\r\n"


def decode_csv(
    records: np.ndarray,
    defaults: Sequence[np.ndarray],
    delimiter: bytes = b",",
    use_quotes: bool = True,
    na_value: bytes = b"",
    select_cols: Sequence[int] = (),
) -> list[np.ndarray]:
    """Reads every record into one value per column.

    Args:
      records: `[...]` object array of `bytes`, one record each.
      defaults: per column a scalar or a vector of one value to use for an empty field, or an empty vector
        when the field is required. Its dtype is the column's.
      delimiter: one byte between fields.
      use_quotes: whether `"` quotes a field.
      na_value: a second text that means an empty field.
      select_cols: the columns wanted, ascending; none for all.

    Returns:
      One array per column, of the records' shape and the default's dtype.

    Raises:
      InvalidArgumentError: a record is malformed, has the wrong number of fields, lacks a required field, or
        a field is not a number.
    """
    if len(delimiter) != 1:
        raise refusal(f"field_delim should be only 1 char. Received: {delimiter!r}")
    wanted = frozenset(select_cols)
    rows = []
    for row, record in enumerate(records.ravel().tolist()):
        fields = _fields(record, delimiter[0], use_quotes, wanted)
        if len(fields) != len(defaults):
            raise refusal(f"Expect {len(defaults)} fields but have {len(fields)} in record {row}")
        rows.append(fields)
    columns = list(zip(*rows, strict=True)) or [()] * len(defaults)
    return [
        _column(number, column, default, na_value).reshape(records.shape)
        for number, (column, default) in enumerate(zip(columns, defaults, strict=True))
    ]


def _column(number: int, fields: Sequence[bytes], default: np.ndarray, na_value: bytes) -> np.ndarray:
    """One column's fields as an array, empty ones replaced by the default."""
    empty = [row for row, field in enumerate(fields) if not field or field == na_value]
    if empty and default.size != 1:
        raise refusal(f"Field {number} is required but missing in record {empty[0]}!")
    if default.dtype.kind == "O":
        out = np.empty(len(fields), object)
        out[:] = fields
    else:
        texts = fields
        if empty:
            texts = list(fields)
            for row in empty:
                texts[row] = b"0"
        out, bad = read_numbers(texts, default.dtype)
        if bad is not None:
            shown = texts[bad].decode("utf-8", "backslashreplace")
            raise refusal(f"Field {number} in record {bad} is not a valid {default.dtype.name}: {shown}")
    if empty:
        out[empty] = default.ravel()[0]
    return out


def _fields(record: bytes, delimiter: int, use_quotes: bool, wanted: frozenset[int]) -> list[bytes]:
    """The fields of one record, those of the `wanted` columns only unless that is empty."""
    plain = not (use_quotes and _QUOTE in record) and b"\n" not in record and b"\r" not in record
    if plain and record:
        fields = record.split(bytes((delimiter,)))
        return [fields[i] for i in range(len(fields)) if i in wanted] if wanted else fields
    fields = []
    number, at, size = 0, 0, len(record)
    while at < size:
        if record[at] in _NEWLINES:  # line ends between fields are skipped
            at += 1
            continue
        if use_quotes and record[at] == _QUOTE:
            field, at = _quoted(record, at + 1, delimiter)
        else:
            end = record.find(delimiter, at)
            field = record[at : end if end >= 0 else size]
            if b"\n" in field or b"\r" in field or (use_quotes and _QUOTE in field):
                raise refusal(f"Unquoted fields cannot have quotes/CRLFs inside. Received: {record!r}")
            at = end if end >= 0 else size
        at += 1  # past the delimiter
        if not wanted or number in wanted:
            fields.append(field)
            if wanted and len(fields) == len(wanted):
                return fields
        number += 1
    if size and record[-1] == delimiter and (not wanted or number in wanted):
        fields.append(b"")
    return fields


def _quoted(record: bytes, at: int, delimiter: int) -> tuple[bytes, int]:
    """The field whose opening quote stands before `at`, and the place just after its closing quote."""
    parts = []
    while True:
        end = record.find(_QUOTE, at)
        if end < 0:
            raise refusal(
                f"Quoted field has to end with quote followed by delim or end. Received: {record!r}"
            )
        parts.append(record[at:end])
        following = record[end + 1 : end + 2]
        if not following or following[0] == delimiter:
            return b"".join(parts), end + 1
        if following[0] != _QUOTE:
            raise refusal(f"Quote inside a string has to be escaped by another quote. Received: {record!r}")
        parts.append(b'"')
        at = end + 2
