"""Whole models: an encoder over one list of inputs, a decoder over another."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from millrace.contributed.legacy_seq2seq.decoders import (
    check_projection,
    embedding_attention_decoder,
    embedding_rnn_decoder,
    next_word,
    rnn_decoder,
)
from millrace.contributed.rnn.projections import EmbeddingWrapper, OutputProjectionWrapper
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.lib.flow.control_flow import cond
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.rnn.unrolling import static_rnn
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.reshape import reshape


@public("contrib.legacy_seq2seq.basic_rnn_seq2seq")
def basic_rnn_seq2seq(
    encoder_inputs: Any, decoder_inputs: Any, cell: Any, dtype: Any = dtypes.float32, scope: Any = None
) -> tuple[list[Any], Any]:
    """Encodes one list with a copy of a cell, and decodes another from its last state.

    Args:
      encoder_inputs, decoder_inputs: lists of `[batch, depth]`.
      cell: an `RNNCell`.
      dtype: of the first state.
      scope: a variable scope; default "basic_rnn_seq2seq".

    Returns:
      (a list of outputs, the last state).
    """
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


@public("contrib.legacy_seq2seq.tied_rnn_seq2seq")
def tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    loop_function: Any = None,
    dtype: Any = dtypes.float32,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`basic_rnn_seq2seq` with one set of variables for both halves.

    Args:
      encoder_inputs, decoder_inputs, cell, dtype: as for `basic_rnn_seq2seq`.
      loop_function: of (the output before, the step's number) to what the decoder reads.
      scope: a variable scope; default "tied_rnn_seq2seq".

    Returns:
      (a list of outputs, the last state).
    """
    with variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function=loop_function, scope=scope)


def _either_way(
    decode: Callable[[bool], tuple[list[Any], Any]], feed_previous: Any, count: int
) -> tuple[list[Any], Any]:
    """What a decoder gives, where a scalar bool tensor says whether it reads its own outputs.

    Args:
      decode: from a bool to (outputs, state).
      feed_previous: the tensor.
      count: how many outputs there are.
    """
    structure: Any = None

    def branch(previous: bool) -> list[Any]:
        nonlocal structure
        with variable_scope(get_variable_scope(), reuse=None if previous else True):
            outputs, state = decode(previous)
        structure = state
        return outputs + nest.flatten(state)

    found = cond(feed_previous, lambda: branch(True), lambda: branch(False))
    return found[:count], nest.pack_sequence_as(structure, found[count:])


@public(
    "contrib.legacy_seq2seq.embedding_rnn_seq2seq",
    "contrib.legacy_seq2seq.python.ops.seq2seq.embedding_rnn_seq2seq",
)
def embedding_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`basic_rnn_seq2seq` over ids.

    Args:
      encoder_inputs, decoder_inputs: lists of int32 `[batch]`.
      cell: an `RNNCell`; its copy encodes.
      num_encoder_symbols, num_decoder_symbols: how many ids there are on either side.
      embedding_size: the depth of their vectors.
      output_projection: None for a projection to logits made here, or weights and biases to logits; then
        outputs are the cell's.
      feed_previous: let the decoder read its own best classes; a bool or a scalar bool tensor.
      dtype: of the states; default the scope's.
      scope: a variable scope; default "embedding_rnn_seq2seq".

    Returns:
      (a list of outputs, the last state).
    """
    with variable_scope(scope or "embedding_rnn_seq2seq") as entered:
        if dtype is not None:
            entered.set_dtype(dtype)
        dtype = entered.dtype
        encoder = EmbeddingWrapper(
            copy.deepcopy(cell), embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        _, encoded = static_rnn(encoder, encoder_inputs, dtype=dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)

        def decode(previous: bool, **update: bool) -> tuple[list[Any], Any]:
            return embedding_rnn_decoder(
                decoder_inputs,
                encoded,
                cell,
                num_decoder_symbols,
                embedding_size,
                output_projection=output_projection,
                feed_previous=previous,
                **update,
            )

        if isinstance(feed_previous, bool):
            return decode(feed_previous)
        return _either_way(
            lambda previous: decode(previous, update_embedding_for_previous=False),
            feed_previous,
            len(decoder_inputs),
        )


@public("contrib.legacy_seq2seq.embedding_tied_rnn_seq2seq")
def embedding_tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`tied_rnn_seq2seq` over ids, with one set of vectors.

    Args:
      encoder_inputs, decoder_inputs: lists of int32 `[batch]`.
      cell: an `RNNCell`.
      num_symbols: how many ids there are on both sides.
      embedding_size: the depth of their vectors.
      num_decoder_symbols: how many logits; default `num_symbols`.
      output_projection, feed_previous, dtype: as for `embedding_rnn_seq2seq`.
      scope: a variable scope; default "embedding_tied_rnn_seq2seq".

    Returns:
      (a list of outputs, the last state).

    Raises:
      ValueError: the projection has another shape.
    """
    with variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        check_projection(output_projection, num_symbols, dtype)
        embedding = get_variable("embedding", [num_symbols, embedding_size], dtype=dtype)
        encoded = [embedding_lookup(embedding, x) for x in encoder_inputs]
        decoded = [embedding_lookup(embedding, x) for x in decoder_inputs]
        classes = num_symbols if num_decoder_symbols is None else num_decoder_symbols
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, classes)

        def decode(previous: bool, update: bool) -> tuple[list[Any], Any]:
            loop_function = next_word(embedding, output_projection, update) if previous else None
            return tied_rnn_seq2seq(encoded, decoded, cell, loop_function=loop_function, dtype=dtype)

        if isinstance(feed_previous, bool):
            return decode(feed_previous, True)
        return _either_way(lambda previous: decode(previous, False), feed_previous, len(decoder_inputs))


@public(
    "contrib.legacy_seq2seq.embedding_attention_seq2seq",
    "contrib.legacy_seq2seq.python.ops.seq2seq.embedding_attention_seq2seq",
)
def embedding_attention_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`embedding_rnn_seq2seq` whose decoder attends to all outputs of the encoder.

    Args:
      encoder_inputs, decoder_inputs, cell, num_encoder_symbols, num_decoder_symbols, embedding_size: as for
        `embedding_rnn_seq2seq`.
      num_heads, initial_state_attention: as for `attention_decoder`.
      output_projection, feed_previous, dtype: as for `embedding_rnn_seq2seq`.
      scope: a variable scope; default "embedding_attention_seq2seq".

    Returns:
      (a list of outputs, the last state).
    """
    with variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        encoder = EmbeddingWrapper(
            copy.deepcopy(cell), embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        outputs, encoded = static_rnn(encoder, encoder_inputs, dtype=dtype)
        attention_states = concat([reshape(e, [-1, 1, cell.output_size]) for e in outputs], 1)
        output_size = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            output_size = num_decoder_symbols

        def decode(previous: bool, **update: bool) -> tuple[list[Any], Any]:
            return embedding_attention_decoder(
                decoder_inputs,
                encoded,
                attention_states,
                cell,
                num_decoder_symbols,
                embedding_size,
                num_heads=num_heads,
                output_size=output_size,
                output_projection=output_projection,
                feed_previous=previous,
                initial_state_attention=initial_state_attention,
                **update,
            )

        if isinstance(feed_previous, bool):
            return decode(feed_previous)
        return _either_way(
            lambda previous: decode(previous, update_embedding_for_previous=False),
            feed_previous,
            len(decoder_inputs),
        )


@public("contrib.legacy_seq2seq.one2many_rnn_seq2seq")
def one2many_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs_dict: dict[str, Any],
    enc_cell: Any,
    dec_cells_dict: dict[str, Any],
    num_encoder_symbols: int,
    num_decoder_symbols_dict: dict[str, int],
    embedding_size: int,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One encoder and several decoders, by name.

    Args:
      encoder_inputs: a list of int32 `[batch]`.
      decoder_inputs_dict: such a list for each decoder.
      enc_cell: the cell that encodes.
      dec_cells_dict: a cell for each decoder.
      num_encoder_symbols: how many ids the encoder reads.
      num_decoder_symbols_dict: how many ids each decoder knows.
      embedding_size: the depth of vectors.
      feed_previous, dtype: as for `embedding_rnn_seq2seq`.
      scope: a variable scope; default "one2many_rnn_seq2seq".

    Returns:
      (lists of outputs by decoder, last states by decoder).
    """
    outputs_by, states_by = {}, {}
    with variable_scope(scope or "one2many_rnn_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        encoder = EmbeddingWrapper(
            enc_cell, embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        _, encoded = static_rnn(encoder, encoder_inputs, dtype=dtype)
        for name, decoder_inputs in decoder_inputs_dict.items():
            classes = num_decoder_symbols_dict[name]
            with variable_scope(f"one2many_decoder_{name}", dtype=dtype):
                cell = OutputProjectionWrapper(dec_cells_dict[name], classes)

                def decode(
                    previous: bool, inputs: Any = decoder_inputs, cell: Any = cell, classes: int = classes
                ) -> tuple[list[Any], Any]:
                    return embedding_rnn_decoder(
                        inputs, encoded, cell, classes, embedding_size, feed_previous=previous
                    )

                if isinstance(feed_previous, bool):
                    found = decode(feed_previous)
                else:
                    found = _either_way(decode, feed_previous, len(decoder_inputs))
            outputs_by[name], states_by[name] = found
    return outputs_by, states_by
