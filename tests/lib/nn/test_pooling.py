"""Pools over any number of axes, dilated or not, against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import floats

_SHAPES = {1: (2, 9, 3), 2: (2, 9, 8, 3), 3: (1, 5, 7, 6, 2)}


def _run(y):
    with tf.Session() as session:
        return session.run(y)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("kind", ["MAX", "AVG"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pool(axes, kind, padding):
    x, window, strides = floats(*_SHAPES[axes]), [3, 2, 2][:axes], [2, 1, 2][:axes]
    want = (oracle.max_pool if kind == "MAX" else oracle.avg_pool)(x, window, strides, padding)
    got = _run(tf.nn.pool(x, window, kind, padding, strides=strides))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    layout = "NC" + "DHW"[-axes:]
    got = _run(tf.nn.pool(np.moveaxis(x, -1, 1), window, kind, padding, strides=strides, data_format=layout))
    np.testing.assert_allclose(got, np.moveaxis(want, -1, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_length_for_all_axes(axes, name):
    x = floats(*_SHAPES[axes])
    want = getattr(oracle, name)(x, [3] * axes, [2] * axes, "SAME")
    for function in (f"{name}_v2", f"{name}{axes}d"):
        got = _run(getattr(tf.nn, function)(x, 3, 2, "SAME"))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_dilation():
    x = floats(1, 7, 6, 2)
    y = _run(tf.nn.pool(x, [2, 2], "MAX", "VALID", dilation_rate=[3, 2]))
    want = np.maximum(np.maximum(x[:, :-3, :-2], x[:, 3:, :-2]), np.maximum(x[:, :-3, 2:], x[:, 3:, 2:]))
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (dict(padding="SAME", dilation_rate=[2, 2]), "does not go with dilation"),
        (dict(padding="VALID", dilation_rate=[2, 2], strides=[2, 2]), "cannot both"),
        (dict(padding="VALID", strides=[3, 3]), "longer than the window"),
        (dict(padding="VALID", pooling_type="SUM"), "MAX or AVG"),
    ],
)
def test_what_does_not_go_together_is_refused(options, match):
    options = {"pooling_type": "MAX", **options}
    with pytest.raises(ValueError, match=match):
        tf.nn.pool(tf.zeros([1, 6, 6, 1]), [2, 2], **options)
