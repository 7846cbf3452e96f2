"""`tf.contrib.text`: skip-grams of a text, rare words left out and frequent ones thinned."""

from __future__ import annotations

import csv
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.building.slicing import boolean_mask
from millrace.core.dtypes import DType, as_dtype, bool_, float64, int32, string
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.lookup.tables import HashTable, TextFileInitializer
from millrace.lib.platform import gfile
from millrace.opkit.random.seeds import seed_attrs
from millrace.ops.array.shape import shape
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import greater_equal, less_equal, logical_and, not_equal
from millrace.ops.math.elementwise import sqrt
from millrace.ops.random.draws import random_uniform
from millrace.training.coordination.batching import batch

_CAPACITY = 100  # batches that a queue holds, where nothing else is said


@public("contrib.text.skip_gram_sample")
def skip_gram_sample(
    input_tensor: Any,
    min_skips: Any = 1,
    max_skips: Any = 5,
    start: Any = 0,
    limit: Any = -1,
    emit_self_as_target: Any = False,
    vocab_freq_table: Any = None,
    vocab_min_count: Any = None,
    vocab_subsampling: float | None = None,
    corpus_size: Any = None,
    batch_size: int | None = None,
    batch_capacity: int | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Pairs of a token and one within a window around it, of a width that is drawn for each token.

    Args:
      input_tensor: integers or strings `[tokens]`.
      min_skips, max_skips: how far the window reaches to both sides, at least and at most.
      start, limit: the span of tokens that is looked at; -1: to the end.
      emit_self_as_target: also pair each token with itself.
      vocab_freq_table: a table from token to frequency. Tokens that it lacks are left out.
      vocab_min_count: tokens that are less frequent are left out.
      vocab_subsampling: the share of the corpus above which tokens are thinned, at random.
      corpus_size: how many tokens the corpus has.
      batch_size: collect the pairs in a queue, and give so many of them at once.
      batch_capacity: of that queue; 100 batches by default.
      seed: makes the draws repeatable.
      name: scope.

    Returns:
      The tokens and their neighbours, both `[pairs]`, or `[batch_size]`.

    Raises:
      ValueError: a frequency is asked for without a table, or only one of `vocab_subsampling` and
        `corpus_size` is given.
    """
    thinning = vocab_min_count, vocab_subsampling, corpus_size
    if vocab_freq_table is None and any(each is not None for each in thinning):
        raise ValueError(
            "vocab_min_count, vocab_subsampling and corpus_size need a vocab_freq_table. "
            f"Received: {vocab_min_count}, {vocab_subsampling} and {corpus_size}"
        )
    if (vocab_subsampling is None) != (corpus_size is None):
        raise ValueError(
            "vocab_subsampling and corpus_size must be given together. "
            f"Received: {vocab_subsampling} and {corpus_size}"
        )
    with name_scope(name, "skip_gram_sample", [input_tensor]):
        tokens = convert.to_tensor(input_tensor)
        if vocab_freq_table is not None:
            tokens = _thinned(tokens, vocab_freq_table, *thinning, seed)
        seeds = seed_attrs(seed)
        given = [
            convert.to_tensor(value, dtype, f"SkipGramGenerateCandidates/{label}")
            for label, value, dtype in (
                ("min_skips", min_skips, int32),
                ("max_skips", max_skips, int32),
                ("start", start, int32),
                ("limit", limit, int32),
                ("emit_self_as_target", emit_self_as_target, bool_),
            )
        ]
        pairs = raw.SkipGramGenerateCandidates(tokens, *given, **seeds)
        if batch_size is None:
            return pairs[0], pairs[1]
        capacity = _CAPACITY * batch_size if batch_capacity is None else batch_capacity
        return tuple(batch(list(pairs), batch_size, capacity=capacity, enqueue_many=True))  # type: ignore[return-value]


def _thinned(
    tokens: Tensor, table: Any, min_count: Any, subsampling: Any, corpus_size: Any, seed: int | None
) -> Tensor:
    """The tokens that are in the table, not too rare, and not dropped for being frequent."""
    with name_scope(None, "filter_vocab", [tokens]):
        frequency = table.lookup(tokens)
        kept = not_equal(frequency, table.default_value)
        if min_count is not None:
            kept = logical_and(kept, greater_equal(frequency, cast(min_count, frequency.dtype)))
        tokens, frequency = boolean_mask(tokens, kept), boolean_mask(frequency, kept)
    if subsampling is None:
        return tokens
    with name_scope(None, "subsample_vocab", [tokens, frequency]):
        size, share = cast(corpus_size, frequency.dtype), cast(subsampling, frequency.dtype)
        chance = (sqrt(frequency / (size * share)) + 1.0) * (size * share / frequency)
        drawn = random_uniform(shape(chance), minval=0, maxval=1, dtype=chance.dtype, seed=seed)
        return boolean_mask(tokens, less_equal(drawn, chance))


@public("contrib.text.skip_gram_sample_with_text_vocab")
def skip_gram_sample_with_text_vocab(
    input_tensor: Any,
    vocab_freq_file: str,
    vocab_token_index: int = 0,
    vocab_token_dtype: Any = string,
    vocab_freq_index: int = 1,
    vocab_freq_dtype: Any = float64,
    vocab_delimiter: str = ",",
    vocab_min_count: Any = 0,
    vocab_subsampling: float | None = None,
    corpus_size: Any = None,
    min_skips: Any = 1,
    max_skips: Any = 5,
    start: Any = 0,
    limit: Any = -1,
    emit_self_as_target: Any = False,
    batch_size: int | None = None,
    batch_capacity: int | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """`skip_gram_sample` with the frequencies of a text file, a token and its frequency on each line.

    Args:
      input_tensor: integers or strings `[tokens]`.
      vocab_freq_file: path.
      vocab_token_index, vocab_freq_index: the columns of token and frequency.
      vocab_token_dtype, vocab_freq_dtype: their dtypes.
      vocab_delimiter: between columns.
      vocab_min_count: tokens that are less frequent are left out.
      vocab_subsampling: the share of the corpus above which tokens are thinned, at random.
      corpus_size: how many tokens the corpus has; default: the sum of all frequencies.
      min_skips, max_skips, start, limit, emit_self_as_target, batch_size, batch_capacity, seed, name: as for
        `skip_gram_sample`.

    Returns:
      The tokens and their neighbours, both `[pairs]`, or `[batch_size]`.

    Raises:
      ValueError: the columns are equal or negative, a line lacks them or has a negative frequency, the
        corpus is smaller than the sum of the frequencies, or `vocab_subsampling` is not a share.
      NotFoundError: there is no such file.
    """
    if vocab_token_index < 0 or vocab_freq_index < 0 or vocab_token_index == vocab_freq_index:
        raise ValueError(
            "vocab_token_index and vocab_freq_index must be different columns. "
            f"Received: {vocab_token_index} and {vocab_freq_index}"
        )
    if vocab_subsampling is not None and not 0 <= vocab_subsampling <= 1:
        raise ValueError(f"vocab_subsampling must be in [0, 1]. Received: {vocab_subsampling}")
    columns = vocab_token_index, vocab_freq_index
    freq_dtype = as_dtype(vocab_freq_dtype)
    lines, total = _counted(vocab_freq_file, columns, vocab_delimiter, freq_dtype)
    if vocab_subsampling is not None and corpus_size is None:
        corpus_size = total
    if corpus_size is not None and corpus_size < total:
        raise ValueError(
            f"corpus_size must be at least the sum of all frequencies in {vocab_freq_file}, {total}. "
            f"Received: {corpus_size}"
        )
    source = TextFileInitializer(
        vocab_freq_file,
        as_dtype(vocab_token_dtype),
        vocab_token_index,
        freq_dtype,
        vocab_freq_index,
        vocab_size=lines,
        delimiter=vocab_delimiter,
    )
    return skip_gram_sample(
        input_tensor,
        min_skips,
        max_skips,
        start,
        limit,
        emit_self_as_target,
        HashTable(source, -1),
        vocab_min_count,
        vocab_subsampling,
        None if vocab_subsampling is None else corpus_size,
        batch_size,
        batch_capacity,
        seed,
        name,
    )


def _counted(path: str, columns: tuple[int, int], delimiter: str, dtype: DType) -> tuple[int, Any]:
    """How many lines a file of frequencies has, and the sum of these."""
    lines, total = 0, dtype.np_dtype.type(0)
    with gfile.GFile(path) as file:
        for row in csv.reader(file, delimiter=delimiter):
            if max(columns) >= len(row):
                raise ValueError(f"{path} must have columns {columns} on each line. Received: {row}")
            frequency = dtype.np_dtype.type(row[columns[1]])
            if frequency < 0:
                raise ValueError(f"the frequencies in {path} must not be negative. Received: {row}")
            lines, total = lines + 1, total + frequency
    return lines, total
