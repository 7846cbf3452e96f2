"""Cells: names of variables, sizes of states, what is computed, what is refused."""

import numpy as np
import pytest

import millrace as tf

_rnn = tf.contrib.rnn
_cells = tf.nn.rnn_cell
_X = np.random.default_rng(5).uniform(-1, 1, [2, 4]).astype(np.float32)

_STEPS = [
    (lambda: _rnn.UGRNNCell(3), ["kernel", "bias"]),
    (lambda: _rnn.IntersectionRNNCell(4), ["kernel", "bias"]),
    (lambda: _rnn.NASCell(3, 2, True), ["recurrent_kernel", "kernel", "bias", "projection_weights"]),
    (lambda: _rnn.SRUCell(3), ["kernel", "bias"]),
    (lambda: _rnn.IndRNNCell(3), ["kernel_w", "kernel_u", "bias"]),
    (lambda: _rnn.IndyLSTMCell(3), ["kernel_w", "kernel_u", "bias"]),
    (lambda: _rnn.LayerNormBasicLSTMCell(3, layer_norm=False), ["kernel", "bias"]),
    (lambda: _rnn.CoupledInputForgetGateLSTMCell(3, num_unit_shards=2), ["W_0", "W_1", "B"]),
    (lambda: _rnn.TimeFreqLSTMCell(3, feature_size=2), ["W_0", "B"]),
    (lambda: _rnn.LSTMBlockCell(3), ["kernel", "bias"]),
    (lambda: _rnn.GRUBlockCell(3), ["w_ru", "b_ru", "w_c", "b_c"]),
]


@pytest.mark.parametrize(("make", "names"), _STEPS)
def test_variables_belong_to_the_cell(make, names):
    cell = make()
    cell(tf.constant(_X), cell.zero_state(2, tf.float32))
    assert [v.op.name.split("/")[-1] for v in tf.global_variables()] == names
    assert {v.name for v in cell.trainable_variables} == {v.name for v in tf.trainable_variables()}
    before = len(tf.global_variables())
    cell(tf.constant(_X), cell.zero_state(2, tf.float32))
    assert len(tf.global_variables()) == before


@pytest.mark.parametrize("couple", [False, True])
def test_grid_in_blocks(couple):
    cell = _rnn.GridLSTMCell(
        3,
        use_peepholes=True,
        feature_size=2,
        frequency_skip=1,
        num_frequency_blocks=[2, 1],
        start_freqindex_list=[0, 2],
        end_freqindex_list=[3, 4],
        couple_input_forget_gates=couple,
    )
    outputs, state = tf.nn.dynamic_rnn(cell, tf.constant(np.repeat(_X[:, None, :], 3, 1)), dtype=tf.float32)
    assert outputs.shape.as_list() == [2, 3, 18] and state._fields[4] == "state_f00_b01_c"
    assert cell.state_tuple_type(*[3] * 6) == cell.state_size


def test_grid_both_ways():
    cell = _rnn.BidirectionalGridLSTMCell(
        3, feature_size=2, frequency_skip=1, num_frequency_blocks=[3], backward_slice_offset=1
    )
    output, state = cell(tf.constant(_X), cell.zero_state(2, tf.float32))
    assert output.shape.as_list() == [2, 36] and state._fields[-1] == "bwd_state_f02_b00_m"


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutional_memories(rank):
    kind = [_rnn.Conv1DLSTMCell, _rnn.Conv2DLSTMCell, _rnn.Conv3DLSTMCell][rank - 1]
    cell = kind(
        input_shape=[4] * rank + [2], output_channels=3, kernel_shape=[3] * rank, skip_connection=True
    )
    outputs, state = tf.nn.dynamic_rnn(cell, tf.ones([2, 5, *[4] * rank, 2]), dtype=tf.float32)
    assert outputs.shape.as_list() == [2, 5, *[4] * rank, 5] and state.h.shape.as_list() == [
        2,
        *[4] * rank,
        3,
    ]


def test_a_phased_memory_keeps_still_while_it_is_closed():
    cell = _rnn.PhasedLSTMCell(3, leak=0.0, ratio_on=0.1)
    start = _cells.LSTMStateTuple(tf.ones([2, 3]), tf.ones([2, 3]))
    time = tf.placeholder(tf.float32, [2, 1])
    _, state = cell((time, tf.constant(_X)), start)
    period, phase = tf.trainable_variables()[-3:-1]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run([period.assign([10.0] * 3), phase.assign([0.0] * 3)])
        closed, opened = (sess.run(state.c, {time: [[t], [t]]}) for t in (5.0, 0.5))
    assert np.array_equal(closed, np.ones([2, 3])) and not np.allclose(opened, 1)


def test_wrappers():
    state = tf.zeros([2, 4])
    highway = _rnn.HighwayWrapper(_cells.GRUCell(4), carry_bias_init=50.0)
    same, _ = highway(tf.constant(_X), state)
    gru = _cells.GRUCell(4)
    plain, _ = gru(tf.constant(_X), state)
    other, _ = _rnn.CompiledWrapper(gru)(tf.constant(_X), state)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(same), _X, rtol=1e-5)
        np.testing.assert_allclose(*sess.run([plain, other]))


def test_refusals():
    cell = _cells.GRUCell(3)
    for make, error in [
        (lambda: _rnn.AttentionCellWrapper(_cells.LSTMCell(3), 2, state_is_tuple=False), ValueError),
        (lambda: _rnn.AttentionCellWrapper(cell, 0), ValueError),
        (lambda: _rnn.EmbeddingWrapper(cell, 0, 3), ValueError),
        (lambda: _rnn.OutputProjectionWrapper(cell, 0), ValueError),
        (lambda: _rnn.InputProjectionWrapper(3, 2), TypeError),
        (lambda: _rnn.GLSTMCell(4, number_of_groups=3), ValueError),
        (lambda: _rnn.ConvLSTMCell(2, [4, 1], 2, [3]), ValueError),
        (lambda: _rnn.GRUBlockCell(), ValueError),
        (lambda: _rnn.GridLSTMCell(3), ValueError),
        (lambda: _rnn.IntersectionRNNCell(3)(tf.constant(_X), tf.zeros([2, 3])), ValueError),
        (lambda: _rnn.stack_bidirectional_rnn([], [], []), ValueError),
        (lambda: _rnn.stack_bidirectional_dynamic_rnn([cell], [cell, cell], tf.ones([1, 2, 3])), ValueError),
    ]:
        with pytest.raises(error):
            make()


_RISING = (np.arange(12, dtype=np.float32).reshape(2, 6) - 5) / 6


def _joined_grid():
    return _rnn.GridLSTMCell(
        4,
        True,
        True,
        1.0,
        feature_size=2,
        frequency_skip=2,
        num_frequency_blocks=[3],
        couple_input_forget_gates=True,
        state_is_tuple=False,
    )


_SEEDED = [
    (_joined_grid, [[0.04407053, -0.07528653], [-0.02779198, 0.01372345]], 246),
    (
        lambda: _rnn.GLSTMCell(6, tf.ones_initializer(), 3, 3, 0.3),
        [[-4.122220e-05, -8.240550e-02], [-0.3591279, 0.7013181]],
        119,
    ),
    (
        lambda: _rnn.CoupledInputForgetGateLSTMCell(5, True, num_proj=3, proj_clip=0.3),
        [[-0.0195721, 0.02322419], [0.14197218, -0.02094069]],
        93,
    ),
    (lambda: _rnn.IndyLSTMCell(3), [[-0.01350296, -0.08957955], [-0.15677568, -0.0601973]], 65),
]


@pytest.mark.parametrize(("make", "expected", "count"), _SEEDED)
def test_operations_are_drawn_in_order(make, expected, count):
    """Variables without a seed of their own take it from the number of operations before them."""
    tf.set_random_seed(7)
    cell = make()
    joined = isinstance(cell.state_size, int)
    state = tf.zeros([2, cell.state_size]) if joined else cell.zero_state(2, tf.float32)
    output = cell(tf.constant(_RISING), state)[0][:, :2]
    assert tf.get_seed(None)[1] == count
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(output), expected, rtol=1e-4, atol=1e-7)


def test_projections_stand_beside_the_gates():
    cell = _rnn.GLSTMCell(6, tf.ones_initializer(), 3, 3)
    output, _ = cell(tf.constant(_RISING), cell.zero_state(2, tf.float32))
    assert output.op.name == "glstm_cell/projection/MatMul"


def test_a_saved_state_is_told_apart():
    class Saver:
        def state(self, name):
            return tf.zeros([2, 4])

        def save_state(self, name, value):
            return tf.no_op(name="saved")

    outputs, state = _rnn.static_state_saving_rnn(_rnn.GRUCell(4), [tf.constant(_RISING)] * 2, Saver(), "s")
    assert (
        [op.name for op in state.op.control_inputs]
        == ["saved"]
        == [op.name for op in outputs[-1].op.control_inputs]
    )
