"""Functions of tensors whose rank only the run tells: the same numbers as where it is known."""

import numpy as np
import pytest

import millrace as tf

V = np.arange(1.0, 9.0, dtype=np.float32)
M = np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)
W = np.arange(6.0, dtype=np.float32).reshape(3, 2)
CASES = {
    "tensordot by number": (lambda x: tf.tensordot(x, W, 1), M),
    "tensordot by axes": (lambda x: tf.tensordot(x, W, [[1], [0]]), M),
    "tensordot by negative axes": (lambda x: tf.tensordot(x, W, [[-1], [-2]]), M),
    "tensordot on the right": (lambda x: tf.tensordot(W, x, [[1], [0]]), M),
    "tensordot of both": (lambda x: tf.tensordot(x, x, [[0, 1], [0, 1]]), M),
    "tensordot, outer": (lambda x: tf.tensordot(x, x, 0), V),
    "gradient of tensordot": (lambda x: tf.gradients(tf.tensordot(x, W, 1), x)[0], M),
    "stft": (lambda x: tf.signal.stft(x, 4, 2), V),
    "stft with room": (lambda x: tf.signal.stft(x, 4, 3, fft_length=8, pad_end=True), np.stack([V, V])),
    "inverse_stft": (lambda x: tf.signal.inverse_stft(x, 4, 2), np.ones([2, 3, 3], np.complex64)),
    "frame": (lambda x: tf.signal.frame(x, 4, 2), np.stack([V, -V])),
    "frame, padded": (lambda x: tf.signal.frame(x, 4, 3, pad_end=True), np.stack([V, -V])),
    "frame of the first axis": (lambda x: tf.signal.frame(x, 2, 1, axis=0), np.stack([V, -V], 1)),
    "frame of an axis from the end": (
        lambda x: tf.signal.frame(x, 3, 2, pad_end=True, axis=-2), np.stack([V, -V], 1)),
    "overlap_and_add": (lambda x: tf.signal.overlap_and_add(x, 1), M),
    "dct": (lambda x: tf.signal.dct(x), np.stack([V, -V])),
    "dct of type 3": (lambda x: tf.signal.dct(x, type=3, norm="ortho"), np.stack([V, -V])),
    "dct, cut": (lambda x: tf.signal.dct(x, n=4), V),
    "idct": (lambda x: tf.signal.idct(x), V),
    "rfft, cut": (lambda x: tf.signal.rfft(x, fft_length=[4]), np.stack([V, -V])),
    "rfft, padded": (lambda x: tf.signal.rfft(x, fft_length=[10]), V),
    "rfft2d": (lambda x: tf.signal.rfft2d(x, fft_length=[4, 4]), M),
    "irfft": (lambda x: tf.signal.irfft(x, fft_length=[12]), np.ones([2, 5], np.complex64)),
    "spectral norm": (lambda x: tf.norm(x, ord=2, axis=[0, 1]), M),
    "spectral norm, kept": (lambda x: tf.norm(x, ord=2, axis=[-2, -1], keepdims=True), M),
    "repeat": (lambda x: tf.repeat(x, 2, axis=0), M),
    "repeat from the end": (lambda x: tf.repeat(x, 2, axis=-1), M),
    "repeat by numbers": (lambda x: tf.repeat(x, [1, 2, 0], axis=1), M),
    "sobel_edges": (lambda x: tf.image.sobel_edges(x), V.reshape(1, 2, 4, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_as_with_a_known_rank(case):
    build, value = CASES[case]
    known = tf.placeholder(value.dtype, value.shape)
    unknown = tf.placeholder(value.dtype)
    with tf.Session() as sess:
        wanted = sess.run(build(known), {known: value})
        got = sess.run(build(unknown), {unknown: value})
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
