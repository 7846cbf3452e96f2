"""`contrib.learn.KMeansClustering`, recurrent models and kernel classifiers: numbers of TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

L = tf.contrib.learn
POINTS = np.array([[1.0, 1.0], [1.2, 0.9], [5.0, 5.0], [5.1, 4.8], [1.1, 1.0], [4.9, 5.2]], np.float32)


def _config():
    return L.RunConfig(tf_random_seed=3)


def _points():
    return tf.constant(POINTS), None


def test_whole_passes_of_k_means(tmp_path):
    model = L.KMeansClustering(
        2, str(tmp_path), random_seed=2, use_mini_batch=False, relative_tolerance=0.1, config=_config()
    )
    model.fit(input_fn=_points, steps=5)
    np.testing.assert_allclose(model.clusters(), [[5.0, 5.0], [1.1, 0.96667]], rtol=1e-4)
    assert model.score(_points, 1) == pytest.approx(0.1267, abs=1e-4)
    numbers = model.predict_cluster_idx(_points)
    assert [int(next(numbers)) for _ in POINTS] == [1, 1, 0, 0, 1, 0]
    np.testing.assert_allclose(next(model.transform(_points, as_iterable=True)), [32.0, 0.011], atol=1e-3)


def test_batches_of_cosines(tmp_path):
    model = L.KMeansClustering(2, str(tmp_path), distance_metric="cosine", random_seed=2, config=_config())
    model.fit(input_fn=_points, steps=5)
    np.testing.assert_allclose(model.clusters(), [[0.6991, 0.7149], [0.7543, 0.6547]], atol=1e-4)
    with pytest.raises(ValueError, match="distance_metric"):
        L.KMeansClustering(2, distance_metric="x")


def _last(state, labels):
    return state, tf.reduce_sum(state)


@pytest.mark.parametrize(
    ("arguments", "width", "first"),
    [
        ({"cell_type": "rnn"}, 6, 0.0846),
        ({"cell_type": "gru"}, 6, -0.0511),
        ({"cell_type": "lstm"}, 12, 0.2635),
        ({"cell_type": "gru", "bidirectional": True}, 12, -0.0511),
        ({"cell_type": "gru", "attn_length": 2, "attn_size": 3, "attn_vec_size": 3}, 24, 0.2634),
        ({"cell_type": "gru", "sequence_length": [1, 2, 2, 1, 2, 0]}, 6, None),
    ],
)
def test_recurrent_models(arguments, width, first):
    tf.set_random_seed(1)
    settings = {"bidirectional": False, "sequence_length": None, "initial_state": None, "attn_length": None}
    settings |= {"attn_size": None, "attn_vec_size": None, **arguments}
    model = L.models.get_rnn_model(
        rnn_size=3,
        num_layers=2,
        input_op_fn=lambda x: [x, x * 2.0],
        target_predictor_fn=_last,
        **settings,
    )
    state, _ = model(tf.constant(POINTS), tf.constant(POINTS[:, 0]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = session.run(state)
    assert found.shape == (6, width)
    assert first is None or found[0, 0] == pytest.approx(first, abs=1e-4)
    assert (first is None) == (not found[5].any())


def test_two_directions():
    inputs = [tf.constant(POINTS[:2]) * (i + 1.0) for i in range(3)]
    cells = [tf.nn.rnn_cell.BasicRNNCell(2) for _ in range(2)]
    outputs, state = L.models.bidirectional_rnn(
        *cells, inputs, dtype=tf.float32, sequence_length=[3, 1], scope="b"
    )
    assert [v.op.name for v in tf.global_variables()][::2] == [
        "b_FW/rnn/basic_rnn_cell/kernel",
        "b_BW/rnn/basic_rnn_cell/kernel",
    ]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        steps, last = session.run([outputs, state])
    np.testing.assert_array_equal(last[:, 2:], steps[0][:, 2:])
    np.testing.assert_array_equal(last[0, :2], steps[2][0, :2])
    np.testing.assert_array_equal(last[1, :2], steps[0][1, :2])
    assert not steps[2][1].any()


@pytest.mark.parametrize(("arguments", "error"), [({"cell_type": "x"}, "cell_type x is not supported")])
def test_unknown_cells(arguments, error):
    model = L.models.get_rnn_model(
        3, arguments["cell_type"], 1, lambda x: [x], False, _last, None, None, None, None, None
    )
    with pytest.raises(ValueError, match=error):
        model(tf.constant(POINTS), None)
    with pytest.raises(TypeError, match="must be a list"):
        L.models.bidirectional_rnn(None, None, tf.constant(POINTS))
    with pytest.raises(ValueError, match="must not be empty"):
        L.models.bidirectional_rnn(None, None, [])


def test_a_processor_reads_what_it_is_given():
    assert L.preprocessing.setup_processor_data_feeder([1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("classes", "mapped", "loss", "first"),
    [(2, True, 0.6190, 0.4445), (3, True, 0.6927, 0.3624), (2, False, 0.6722, 0.4577)],
)
def test_kernel_classifiers(classes, mapped, loss, first, tmp_path):
    kernels = tf.contrib.kernel_methods
    x = np.random.RandomState(0).rand(20, 3).astype(np.float32)
    column = tf.contrib.layers.real_valued_column("x", 3)

    def read():
        return {"x": tf.constant(x)}, tf.constant((x.sum(1) > 1.5).astype(np.int64)[:, None])

    mappers = {column: [kernels.RandomFourierFeatureMapper(3, 6, stddev=1.0, name="m")]} if mapped else None
    model = kernels.KernelLinearClassifier(
        [column], str(tmp_path), classes, kernel_mappers=mappers, config=_config()
    )
    model.fit(input_fn=read, steps=3)
    assert ("linear/x_MAPPED/weight" in model.get_variable_names()) == mapped
    assert model.evaluate(input_fn=read, steps=1)["loss"] == pytest.approx(loss, abs=1e-4)
    assert next(model.predict_proba(input_fn=read))[0] == pytest.approx(first, abs=1e-4)
    with pytest.raises(ValueError, match="at least one of"):
        kernels.KernelLinearClassifier()
