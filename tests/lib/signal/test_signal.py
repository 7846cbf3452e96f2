"""Signals against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import millrace as tf

_X = np.random.default_rng(0).normal(size=(2, 3, 10)).astype(np.float32)


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def _both(array):
    """The array as a constant, and fed without a known shape."""
    placeholder = tf.placeholder(array.dtype, [None] * array.ndim)
    return ((tf.constant(array), {}), (placeholder, {placeholder: array}))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_real_transforms(session, rank):
    axes = tuple(range(-rank, 0))
    forward = (tf.signal.rfft, tf.signal.rfft2d, tf.signal.rfft3d)[rank - 1]
    backward = (tf.signal.irfft, tf.signal.irfft2d, tf.signal.irfft3d)[rank - 1]
    for lengths in (None, [2, 3, 12][-rank:], [2, 2, 7][-rank:]):
        for x, feed in _both(_X):
            got = session.run(forward(x, lengths), feed)
            np.testing.assert_allclose(got, np.fft.rfftn(_X, lengths, axes), atol=1e-4)
        spectrum = np.fft.rfftn(_X, lengths, axes).astype(np.complex64)
        for x, feed in _both(spectrum):
            got = session.run(backward(x, lengths), feed)
            np.testing.assert_allclose(got, np.fft.irfftn(spectrum, lengths, axes), atol=1e-4)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_cosine_transforms(session, kind, norm):
    if kind == 1 and norm:
        with pytest.raises(ValueError, match="norm"):
            tf.signal.dct(_X, kind, norm=norm)
        return
    inverse = {1: 1, 2: 3, 3: 2}[kind]
    for x, feed in _both(_X):
        got, back = session.run([tf.signal.dct(x, kind, norm=norm), tf.signal.idct(x, kind, norm=norm)], feed)
        np.testing.assert_allclose(got, scipy.fft.dct(_X, kind, norm=norm), atol=1e-4)
        np.testing.assert_allclose(back, scipy.fft.dct(_X, inverse, norm=norm), atol=1e-4)
    for n in (4, 15):
        got = session.run(tf.signal.dct(_X, kind, n=n, norm=norm))
        np.testing.assert_allclose(got, scipy.fft.dct(_X, kind, n=n, norm=norm), atol=1e-4)


def test_shifts(session):
    for axes in (None, [1], [0, 2]):
        np.testing.assert_array_equal(session.run(tf.signal.fftshift(_X, axes)), np.fft.fftshift(_X, axes))
        np.testing.assert_array_equal(session.run(tf.signal.ifftshift(_X, axes)), np.fft.ifftshift(_X, axes))


@pytest.mark.parametrize("count", [1, 2, 7, 8])
@pytest.mark.parametrize("periodic", [True, False])
def test_windows(session, count, periodic):
    fed = tf.placeholder(tf.int32, [])
    for ours, name in ((tf.signal.hann_window, "hann"), (tf.signal.hamming_window, "hamming")):
        # TensorFlow's windows of odd length are symmetric either way
        want = scipy.signal.get_window(name, count, periodic and count % 2 == 0)
        np.testing.assert_allclose(session.run(ours(count, periodic)), want, atol=1e-6)
        np.testing.assert_allclose(session.run(ours(fed, periodic), {fed: count}), want, atol=1e-6)


@pytest.mark.parametrize("width,step", [(4, 2), (3, 5), (10, 1), (12, 3)])
@pytest.mark.parametrize("pad_end", [False, True])
def test_frames(session, width, step, pad_end):
    padded = np.pad(_X, [[0, 0], [0, 0], [0, 20]], constant_values=7)
    count = -(-10 // step) if pad_end else max(0, 1 + (10 - width) // step)
    want = np.stack([padded[..., i * step : i * step + width] for i in range(count)], -2) if count else None
    for x, feed in _both(_X):
        framed = tf.signal.frame(x, width, step, pad_end=pad_end, pad_value=7)
        got = session.run(framed, feed)
        assert got.shape == (2, 3, count, width)
        if count:
            np.testing.assert_array_equal(got, want)
            turned = session.run(tf.signal.frame(tf.transpose(x), width, step, pad_end, 7, axis=0), feed)
            np.testing.assert_array_equal(turned, np.moveaxis(want, (0, 1, 2, 3), (3, 2, 0, 1)))


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_overlap_and_add(session, step):
    frames = _X.reshape(2, 3, 5, 2)
    want = np.zeros((2, 3, 4 * step + 2), np.float32)
    for i in range(5):
        want[..., i * step : i * step + 2] += frames[:, :, i]
    for x, feed in _both(frames):
        added = tf.signal.overlap_and_add(x, step)
        np.testing.assert_allclose(session.run(added, feed), want, rtol=1e-6)
        slope = session.run(tf.gradients(added, x)[0], feed)
        np.testing.assert_array_equal(slope, np.ones_like(frames))


def test_short_time_transform_and_back(session):
    signal = np.random.default_rng(1).normal(size=(2, 40)).astype(np.float32)
    for x, feed in _both(signal):
        stfts = tf.signal.stft(x, 8, 4)
        back = tf.signal.inverse_stft(stfts, 8, 4, window_fn=tf.signal.inverse_stft_window_fn(4))
        spectrum, again = session.run([stfts, back], feed)
        window = scipy.signal.get_window("hann", 8)
        frames = np.stack([signal[:, i : i + 8] * window for i in range(0, 33, 4)], 1)
        np.testing.assert_allclose(spectrum, np.fft.rfft(frames), atol=1e-4)
        np.testing.assert_allclose(again[:, 4:-4], signal[:, 4:-4], atol=1e-4)
    assert tf.signal.stft(signal, 5, 2).shape.as_list() == [2, 18, 5]
    assert tf.signal.stft(signal, 5, 2, fft_length=12, pad_end=True).shape.as_list() == [2, 20, 7]


def test_mel_filters(session):
    weights = session.run(tf.signal.linear_to_mel_weight_matrix(8, 33, 16000, dtype=tf.float64))
    assert weights.shape == (33, 8) and not weights[0].any()
    mel = 1127 * np.log(1 + np.linspace(0, 8000, 33) / 700)
    edges = np.linspace(*(1127 * np.log(1 + np.array([125.0, 3800.0]) / 700)), 10)
    for band in range(8):
        want = np.interp(mel, edges[band : band + 3], [0, 1, 0])
        np.testing.assert_allclose(weights[1:, band], want[1:], atol=1e-9)
    for arguments, match in (
        ({"num_mel_bins": 0}, "num_mel_bins"),
        ({"lower_edge_hertz": -1.0}, "non-negative"),
        ({"lower_edge_hertz": 5000.0}, "below"),
        ({"upper_edge_hertz": 9000.0}, "half the sample rate"),
        ({"dtype": tf.int32}, "floating"),
    ):
        with pytest.raises(ValueError, match=match):
            tf.signal.linear_to_mel_weight_matrix(**arguments)


def test_cepstral_coefficients(session):
    got = session.run(tf.signal.mfccs_from_log_mel_spectrograms(_X))
    np.testing.assert_allclose(got, scipy.fft.dct(_X, 2) / np.sqrt(20), atol=1e-5)
