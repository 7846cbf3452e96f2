"""Operations of decoders as TensorFlow 1.15 draws and counts them; the numbers were recorded from it."""

import pytest

import millrace as tf


def _names(graph, prefix):
    return [op.name[len(prefix) :] for op in graph.get_operations() if op.name.startswith(prefix)]


def _wrapper(memory, lengths):
    mechanism = tf.contrib.seq2seq.BahdanauAttention(3, memory, lengths)
    return tf.contrib.seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), mechanism)


def test_a_cloned_state_is_checked_when_it_runs():
    with tf.Graph().as_default() as graph:
        memory = tf.placeholder(tf.float32, [None, 6, 4])
        encoded = tf.placeholder(tf.float32, [None, 3], name="encoded")
        state = _wrapper(memory, tf.placeholder(tf.int32, [None])).zero_state(tf.shape(memory)[0], tf.float32)
        before = graph._last_id
        cloned = state.clone(cell_state=encoded)
        assert graph._last_id - before == 64
        assert _names(graph, "encoded/") == [
            "expected_shape",
            "assert_shape/actual",
            "assert_shape/is_shape/Size",
            "assert_shape/is_shape/is_rank/actual",
            "assert_shape/is_shape/is_rank",
            "assert_shape/is_shape/shape_tensor_equal/Equal/y",
            "assert_shape/is_shape/shape_tensor_equal/Equal",
            "assert_shape/is_shape/shape_tensor_equal/equal",
            "assert_shape/is_shape/shape_tensor_equal/exclude_partial_shape",
            "assert_shape/is_shape/shape_tensor_equal/Const",
            "assert_shape/is_shape/shape_tensor_equal",
            "assert_shape/is_shape",
            "assert_shape/Const",
            "assert_shape/Assert/data_0",
            "assert_shape/Assert",
            "Identity",
        ]
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            fed = {memory: [[[0.0] * 4] * 6] * 2, "Placeholder_1:0": [6, 6]}
            assert sess.run(cloned.cell_state, {encoded: [[1.0] * 3] * 2, **fed}).shape == (2, 3)
            with pytest.raises(tf.errors.InvalidArgumentError, match="Wrong shape for encoded:0"):
                sess.run(cloned.cell_state, {encoded: [[1.0] * 3] * 3, **fed})


def test_a_state_of_unknown_memory_is_drawn_part_by_part():
    with tf.Graph().as_default() as graph:
        memory = tf.placeholder(tf.float32, [None, None, 4])
        mechanism = tf.contrib.seq2seq.BahdanauAttention(3, memory, tf.placeholder(tf.int32, [None]))
        with tf.name_scope("at"):
            before = graph._last_id
            mechanism.initial_alignments(tf.placeholder(tf.int32, []), tf.float32)
        assert graph._last_id - before == 13
        parts = ["ExpandDims/dim", "ExpandDims", "ExpandDims_1/dim", "ExpandDims_1"]
        again = ["ExpandDims_2/dim", "ExpandDims_2", "ExpandDims_3/dim", "ExpandDims_3"]
        drawn = ["Placeholder", *parts, "concat/axis", "concat", "zeros/Const", "zeros", *again]
        assert _names(graph, "at/") == drawn


def test_ended_sequences_keep_a_state_of_unknown_batch():
    with tf.Graph().as_default():
        inputs = tf.placeholder(tf.float32, [None, 4, 2])
        helper = tf.contrib.seq2seq.TrainingHelper(inputs, tf.placeholder(tf.int32, [None]))
        decoder = tf.contrib.seq2seq.BasicDecoder(
            tf.nn.rnn_cell.GRUCell(2), helper, tf.placeholder(tf.float32, [None, 2])
        )
        outputs, state, _ = tf.contrib.seq2seq.dynamic_decode(decoder, impute_finished=True)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            x = [[[1.0, 2.0]] * 4, [[3.0, 1.0]] * 4]
            fed = {inputs: x, "Placeholder_1:0": [2, 4], "Placeholder_2:0": [[0.0, 0.0]] * 2}
            out, last = sess.run([outputs.rnn_output, state], fed)
    assert (out[0, 2:] == 0).all() and (last[0] == out[0, 1]).all() and (last[1] == out[1, 3]).all()
