"""Grids of cells, with the numbers of TensorFlow 1.15."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

G = tf.contrib.grid_rnn
N = tf.contrib.framework.nest

# The first output where all weights are 0.5, and that of a second step, as TensorFlow 1.15.5 gives them.
RECORDED = [
    (lambda: G.Grid1LSTMCell(2), 0.1029, 0.1029),
    (lambda: G.Grid1BasicLSTMCell(2), 0.1029, 0.1029),
    (lambda: G.Grid1BasicRNNCell(2), 0.1489, 0.1489),
    (lambda: G.Grid2LSTMCell(2), 0.1184, 0.1361),
    (lambda: G.Grid2LSTMCell(2, tied=True, use_peepholes=True), 0.1277, 0.1493),
    (lambda: G.Grid2BasicLSTMCell(2, non_recurrent_fn=tf.nn.relu), 0.1929, 0.2401),
    (lambda: G.Grid2BasicRNNCell(2), 0.2903, 0.4139),
    (lambda: G.Grid2GRUCell(2), 0.0685, 0.0986),
    (lambda: G.Grid3LSTMCell(2), 0.1345, 0.1843),
    (lambda: G.Grid2LSTMCell(2, state_is_tuple=False, output_is_tuple=False), 0.1184, 0.1361),
    (lambda: G.GridRNNCell(2, num_dims=2, input_dims=0, output_dims=0, priority_dims=0), 0.1184, 0.1361),
]


@pytest.mark.parametrize(("make", "first", "second"), RECORDED)
def test_numbers_of_1_15(make, first, second):
    with tf.Graph().as_default(), tf.Session() as session:
        cell, x = make(), tf.constant([[0.1, 0.2]])
        with tf.variable_scope("root", initializer=tf.constant_initializer(0.5)):
            one, state = cell(x, cell.zero_state(1, tf.float32))
            tf.get_variable_scope().reuse_variables()
            two, _ = cell(x, state)
        session.run(tf.global_variables_initializer())
        for found, wanted in ((one, first), (two, second)):
            np.testing.assert_allclose(session.run(N.flatten(found)[0]), [[wanted, wanted]], atol=6e-5)


def test_names_and_sizes():
    with tf.Graph().as_default():
        cell = G.Grid2BasicLSTMCell(2, non_recurrent_fn=tf.nn.relu)
        with tf.variable_scope("root"):
            cell(tf.ones([1, 2]), cell.zero_state(1, tf.float32))
        assert [v.op.name.removeprefix("root/Grid2BasicLSTMCell/") for v in tf.global_variables()] == [
            "project_m_0",
            "project_c_0",
            "recurrent/cell_1/basic_lstm_cell/kernel",
            "recurrent/cell_1/basic_lstm_cell/bias",
            "non_recurrent/cell_0/fully_connected/weights",
            "non_recurrent/cell_0/fully_connected/biases",
        ]
        assert cell.state_size == (tf.nn.rnn_cell.LSTMStateTuple(2, 2),)
        assert G.Grid2GRUCell(2).state_size == (2, 2)
        assert G.Grid2LSTMCell(2, state_is_tuple=False, output_is_tuple=False).state_size == 8
        assert cell.output_size == (2,)


def test_inside_a_loop():
    with tf.Graph().as_default(), tf.Session() as session:
        cell = G.Grid2LSTMCell(3, output_is_tuple=False)
        outputs, _ = tf.nn.dynamic_rnn(cell, tf.ones([2, 4, 5]), dtype=tf.float32)
        session.run(tf.global_variables_initializer())
        assert session.run(outputs).shape == (2, 4, 3)


@pytest.mark.parametrize(
    "kwargs", [{"num_dims": 0}, {"input_dims": 1}, {"num_dims": 2, "non_recurrent_dims": 1}]
)
def test_dimensions_that_cannot_be(kwargs):
    with pytest.raises(ValueError, match=r"num_dims|non_recurrent_fn"):
        G.GridRNNCell(2, **kwargs)


_RISING = (np.arange(8, dtype=np.float32).reshape(2, 4) - 3) / 4


@pytest.mark.parametrize(
    ("make", "expected", "count"),
    [
        (lambda: tf.contrib.grid_rnn.Grid1LSTMCell(3), [0.1602552, -0.2073534], 75),
        (lambda: tf.contrib.grid_rnn.Grid2LSTMCell(3, use_peepholes=True), [0.0506787, -0.2237922], 198),
        (lambda: tf.contrib.grid_rnn.Grid2GRUCell(3), [0.2166719, 0.1510213], 129),
        (lambda: tf.contrib.grid_rnn.GridRNNCell(3, 2, [0, 1], [0, 1]), [0.0447273, 0.1914971], 146),
    ],
)
def test_operations_are_drawn_in_order(make, expected, count):
    """Variables without a seed of their own take it from the number of operations before them."""
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        cell = make()
        outputs, _ = cell(tf.constant(_RISING), cell.zero_state(2, tf.float32))
        assert tf.get_seed(None)[1] == count
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            np.testing.assert_allclose(session.run(outputs[-1])[:, 0], expected, rtol=1e-4)
