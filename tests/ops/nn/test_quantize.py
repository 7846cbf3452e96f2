"""Quantization against the definition, and fake quantization against rounding to a grid."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X = np.float32([-7.0, -1.3, -0.5, 0.0, 0.2, 0.45, 1.0, 2.7, 9.0])
_PAIRS = floats(4, 2, low=-3, high=3)


def _grid(low, high, bits=8, narrow=False):
    """The lowest and highest value, and the step, of a grid that holds zero."""
    first, last = int(narrow), 2**bits - 1
    step = (high - low) / (last - first)
    zero = np.clip(np.floor(first - low / step + 0.5), first, last)
    return (first - zero) * step, (last - zero) * step, step


def _fake(low, high, **options):
    def oracle(x, *_):
        least, most, step = _grid(low, high, **options)
        held = np.clip(x.astype(np.float64), least, most)
        return (np.floor((held - least) / step + 0.5) * step + least).astype(np.float32)

    return oracle


def _fake_grad(low, high):
    def oracle(dy, x, *_):
        least, most, _ = _grid(low, high)
        inside = (x >= least) & (x <= most)
        return dy * inside, (dy * (x < least)).sum(dtype=np.float32), (dy * (x > most)).sum(dtype=np.float32)

    return oracle


_LOW, _HIGH = np.array(-1, np.float32), np.array(2, np.float32)
_LOWS, _HIGHS = np.float32([-1, 0]), np.float32([1, 2])


def _columns(function):
    def oracle(*args):
        parts = [function(i)(*(a[:, i] if np.ndim(a) == 2 else a for a in args)) for i in range(2)]
        if isinstance(parts[0], tuple):
            return [np.stack([p[k] for p in parts], -1) for k in range(3)]
        return np.stack(parts, 1)

    return oracle


class TestFakeQuant(OpSuite):
    """Floats held to a grid. Their gradients are not those of the rounded value: they have rows of their
    own.
    """

    cases = (
        OpCase("FakeQuantWithMinMaxArgs", [_X], _fake(-1, 2), wrt=(), min=-1.0, max=2.0),
        OpCase("FakeQuantWithMinMaxArgs", [_X], _fake(0, 4, bits=4), wrt=(), min=0.0, max=4.0, num_bits=4),
        OpCase(
            "FakeQuantWithMinMaxArgs",
            [_X],
            _fake(0.1, 4, narrow=True),
            wrt=(),
            min=0.1,
            max=4.0,
            narrow_range=True,
        ),
        OpCase(
            "FakeQuantWithMinMaxArgsGradient",
            [_X, _X],
            lambda d, x: _fake_grad(-1, 2)(d, x)[0],
            wrt=[0],
            min=-1.0,
            max=2.0,
        ),
        OpCase("FakeQuantWithMinMaxVars", [_X, _LOW, _HIGH], _fake(-1, 2), wrt=()),
        OpCase("FakeQuantWithMinMaxVars", [_X, 0 * _LOW, 0 * _HIGH], lambda x, *_: 0 * x, wrt=()),
        OpCase("FakeQuantWithMinMaxVarsGradient", [_X, _X, _LOW, _HIGH], _fake_grad(-1, 2), wrt=()),
        OpCase(
            "FakeQuantWithMinMaxVarsPerChannel",
            [_PAIRS, _LOWS, _HIGHS],
            _columns(lambda i: _fake(_LOWS[i], _HIGHS[i])),
            wrt=(),
        ),
        OpCase(
            "FakeQuantWithMinMaxVarsPerChannelGradient",
            [_PAIRS, _PAIRS, _LOWS, _HIGHS],
            _columns(lambda i: _fake_grad(_LOWS[i], _HIGHS[i])),
            wrt=(),
        ),
    )

    def test_gradient(self, case):
        pytest.skip("the operations are float32 only; see test_fake_quant_gradients")


def test_fake_quant_gradients():
    x, low, high = tf.placeholder(tf.float32, [9]), tf.constant(-1.0), tf.constant(2.0)
    y = tf.fake_quant_with_min_max_vars(x, low, high)
    found = tf.gradients(y, [x, low, high])
    twice = tf.gradients(tf.gradients(y, x, grad_ys=3.0 * x)[0], x)[0]
    with tf.Session() as session:
        inside, below, above = session.run(found, {x: _X})
        assert inside.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
        assert (below, above) == (2, 2)
        assert session.run(twice, {x: _X}).tolist() == [0, 0, 3, 3, 3, 3, 3, 0, 0]


def test_fake_quant_checks_its_options_when_run():
    with tf.Session() as session:
        for options in ({"num_bits": 1}, {"num_bits": 17}, {"min": 2.0, "max": 1.0}):
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(tf.fake_quant_with_min_max_args(_X, **options))


@pytest.mark.parametrize("mode", ["MIN_COMBINED", "MIN_FIRST", "SCALED"])
@pytest.mark.parametrize("dtype", ["qint8", "quint8", "qint16", "quint16"])
def test_quantized_floats_come_back_within_a_step(mode, dtype):
    bits = 8 if dtype.endswith("8") else 16
    if mode == "SCALED" and dtype[0] == "q" and dtype[1] == "u":
        low, high = 0.0, 4.0  # an unsigned grid around zero has no negative side
    else:
        low, high = -3.0, 4.0
    x = np.linspace(low, high, 37, dtype=np.float32)
    with tf.Session() as session:
        steps, least, most = tf.quantize(tf.constant(x), low, high, tf.as_dtype(dtype), mode=mode)
        assert steps.dtype == tf.as_dtype(dtype)
        back = session.run(tf.dequantize(steps, least, most, mode=mode))
    assert np.abs(back - x).max() <= 1.01 * (8.0 / (2**bits - 2))


def test_there_and_back():
    x = tf.placeholder(tf.float32, [9])
    y = tf.quantization.quantize_and_dequantize(x, -2.0, 2.0, range_given=True)
    step = np.float32(2 / 127)
    with tf.Session() as session:
        found, slope = session.run([y, tf.gradients(y, x)[0]], {x: _X})
    np.testing.assert_allclose(found, np.rint(np.clip(_X, -128 * step, 2) / step) * step, rtol=1e-6)
    assert slope.tolist() == [1.0] * 9


def test_quantized_tensors_join_in_the_range_of_both():
    with tf.Session() as session:
        a, b = (tf.quantize(tf.constant([1.0, 2.0]), 0.0, top, tf.quint8) for top in (4.0, 2.0))
        joined = tf.quantized_concat(
            0, [a.output, b.output], [a.output_min, b.output_min], [a.output_max, b.output_max]
        )
        assert joined.output.shape == [4]
        np.testing.assert_allclose(session.run(tf.dequantize(*joined)), [1, 2, 1, 2], atol=0.02)
