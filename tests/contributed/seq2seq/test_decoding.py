"""Decoders: what they read, when they stop, what they refuse."""

import numpy as np
import pytest

import millrace as tf

_seq2seq = tf.contrib.seq2seq
_cells = tf.nn.rnn_cell
_X = np.random.default_rng(5).uniform(-1, 1, [2, 4, 3]).astype(np.float32)
_WORDS = np.random.default_rng(6).uniform(-1, 1, [5, 3]).astype(np.float32)


def _run(*values):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(list(values))


def _decode(helper, **options):
    cell = _cells.GRUCell(3)
    decoder = _seq2seq.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
    return _seq2seq.dynamic_decode(decoder, **options)


def test_training_reads_like_dynamic_rnn():
    helper = _seq2seq.TrainingHelper(_X, [4, 2])
    cell = _cells.GRUCell(3, kernel_initializer=tf.ones_initializer())
    decoder = _seq2seq.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
    outputs, state, lengths = _seq2seq.dynamic_decode(decoder, impute_finished=True)
    other = _cells.GRUCell(3, kernel_initializer=tf.ones_initializer())
    expected, last = tf.nn.dynamic_rnn(other, tf.constant(_X), [4, 2], dtype=tf.float32)
    a, b, n, c, d = _run(outputs.rnn_output, state, lengths, expected, last)
    np.testing.assert_allclose(a, c, rtol=1e-6)
    np.testing.assert_allclose(b, d, rtol=1e-6)
    assert n.tolist() == [4, 2]


def test_maximum_iterations_and_time_major():
    helper = _seq2seq.TrainingHelper(_X, [4, 2])
    outputs, _, lengths = _decode(helper, maximum_iterations=3, output_time_major=True)
    assert outputs.rnn_output.shape.as_list() == [None, 2, 3]
    a, n = _run(outputs.rnn_output, lengths)
    assert a.shape == (3, 2, 3) and n.tolist() == [3, 2]


def test_scheduled_sampling_at_its_ends():
    never = _decode(_seq2seq.ScheduledEmbeddingTrainingHelper(_X, [4, 2], _WORDS, 0.0), scope="a")[0]
    always = _decode(_seq2seq.ScheduledEmbeddingTrainingHelper(_X, [4, 2], _WORDS, 1.0, seed=1), scope="b")[0]
    a, b = _run(never.sample_id, always.sample_id)
    assert np.all(a == -1) and np.all(b >= 0)


def test_scheduled_outputs_with_auxiliary_inputs():
    auxiliary = np.ones([2, 4, 2], np.float32)
    helper = _seq2seq.ScheduledOutputTrainingHelper(
        _X, [4, 2], 0.5, seed=3, auxiliary_inputs=auxiliary, next_inputs_fn=lambda x: x * 2.0
    )
    outputs = _decode(helper)[0]
    a, ids = _run(outputs.rnn_output, outputs.sample_id)
    assert a.shape == (2, 4, 3) and set(np.unique(ids)) <= {0, 1}


@pytest.mark.parametrize("tier", ["interpret", "compile"])
def test_beam_of_one_is_greedy(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    cell, dense = _cells.GRUCell(3), tf.layers.Dense(5, name="out")
    greedy = _seq2seq.BasicDecoder(
        cell, _seq2seq.GreedyEmbeddingHelper(_WORDS, [1, 2], 0), cell.zero_state(2, tf.float32), dense
    )
    found, _, _ = _seq2seq.dynamic_decode(greedy, maximum_iterations=6, scope="d")
    beam = _seq2seq.BeamSearchDecoder(cell, _WORDS, [1, 2], 0, cell.zero_state(2, tf.float32), 1, dense)
    with tf.variable_scope("", reuse=True):
        best, _, _ = _seq2seq.dynamic_decode(beam, maximum_iterations=6, scope="d")
    a, b = _run(found.sample_id, best.predicted_ids)
    steps = min(a.shape[1], b.shape[1])
    ended = np.cumsum(a[:, :steps] == 0, axis=1) > 0
    assert np.array_equal(np.where(ended, 0, a[:, :steps]), np.where(ended, 0, b[:, :steps, 0]))


def test_a_wide_beam_finds_the_best_sequence():
    class Table(_cells.RNNCell):
        state_size, output_size = 1, 3

        def call(self, inputs, state):
            return tf.gather(logits, tf.cast(inputs[:, 0], tf.int32)), state

    logits = tf.constant([[0.0, 0.0, 0.0], [0.1, 1.0, 0.9], [3.0, 0.0, 0.0]])
    decoder = _seq2seq.BeamSearchDecoder(
        Table(), lambda ids: tf.cast(ids, tf.float32)[..., None], [1], 0, tf.zeros([2, 1]), 2
    )
    outputs, state, _ = _seq2seq.dynamic_decode(decoder, maximum_iterations=5)
    ids, log_probs, lengths = _run(outputs.predicted_ids, state.log_probs, state.lengths)
    assert ids[0, :2, 0].tolist() == [2, 0] and lengths[0, 0] == 2
    assert log_probs[0, 0] > log_probs[0, 1]


def _search(memory, width=3, **options):
    tiled = _seq2seq.tile_batch(memory, width)
    cell = _seq2seq.AttentionWrapper(
        _cells.GRUCell(3), _seq2seq.LuongAttention(3, tiled), attention_layer_size=3, alignment_history=True
    )
    decoder = _seq2seq.BeamSearchDecoder(
        cell, _WORDS, [1, 2], 0, cell.zero_state(2 * width, tf.float32), width, tf.layers.Dense(5), **options
    )
    return _seq2seq.dynamic_decode(decoder, maximum_iterations=4)


def test_histories_follow_their_beams():
    memory = tf.placeholder_with_default(_X, [2, None, 3])
    outputs, state, _ = _search(memory, coverage_penalty_weight=0.4)
    ids, history = _run(outputs.predicted_ids, state.cell_state.alignment_history)
    assert history.shape == (ids.shape[1], 2, 3, 4)
    np.testing.assert_allclose(history.sum(-1)[0], np.ones([2, 3]), rtol=1e-5)


def test_histories_of_a_known_length_stay_as_they_are():
    _, state, lengths = _search(tf.constant(_X))
    stacked, n = _run(state.cell_state.alignment_history.stack(), lengths)
    assert stacked.shape == (n.max(), 6, 4)


def test_refusals():
    cell = _cells.GRUCell(3)
    helper = _seq2seq.TrainingHelper(_X, [4, 2])
    state = cell.zero_state(2, tf.float32)
    with pytest.raises(TypeError, match="cell"):
        _seq2seq.BasicDecoder(3, helper, state)
    with pytest.raises(TypeError, match="Helper"):
        _seq2seq.BasicDecoder(cell, 3, state)
    with pytest.raises(TypeError, match="Decoder"):
        _seq2seq.dynamic_decode(3)
    with pytest.raises(ValueError, match="maximum_iterations"):
        _decode(helper, maximum_iterations=[3])
    with pytest.raises(ValueError, match="vector"):
        _seq2seq.TrainingHelper(_X, [[4, 2]])
    with pytest.raises(ValueError, match="scalar"):
        _seq2seq.GreedyEmbeddingHelper(_WORDS, [1], [0])
    with pytest.raises(ValueError, match="batch_size"):
        _ = _seq2seq.CustomHelper(None, None, None).batch_size
    with pytest.raises(ValueError, match="attention"):
        decoder = _seq2seq.BeamSearchDecoder(
            cell, _WORDS, [1, 2], 0, cell.zero_state(4, tf.float32), 2, coverage_penalty_weight=1.0
        )
        decoder.initialize()


def test_the_comparison_of_the_most_iterations_bears_the_name_of_1_15():
    with tf.Graph().as_default() as graph:
        helper = tf.contrib.seq2seq.TrainingHelper(tf.ones([2, 3, 4]), [3, 2])
        cell = tf.nn.rnn_cell.GRUCell(4)
        decoder = tf.contrib.seq2seq.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
        tf.contrib.seq2seq.dynamic_decode(decoder, maximum_iterations=2)
        assert graph.get_operation_by_name("decoder/LessEqual").type == "LessEqual"
