"""Attention: weights, walks, wrappers and what they refuse."""

import importlib

import numpy as np
import pytest

import millrace as tf

_seq2seq = tf.contrib.seq2seq
_MEMORY = np.random.default_rng(5).uniform(-1, 1, [2, 5, 3]).astype(np.float32)


def _run(*values):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(list(values))


@pytest.mark.parametrize("kind", ["LuongAttention", "BahdanauAttention"])
def test_no_weight_beyond_the_lengths(kind):
    mechanism = getattr(_seq2seq, kind)(3, _MEMORY, [5, 2])
    weights, _ = mechanism(tf.ones([2, 3]), None)
    (found,) = _run(weights)
    assert not found[1, 2:].any()
    np.testing.assert_allclose(found.sum(1), [1, 1], rtol=1e-6)


def test_the_three_walks_agree():
    p = np.float32([[0.2, 0.7, 0.4], [0.5, 0.1, 0.6]])
    before = np.float32([[1, 0, 0], [0.3, 0.5, 0.2]])
    a, b = _run(*(_seq2seq.monotonic_attention(p, before, mode) for mode in ("recursive", "parallel")))
    np.testing.assert_allclose(a, b, rtol=1e-5)
    hard = np.float32([[0, 1, 1], [0, 0, 1]])
    c, d = _run(
        *(_seq2seq.monotonic_attention(hard, [[1.0, 0, 0]] * 2, mode) for mode in ("recursive", "hard"))
    )
    np.testing.assert_allclose(c, d, atol=1e-6)


def test_hardmax_takes_the_first_of_equal_ones():
    assert _run(_seq2seq.hardmax([[1.0, 3.0, 3.0]]))[0].tolist() == [[0, 1, 0]]


def test_wrapper_of_two_memories_keeps_its_history():
    mechanisms = [_seq2seq.LuongAttention(4, _MEMORY), _seq2seq.BahdanauMonotonicAttention(3, _MEMORY)]
    cell = _seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.GRUCell(4), mechanisms, attention_layer_size=[2, 3], alignment_history=True
    )
    state = cell.zero_state(2, tf.float32)
    for _ in range(3):
        output, state = cell(tf.ones([2, 2]), state)
    assert output.shape.as_list() == [2, 5]
    first, second = _run(*(h.stack() for h in state.alignment_history))
    assert first.shape == second.shape == (3, 2, 5)


def test_a_state_is_copied_with_other_fields():
    cell = _seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), _seq2seq.LuongAttention(3, _MEMORY))
    state = cell.zero_state(2, tf.float32)
    assert state.clone(cell_state=tf.ones([2, 3])).attention is state.attention
    with pytest.raises(ValueError):
        state.clone(cell_state=tf.ones([3, 3]))


def test_refusals():
    gru = tf.nn.rnn_cell.GRUCell(3)
    luong = _seq2seq.LuongAttention(3, _MEMORY)
    with pytest.raises(TypeError, match="attention_mechanism"):
        _seq2seq.AttentionWrapper(gru, 3)
    with pytest.raises(TypeError, match="cell"):
        _seq2seq.AttentionWrapper(3, luong)
    with pytest.raises(ValueError, match="not both"):
        _seq2seq.AttentionWrapper(gru, luong, attention_layer_size=2, attention_layer=tf.layers.Dense(2))
    with pytest.raises(ValueError, match="one attention layer"):
        _seq2seq.AttentionWrapper(gru, luong, attention_layer_size=[2, 3])
    with pytest.raises(TypeError, match="AttentionWrapperState"):
        _seq2seq.AttentionWrapper(gru, luong)(tf.ones([2, 2]), tf.ones([2, 3]))
    with pytest.raises(ValueError, match="inner dimensions"):
        luong(tf.ones([2, 4]), None)
    with pytest.raises(ValueError, match="mode"):
        _seq2seq.monotonic_attention(tf.ones([1, 2]), tf.ones([1, 2]), "soft")


def test_a_wrong_batch_is_found_when_run():
    cell = _seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), _seq2seq.LuongAttention(3, _MEMORY))
    count = tf.placeholder(tf.int32, [])
    state = cell.zero_state(count, tf.float32)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError):
        sess.run(state.cell_state, {count: 3})


@pytest.mark.parametrize("kind", ["LuongAttention", "BahdanauMonotonicAttention"])
def test_a_memory_of_any_size(kind):
    memory, lengths = tf.placeholder(tf.float32, [None, None, 3]), tf.placeholder(tf.int32, [None])
    cell = _seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.GRUCell(3), getattr(_seq2seq, kind)(3, memory, lengths), attention_layer_size=2
    )
    helper = _seq2seq.TrainingHelper(memory, lengths)
    decoder = _seq2seq.BasicDecoder(cell, helper, cell.zero_state(tf.shape(memory)[0], tf.float32))
    outputs, state, _ = _seq2seq.dynamic_decode(decoder)
    grads = tf.gradients(tf.reduce_sum(outputs.rnn_output), tf.trainable_variables())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for time in (5, 3):
            feed = {memory: _MEMORY[:, :time], lengths: [time, 2]}
            found, weights, *_ = sess.run([outputs.rnn_output, state.alignments, *grads], feed)
            assert found.shape == (2, time, 2) and weights.shape == (2, time)


def _private(name):
    return getattr(importlib.import_module("millrace.contrib.seq2seq.python.ops.attention_wrapper"), name)


def test_scores_are_masked_by_lengths_or_by_a_mask():
    masked, scores = _private("_maybe_mask_score"), tf.constant([[1.0, 2.0], [3.0, 4.0]])
    by_length = masked(scores, tf.constant([1, 2]), score_mask_value=-9.0)
    by_mask = masked(scores, None, scores > 2, -9.0)
    assert [x.tolist() for x in _run(by_length, by_mask)] == [[[1, -9], [3, 4]], [[-9, -9], [3, 4]]]
    with pytest.raises(ValueError, match="can't be provided at same time"):
        masked(scores, tf.constant([1, 2]), scores > 2, -9.0)


def test_a_mechanism_of_a_program_derives_from_the_base():
    class Cosine(_private("_BaseAttentionMechanism")):
        def __init__(self, memory):
            super().__init__(None, memory, lambda score, _: tf.nn.softmax(score), [5, 2])

        def __call__(self, query, state):
            score = _private("_luong_score")(query, tf.nn.l2_normalize(self.keys, -1), None)
            weights = self._probability_fn(score, state)
            return weights, weights

    memory = _private("_prepare_memory")(_MEMORY, None, tf.sequence_mask([5, 2], 5))
    read, weights, _ = _private("_compute_attention")(Cosine(memory), tf.ones([2, 3]), None, None)
    read, weights = _run(read, weights)
    assert read.shape == (2, 3) and not weights[1, 2:].any()
