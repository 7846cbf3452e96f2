"""Fourier transforms against NumPy."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats

_X = floats(2, 3, 4, 5, dtype=np.complex128)
_R = floats(2, 3, 4, 5)
_H = floats(2, 3, 4, 3, dtype=np.complex64)


def _axes(rank):
    return tuple(range(-rank, 0))


def _real(x, lengths):
    return np.fft.rfftn(x, lengths, _axes(len(lengths))).astype(np.complex64)


def _inverse_real(x, lengths):
    return np.fft.irfftn(x, lengths, _axes(len(lengths))).astype(np.float32)


class TestComplex(OpSuite):
    """Over one to three axes, there and back."""

    cases = tuple(
        OpCase(
            ("IFFT" if inverse else "FFT") + suffix,
            [_X],
            lambda x, rank=rank, inverse=inverse: (np.fft.ifftn if inverse else np.fft.fftn)(
                x, axes=_axes(rank)
            ),
        )
        for rank, suffix in ((1, ""), (2, "2D"), (3, "3D"))
        for inverse in (False, True)
    ) + (OpCase("FFT", [_X.astype(np.complex64)], np.fft.fft, tolerance=1e-5, wrt=()),)


class TestReal(OpSuite):
    """Half spectra; lengths that cut, and lengths that fit."""

    cases = (
        OpCase("RFFT", [_R, [5]], _real, tolerance=1e-5, wrt=()),
        OpCase("RFFT", [_R, [4]], _real, tolerance=1e-5, wrt=()),
        OpCase("RFFT2D", [_R, [4, 5]], _real, tolerance=1e-5, wrt=()),
        OpCase("RFFT2D", [_R, [3, 4]], _real, tolerance=1e-5, wrt=()),
        OpCase("RFFT3D", [_R, [3, 4, 4]], _real, tolerance=1e-5, wrt=()),
        OpCase("IRFFT", [_H, [4]], _inverse_real, tolerance=1e-5, wrt=()),
        OpCase("IRFFT", [_H, [5]], _inverse_real, tolerance=1e-5, wrt=()),
        OpCase("IRFFT", [_H, [2]], _inverse_real, tolerance=1e-5, wrt=()),
        OpCase("IRFFT2D", [_H, [4, 4]], _inverse_real, tolerance=1e-5, wrt=()),
        OpCase("IRFFT3D", [_H, [3, 4, 5]], _inverse_real, tolerance=1e-5, wrt=()),
    )


@pytest.mark.parametrize("lengths", [[5], [4], [4, 5], [3, 4], [3, 4, 4]])
def test_real_transforms_and_their_gradients_are_adjoint(lengths):
    """They are linear: <R x, y> = <x, R* y>, and the gradient of the gradient is the transform again."""
    rank = len(lengths)
    forward = (tf.signal.rfft, tf.signal.rfft2d, tf.signal.rfft3d)[rank - 1]
    backward = (tf.signal.irfft, tf.signal.irfft2d, tf.signal.irfft3d)[rank - 1]
    for transform, source in ((forward, _R), (backward, _H)):
        with tf.Graph().as_default(), tf.Session() as session:
            x = tf.constant(source)
            y = transform(x, lengths)
            value = session.run(y)
            weights = floats(*value.shape, dtype=value.dtype, seed=3)
            dy = tf.constant(weights)
            gradient = tf.gradients(y, x, dy)[0]
            probe = tf.constant(floats(*source.shape, dtype=source.dtype, seed=4))
            again = tf.gradients(gradient, dy, probe)[0]
            got, second, want = session.run([gradient, again, transform(probe, lengths)])
        np.testing.assert_allclose(
            np.sum(np.conj(weights) * value).real, np.sum(np.conj(got) * source).real, rtol=1e-4
        )
        np.testing.assert_allclose(second, want, atol=1e-4)


def test_refusals():
    with tf.Graph().as_default(), tf.Session() as session:
        with pytest.raises(ValueError, match="rank at least 2"):
            tf.fft2d(tf.zeros([3], tf.complex64))
        with pytest.raises(TypeError, match="complex"):
            tf.fft(tf.zeros([3]))
        x, n = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [1])
        with pytest.raises(tf.errors.InvalidArgumentError, match="at least 8"):
            session.run(raw.RFFT(x, n), {x: np.ones(4), n: [8]})
