"""Layers against compatible cells that read what they have saved."""

import numpy as np
import pytest

import millrace as tf

_cudnn = tf.contrib.cudnn_rnn
_X = np.random.default_rng(5).uniform(-1, 1, [4, 2, 3]).astype(np.float32)

_KINDS = {
    "CudnnLSTM": lambda: _cudnn.CudnnCompatibleLSTMCell(5),
    "CudnnGRU": lambda: _cudnn.CudnnCompatibleGRUCell(5),
    "CudnnRNNTanh": lambda: tf.nn.rnn_cell.BasicRNNCell(5),
    "CudnnRNNRelu": lambda: tf.nn.rnn_cell.BasicRNNCell(5, activation=tf.nn.relu),
}


def _layer(kind, **options):
    biases = tf.random_uniform_initializer(-1, 1, seed=3)
    return getattr(_cudnn, kind)(2, 5, bias_initializer=biases, **options)


@pytest.mark.parametrize("lengths", [None, [4, 2]])
@pytest.mark.parametrize("kind", _KINDS)
def test_cells_read_a_checkpoint_of_the_layer(kind, lengths, tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        layer = _layer(kind)
        outputs, state = layer(tf.constant(_X), sequence_lengths=lengths)
        sess.run(tf.global_variables_initializer())
        expected, last = sess.run([outputs, state])
        path = tf.train.Saver().save(sess, str(tmp_path / "model"))
        assert last[0].shape == (2, 2, 5)
    with tf.Graph().as_default(), tf.Session() as sess:
        cells = tf.nn.rnn_cell.MultiRNNCell([_KINDS[kind]() for _ in range(2)])
        with tf.variable_scope(layer.name):
            found, _ = tf.nn.dynamic_rnn(cells, tf.constant(_X), lengths, dtype=tf.float32, time_major=True)
        tf.train.Saver().restore(sess, path)
        np.testing.assert_allclose(sess.run(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", _KINDS)
def test_both_ways_and_back_from_a_checkpoint(kind, tmp_path):
    layer = _layer(kind, direction="bidirectional")
    outputs, _ = layer(tf.constant(_X), sequence_lengths=[4, 3])
    assert outputs.shape.as_list() == [4, 2, 10] and layer.num_dirs == 2
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected = sess.run(outputs)
        saver = tf.train.Saver()
        path = saver.save(sess, str(tmp_path / "model"))
        sess.run(layer.trainable_variables[0].assign(tf.zeros_like(layer.trainable_variables[0])))
        saver.restore(sess, path)
        np.testing.assert_allclose(sess.run(outputs), expected, rtol=1e-4, atol=1e-5)
        names = [name for name, _ in tf.train.list_variables(path)]
    prefix = f"{layer.name}/stack_bidirectional_rnn/cell_0/bidirectional_rnn/bw/"
    assert any(name.startswith(prefix) for name in names)


def test_formats_are_inverse():
    converter = _cudnn.CudnnParamsFormatConverterGRU(2, 3, 4, direction="bidirectional")
    shapes = [(7, 6), (4, 3), (3, 3)] * 2 + [(9, 6), (6, 3), (3, 3)] * 2
    kernels = [np.random.default_rng(k).normal(size=s).astype(np.float32) for k, s in enumerate(shapes)]
    biases = [np.random.default_rng(k).normal(size=s[1]).astype(np.float32) for k, s in enumerate(shapes)]
    vector = converter.tf_canonical_to_opaque([*map(tf.constant, kernels), *map(tf.constant, biases)])
    with tf.Session() as sess:
        found = sess.run(converter.opaque_to_tf_canonical(vector))
    for a, b in zip([*found[0], *found[1]], [*kernels, *biases]):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_layer_learns_and_drops_only_in_training():
    layer = _cudnn.CudnnLSTM(2, 3, dropout=0.5, seed=1)
    training = tf.placeholder(tf.bool, [])
    outputs, (h, c) = layer(tf.constant(_X.transpose(1, 0, 2)), time_major=False, training=training)
    assert h.shape.as_list() == c.shape.as_list()
    grads = tf.gradients(tf.reduce_sum(outputs), layer.trainable_variables)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        still = [sess.run(outputs, {training: False}) for _ in range(2)]
        drawn = [sess.run(outputs, {training: True}) for _ in range(2)]
        assert np.array_equal(*still) and not np.array_equal(*drawn)
        assert np.any(sess.run(grads[0], {training: True}))


def test_refusals():
    with pytest.raises(ValueError, match="direction"):
        _cudnn.CudnnLSTM(1, 2, direction="sideways")
    with pytest.raises(ValueError, match="input_mode"):
        _cudnn.CudnnGRU(1, 2, input_mode="skip_input")
    with pytest.raises(ValueError, match="float"):
        _cudnn.CudnnGRU(1, 2, dtype=tf.int32)
    with pytest.raises(ValueError, match="has not been built"):
        _ = _cudnn.CudnnGRU(1, 2).input_size
    with pytest.raises(ValueError, match="tuple of 2"):
        _cudnn.CudnnLSTM(1, 2)(tf.constant(_X), initial_state=(tf.zeros([1, 2, 2]),))


def test_a_layer_that_is_built_by_itself_saves_under_the_scope_around_it():
    layer = _cudnn.CudnnLSTM(1, 4)
    layer.build([5, 2, 3])
    assert [v.name for v in layer.trainable_variables] == ["cudnn_lstm/opaque_kernel:0"]
    (saved,) = tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
    place = "rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
    assert [spec.name for spec in saved.specs] == [f"{place}/kernel", f"{place}/bias"]
