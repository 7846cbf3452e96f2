"""`tf.contrib.recurrent`, with the numbers of TensorFlow 1.15.5."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

R = tf.contrib.recurrent
X = np.random.RandomState(0).rand(2, 4, 3).astype(np.float32)
STEPS = X[0][:, :1].reshape(4, 1, 1).repeat(2, 1)


def cell(theta, state, inputs):
    return tf.tanh(tf.matmul(state, theta) + inputs), ()


def run(*values):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(list(values))


def test_structures_and_gradients():
    def two(theta, state, inputs):
        h = tf.tanh(tf.matmul(state["h"], theta["w"]) + inputs["x"] + theta["b"])
        return {"h": h, "n": state["n"] + 1.0}, {"e": h * 2.0}

    with tf.Graph().as_default():
        theta = {"w": tf.constant([[0.5]]), "b": tf.constant([0.1])}
        start, inputs = {"h": tf.zeros([2, 1]), "n": tf.zeros([])}, {"x": tf.constant(STEPS)}
        every, last = R.Recurrent(theta, start, inputs, two, extras={"e": tf.zeros([2, 1])})
        loss = tf.reduce_sum(every["h"] * every["h"]) + last["n"]
        to_w, to_b, to_x = tf.gradients(loss, [theta["w"], theta["b"], inputs["x"]])
        h, n, end, to_w, to_b, to_x = run(every["h"], every["n"], last["h"], to_w, to_b, to_x)
    np.testing.assert_allclose(h[:, 0, 0], [0.57087, 0.73074, 0.71774, 0.68703], atol=1e-5)
    np.testing.assert_array_equal(n, [1, 2, 3, 4])
    np.testing.assert_array_equal(end, h[-1])
    np.testing.assert_allclose([to_w.item(), to_b.item()], [3.32521, 7.09856], atol=1e-5)
    np.testing.assert_allclose(to_x[:, 0, 0], [1.06769, 0.88423, 0.87188, 0.72549], atol=1e-5)


@pytest.mark.parametrize(
    ("count", "at_end", "states", "to_theta", "to_start"),
    [
        (2, False, [0.49963, 0.66106, 0.0, 0.0], 0.56258, 0.4808),
        (3, True, [0.0, 0.49668, 0.59536, 0.59225], 1.62249, 0.5377),
    ],
)
def test_steps_that_count(count, at_end, states, to_theta, to_start):
    with tf.Graph().as_default():
        theta, start = tf.constant([[0.5]]), tf.zeros([2, 1])
        every, last = R.Recurrent(
            theta, start, tf.constant(STEPS), cell, max_input_length=count, aligned_end=at_end
        )
        found = run(every, last, *tf.gradients(tf.reduce_sum(every), [theta, start]))
    np.testing.assert_allclose(found[0][:, 0, 0], states, atol=1e-5)
    np.testing.assert_allclose(found[1][0, 0], [s for s in states if s][-1], atol=1e-5)
    np.testing.assert_allclose([found[2].item(), found[3][0, 0]], [to_theta, to_start], atol=1e-5)


def test_a_gradient_of_its_own():
    def step(theta, state, inputs):
        return tf.tanh(tf.matmul(state, theta) + inputs), {"a": inputs * 3.0}

    def gradient(theta, state, inputs, extras, d_state):
        return tf.reduce_sum(extras["a"]) * tf.ones([1, 1]), d_state * 0.5, d_state * 2.0

    with tf.Graph().as_default():
        sources = theta, inputs, start = tf.constant([[0.5]]), tf.constant(STEPS), tf.zeros([2, 1])
        every, last = R.Recurrent(theta, start, inputs, step, gradient, extras={"a": tf.zeros([2, 1])})
        loss = tf.reduce_sum(every * 2) + tf.reduce_sum(last)
        to_theta, to_inputs, to_start = run(*tf.gradients(loss, sources))
    np.testing.assert_allclose(to_theta, [[11.48835]], atol=1e-5)
    np.testing.assert_allclose(to_inputs[:, 1, 0], [7.75, 7.5, 7.0, 6.0])
    np.testing.assert_allclose(to_start, [[1.9375]] * 2)


def test_a_state_of_another_structure_is_refused():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="structure"):
        R.Recurrent(
            tf.zeros([1, 1]), tf.zeros([2, 1]), tf.constant(STEPS), lambda theta, state, x: ([state, x], ())
        )


def test_networks_of_cells():
    with tf.Graph().as_default():
        tf.set_random_seed(3)
        outputs, state = R.functional_rnn(
            tf.nn.rnn_cell.BasicLSTMCell(2), tf.constant(X), dtype=tf.float32, sequence_length=[2, 4]
        )
        assert [v.op.name for v in tf.global_variables()] == [
            "rnn/basic_lstm_cell/kernel",
            "rnn/basic_lstm_cell/bias",
        ]
        outputs, state = run(outputs, state)
    np.testing.assert_allclose(
        outputs[0], [[0.17363, -0.06612], [0.28899, -0.11431], [0, 0], [0, 0]], atol=1e-5
    )
    np.testing.assert_allclose(state.c, [[0.55386, -0.23791], [0.9474, -0.4697]], atol=1e-5)


@pytest.mark.parametrize("lengths", [None, [2, 4]])
def test_both_directions(lengths):
    with tf.Graph().as_default():
        cells = [tf.nn.rnn_cell.GRUCell(2, kernel_initializer=tf.ones_initializer()) for _ in range(4)]
        inputs = tf.constant(X)
        given = {"dtype": tf.float32, "sequence_length": lengths}
        (ahead, back), (_, state) = R.bidirectional_functional_rnn(cells[0], cells[1], inputs, **given)
        assert tf.global_variables()[-1].op.name == "bidirectional_rnn/bw/gru_cell/candidate/bias"
        one, _ = R.functional_rnn(cells[2], inputs, scope="a", **given)
        other, end = R.functional_rnn(cells[3], inputs, scope="b", reverse=True, **given)
        ahead, back, state, one, other, end = run(ahead, back, state, one, other, end)
    np.testing.assert_array_equal(ahead, one)
    np.testing.assert_array_equal(back, other)
    np.testing.assert_array_equal(state, end)
    np.testing.assert_array_equal(back[:, 0], end)


def test_a_fast_turn_takes_no_notice_of_lengths():
    with tf.Graph().as_default():
        cells = [tf.nn.rnn_cell.GRUCell(2, kernel_initializer=tf.ones_initializer()) for _ in range(2)]
        inputs = tf.constant(X.transpose(1, 0, 2))
        given = {"dtype": tf.float32, "time_major": True}
        (_, back), _ = R.bidirectional_functional_rnn(
            *cells, inputs, sequence_length=[2, 4], fast_reverse=True, **given
        )
        assert back.shape.as_list() == [4, 2, 2]
        assert (run(back)[0][:, 0] != 0).all()
        with pytest.raises(TypeError, match="dtype of the state must be given"):
            R.functional_rnn(cells[0], inputs, scope="again")
