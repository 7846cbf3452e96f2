"""What an expression adds to the count that default seeds come from; the numbers are TensorFlow 1.15's."""

import pytest

import millrace as tf

CASES = [
    ("tf.case([(c, lambda: x * 2)])", 35),
    ("tf.case([(c, lambda: x * 2), (n < 3, lambda: y)])", 46),
    ("tf.case([(c, lambda: x * 2), (n < 3, lambda: y)], exclusive=True)", 65),
    ("tf.is_non_decreasing(v)", 35),
    ("tf.is_strictly_increasing(u)", 35),
    ("tf.batch_gather(v, tf.zeros([3], tf.int32))", 26),
    ("tf.batch_gather(x, tf.zeros([4, 2], tf.int32))", 43),
    ("tf.batch_gather(tf.zeros([2, 3, 4]), tf.zeros([2, 3, 6], tf.int32))", 63),
    ("tf.signal.rfft(u, [n])", 25),
    ("tf.signal.irfft(tf.cast(x, tf.complex64), [n])", 40),
    ("tf.signal.stft(x, 3, 2, fft_length=n)", 116),
    ("tf.signal.stft(x, n, 2)", 148),
    ("tf.signal.dct(tf.transpose(u))", 63),
    ("tf.linalg.lstsq(m, m)", 5),
    ("tf.linalg.lstsq(x, y, l2_regularizer=0.1)", 24),
    ("tf.linalg.lstsq(u, u, l2_regularizer=0.1)", 69),
    ("tf.linalg.lstsq(m, m, fast=False)", 2),
    ("tf.linalg.expm(m)", 177),
    ("tf.linalg.expm(tf.zeros([3, 2, 2], tf.float64))", 299),
    ("tf.linalg.expm(tf.matmul(u, u, transpose_b=True))", 185),
    ("tf.linalg.pinv(m)", 14),
    ("tf.linalg.pinv(u)", 25),
    ("tf.linalg.matrix_rank(m)", 12),
    ("tf.linalg.tridiagonal_solve(tf.zeros([3, 5]), m)", 2),
    ("tf.linalg.tridiagonal_solve((v, v, v[1:]), v, 'sequence')", 11),
    ("tf.linalg.tridiagonal_solve(m, v[1:], 'matrix')", 14),
    ("tf.norm(m, ord=2, axis=[0, 1])", 142),
    ("tf.image.resize_image_with_pad(open, 8, 8)", 117),
    ("tf.image.adjust_gamma(image, tf.constant(0.5))", 11),
    ("tf.nn.sufficient_statistics(u, [0], shift=1.0)", 14),
    ("tf.nn.atrous_conv2d_transpose(image, tf.zeros([2, 2, 4, 3]), [2, 16, 16, 4], 2, 'SAME')", 10),
    (
        "tf.nn.embedding_lookup_sparse("
        "m, tf.sparse.from_dense([[1]]), tf.sparse.from_dense([[1.0]]), combiner='sqrtn')",
        41,
    ),
    ("tf.metrics.precision_at_k(ids[:, None], x, 2, class_id=1)", 121),
    ("tf.histogram_fixed_width_bins(x, [0.0, 1.0])", 30),
    ("tf.sparse.eye(3)", 11),
    ("tf.bincount(i, weights=i)", 12),
    ("tf.ragged.segment_ids_to_row_splits(i, 5)", 23),
    ("tf.contrib.layers.embedding_lookup_unique(m, i)", 18),
    ("tf.contrib.layers.recompute_grad(lambda a, b: (a * b, a))(x, y)", 4),
    ("tf.hessians(tf.reduce_sum(x * x), x)", 67),
    ("tf.hessians(tf.reduce_sum(u * u), u)", 131),
    ("tf.gradients(tf.gradients(x * y, x), y)", 11),
    ("tf.gradients(tf.gradients(x**3, x), x)", 53),
    ("tf.gradients(tf.gradients(tf.nn.softplus(x), x), x)", 12),
    ("tf.gradients(tf.gradients(tf.nn.relu(u), u), u)", 13),
    ("tf.gradients(tf.gradients(tf.reduce_mean(x * x, 1), x), x)", 40),
    (
        "tf.gradients(tf.norm(tf.gradients("
        "tf.layers.conv2d(image, 3, 2, activation=tf.nn.leaky_relu), image)[0], axis=3), "
        "tf.trainable_variables())",
        73,
    ),
    ("tf.einsum('ij,jk->ik', u, tf.transpose(u))", 25),
    ("tf.einsum('bth,th->bt', tf.reshape(u, [n, n, 3]), tf.zeros([5, 3]))", 27),
    ("tf.contrib.metrics.cohen_kappa(i, i, 3)", 161),
    ("tf.contrib.metrics.streaming_curve_points(c[None], v[:1])", 74),
    ("tf.contrib.metrics.precision_at_recall(c[None], v[:1], 0.5)", 138),
    ("tf.contrib.metrics.streaming_true_positives_at_thresholds(v[:1], c[None], [0.3, 0.6])", 33),
    ("tf.contrib.layers.images_to_sequence(image)", 16),
    ("tf.keras.layers.TimeDistributed(tf.keras.layers.Dense(2))(image[0])", 28),
    ("tf.keras.layers.TimeDistributed(tf.keras.layers.BatchNormalization())(image[0])", 232),
    ("tf.keras.layers.TimeDistributed(tf.keras.layers.LSTM(2))(image)", 592),
    ("tf.keras.metrics.MeanIoU(3)(i, i)", 137),
    (
        "tf.contrib.nn.sampled_sparse_softmax_loss("
        "tf.zeros([10, 6]), tf.zeros([10]), ids[:, None], x, 3, 10)",
        130,
    ),
    ("tf.keras.backend.ctc_batch_cost(x, tf.zeros([4, 5, 7]), i[:, None], i[:, None])", 202),
]


@pytest.mark.parametrize(("expression", "count"), CASES)
def test_counts_as_tensorflow(expression, count):
    with tf.Graph().as_default() as graph:
        names = {
            "tf": tf,
            "c": tf.placeholder(tf.bool, []),
            "i": tf.placeholder(tf.int32, [4]),
            "n": tf.placeholder(tf.int32, []),
            "m": tf.placeholder(tf.float32, [5, 5]),
            "u": tf.placeholder(tf.float32, [None, 6]),
            "v": tf.placeholder(tf.float32, [6]),
            "x": tf.placeholder(tf.float32, [4, 6]),
            "y": tf.placeholder(tf.float32, [4, 6]),
            "ids": tf.placeholder(tf.int64, [4]),
            "image": tf.placeholder(tf.float32, [2, 16, 16, 3]),
            "open": tf.placeholder(tf.float32, [None, None, None, 3]),
        }
        before = graph.last_id
        eval(expression, names)
        assert graph.last_id - before == count
