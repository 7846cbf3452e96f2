"""What one call adds to the count that default seeds come from; the numbers are those of TensorFlow 1.15."""

import pytest

import millrace as tf

KEYS = {
    "image/encoded": lambda: tf.FixedLenFeature((), tf.string, default_value=""),
    "image/format": lambda: tf.FixedLenFeature((), tf.string, default_value="png"),
    "image/class/label": lambda: tf.FixedLenFeature([], tf.int64, default_value=tf.zeros([], tf.int64)),
}


def _decoder():
    slim = tf.contrib.slim.tfexample_decoder
    items = {"image": slim.Image(shape=[20, 20, 3]), "label": slim.Tensor("image/class/label")}
    return slim.TFExampleDecoder({key: make() for key, make in KEYS.items()}, items)


def _image(**kwargs):
    return lambda x, text: tf.contrib.slim.tfexample_decoder.Image(**kwargs).tensors_to_item(
        {"image/encoded": text, "image/format": text}
    )


CASES = {
    "decode_image": (lambda x, text: tf.image.decode_image(text), 76),
    "decode_image of floats": (lambda x, text: tf.image.decode_image(text, 3, tf.float32), 84),
    "decode_image of a first frame": (
        lambda x, text: tf.image.decode_image(text, expand_animations=False),
        79,
    ),
    "an image of an example": (_image(shape=[20, 20, 3]), 123),
    "a picture of 16 bits": (_image(channels=1, dtype=tf.uint16), 123),
    "grey to colours": (lambda x, text: tf.image.grayscale_to_rgb(x), 46),
    "resizing within": (lambda x, text: tf.image.resize_images(x, [4, 4], preserve_aspect_ratio=True), 26),
    "sobel": (lambda x, text: tf.image.sobel_edges(x), 20),
    "a constant rate": (lambda x, text: tf.nn.dropout(x, keep_prob=tf.constant(1.0)), 18),
    "average precision": (
        lambda x, text: tf.metrics.average_precision_at_k(tf.zeros([2, 1], tf.int64), tf.zeros([2, 5]), 2),
        95,
    ),
    "buckets": (lambda x, text: tf.contrib.training.bucket([tf.zeros([2])], tf.constant(1), 2, 3), 91),
    "frames": (lambda x, text: tf.signal.frame(x, 4, 2, axis=1), 67),
    "frames with padding": (lambda x, text: tf.signal.frame(tf.zeros([3, 10]), 4, 2, pad_end=True), 102),
    "frames of tensors": (lambda x, text: tf.signal.frame(tf.placeholder(tf.float32), tf.size(x), 2), 83),
    "frames added": (lambda x, text: tf.signal.overlap_and_add(x, 2), 91),
    "short transforms": (lambda x, text: tf.signal.stft(tf.zeros([2, 9]), 4, 2), 95),
    "short transforms back": (
        lambda x, text: tf.signal.inverse_stft(tf.zeros([7, 5], tf.complex64), 8, 4),
        120,
    ),
    "a window": (lambda x, text: tf.signal.hann_window(8), 24),
    "cosines": (lambda x, text: tf.signal.dct(tf.zeros([2, 5]), norm="ortho"), 40),
    "cosines back": (lambda x, text: tf.signal.idct(tf.zeros([2, 5])), 30),
    "mel scale": (lambda x, text: tf.signal.linear_to_mel_weight_matrix(5, 9, 8000), 123),
    "a diagonal solved": (
        lambda x, text: tf.linalg.LinearOperatorDiag(tf.zeros([5])).solve(tf.zeros([5, 2])),
        7,
    ),
    "a triangle": (lambda x, text: tf.linalg.LinearOperatorLowerTriangular(tf.zeros([3, 3])).to_dense(), 4),
    "a scaled identity": (lambda x, text: tf.linalg.LinearOperatorScaledIdentity(4, 2.0).to_dense(), 11),
    "Keras's dot": (
        lambda x, text: tf.keras.backend.dot(x, tf.keras.backend.variable([[1.0]])),
        23,
    ),
    "decoding examples": (lambda x, text: _decoder().decode(text), 137),
}


@pytest.mark.parametrize("name", CASES)
def test_counts_as_tensorflow(name):
    call, count = CASES[name]
    with tf.Graph().as_default() as graph:
        x, text = tf.placeholder(tf.float32, [None, 8, 8, 1]), tf.placeholder(tf.string, [])
        before = graph._last_id
        call(x, text)
        assert graph._last_id - before == count
