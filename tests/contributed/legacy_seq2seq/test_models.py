"""Models over lists: variables, feeding back, losses."""

import numpy as np
import pytest

import millrace as tf

_legacy = tf.contrib.legacy_seq2seq
_cells = tf.nn.rnn_cell


def _ids(*rows):
    return [tf.constant(row) for row in rows]


def test_a_tensor_says_whether_outputs_are_fed_back():
    encoder, decoder = _ids([1, 2], [3, 0]), _ids([0, 1], [2, 2], [1, 3])
    feed = tf.placeholder(tf.bool, [])
    with tf.variable_scope("m"):
        either, state = _legacy.embedding_attention_seq2seq(
            encoder, decoder, _cells.BasicLSTMCell(3), 4, 5, 2, feed_previous=feed
        )
    assert isinstance(state, _cells.LSTMStateTuple)
    fixed = {}
    for previous in (True, False):
        with tf.variable_scope("m", reuse=True):
            fixed[previous], _ = _legacy.embedding_attention_seq2seq(
                encoder, decoder, _cells.BasicLSTMCell(3), 4, 5, 2, feed_previous=previous
            )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for previous in (True, False):
            np.testing.assert_allclose(
                sess.run(either, {feed: previous}), sess.run(fixed[previous]), rtol=1e-6
            )


def test_one_encoder_and_two_decoders():
    outputs, states = _legacy.one2many_rnn_seq2seq(
        _ids([1, 2], [3, 0]),
        {"a": _ids([0, 1]), "b": _ids([1, 1], [0, 2])},
        _cells.GRUCell(3),
        {"a": _cells.GRUCell(3), "b": _cells.GRUCell(3)},
        4,
        {"a": 5, "b": 6},
        2,
    )
    assert [len(outputs["a"]), len(outputs["b"])] == [1, 2]
    assert outputs["b"][0].shape.as_list() == [2, 6] and states["a"].shape.as_list() == [2, 3]


def test_buckets_share_their_variables():
    encoder, decoder = _ids([1, 2], [3, 0]), _ids([0, 1], [2, 2])
    weights = [tf.ones([2])] * 2
    outputs, losses = _legacy.model_with_buckets(
        encoder,
        decoder,
        decoder,
        weights,
        [(1, 1), (2, 2)],
        lambda x, y: _legacy.embedding_tied_rnn_seq2seq(x, y, _cells.GRUCell(3), 4, 2),
        per_example_loss=True,
    )
    assert [len(o) for o in outputs] == [1, 2] and losses[1].shape.as_list() == [2]
    assert len({v.name for v in tf.global_variables()}) == len(tf.global_variables()) == 7


def test_refusals():
    with pytest.raises(ValueError, match="at least 1 input"):
        _legacy.attention_decoder([], tf.zeros([2, 3]), tf.zeros([2, 2, 3]), _cells.GRUCell(3))
    with pytest.raises(ValueError, match="same"):
        _legacy.sequence_loss_by_example([tf.zeros([1, 2])], [], [])
    with pytest.raises(ValueError, match="last bucket"):
        _legacy.model_with_buckets([], [], [], [], [(1, 1)], None)
