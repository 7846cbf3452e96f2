"""Dilation and erosion against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import OpCase, OpSuite, floats, ints

_X, _W = floats(2, 5, 6, 3), floats(2, 3, 3, seed=1)
_ATTRS = dict(strides=[1, 2, 1, 1], rates=[1, 2, 1, 1])


def _sums(x, w, padding):
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min // 2
    for place, window in oracle.cells(x, w.shape[:2], (2, 1), padding, [2, 1], low):
        yield place, (window + w).reshape(x.shape[0], -1, x.shape[-1])


def _dilation(padding):
    def compute(x, w):
        outs = oracle.out_shape(x, w.shape[:2], (2, 1), padding, [2, 1])
        out = np.zeros((x.shape[0], *outs, x.shape[-1]), x.dtype)
        for place, sums in _sums(x, w, padding):
            out[(slice(None), *place)] = sums.max(1)
        return out

    return compute


def _slope(which, padding):
    """The derivative where every maximum is unique, by finite differences of the loops."""

    def adjoint(x, w, dy):
        args, step = [x.astype(np.float64), w.astype(np.float64)], 1e-6
        out = np.zeros(args[which].shape)
        for index in np.ndindex(*out.shape):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in args]
                moved[which][index] += sign * step
                ends.append(np.sum(_dilation(padding)(*moved) * dy))
            out[index] = (ends[0] - ends[1]) / (2 * step)
        return out.astype(dy.dtype)

    return adjoint


_DY = floats(2, 3, 6, 3, seed=2)


class TestDilation(OpSuite):
    """Values, and gradients that go to the maxima."""

    cases = (
        OpCase("Dilation2D", [_X, _W], _dilation("SAME"), padding="SAME", order=1, **_ATTRS),
        OpCase("Dilation2D", [_X, _W], _dilation("VALID"), padding="VALID", order=1, **_ATTRS),
        OpCase("Dilation2D", [ints(2, 5, 6, 3), ints(2, 3, 3)], _dilation("SAME"), padding="SAME", **_ATTRS),
        OpCase(
            "Dilation2DBackpropInput",
            [_X, _W, _DY],
            _slope(0, "SAME"),
            padding="SAME",
            tolerance=1e-5,
            **_ATTRS,
        ),
        OpCase(
            "Dilation2DBackpropFilter",
            [_X, _W, _DY],
            _slope(1, "SAME"),
            padding="SAME",
            tolerance=1e-5,
            **_ATTRS,
        ),
    )


def test_erosion_is_the_smallest_difference_to_the_mirrored_filter():
    x, w = floats(1, 4, 5, 2), floats(2, 2, 2, seed=1)
    y = tf.nn.erosion2d(x, w, [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    with tf.Session() as session:
        got = session.run(y)
    for place, window in oracle.cells(x, (2, 2), (1, 1), "VALID"):
        np.testing.assert_array_equal(got[(slice(None), *place)], (window - w[::-1, ::-1]).min((1, 2)))


def test_a_filter_of_another_depth_is_refused():
    with pytest.raises(ValueError, match="input's depth"):
        tf.nn.dilation2d(tf.zeros([1, 4, 4, 3]), tf.zeros([2, 2, 2]), [1, 1, 1, 1], [1, 1, 1, 1], "SAME")
