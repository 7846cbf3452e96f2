"""Recurrent cells and the functions that run them over time, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

RNG = np.random.RandomState(0)
INPUTS = RNG.randn(2, 5, 4).astype(np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _lstm(kernel: np.ndarray, bias: np.ndarray, inputs: np.ndarray, lengths: list[int]) -> np.ndarray:
    units = bias.size // 4
    c, h = np.zeros((2, len(inputs), units))
    outputs = []
    for t in range(inputs.shape[1]):
        i, j, f, o = np.split(np.concatenate([inputs[:, t], h], 1) @ kernel + bias, 4, 1)
        new_c = c * _sigmoid(f + 1) + _sigmoid(i) * np.tanh(j)
        new_h = np.tanh(new_c) * _sigmoid(o)
        on = (t < np.array(lengths))[:, None]
        c, h = np.where(on, new_c, c), np.where(on, new_h, h)
        outputs.append(np.where(on, new_h, 0))
    return np.stack(outputs, 1)


@pytest.mark.parametrize("lengths", [None, [3, 5]])
@pytest.mark.parametrize("static", [False, True])
def test_lstm_over_time(lengths: Any, static: bool) -> None:
    cell = tf.nn.rnn_cell.BasicLSTMCell(3)
    if static:
        outputs, _ = tf.nn.static_rnn(
            cell, tf.unstack(INPUTS, axis=1), dtype=tf.float32, sequence_length=lengths
        )
        outputs = tf.stack(outputs, 1)
    else:
        outputs, _ = tf.nn.dynamic_rnn(cell, INPUTS, sequence_length=lengths, dtype=tf.float32)
    assert outputs.shape.as_list() == [2, 5, 3]
    assert [v.name for v in tf.global_variables()] == [
        "rnn/basic_lstm_cell/kernel:0",
        "rnn/basic_lstm_cell/bias:0",
    ]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, kernel, bias = sess.run([outputs, *cell.variables])
    np.testing.assert_allclose(found, _lstm(kernel, bias, INPUTS, lengths or [5, 5]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.nn.rnn_cell.BasicRNNCell(3),
        lambda: tf.nn.rnn_cell.GRUCell(3),
        lambda: tf.nn.rnn_cell.LSTMCell(3, use_peepholes=True, num_proj=2, cell_clip=0.5),
        lambda: tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.GRUCell(4), tf.nn.rnn_cell.BasicLSTMCell(3)]),
        lambda: tf.nn.rnn_cell.ResidualWrapper(tf.nn.rnn_cell.GRUCell(4)),
    ],
)
def test_loop_and_unrolled_agree(make: Any) -> None:
    """The loop gives what one step after another gives, and so do its gradients."""
    with tf.variable_scope("shared", initializer=tf.random_normal_initializer(stddev=0.5, seed=3)) as scope:
        looped, _ = tf.nn.dynamic_rnn(make(), INPUTS, dtype=tf.float32, scope="rnn")
    with tf.variable_scope(scope, reuse=True):
        unrolled, _ = tf.nn.static_rnn(make(), tf.unstack(INPUTS, axis=1), dtype=tf.float32, scope="rnn")
    variables = tf.trainable_variables()
    first = tf.gradients(tf.reduce_sum(looped**2), variables)
    second = tf.gradients(tf.reduce_sum(tf.stack(unrolled, 1) ** 2), variables)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b = sess.run([[looped, *first], [tf.stack(unrolled, 1), *second]])
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_both_directions() -> None:
    cells = tf.nn.rnn_cell.GRUCell(3), tf.nn.rnn_cell.GRUCell(2)
    (forwards, backwards), _ = tf.nn.bidirectional_dynamic_rnn(
        *cells, INPUTS, sequence_length=[3, 5], dtype=tf.float32
    )
    assert {v.name.rpartition("/")[0] for v in tf.global_variables()} == {
        f"bidirectional_rnn/{d}/gru_cell/{part}" for d in ("fw", "bw") for part in ("gates", "candidate")
    }
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b = sess.run([forwards, backwards])
    assert not a[0, 3:].any() and not b[0, 3:].any() and b[0, 2].any()


def test_dropout_keeps_the_expectation_and_repeats() -> None:
    cell = tf.nn.rnn_cell.DropoutWrapper(tf.nn.rnn_cell.GRUCell(50), output_keep_prob=0.5, seed=7)
    outputs, _ = tf.nn.dynamic_rnn(cell, INPUTS, dtype=tf.float32)
    values = []
    for _ in range(2):
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            values.append(sess.run(outputs))
    assert np.array_equal(*values)
    assert 0.3 < (values[0] == 0).mean() < 0.7


def test_what_is_wrong_is_said() -> None:
    cell = tf.nn.rnn_cell.GRUCell(3)
    with pytest.raises(ValueError, match="must give a dtype"):
        tf.nn.dynamic_rnn(cell, INPUTS)
    with pytest.raises(ValueError, match="depth of inputs"):
        tf.nn.dynamic_rnn(cell, tf.placeholder(tf.float32, [2, 5, None]), dtype=tf.float32)
    with pytest.raises(TypeError, match="is not an RNNCell"):
        tf.nn.dynamic_rnn(3, INPUTS, dtype=tf.float32)
    with pytest.raises(ValueError, match="at least one cell"):
        tf.nn.rnn_cell.MultiRNNCell([])
    with pytest.raises(ValueError, match="between 0 and 1"):
        tf.nn.rnn_cell.DropoutWrapper(cell, input_keep_prob=1.5)


def test_raw_rnn_ends_all_rows_at_once_where_the_loop_function_says_so_with_a_scalar() -> None:
    cell = tf.nn.rnn_cell.GRUCell(3)
    rows = tf.TensorArray(tf.float32, 4).unstack(tf.ones([4, 2, 3]))

    def step(time, output, state, loop_state):
        done = time >= 4
        state = cell.zero_state(2, tf.float32) if output is None else state
        return (
            done,
            tf.cond(done, lambda: tf.zeros([2, 3]), lambda: rows.read(time)),
            state,
            output,
            loop_state,
        )

    outputs, last, _ = tf.nn.raw_rnn(cell, step)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, state = sess.run([outputs.stack(), last])
    assert found.shape == (4, 2, 3)
    np.testing.assert_array_equal(found[-1], state)


def test_sizes_may_be_whole_floats():
    cell = tf.nn.rnn_cell.LSTMCell(4 / 2)
    out, state = tf.nn.dynamic_rnn(cell, tf.ones([2, 3, 5]), dtype=tf.float32)
    assert out.shape.as_list() == [2, 3, 2] and state.c.shape.as_list() == [2, 2]


def test_a_cell_may_say_whether_it_is_trained_before_anything_else():
    class Cell(tf.nn.rnn_cell.RNNCell):
        def __init__(self):
            self.trainable = False

    assert Cell().trainable is False


def test_a_static_network_with_lengths_leaves_ended_steps_out():
    tf.set_random_seed(4)
    steps = [tf.constant(np.full([2, 3], t + 1.0), tf.float32) for t in range(4)]
    outputs, state = tf.nn.static_rnn(
        tf.nn.rnn_cell.GRUCell(2), steps, sequence_length=tf.constant([1, 3], tf.int64), dtype=tf.float32
    )
    names = [op.name for op in tf.get_default_graph().get_operations()]
    assert "rnn/cond_3/cond/Select" in names and "rnn/cond/gru_cell/MatMul_1" in names
    whole, _ = tf.nn.static_rnn(
        tf.nn.rnn_cell.GRUCell(2), steps, dtype=tf.float32, scope=tf.VariableScope(True, "rnn")
    )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, wanted, kept = sess.run([outputs, whole, state])
    for t in range(4):
        for row, length in enumerate([1, 3]):
            assert found[t][row] == pytest.approx(wanted[t][row] if t < length else np.zeros(2))
    assert kept[0] == pytest.approx(wanted[0][0]) and kept[1] == pytest.approx(wanted[2][1])
    gradient = tf.gradients(outputs[2], steps[2])[0]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        slope = sess.run(gradient)
    assert not slope[0].any() and slope[1].any()


def test_states_leave_the_loop_under_the_names_of_1_15():
    with tf.Graph().as_default():
        _, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(2), tf.ones([1, 3, 2]), dtype=tf.float32)
        assert state.name == "rnn/while/Exit_3:0"  # after the counter's, the time's and the outputs'


def test_a_joined_state_is_sliced_as_in_1_15():
    """Of which the default seeds of what follows are counted."""
    with tf.Graph().as_default() as graph:
        cell = tf.nn.rnn_cell.LSTMCell(4, num_proj=3, state_is_tuple=False)
        cell(tf.ones([2, 5]), tf.ones([2, 7]))
        assert [op.name for op in graph.get_operations() if op.type in ("Slice", "Split")] == [
            f"lstm_cell/{name}" for name in ("Slice", "Slice_1", "split")
        ]


def test_wrappers_tell_their_cell_and_what_they_keep() -> None:
    cell = tf.nn.rnn_cell.GRUCell(3)
    wrapped = tf.nn.rnn_cell.DropoutWrapper(cell, 0.5, output_keep_prob=0.25)
    assert wrapped.cell is wrapped.wrapped_cell is cell
    kept = (wrapped._input_keep_prob, wrapped._output_keep_prob, wrapped._state_keep_prob)
    assert [float(p) for p in kept] == [0.5, 0.25, 1.0]
    assert not wrapped._variational_recurrent and callable(wrapped._dropout_state_filter)
    assert tf.nn.rnn_cell.ResidualWrapper(cell).cell is cell
