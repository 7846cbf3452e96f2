"""Strings cut into tokens, and tokens put together into n-grams."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.text.pieces import objects


def _sparse(rows: list[list[bytes]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(rows) == 1:
        (row,) = rows
        indices = np.zeros((len(row), 2), np.int64)
        indices[:, 1] = np.arange(len(row))
        return indices, objects(row), np.array([1, len(row)], np.int64)
    counts = np.array([len(row) for row in rows], np.int64)
    total = int(counts.sum())
    indices = np.empty((total, 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(rows)), counts)
    indices[:, 1] = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = np.array([len(rows), counts.max() if len(rows) else 0], np.int64)
    return indices, objects([token for row in rows for token in row]), shape


def split_any(
    strings: np.ndarray, delimiter: bytes, skip_empty: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits at every byte that occurs in `delimiter`; with no delimiter, into single bytes.

    Args:
      strings: `[n]` object array of `bytes`.
      delimiter: the set of bytes to split at.
      skip_empty: leave out empty tokens. An empty string has no tokens either way.

    Returns:
      A sparse tensor's parts: `[t, 2]` int64 indices, `[t]` tokens, `[2]` int64 dense shape.
    """
    rows = []
    first, others = delimiter[:1], delimiter[1:]
    alike = bytes.maketrans(others, first * len(others))
    for text in strings.tolist():
        if not text:
            rows.append([])
        elif not delimiter:
            rows.append([text[i : i + 1] for i in range(len(text))])
        else:
            tokens = (text.translate(alike) if others else text).split(first)
            rows.append([token for token in tokens if token] if skip_empty and b"" in tokens else tokens)
    return _sparse(rows)


def split_separator(
    strings: np.ndarray, separator: bytes, maxsplit: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits like Python's `bytes.split`: at a whole separator, or at runs of white space when it is empty.

    Args:
      strings: `[n]` object array of `bytes`.
      separator: where to split; empty for white space.
      maxsplit: split at most so often; negative for no limit.

    Returns:
      A sparse tensor's parts: `[t, 2]` int64 indices, `[t]` tokens, `[2]` int64 dense shape.
    """
    if maxsplit == 0:
        return _sparse([[text] for text in strings.tolist()])
    if separator:
        return _sparse([text.split(separator, max(maxsplit, -1)) for text in strings.tolist()])
    return _sparse([_split_blanks(text, maxsplit) for text in strings.tolist()])


def _split_blanks(text: bytes, maxsplit: int) -> list[bytes]:
    tokens = text.split(None, max(maxsplit, -1))
    # Python has nothing behind the last split; here an empty rest is left behind.
    if len(tokens) == maxsplit:
        tokens.append(b"")
    return tokens


def ngrams(
    tokens: np.ndarray,
    splits: np.ndarray,
    separator: bytes,
    widths: Iterable[int],
    left_pad: bytes,
    right_pad: bytes,
    pad_width: int,
    preserve_short: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """All n-grams of each row of a ragged array of tokens.

    Args:
      tokens: `[t]` object array of `bytes`, all rows end to end.
      splits: `[rows + 1]` integers, where each row begins and ends.
      separator: what to put between the tokens of an n-gram.
      widths: the sizes of n-grams; a row's n-grams come grouped by width in this order.
      left_pad: token put in front of a row.
      right_pad: token put behind a row.
      pad_width: how many of each; negative for as many as the width allows, `width - 1`, which is also the
        limit.
      preserve_short: a row with tokens but without n-grams gives one n-gram of all it has, pads included.

    Returns:
      `[m]` n-grams and `[rows + 1]` splits of the dtype of `splits`.

    Raises:
      InvalidArgumentError: the splits do not describe the tokens.
    """
    bounds = splits.tolist()
    _check_splits(bounds, len(tokens))
    widths = list(widths)
    items = tokens.tolist()
    grams: list[bytes] = []
    ends = [0] if bounds else []
    for begin, end in pairwise(bounds):
        row = items[begin:end]
        before = len(grams)
        for width in widths:
            pad = width - 1 if pad_width < 0 else min(pad_width, width - 1)
            padded = [left_pad] * pad + row + [right_pad] * pad
            grams.extend(separator.join(padded[i : i + width]) for i in range(len(padded) - width + 1))
        if preserve_short and row and len(grams) == before:
            pad = max(pad_width, 0)
            grams.append(separator.join([left_pad] * pad + row + [right_pad] * pad))
        ends.append(len(grams))
    return objects(grams), np.array(ends, splits.dtype)


def _check_splits(bounds: list[int], count: int) -> None:
    last = 0
    for split in bounds:
        if not last <= split <= count:
            raise refusal(f"Invalid split value {split}, must be in [{last},{count}]")
        last = split
