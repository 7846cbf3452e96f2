"""Cells that run over all steps: against loops over the same steps."""

import numpy as np
import pytest

import millrace as tf

_rnn = tf.contrib.rnn
_X = np.random.default_rng(5).uniform(-1, 1, [4, 2, 3]).astype(np.float32)


def _run(*values):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(list(values))


@pytest.mark.parametrize("lengths", [None, [4, 2]])
def test_a_run_is_its_steps(lengths):
    with tf.variable_scope("s", initializer=tf.constant_initializer(0.3)):
        outputs, state = _rnn.LSTMBlockFusedCell(3, name="a")(
            tf.constant(_X), dtype=tf.float32, sequence_length=lengths
        )
        cell = _rnn.LSTMBlockCell(3, name="b")
        expected, last = tf.nn.dynamic_rnn(cell, tf.constant(_X), lengths, dtype=tf.float32, time_major=True)
    a, b, c, d = _run(outputs, state.c, expected, last.c)
    np.testing.assert_allclose(a, c, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(b, d, rtol=1e-5, atol=1e-6)


def test_lists_come_back_as_lists():
    steps = tf.unstack(tf.constant(_X))
    outputs, _ = _rnn.LSTMBlockFusedCell(3)(steps, dtype=tf.float32)
    assert isinstance(outputs, list) and len(outputs) == 4
    adapted = _rnn.FusedRNNCellAdaptor(tf.nn.rnn_cell.GRUCell(3), use_dynamic_rnn=True)
    outputs, _ = _rnn.TimeReversedFusedRNN(adapted)(steps, dtype=tf.float32)
    assert isinstance(outputs, list) and len(outputs) == 4


def test_reversed_twice_is_the_same():
    with tf.variable_scope("s", initializer=tf.constant_initializer(0.2)):
        cell = _rnn.FusedRNNCellAdaptor(tf.nn.rnn_cell.GRUCell(3), use_dynamic_rnn=True)
        turned = _rnn.TimeReversedFusedRNN(cell)
        a, _ = turned(tf.constant(_X[::-1].copy()), dtype=tf.float32)
    with tf.variable_scope("s", reuse=True):
        b, _ = cell(tf.constant(_X), dtype=tf.float32)
    first, second = _run(a, b)
    np.testing.assert_allclose(first[::-1], second, rtol=1e-6)


def test_layers_both_ways_read_each_other():
    def cells():
        return [tf.nn.rnn_cell.GRUCell(2), tf.nn.rnn_cell.GRUCell(3)]

    with tf.variable_scope("s", initializer=tf.constant_initializer(0.2)):
        outputs, fw, bw = _rnn.stack_bidirectional_dynamic_rnn(
            cells(), cells(), tf.constant(_X), dtype=tf.float32, time_major=True, sequence_length=[4, 3]
        )
        listed, fw2, _ = _rnn.stack_bidirectional_rnn(
            cells(), cells(), tf.unstack(tf.constant(_X)), dtype=tf.float32, sequence_length=[4, 3]
        )
    a, b, c, d = _run(outputs, tf.stack(listed), fw[1], fw2[1])
    assert a.shape == (4, 2, 6) and bw[0].shape.as_list() == [2, 2]
    np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(c, d, rtol=1e-5)


def test_neither_state_nor_dtype():
    with pytest.raises(ValueError, match="dtype"):
        _rnn.LSTMBlockFusedCell(3)(tf.constant(_X))


def test_lengths_add_no_more_operations_than_needed():
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        x = ((np.arange(12, dtype=np.float32).reshape(2, 6) - 5) / 6)[:, :, None]
        cell = tf.contrib.rnn.LSTMBlockFusedCell(2)
        _, state = cell(tf.constant(x), dtype=tf.float32, sequence_length=[2, 1, 0, 2, 1, 1])
        last = state[1][:2]
        assert tf.get_seed(None)[1] == 64
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            expected = [[0.06637324, -0.0419306], [0.1418618, -0.04231855]]
            np.testing.assert_allclose(session.run(last), expected, rtol=1e-4)
