"""Decoders over lists of inputs: one piece of graph for each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.contributed.rnn.linear import Linear
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.nn.functions import xw_plus_b
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import stop_gradient, zeros
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.extremes import argmax
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.conv import conv2d
from millrace.ops.nn.softmax import softmax


def next_word(embedding: Any, output_projection: Any, update_embedding: bool = True) -> Callable[..., Tensor]:
    """The function from an output to the vector of its best class.

    Args:
      embedding: `[classes, depth]`.
      output_projection: None, or weights and biases from an output to logits.
      update_embedding: whether gradients go on through the vectors.
    """

    def loop_function(previous: Tensor, _: int) -> Tensor:
        if output_projection is not None:
            previous = xw_plus_b(previous, output_projection[0], output_projection[1])
        vectors = embedding_lookup(embedding, argmax(previous, 1))
        return vectors if update_embedding else stop_gradient(vectors)

    return loop_function


def check_projection(
    output_projection: Any, num_symbols: int, dtype: Any = dtypes.float32, output_size: Any = None
) -> None:
    """Refuses a projection that does not lead to logits of `num_symbols` classes.

    Raises:
      ValueError: it has another shape.
    """
    if output_projection is None:
        return
    weights = convert.to_tensor(output_projection[0], dtype=dtype)
    weights.get_shape().assert_is_compatible_with([output_size, num_symbols])
    biases = convert.to_tensor(output_projection[1], dtype=dtype)
    biases.get_shape().assert_is_compatible_with([num_symbols])


def _fed(loop_function: Any, previous: Any, given: Any, i: int) -> Any:
    """What a step reads: the given input, or what is made of the output before."""
    if loop_function is None or previous is None:
        return given
    with variable_scope("loop_function", reuse=True):
        return loop_function(previous, i)


@public("contrib.legacy_seq2seq.rnn_decoder")
def rnn_decoder(
    decoder_inputs: Any, initial_state: Any, cell: Any, loop_function: Any = None, scope: Any = None
) -> tuple[list[Any], Any]:
    """Runs a cell over a list of inputs, or over its own outputs.

    Args:
      decoder_inputs: a list of `[batch, depth]`.
      initial_state: `[batch, size]`, nested.
      cell: an `RNNCell`.
      loop_function: of (the output before, the step's number) to what is read; the first input is the list's.
      scope: a variable scope; default "rnn_decoder".

    Returns:
      (a list of outputs, the last state).
    """
    with variable_scope(scope or "rnn_decoder"):
        state, outputs, previous = initial_state, [], None
        for i, given in enumerate(decoder_inputs):
            x = _fed(loop_function, previous, given, i)
            if i > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(x, state)
            outputs.append(output)
            if loop_function is not None:
                previous = output
    return outputs, state


@public("contrib.legacy_seq2seq.embedding_rnn_decoder")
def embedding_rnn_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`rnn_decoder` over ids.

    Args:
      decoder_inputs: a list of int32 `[batch]`.
      initial_state, cell: as for `rnn_decoder`.
      num_symbols: how many ids there are.
      embedding_size: the depth of their vectors, the variable `embedding`.
      output_projection: None, or weights `[size, num_symbols]` and biases `[num_symbols]` to logits.
      feed_previous: read the best class of the output before; of the inputs only the first is read.
      update_embedding_for_previous: let gradients reach the vectors of such classes.
      scope: a variable scope; default "embedding_rnn_decoder".

    Returns:
      (a list of outputs, the last state).

    Raises:
      ValueError: the projection has another shape.
    """
    with variable_scope(scope or "embedding_rnn_decoder") as entered:
        check_projection(output_projection, num_symbols, entered.dtype)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop_function = (
            next_word(embedding, output_projection, update_embedding_for_previous) if feed_previous else None
        )
        vectors = (embedding_lookup(embedding, i) for i in decoder_inputs)
        return rnn_decoder(vectors, initial_state, cell, loop_function=loop_function)


class _Heads:
    """Attention to states `[batch, length, size]`, by several heads."""

    def __init__(self, states: Tensor, num_heads: int, dtype: Any) -> None:
        shape = states.get_shape()
        self.length = shape.as_list()[1] if shape.as_list()[1] is not None else shape_of(states)[1]
        self.size: Any = shape.as_list()[2]
        self.dtype = dtype
        # A convolution with windows of one element is a product over the last axis.
        self.hidden = reshape(states, [-1, self.length, 1, self.size])
        self.features, self.vectors = [], []
        for head in range(num_heads):
            kernel = get_variable(f"AttnW_{head}", [1, 1, self.size, self.size], dtype=dtype)
            self.features.append(conv2d(self.hidden, kernel, [1, 1, 1, 1], "SAME"))
            self.vectors.append(get_variable(f"AttnV_{head}", [self.size], dtype=dtype))

    def zeros(self, batch_size: Any) -> list[Tensor]:
        """What was read before the first step."""
        dims = stack([batch_size, self.size])
        found = [zeros(dims, dtype=self.dtype) for _ in self.features]
        for tensor in found:
            tensor.set_shape([None, self.size])
        return found

    def read(self, query: Any) -> list[Tensor]:
        """What each head reads for a query, a state."""
        if nest.is_nested(query):
            leaves = nest.flatten(query)
            for leaf in leaves:
                if leaf.dims is not None and len(leaf.dims) != 2:
                    raise ValueError(f"attention_decoder: states must be matrices. Received: {leaf.shape}")
            query = concat(leaves, 1)
        found = []
        for head, (features, vector) in enumerate(zip(self.features, self.vectors, strict=True)):
            with variable_scope(f"Attention_{head}"):
                y = Linear(query, self.size, True)(query)
                y = cast(reshape(y, [-1, 1, 1, self.size]), self.dtype)
                score = reduce_sum(vector * tanh(features + y), [2, 3])
                weights = cast(softmax(cast(score, dtypes.float32)), self.dtype)
                context = reduce_sum(reshape(weights, [-1, self.length, 1, 1]) * self.hidden, [1, 2])
                found.append(reshape(context, [-1, self.size]))
        return found


@public("contrib.legacy_seq2seq.attention_decoder")
def attention_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: Any = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`rnn_decoder` with attention to the states of an encoder (Vinyals et al. 2014).

    Args:
      decoder_inputs: a list of `[batch, depth]`.
      initial_state: `[batch, size]`, nested.
      attention_states: `[batch, length, size]`.
      cell: an `RNNCell`.
      output_size: the depth of outputs; default the cell's.
      num_heads: how many times each step looks at the states.
      loop_function: of (the output before, the step's number) to what is read.
      dtype: of the attention; default the scope's.
      scope: a variable scope; default "attention_decoder".
      initial_state_attention: look at the states before the first step; else zeros are read.

    Returns:
      (a list of outputs `[batch, output_size]`, the last state).

    Raises:
      ValueError: there are no inputs or heads, or a depth is unknown.
    """
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError(f"With less than 1 heads, use a non-attention decoder. Received: {num_heads}")
    if attention_states.get_shape()[2].value is None:
        raise ValueError(f"Shape[2] of attention_states must be known: {attention_states.get_shape()}")
    depth_out: Any = cell.output_size if output_size is None else output_size
    with variable_scope(scope or "attention_decoder", dtype=dtype) as entered:
        batch_size = shape_of(decoder_inputs[0])[0]
        heads = _Heads(attention_states, num_heads, entered.dtype)
        state, outputs, previous = initial_state, [], None
        read = heads.zeros(batch_size)
        if initial_state_attention:
            read = heads.read(initial_state)
        for i, given in enumerate(decoder_inputs):
            if i > 0:
                get_variable_scope().reuse_variables()
            x = _fed(loop_function, previous, given, i)
            depth = x.get_shape().with_rank(2)[1].value
            if depth is None:
                raise ValueError(f"Could not infer input size from input: {x.name}")
            joined = [x, *read]
            x = Linear(joined, depth, True)(joined)
            cell_output, state = cell(x, state)
            if i == 0 and initial_state_attention:
                with variable_scope(get_variable_scope(), reuse=True):
                    read = heads.read(state)
            else:
                read = heads.read(state)
            with variable_scope("AttnOutputProjection"):
                joined = [cast(cell_output, entered.dtype), *read]
                output = Linear(joined, depth_out, True)(joined)
            if loop_function is not None:
                previous = output
            outputs.append(output)
    return outputs, state


@public("contrib.legacy_seq2seq.embedding_attention_decoder")
def embedding_attention_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`attention_decoder` over ids; arguments as for it and for `embedding_rnn_decoder`.

    Returns:
      (a list of outputs `[batch, output_size]`, the last state).

    Raises:
      ValueError: the projection has another shape.
    """
    output_size = cell.output_size if output_size is None else output_size
    if output_projection is not None:
        biases = convert.to_tensor(output_projection[1], dtype=dtype)
        biases.get_shape().assert_is_compatible_with([num_symbols])
    with variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop_function = (
            next_word(embedding, output_projection, update_embedding_for_previous) if feed_previous else None
        )
        vectors = [embedding_lookup(embedding, i) for i in decoder_inputs]
        return attention_decoder(
            vectors,
            initial_state,
            attention_states,
            cell,
            output_size=output_size,
            num_heads=num_heads,
            loop_function=loop_function,
            initial_state_attention=initial_state_attention,
        )
